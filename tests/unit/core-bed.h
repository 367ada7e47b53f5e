/* A whole server inside a test: two workers, a store in a directory of its own, no listeners, and
 * one module, `probe`, whose handlers do what the test tells them. */
#ifndef JACKDAW_TESTS_CORE_BED_H
#define JACKDAW_TESTS_CORE_BED_H

#include <stdatomic.h>

#include "core/module.h"

/* What the probe has seen and is to do. */
struct probe {
    atomic_int handled;          /* messages that came to their recipient and are no errors */
    atomic_int errors[SE_COUNT]; /* error messages, by condition */
    atomic_int strayed;          /* messages handled where their entity has no home */
    atomic_bool park;            /* a message with a body "park" waits until probe_release() */
    atomic_bool park_errors;     /* so does every error message */
    atomic_int parked;           /* how many wait */
    atomic_int timeouts;         /* how many waits ended with the deadline */
    atomic_int loads;            /* accounts loaded */
    atomic_int kept;             /* message_kept */
};
extern struct probe probe;

/* Starts the server with these lines added to its configuration / ends it and removes its
 * directory. */
void bed_start(const char *config);
void bed_stop(void);

/* Runs `fn(arg)` in a fiber of worker 0 and waits for its end. */
void bed_fiber(void (*fn)(void *arg), void *arg);

/* Runs `fn(arg)` on a worker's loop stack and waits for its end. */
void bed_on(unsigned worker, void (*fn)(void *arg), void *arg);

/* A new account whose home is this worker: its bare JID, the test's to free. */
struct jid *bed_account(unsigned home);

/* Routes a chat message from one account to another, from the sender's home. `body` "park" is
 * special. */
void bed_send(const struct jid *from, const struct jid *to, const char *body);

/* Answers every wait of every parked handler. */
void bed_release(void);

/* Waits until the counter has this value; fails the test after half a minute. */
void bed_until(atomic_int *counter, int value);

#endif
