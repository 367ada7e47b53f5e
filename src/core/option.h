/* Option tables: what may stand in the configuration, with type, range, default and help. The
 * sample configuration and the reference are generated from them. */
#ifndef JACKDAW_CORE_OPTION_H
#define JACKDAW_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct arena;
struct err;
struct strbuf;

enum option_type {
    OPTION_BOOL,     /* bool:                 yes / no */
    OPTION_INT,      /* int64_t */
    OPTION_SIZE,     /* int64_t, bytes:       262144 or "256KiB" */
    OPTION_DURATION, /* int64_t, µs:          30 (seconds) or "30s", "5m", "2h", "7d", "2ms" */
    OPTION_STRING,   /* const char *, NULL if not given and without default */
    OPTION_ENUM,     /* int: the index in `choices` */
    OPTION_LIST,     /* struct option_list */
};

struct option_list {
    size_t n;
    const char *const *items;
};

/* One option of a section; the value is stored at `offset` of the section's struct. Tables end with
 * a zeroed entry. Use the macros below: they take the offset and check the member's type. */
struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *def;  /* the default as it would be written; NULL: none */
    int64_t min, max; /* INT, SIZE (bytes), DURATION (µs); both 0: any that is not negative */
    const char *const *choices; /* ENUM: NULL-terminated */
    bool required;
    bool reloadable;  /* takes effect on reload, otherwise at the next start */
    bool path;        /* STRING: a file; relative ones are meant from the configuration's folder */
    const char *help; /* one sentence for an admin */
};

#define OPTION_CHECKED(s, m, t) (offsetof(s, m) + 0 * sizeof((t *)0 == &((s *)0)->m))
#define OPTION_BOOL_AT(s, m, d, ...)                                                               \
    {                                                                                              \
        .name = #m, .type = OPTION_BOOL, .offset = OPTION_CHECKED(s, m, bool), .def = d,           \
        __VA_ARGS__                                                                                \
    }
#define OPTION_INT_AT(s, m, d, lo, hi, ...)                                                        \
    {                                                                                              \
        .name = #m, .type = OPTION_INT, .offset = OPTION_CHECKED(s, m, int64_t), .def = d,         \
        .min = (lo), .max = (hi), __VA_ARGS__                                                      \
    }
#define OPTION_SIZE_AT(s, m, d, lo, hi, ...)                                                       \
    {                                                                                              \
        .name = #m, .type = OPTION_SIZE, .offset = OPTION_CHECKED(s, m, int64_t), .def = d,        \
        .min = (lo), .max = (hi), __VA_ARGS__                                                      \
    }
#define OPTION_DURATION_AT(s, m, d, lo, hi, ...)                                                   \
    {                                                                                              \
        .name = #m, .type = OPTION_DURATION, .offset = OPTION_CHECKED(s, m, int64_t), .def = d,    \
        .min = (lo), .max = (hi), __VA_ARGS__                                                      \
    }
#define OPTION_STRING_AT(s, m, d, ...)                                                             \
    {                                                                                              \
        .name = #m, .type = OPTION_STRING, .offset = OPTION_CHECKED(s, m, const char *), .def = d, \
        __VA_ARGS__                                                                                \
    }
#define OPTION_ENUM_AT(s, m, d, c, ...)                                                            \
    {                                                                                              \
        .name = #m, .type = OPTION_ENUM, .offset = OPTION_CHECKED(s, m, int), .def = d,            \
        .choices = c, __VA_ARGS__                                                                  \
    }
#define OPTION_LIST_AT(s, m, d, ...)                                                               \
    {                                                                                              \
        .name = #m, .type = OPTION_LIST, .offset = OPTION_CHECKED(s, m, struct option_list),       \
        .def = d, __VA_ARGS__                                                                      \
    }

/* The options of a table, 0 for NULL. */
size_t option_count(const struct option *table);

/* The option with this name, NULL if there is none. */
const struct option *option_find(const struct option *table, const char *name);

/* Reads the `n` texts of a value into `section` (the struct that offsets refer to); strings and
 * lists are kept in `a`. -1 and `e` ("must be a duration such as 30s, from 1s to 1h, not 'x'"). */
MUST_CHECK int option_set(const struct option *o, void *section, const char *const *texts, size_t n,
                          struct arena *a, struct err *e);

/* Fills `section` with the table's defaults; what has none is zero. */
void option_defaults(const struct option *table, void *section, struct arena *a);

/* Whether the option has the same value in both sections. */
bool option_equal(const struct option *o, const void *a, const void *b);

/* Gives the option in `to` the value it has in `from`, with everything in it copied to `a`. */
void option_copy(const struct option *o, void *to, const void *from, struct arena *a);

/* "a duration such as 30s, from 1s to 1h": what a value must be. */
void option_describe(const struct option *o, struct strbuf *out);

/* The option with its default as it would stand in the file ("port = 5222"; without one, "..."). */
void option_print_default(const struct option *o, struct strbuf *out);

#endif
