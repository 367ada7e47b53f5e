/* What went wrong, in words for a human. Written only on failure. */
#ifndef JACKDAW_BASE_ERR_H
#define JACKDAW_BASE_ERR_H

#include "base/macros.h"

struct err {
    char text[400]; /* one line without a newline; cut if longer */
};

/* Sets the text (printf format) and returns -1, so that callers write `return err_set(...)`.
 * `e` may be NULL. */
int err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "prefix: " before the text already there. Returns -1. `e` may be NULL. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
