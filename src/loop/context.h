/* An execution context: a stack and the place where it goes on. What fibers are made of; only
 * src/loop uses it. Contexts switch to and from one home (the thread's own stack), never directly
 * between each other. */
#ifndef JACKDAW_LOOP_CONTEXT_H
#define JACKDAW_LOOP_CONTEXT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct context {
    jmp_buf env;
    struct context *home;     /* NULL in the home itself */
    void (*entry)(void *arg); /* never returns */
    void *arg;
    bool started;
    void *map; /* guard page and stack; NULL in the home */
    size_t map_size;
    const void *stack; /* lowest usable address; learnt on the first switch for the home */
    size_t stack_size;
    void *asan_fake_stack;
    void *tsan_fiber;
    unsigned valgrind_id;
};

/* Prepares the calling thread's own stack as a home. */
void context_init_home(struct context *home);

/* Maps a stack of at least `stack` bytes with a guard page below it. The first switch to it calls
 * `entry(arg)`, which must never return. False if the system has no more mappings. */
MUST_CHECK bool context_init(struct context *c, struct context *home, size_t stack,
                             void (*entry)(void *arg), void *arg);

/* Unmaps it. Nothing may be going on in it that still owns something. */
void context_destroy(struct context *c);

/* Leaves `from`, where the caller runs, for `to`; returns when somebody switches back. `idle` says
 * that nothing on the stack of `from` matters any more. */
void context_switch(struct context *from, struct context *to, bool idle);

#endif
