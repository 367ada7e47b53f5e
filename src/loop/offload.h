/* The offload pool: a few threads for what blocks or computes long (key derivation, memcached,
 * getaddrinfo, SQLite reads). The queue is bounded. */
#ifndef JACKDAW_LOOP_OFFLOAD_H
#define JACKDAW_LOOP_OFFLOAD_H

#include <stdbool.h>

#include "loop/worker.h"

/* Embedded in what the job needs. `work` runs in a pool thread; then `done` runs on the loop stack
 * of the worker that submitted it (never, if the crew stops before: `work` may then not run
 * either). */
struct job {
    struct post post; /* internal */
    struct job *next;
    struct worker *owner;
    void (*work)(struct job *job);
    void (*done)(struct job *job);
};

/* Queues the job; false if the queue is full (the job stays the caller's). From a worker only. */
MUST_CHECK bool offload_submit(struct worker *w, struct job *job);

enum { OFFLOAD_FULL = -3 };

/* Runs `work(arg)` in the pool and waits. 0, or OFFLOAD_FULL: `arg` is the caller's again. Else
 * WAIT_TIMEOUT or WAIT_CANCELLED: the work may still be running, and `drop(arg)` (may be NULL) is
 * called on this worker when it has ended. */
MUST_CHECK int offload_run(void (*work)(void *arg), void *arg, void (*drop)(void *arg)) MAY_YIELD;

#endif
