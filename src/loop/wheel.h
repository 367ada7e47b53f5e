/* The hierarchical wheel behind the timers: seven levels of 64 slots, 1 ms each on the lowest.
 * Only src/loop uses it; others see loop/timer.h. */
#ifndef JACKDAW_LOOP_WHEEL_H
#define JACKDAW_LOOP_WHEEL_H

#include <stdint.h>

#include "loop/timer.h"

enum { WHEEL_LEVELS = 7, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS };

LIST_HEAD(timer_list, timer);

struct wheel {
    int64_t tick;                /* ms up to which everything has run */
    uint64_t used[WHEEL_LEVELS]; /* which slots hold timers */
    struct timer_list slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* An empty wheel that stands at `now` (monotonic µs). */
void wheel_init(struct wheel *wheel, int64_t now);

/* Puts `t`, which is not in it, in; t->due is a multiple of 1 ms after the last run. */
void wheel_add(struct wheel *wheel, struct timer *t);

/* Takes `t`, which is in it, out; its due becomes 0. */
void wheel_remove(struct wheel *wheel, struct timer *t);

/* When the wheel wants to be run next (µs): a timer is due or must come down a level. INT64_MAX if
 * it is empty. */
int64_t wheel_next(const struct wheel *wheel);

/* Runs what is due at `now`, earliest first. */
void wheel_run(struct wheel *wheel, int64_t now);

#endif
