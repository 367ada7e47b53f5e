/* What becomes of a new configuration in a server that runs: what may change does, the rest stays
 * what it is, and everything that is not the same is told. */
#ifndef JACKDAW_CORE_CONFIG_MERGE_H
#define JACKDAW_CORE_CONFIG_MERGE_H

#include "core/config.h"

enum change { CHANGE_APPLIED, CHANGE_RESTART, CHANGE_REFUSED, CHANGE_WARNING };

/* Takes what has become of one option ("limits.auth_timeout", "host \"example.org\".key");
 * `why` is "" where there is nothing to add. */
typedef void change_fn(void *arg, enum change what, const char *option, const char *why);

/* Gives `fresh` the hosts and listeners that run (`running`'s, those of the start), hosts with the
 * options that `fresh` has for them. Tells of those that are new or gone. `boot` is the
 * configuration of the start, which must outlive `fresh`. */
void config_keep_shape(struct config *fresh, const struct config *running,
                       const struct config *boot, change_fn *tell, void *arg);

/* Gives every option of `fresh` that is not reloadable its running value. The two have the same
 * hosts. Modules' options are not looked at. */
void config_merge(struct config *fresh, const struct config *running, change_fn *tell, void *arg);

/* The same for one section's struct; what is told of begins with `prefix`. */
void config_merge_section(const struct option *table, void *fresh, const void *running,
                          struct arena *a, const char *prefix, change_fn *tell, void *arg);

#endif
