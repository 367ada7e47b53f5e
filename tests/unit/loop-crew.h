/* For the tests of src/loop: a crew, and running things on its workers from the test's thread. */
#ifndef JACKDAW_TESTS_UNIT_LOOP_CREW_H
#define JACKDAW_TESTS_UNIT_LOOP_CREW_H

#include <check.h>

#include "loop/fiber.h"
#include "loop/worker.h"

/* A crew of `workers`; the test fails if it cannot be started. Small limits may be set in `conf`
 * (NULL: the defaults); its number of workers is overwritten. */
struct crew *test_crew(unsigned workers, struct crew_conf *conf);

/* Runs fn(arg) on the loop stack of worker `index` and waits until it has returned. */
void on_worker(struct crew *crew, unsigned index, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) in a fiber of worker `index` and waits until it has ended. */
void in_fiber(struct crew *crew, unsigned index, fiber_fn *fn, void *arg);

/* Something that one thread or fiber waits for and another gives. `flag` starts zeroed. */
struct flag {
    unsigned value;
};

/* Adds one. From any thread or fiber. */
void flag_raise(struct flag *flag);

/* Blocks the thread until the flag has been raised `times` times; aborts after 10 s. */
void flag_wait(struct flag *flag, unsigned times);

/* Runs it and gives the program's exit status. */
int run_suite(Suite *suite);

#endif
