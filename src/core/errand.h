/* Doing something on every worker at once, from a thread that is none. */
#ifndef JACKDAW_CORE_ERRAND_H
#define JACKDAW_CORE_ERRAND_H

#include "loop/timer.h"
#include "loop/worker.h"

struct round;

/* What one worker is asked to do. */
struct errand {
    struct post post;
    void (*fn)(struct errand *errand);
    struct round *round;
    struct timer limit; /* the function's, for what may take long */
};

/* Calls `fn` on the loop stack of each worker, side by side, and waits until every one has called
 * errand_done(), perhaps later. */
void errand_each_worker(void (*fn)(struct errand *errand));

/* On the worker: its errand is over and must not be touched any more. */
void errand_done(struct errand *errand);

/* Calls `fn(arg)` on the calling thread while no worker does anything, each being between two turns
 * of its own: only what a parked fiber has on its stack is still the old. For changing what all of
 * them read without a lock; must be short. */
void errand_stop_world(void (*fn)(void *arg), void *arg);

#endif
