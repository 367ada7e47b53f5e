/* Counters that forget: how often something has happened lately under a name. For failed logins and
 * the like, whose names are anybody's to choose: so the memory is fixed, and when it is full those
 * go first that would be forgotten first. Thread safe, the same for all threads. */
#ifndef JACKDAW_BASE_THROTTLE_H
#define JACKDAW_BASE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* `max` times in `window` µs: one is forgotten every window / max. */
struct throttle_rate {
    int64_t max, window;
};

/* Independent memories, so that much of the one does not push out the other. */
enum throttle {
    THROTTLE_FAILURES,
    THROTTLE_SUCCESSES,
    THROTTLE_REGISTRATIONS,
    THROTTLE_LINES, /* in the log */
    THROTTLES
};

/* What is counted: `what` is a word of the caller's, `a` and `b` are names or "". */
uint64_t throttle_key(const char *what, const char *a, const char *b);

/* Notes that it has happened once more. Beyond `max` it is still counted, up to twice that. */
void throttle_add(enum throttle t, uint64_t key, const struct throttle_rate *rate);

/* Whether it has happened as often as it may. */
bool throttle_full(enum throttle t, uint64_t key, const struct throttle_rate *rate);

/* Forgets that it has ever happened. */
void throttle_forget(enum throttle t, uint64_t key);

/* How many names one memory holds at most; for tests. */
#define THROTTLE_WAYS 8
#define THROTTLE_SETS 8192

#endif
