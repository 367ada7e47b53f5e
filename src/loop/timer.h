/* Timers of a worker: a wheel of 1 ms slots, so that setting and clearing cost nothing to speak of.
 */
#ifndef JACKDAW_LOOP_TIMER_H
#define JACKDAW_LOOP_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/macros.h"

struct worker;

/* Embedded in its owner; zeroed before first use. */
struct timer {
    LIST_ENTRY(timer) link;
    void (*fn)(struct timer *t); /* on the loop stack, must not yield */
    int64_t due;                 /* monotonic µs, rounded up to ms; 0 while not set */
};

/* Sets or moves the timer: `t->fn` runs once, `after` µs from now (at least 1 ms), on this worker.
 * Own worker only. */
void timer_set(struct worker *w, struct timer *t, int64_t after);

/* Clears it if it is set. Own worker only. */
void timer_clear(struct worker *w, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return t->due != 0;
}

#endif
