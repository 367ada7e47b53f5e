/* Fibers: functions that may wait, on stacks of their own, pinned to their worker for life. */
#ifndef JACKDAW_LOOP_FIBER_H
#define JACKDAW_LOOP_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct fiber;
struct worker;

typedef void fiber_fn(void *arg);

enum fiber_class {
    FIBER_NORMAL,  /* counts against fibers_max */
    FIBER_CONTROL, /* shutdown and control: may also use the reserve */
};

/* Starts `fn(arg)` in a fiber of this worker. It runs before this returns if the caller is on the
 * loop stack, else later in this turn, with the deadline of the caller's fiber. False if no fiber
 * is free: keep the work and try again (see fiber_on_free). Own worker only. */
MUST_CHECK bool fiber_spawn(struct worker *w, enum fiber_class cls, fiber_fn *fn, void *arg);

/* Who is told, on the loop stack, when a fiber has become free after fiber_spawn() said false; it
 * should spawn until that says false again. One function per worker (the entities'). */
void fiber_on_free(struct worker *w, void (*fn)(void *arg), void *arg);

/* The running fiber, NULL on the loop stack and in other threads. */
struct fiber *fiber_self(void);

/* The deadline (monotonic µs, 0 for none) of every wait of the running fiber from now on. */
void fiber_set_deadline(int64_t due);
int64_t fiber_deadline(void);

/* Ends the wait that `f` is parked in, and every later one, with WAIT_CANCELLED. Own worker only;
 * `f` must be alive. What it waited for goes on and its answer is dropped. */
void fiber_cancel(struct fiber *f);
bool fiber_cancelled(void);

/* When the oldest fiber of this worker began (monotonic µs), INT64_MAX if there is none: what was
 * replaced before that is on nobody's stack any more. Own worker only. */
int64_t fiber_oldest(const struct worker *w);

/* Cancels every fiber of this worker, also those to come: it is about to stop. Own worker only. */
void fiber_cancel_all(struct worker *w);

enum wait_result { WAIT_OK = 0, WAIT_TIMEOUT = -1, WAIT_CANCELLED = -2 };

/* A promise is one answer that one fiber waits for. Two references: the waiter's and the
 * answerer's. Whoever comes last frees it, so a late answer to an abandoned wait is harmless. All
 * calls on the worker that made it. */
struct promise;

/* `drop` frees a value that nobody took (may be NULL). Both references are the caller's to give. */
struct promise *promise_new(void (*drop)(void *value));

/* Parks the fiber until the answer, the fiber's deadline or its cancelling. On WAIT_OK the value
 * belongs to the caller (`value` may be NULL: then it is dropped). Uses up the waiter's reference
 * and sets *p to NULL. */
MUST_CHECK int promise_wait(struct promise **p, void **value) MAY_YIELD;

/* Gives up the waiter's reference without waiting. Sets *p to NULL. */
void promise_abandon(struct promise **p);

/* Answers (once). If the waiter is gone, the value is dropped. Uses up the answerer's reference and
 * sets *p to NULL. The fiber goes on later in this turn, not inside this call. */
void promise_answer(struct promise **p, void *value);

/* Parks the fiber for `after` µs or until cancelled or its deadline. */
int fiber_sleep(int64_t after) MAY_YIELD;

/* Lets everything else that is ready run first. */
void fiber_yield(void) MAY_YIELD;

/* In a debug build: aborts if called from a fiber that may not wait (see fiber_forbid) or from
 * none. */
void fiber_assert_may_yield(const char *func);

/* Between fiber_forbid(true) and (false) a wait in this fiber is a bug and debug builds abort. */
void fiber_forbid(bool on);

#endif
