/* The configuration file as text: sections, keys and values with the file and line of each, read by
 * libconfuse. What the values mean is config.c's business. */
#ifndef JACKDAW_CORE_CONFIG_READ_H
#define JACKDAW_CORE_CONFIG_READ_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/err.h"

struct raw_place {
    const char *file;
    int line;
};

/* "port = 5222", "modules = {"a", "b"}" */
struct raw_value {
    STAILQ_ENTRY(raw_value) link;
    struct raw_place place;
    const char *key;
    const char **texts;
    size_t n;
};

/* A section that stands in the file; the root comes first. */
struct raw_section {
    STAILQ_ENTRY(raw_section) link;
    struct raw_place place; /* of its first value, else of its end */
    const char *name;       /* NULL: the root */
    const char *title;      /* NULL if this kind has none */
    STAILQ_HEAD(, raw_value) values;
};
STAILQ_HEAD(raw_file, raw_section);

/* What may stand in a file: sections (name NULL: the root) with their keys. */
struct raw_shape {
    const char *name;
    bool titled;             /* has a title and may come several times */
    const char *const *keys; /* NULL-terminated */
};

/* Reads `file` and what it includes. `shapes` ends with an entry without keys; the first is the
 * root. `lax` passes over unknown keys. Everything is allocated in `a`; `out` may be incomplete
 * after a failure. -1 and `e`, with file and line. */
MUST_CHECK int config_read(const char *file, const struct raw_shape *shapes, bool lax,
                           struct arena *a, struct raw_file *out, struct err *e);

/* Overwrites comments by blanks (libconfuse counts a comment as three lines). Returns the line of a
 * comment that is never closed, else 0. */
int config_blank_comments(char *text, size_t len);

#endif
