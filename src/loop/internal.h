/* What the files of src/loop know about each other's parts of a worker. Nobody else includes it. */
#ifndef JACKDAW_LOOP_INTERNAL_H
#define JACKDAW_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "loop/context.h"
#include "loop/fiber.h"
#include "loop/wheel.h"
#include "loop/worker.h"

struct event;
struct event_base;
struct offload;

TAILQ_HEAD(fiber_list, fiber);
TAILQ_HEAD(turn_end_list, turn_end);

/* The fibers of a worker. */
struct fibers {
    struct context home;
    struct fiber *current;     /* NULL on the loop stack */
    struct fiber_list live;    /* have begun or will begin their function, and not ended it */
    struct fiber_list ready;   /* run in this turn */
    struct fiber_list yielded; /* run in the next */
    struct fiber_list spare;   /* stacks to be used again, most recently used first */
    unsigned live_count, peak;
    unsigned spare_count,
        spare_low; /* the fewest spares since the last trim: nobody needed these */
    struct timer trim, retry;
    bool refused; /* fiber_spawn() said false since `on_free` was called */
    bool closing; /* every fiber is cancelled, also those to come */
    void (*on_free)(void *arg);
    void *on_free_arg;
};

struct worker {
    struct crew *crew;
    unsigned index;
    pthread_t thread;
    bool has_thread;

    struct event_base *base;
    struct event *wake_event, *alarm_event;
    int wake_fd;   /* eventfd: the inbox is no longer empty */
    int alarm_fd;  /* timerfd: the wheel wants to be run */
    int64_t alarm; /* what it is set to */
    int64_t now;   /* this turn's time, 0 until somebody asks */
    struct wheel wheel;
    struct fibers fibers;
    struct turn_end_list turn_ends;
    struct turn_end round_end; /* in the list behind those of this round */
    struct worker_stats stats;

    _Alignas(64) _Atomic(struct post *) inbox; /* newest first; written by everybody */
};

struct crew {
    struct crew_conf conf;
    struct offload *offload;
    atomic_bool stopping;
    atomic_uint quiet; /* workers that are stopping and have no fiber left */
    struct worker **workers;
};

/* fiber.c */
void fibers_init(struct worker *w);
void fibers_free(struct worker *w);

/* Runs what is ready until nothing is. */
void fibers_run(struct worker *w);

/* Tells those who wait for a free fiber, if there is one. */
void fibers_offer(struct worker *w);

/* Makes those ready that have yielded. */
void fibers_next_turn(struct worker *w);

/* offload.c: the pool of a crew. NULL and `e` on failure. Stopping joins the threads; jobs that
 * have not begun never run. */
struct offload *offload_new(const struct crew_conf *conf, struct err *e);
void offload_stop(struct offload *pool);
void offload_free(struct offload **pool);

#endif
