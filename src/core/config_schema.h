/* The core's own sections of the configuration, as option tables: what config_load() reads by, and
 * what the sample, the manual page and the completion are made from. */
#ifndef JACKDAW_CORE_CONFIG_SCHEMA_H
#define JACKDAW_CORE_CONFIG_SCHEMA_H

#include <stdbool.h>

#include "core/option.h"

struct config_section {
    const char *name;   /* "listen"; NULL for what stands outside any section */
    const char *title;  /* what its title is, for humans ("NAME"); NULL if it has none */
    const char *help;   /* a sentence or two for an admin */
    const char *sample; /* a title for the sample configuration */
    const struct option *options;
    size_t offset; /* of its struct in struct config; sections with a title: unused */
};

enum {
    CONFIG_ROOT,
    CONFIG_LOG,
    CONFIG_HOST,
    CONFIG_LISTEN,
    CONFIG_TLS,
    CONFIG_STORE,
    CONFIG_CACHE,
    CONFIG_LIMITS,
    CONFIG_SECTIONS
};

/* The sections in the order of the sample. `module "name"` sections are the modules' own. */
extern const struct config_section config_sections[CONFIG_SECTIONS];

#endif
