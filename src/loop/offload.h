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

/* Runs `work(arg)` in the pool and waits. 0; -1 if the queue is full; else a wait_result below 0:
 * then the work may still be running and frees `arg` itself with `drop(arg)` when it ends. */
MUST_CHECK int offload_run(void (*work)(void *arg), void *arg, void (*drop)(void *arg)) MAY_YIELD;

#endif
