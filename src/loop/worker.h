/* Workers: one thread each with an event loop, an inbox, timers and fibers. The crew is all workers
 * of the process. What a worker owns is touched by that worker only. */
#ifndef JACKDAW_LOOP_WORKER_H
#define JACKDAW_LOOP_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/macros.h"

struct crew;
struct err;
struct worker;

struct crew_conf {
    unsigned workers;         /* threads, 1 to 256 */
    size_t fiber_stack;       /* bytes a fiber's stack has, rounded up to pages (64 KiB) */
    unsigned fibers_max;      /* fibers per worker (4096), without the reserve */
    unsigned fibers_reserve;  /* further fibers for shutdown and control (64) */
    unsigned offload_threads; /* threads of the offload pool (2) */
    unsigned offload_queue;   /* jobs that may wait for them (1024) */
};

/* Fills `conf` with the defaults named above, one worker per processor. */
void crew_conf_defaults(struct crew_conf *conf);

/* Makes the workers and starts their threads; they wait for posts. NULL and `e` on failure. */
struct crew *crew_start(const struct crew_conf *conf, struct err *e);

/* Stops every worker at the end of its turn, joins the threads, frees everything. What is still
 * parked is cancelled first. Called from the thread that started the crew. Sets *crew to NULL. */
void crew_stop(struct crew **crew);

/* How many workers there are, and one of them (`index` < crew_size()). From any thread. */
unsigned crew_size(const struct crew *crew);
struct worker *crew_worker(const struct crew *crew, unsigned index);

/* The worker whose thread this is, NULL in any other thread. */
struct worker *worker_self(void);
unsigned worker_index(const struct worker *w);
struct crew *worker_crew(const struct worker *w);

/* One thing to do on a worker. Embedded in what it is about; the poster gives up ownership until
 * `run` is called on the worker's loop stack (not in a fiber: it must not yield). */
struct post {
    struct post *next;
    void (*run)(struct post *post);
};

/* From any thread: `post->run(post)` will run on `w`. Posts of one thread run in their order.
 * Wakes the worker only when its inbox was empty. After the crew has stopped, posts are dropped. */
void worker_post(struct worker *w, struct post *post);

/* At the end of the worker's current turn (after all events, posts and fibers that are ready) run
 * `fn(arg)` once. For flushing connections and really freeing I/O objects. Own worker only.
 * `t` is embedded in its object; scheduling it again before it ran does nothing. Returns at once.
 */
struct turn_end {
    TAILQ_ENTRY(turn_end) link;
    void (*run)(struct turn_end *t);
    bool scheduled;
};
void worker_at_turn_end(struct worker *w, struct turn_end *t);

/* Takes `t` off the list if it is scheduled: its object is going. */
void worker_cancel_turn_end(struct worker *w, struct turn_end *t);

/* Monotonic µs, read once per turn: cheap, at most a turn old. Own worker only. */
int64_t worker_now(const struct worker *w);

struct worker_stats {
    uint64_t turns, posts, wakeups; /* since start */
    unsigned fibers;                /* in use now */
    unsigned fibers_peak;
};
/* A snapshot; from the own worker only. */
void worker_stats(const struct worker *w, struct worker_stats *out);

#endif
