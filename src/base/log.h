/* Log lines: a level, an area ("stream", "store", a module's name), an optional object
 * ("user@host/res") and a text. Costs a compare when no area writes that level. Thread safe. Pure
 * code never logs. */
#ifndef JACKDAW_BASE_LOG_H
#define JACKDAW_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct err;

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The most verbose level that any area writes. */
extern _Atomic enum log_level log_threshold;

/* Writes one line if `level` is on. `object` names what it is about and may be NULL. */
#define log_at(level, area, object, ...)                                                           \
    do {                                                                                           \
        enum log_level level_ = (level);                                                           \
        if (UNLIKELY(level_ <= atomic_load_explicit(&log_threshold, memory_order_relaxed)))        \
            log_write(level_, area, object, __VA_ARGS__);                                          \
    } while (0)

#define log_error(area, object, ...) log_at(LOG_ERROR, area, object, __VA_ARGS__)
#define log_warn(area, object, ...) log_at(LOG_WARN, area, object, __VA_ARGS__)
#define log_info(area, object, ...) log_at(LOG_INFO, area, object, __VA_ARGS__)
#define log_debug(area, object, ...) log_at(LOG_DEBUG, area, object, __VA_ARGS__)

/* Use the macros above. Control characters in the text are escaped, so that one call is one line,
 * and so is what is no UTF-8. */
void log_write(enum log_level level, const char *area, const char *object, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

enum log_target { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_JOURNALD };

struct log_area_level {
    const char *area;
    enum log_level level;
};

#define LOG_AREAS_MAX 64 /* with a level of their own */

struct log_conf {
    enum log_level level;
    const struct log_area_level *areas; /* where another level applies */
    size_t n_areas;
    enum log_target target;
    const char *file; /* of LOG_TO_FILE */
    bool json;        /* lines of JSON; journald has fields instead */
};

/* From now on, lines go there and so. A file is opened anew each time, so that what has been moved
 * away is left behind. -1 and `e` if that cannot be: then everything stays as it was. Nothing of
 * `conf` is kept. */
MUST_CHECK int log_configure(const struct log_conf *conf, struct err *e);

/* Writes to this descriptor, which stays the caller's, as text or as JSON lines: for tests. */
void log_open(int fd, bool json);

/* The areas that are no module's, sorted; ends with NULL. */
extern const char *const log_areas[];

/* "error", "warn", "info", "debug" → level. False for anything else. */
MUST_CHECK bool log_level_parse(const char *name, enum log_level *level);

#endif
