/* Log lines: a level, an area ("c2s", "store"), an optional object ("user@host/res") and a text.
 * Costs a compare when the level is off. Thread safe. Pure code never logs. */
#ifndef JACKDAW_BASE_LOG_H
#define JACKDAW_BASE_LOG_H

#include <stdbool.h>

#include "base/macros.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The most verbose level that is written; set once at start and on reload. */
extern enum log_level log_threshold;

/* Writes one line if `level` is on. `object` names what it is about and may be NULL. */
#define log_at(level, area, object, ...)                                                           \
    do {                                                                                           \
        if (UNLIKELY((level) <= log_threshold))                                                    \
            log_write(level, area, object, __VA_ARGS__);                                           \
    } while (0)

#define log_error(area, object, ...) log_at(LOG_ERROR, area, object, __VA_ARGS__)
#define log_warn(area, object, ...) log_at(LOG_WARN, area, object, __VA_ARGS__)
#define log_info(area, object, ...) log_at(LOG_INFO, area, object, __VA_ARGS__)
#define log_debug(area, object, ...) log_at(LOG_DEBUG, area, object, __VA_ARGS__)

/* Use the macros above. Control characters in the text are escaped, so that one call is one line.
 */
void log_write(enum log_level level, const char *area, const char *object, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Where lines go: a file descriptor (2 by default), as text or as JSON lines. */
void log_open(int fd, bool json);

/* "error", "warn", "info", "debug" → level. False for anything else. */
MUST_CHECK bool log_level_parse(const char *name, enum log_level *level);

#endif
