/* Option tables: what may stand in the configuration, with type, range, default and help. The
 * sample configuration and the reference are generated from them. */
#ifndef JACKDAW_CORE_OPTION_H
#define JACKDAW_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

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

#endif
