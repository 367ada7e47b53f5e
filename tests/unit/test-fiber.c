/* Unit tests of fibers and promises. */
#include "config.h"

#include <check.h>
#include <signal.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop-crew.h"
#include "loop/internal.h"
#include "loop/timer.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITH_SANITIZER 1
#endif

static struct crew *crew;

static struct worker *worker0(void)
{
    return crew_worker(crew, 0);
}

/* ---- order ---- */

static char trace[64];

static void note(const char *what)
{
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof(trace) - len, "%s ", what);
}

static void inner(void *arg)
{
    note(arg);
    ck_assert_ptr_nonnull(fiber_self());
}

static void outer(void *arg)
{
    (void)arg;
    note("outer");
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, inner, "inner"));
    note("spawned");
}

static void spawn_from_loop(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(fiber_self());
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, outer, NULL));
    note("back");
}

START_TEST(a_fiber_runs_at_once_from_the_loop_and_later_from_a_fiber)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_from_loop, NULL);
    crew_stop(&crew);
    ck_assert_ptr_null(crew);
    ck_assert_str_eq(trace, "outer spawned back inner ");
}
END_TEST

static void yielder(void *arg)
{
    for (int i = 0; i < 3; i++) {
        note(arg);
        fiber_yield();
    }
}

static void spawn_yielders(void *arg)
{
    (void)arg;
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, yielder, "a"));
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, yielder, "b"));
}

START_TEST(yielding_lets_the_others_run)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_yielders, NULL);
    crew_stop(&crew);
    ck_assert_str_eq(trace, "a b a b a b ");
}
END_TEST

/* ---- promises ---- */

struct exchange {
    struct promise *asked, *answered; /* the two references */
    struct fiber *fiber;
    struct flag parked, ended;
    int result;
    int64_t took;
    void *value;
    unsigned dropped;
};

static struct exchange ex;

static void drop(void *value)
{
    ck_assert_ptr_eq(value, &ex);
    ex.dropped++;
}

static void asker(void *arg)
{
    int64_t *deadline = arg;
    int64_t begun = worker_now(worker_self());
    if (deadline)
        fiber_set_deadline(begun + *deadline);
    ex.fiber = fiber_self();
    ex.asked = ex.answered = promise_new(drop);
    flag_raise(&ex.parked);
    ex.result = promise_wait(&ex.asked, &ex.value);
    ck_assert_ptr_null(ex.asked);
    ex.took = worker_now(worker_self()) - begun;
    flag_raise(&ex.ended);
}

static void spawn_asker(void *arg)
{
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, asker, arg));
}

static void answer(void *arg)
{
    (void)arg;
    promise_answer(&ex.answered, &ex);
    ck_assert_ptr_null(ex.answered);
    ck_assert_uint_eq(ex.ended.value, 0); /* it goes on later, not in the call */
}

START_TEST(an_answer_wakes_its_waiter)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_asker, NULL);
    on_worker(crew, 0, answer, NULL);
    flag_wait(&ex.ended, 1);
    crew_stop(&crew);
    ck_assert_int_eq(ex.result, WAIT_OK);
    ck_assert_ptr_eq(ex.value, &ex);
    ck_assert_uint_eq(ex.dropped, 0);
}
END_TEST

static void answer_quietly(void *arg)
{
    (void)arg;
    promise_answer(&ex.answered, &ex);
}

START_TEST(an_answer_after_the_deadline_is_dropped)
{
    int64_t deadline = 5 * CLOCK_MS;
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_asker, &deadline);
    flag_wait(&ex.ended, 1);
    ck_assert_int_eq(ex.result, WAIT_TIMEOUT);
    ck_assert_int_ge(ex.took, deadline);
    ck_assert_uint_eq(ex.dropped, 0);
    on_worker(crew, 0, answer_quietly, NULL);
    ck_assert_uint_eq(ex.dropped, 1);
    crew_stop(&crew);
}
END_TEST

static struct promise *second_asked, *second_answered;
static struct flag second_ended;

static void ask_twice(void *arg)
{
    asker(arg);
    ck_assert_int_eq(ex.result, WAIT_TIMEOUT);
    fiber_set_deadline(0);
    second_asked = second_answered = promise_new(NULL);
    flag_raise(&ex.parked);
    ck_assert_int_eq(promise_wait(&second_asked, &ex.value), WAIT_OK);
    ck_assert_ptr_eq(ex.value, &second_ended);
    flag_raise(&second_ended);
}

static void spawn_ask_twice(void *arg)
{
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, ask_twice, arg));
}

static void answer_second(void *arg)
{
    (void)arg;
    promise_answer(&second_answered, &second_ended);
}

START_TEST(a_late_answer_does_not_end_the_next_wait)
{
    int64_t deadline = 2 * CLOCK_MS;
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_ask_twice, &deadline);
    flag_wait(&ex.parked, 2);
    on_worker(crew, 0, answer_quietly, NULL);
    ck_assert_uint_eq(ex.dropped, 1);
    on_worker(crew, 0, answer_second, NULL);
    flag_wait(&second_ended, 1);
    crew_stop(&crew);
}
END_TEST

/* The turn took longer than the wait may: answer and timeout are due in the same turn. */
static void answer_late_in_this_turn(void *arg)
{
    int64_t until = clock_mono() + 3 * CLOCK_MS;
    (void)arg;
    while (clock_mono() < until)
        ;
    promise_answer(&ex.answered, &ex);
}

START_TEST(answer_and_timeout_in_one_turn_end_the_wait_once)
{
    int64_t deadline = 1 * CLOCK_MS;
    crew = test_crew(1, NULL);
    for (unsigned i = 1; i <= 20; i++) {
        on_worker(crew, 0, spawn_asker, &deadline);
        on_worker(crew, 0, answer_late_in_this_turn, NULL);
        flag_wait(&ex.ended, i);
        ck_assert(ex.result == WAIT_OK || ex.result == WAIT_TIMEOUT);
        if (ex.result == WAIT_TIMEOUT)
            ck_assert_uint_eq(ex.dropped, 1);
        ex.dropped = 0;
    }
    crew_stop(&crew);
}
END_TEST

static void cancel(void *arg)
{
    (void)arg;
    fiber_cancel(ex.fiber);
    ck_assert_uint_eq(ex.ended.value, 0);
}

START_TEST(a_parked_fiber_may_be_cancelled)
{
    int64_t deadline = 3600 * CLOCK_SEC;
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_asker, &deadline);
    on_worker(crew, 0, cancel, NULL);
    flag_wait(&ex.ended, 1);
    ck_assert_int_eq(ex.result, WAIT_CANCELLED);
    ck_assert_uint_eq(ex.dropped, 0);
    on_worker(crew, 0, answer_quietly, NULL);
    ck_assert_uint_eq(ex.dropped, 1);
    crew_stop(&crew);
}
END_TEST

static void answer_then_cancel(void *arg)
{
    (void)arg;
    promise_answer(&ex.answered, &ex);
    fiber_cancel(ex.fiber);
}

static void cancel_then_answer(void *arg)
{
    (void)arg;
    fiber_cancel(ex.fiber);
    promise_answer(&ex.answered, &ex);
}

START_TEST(cancelling_does_not_take_back_an_answer)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, spawn_asker, NULL);
    on_worker(crew, 0, answer_then_cancel, NULL);
    flag_wait(&ex.ended, 1);
    ck_assert_int_eq(ex.result, WAIT_OK);
    ck_assert_uint_eq(ex.dropped, 0);
    on_worker(crew, 0, spawn_asker, NULL);
    on_worker(crew, 0, cancel_then_answer, NULL);
    flag_wait(&ex.ended, 2);
    ck_assert_int_eq(ex.result, WAIT_CANCELLED);
    ck_assert_uint_eq(ex.dropped, 1);
    crew_stop(&crew);
}
END_TEST

static void every_wait_is_cancelled(void *arg)
{
    (void)arg;
    fiber_cancel(fiber_self());
    ck_assert(fiber_cancelled());
    ck_assert_int_eq(fiber_sleep(3600 * CLOCK_SEC), WAIT_CANCELLED);
    ck_assert_int_eq(fiber_sleep(1), WAIT_CANCELLED);
    asker(NULL);
    ck_assert_int_eq(ex.result, WAIT_CANCELLED);
    promise_answer(&ex.answered, &ex);
    ck_assert_uint_eq(ex.dropped, 1);
    /* Even an answer that is there already. */
    struct promise *p = promise_new(drop), *q = p;
    promise_answer(&q, &ex);
    ck_assert_int_eq(promise_wait(&p, &ex.value), WAIT_CANCELLED);
    ck_assert_uint_eq(ex.dropped, 2);
}

START_TEST(a_cancelled_fiber_never_waits_again)
{
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, every_wait_is_cancelled, NULL);
    crew_stop(&crew);
}
END_TEST

static void without_parking(void *arg)
{
    (void)arg;
    struct promise *p = promise_new(drop), *q = p;
    promise_answer(&p, &ex);
    ck_assert_int_eq(promise_wait(&q, &ex.value), WAIT_OK);
    ck_assert_ptr_eq(ex.value, &ex);
    ck_assert_uint_eq(ex.dropped, 0);
    /* Nobody wants the value. */
    p = q = promise_new(drop);
    promise_answer(&p, &ex);
    ck_assert_int_eq(promise_wait(&q, NULL), WAIT_OK);
    ck_assert_uint_eq(ex.dropped, 1);
    p = q = promise_new(drop);
    promise_abandon(&q);
    ck_assert_ptr_null(q);
    promise_abandon(&q);
    promise_answer(&p, &ex);
    ck_assert_uint_eq(ex.dropped, 2);
}

START_TEST(a_promise_may_be_answered_or_abandoned_before_the_wait)
{
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, without_parking, NULL);
    crew_stop(&crew);
}
END_TEST

/* ---- deadlines ---- */

static int64_t common_deadline;
static struct flag child_ended;

static void child(void *arg)
{
    (void)arg;
    ck_assert_int_eq(fiber_deadline(), common_deadline);
    fiber_set_deadline(0); /* its own affair */
    flag_raise(&child_ended);
}

static void parent(void *arg)
{
    (void)arg;
    ck_assert_int_eq(fiber_deadline(), 0);
    ck_assert_int_eq(fiber_sleep(2 * CLOCK_MS), WAIT_OK);
    common_deadline = worker_now(worker_self()) + 10 * CLOCK_MS;
    fiber_set_deadline(common_deadline);
    ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, child, NULL));
    ck_assert_int_eq(fiber_sleep(2 * CLOCK_MS), WAIT_OK);
    ck_assert_int_eq(fiber_sleep(3600 * CLOCK_SEC), WAIT_TIMEOUT);
    ck_assert_int_ge(worker_now(worker_self()), common_deadline);
    ck_assert_int_eq(fiber_sleep(1), WAIT_TIMEOUT);
    ck_assert_int_eq(fiber_deadline(), common_deadline);
}

START_TEST(a_deadline_holds_for_every_wait_and_is_inherited)
{
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, parent, NULL);
    flag_wait(&child_ended, 1);
    crew_stop(&crew);
}
END_TEST

/* ---- limits ---- */

enum { MAX = 3, RESERVE = 2 };

static struct promise *locks[16], *keys[16];
static unsigned parked, offered, waiting;
static struct flag all_ended;

static void park_until_unlocked(void *arg)
{
    unsigned i = parked++;
    (void)arg;
    locks[i] = keys[i] = promise_new(NULL);
    (void)!promise_wait(&locks[i], NULL);
    flag_raise(&all_ended);
}

static bool spawn_parked(enum fiber_class cls)
{
    return fiber_spawn(worker0(), cls, park_until_unlocked, NULL);
}

static void on_free(void *arg)
{
    ck_assert_ptr_eq(arg, &waiting);
    ck_assert_ptr_null(fiber_self());
    offered++;
    while (waiting > 0 && spawn_parked(FIBER_NORMAL))
        waiting--;
}

static void fill_up(void *arg)
{
    (void)arg;
    fiber_on_free(worker0(), on_free, &waiting);
    for (unsigned i = 0; i < MAX; i++)
        ck_assert(spawn_parked(FIBER_NORMAL));
    ck_assert(!spawn_parked(FIBER_NORMAL));
    waiting = 2;
    for (unsigned i = 0; i < RESERVE; i++)
        ck_assert(spawn_parked(FIBER_CONTROL));
    ck_assert(!spawn_parked(FIBER_CONTROL));
    ck_assert_uint_eq(parked, MAX + RESERVE);
}

static void unlock(void *arg)
{
    promise_answer(&keys[*(unsigned *)arg], NULL);
}

static void check_stats(void *arg)
{
    struct worker_stats stats;
    worker_stats(worker0(), &stats);
    ck_assert_uint_eq(stats.fibers, *(unsigned *)arg);
    ck_assert_uint_eq(stats.fibers_peak, MAX + RESERVE);
}

START_TEST(fibers_are_limited_with_a_reserve_for_control)
{
    struct crew_conf conf;
    crew_conf_defaults(&conf);
    conf.fibers_max = MAX;
    conf.fibers_reserve = RESERVE;
    crew = test_crew(1, &conf);
    on_worker(crew, 0, fill_up, NULL);
    for (unsigned i = 0; i < RESERVE; i++) { /* the reserve is not offered */
        on_worker(crew, 0, unlock, &i);
        flag_wait(&all_ended, i + 1);
    }
    on_worker(crew, 0, check_stats, &(unsigned){MAX});
    ck_assert_uint_eq(offered, 0);
    on_worker(crew, 0, unlock, &(unsigned){RESERVE});
    on_worker(crew, 0, check_stats, &(unsigned){MAX});
    ck_assert_uint_eq(offered, 1);
    ck_assert_uint_eq(waiting, 1);
    for (unsigned i = RESERVE + 1; i < MAX + RESERVE + 2; i++)
        on_worker(crew, 0, unlock, &i);
    flag_wait(&all_ended, MAX + RESERVE + 2);
    ck_assert_uint_eq(waiting, 0);
    on_worker(crew, 0, check_stats, &(unsigned){0});
    ck_assert_uint_eq(offered, 2); /* not any more once nothing waits */
    crew_stop(&crew);
}
END_TEST

enum { STORM = 500 };

static struct fiber *stormy[STORM];
static unsigned stormed;

static void storm_fiber(void *arg)
{
    (void)arg;
    stormy[stormed++] = fiber_self();
    if (fiber_sleep(3600 * CLOCK_SEC) == WAIT_CANCELLED)
        flag_raise(&all_ended);
}

static void storm(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STORM; i++)
        ck_assert(fiber_spawn(worker0(), FIBER_NORMAL, storm_fiber, NULL));
}

static void cancel_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STORM; i++)
        fiber_cancel(stormy[i]);
}

static void wait_for_trim(void *arg)
{
    (void)arg;
    ck_assert_uint_ge(worker0()->fibers.spare_count, STORM - 1); /* one of them runs this */
    fiber_set_deadline(worker_now(worker0()) + 10 * CLOCK_SEC);
    while (worker0()->fibers.spare_count > 16)
        ck_assert_int_eq(fiber_sleep(20 * CLOCK_MS), WAIT_OK);
}

START_TEST(stacks_are_given_back_after_a_storm)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, storm, NULL);
    on_worker(crew, 0, cancel_all, NULL);
    flag_wait(&all_ended, STORM);
    in_fiber(crew, 0, wait_for_trim, NULL);
    crew_stop(&crew);
}
END_TEST

/* ---- the end ---- */

/* What is started while the crew stops is cancelled from the start, and also runs to its end. */
static void born_cancelled(void *arg)
{
    (void)arg;
    ck_assert(fiber_cancelled());
    ck_assert_int_eq(fiber_sleep(3600 * CLOCK_SEC), WAIT_CANCELLED);
    flag_raise(&ex.ended);
}

static void ends_slowly(void *arg)
{
    (void)arg;
    flag_raise(&ex.parked);
    ck_assert_int_eq(fiber_sleep(3600 * CLOCK_SEC), WAIT_CANCELLED);
    for (int i = 0; i < 5; i++)
        fiber_yield();
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, born_cancelled, NULL));
    ck_assert_int_eq(fiber_sleep(1), WAIT_CANCELLED);
    flag_raise(&ex.ended);
}

static struct flag last_words;

static void hear(struct post *post)
{
    (void)post;
    flag_raise(&last_words);
}

static void speaks_at_its_end(void *arg)
{
    ck_assert_int_eq(fiber_sleep(3600 * CLOCK_SEC), WAIT_CANCELLED);
    while (atomic_load(&worker_crew(worker_self())->quiet) == 0)
        fiber_yield();
    for (int i = 0; i < 1000; i++)
        fiber_yield();
    ck_assert_uint_eq(atomic_load(&worker_crew(worker_self())->quiet), 1);
    worker_post(crew_worker(arg, 1), &(struct post){.run = hear});
    flag_wait(&last_words, 1); /* worker 1 must still be there, though it has nothing left to do */
}

static void spawn_speaking(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, speaks_at_its_end, arg));
}

START_TEST(a_worker_stays_until_all_have_ended)
{
    crew = test_crew(2, NULL);
    on_worker(crew, 0, spawn_speaking, crew);
    crew_stop(&crew);
    ck_assert_uint_eq(last_words.value, 1);
}
END_TEST

static void spawn_ending(void *arg)
{
    (void)arg;
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, ends_slowly, NULL));
}

START_TEST(stopping_lets_parked_fibers_run_to_their_end)
{
    crew = test_crew(2, NULL);
    on_worker(crew, 0, storm, NULL);
    on_worker(crew, 1, spawn_ending, NULL);
    flag_wait(&ex.parked, 1);
    crew_stop(&crew);
    ck_assert_uint_eq(ex.ended.value, 2); /* its own and that of what it has started */
    ck_assert_uint_eq(all_ended.value, STORM);
}
END_TEST

/* ---- what must not be ---- */

static void wait_on_the_loop(void *arg)
{
    (void)arg;
    fiber_yield();
}

START_TEST(waiting_outside_a_fiber_is_a_bug)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, wait_on_the_loop, NULL); /* aborts */
}
END_TEST

static void wait_forbidden(void *arg)
{
    (void)arg;
    fiber_forbid(true);
    fiber_forbid(true);
    fiber_forbid(false);
    fiber_yield();
}

START_TEST(debug_builds_catch_a_forbidden_wait)
{
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, wait_forbidden, NULL); /* aborts */
}
END_TEST

static void wait_allowed_again(void *arg)
{
    (void)arg;
    fiber_forbid(true);
    fiber_forbid(false);
    fiber_assert_may_yield(__func__);
    fiber_yield();
}

START_TEST(a_ban_on_waiting_ends)
{
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, wait_allowed_again, NULL);
    crew_stop(&crew);
}
END_TEST

/* Frames of 1 KiB, none of which the compiler may fold away. */
__attribute__((noinline)) static unsigned recurse(unsigned depth)
{
    volatile char frame[1024];
    frame[depth % sizeof(frame)] = (char)depth;
    unsigned below = depth > 0 ? recurse(depth - 1) : 0;
    return below + (unsigned char)frame[depth % sizeof(frame)];
}

static void dig(void *arg)
{
    *(unsigned *)arg = recurse(*(unsigned *)arg);
}

START_TEST(a_stack_has_what_it_is_said_to_have)
{
    unsigned depth = 48;
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, dig, &depth);
    ck_assert_uint_eq(depth, 48 * 49 / 2);
    crew_stop(&crew);
}
END_TEST

START_TEST(beyond_its_stack_a_fiber_hits_the_guard)
{
    unsigned depth = 1000;
    crew = test_crew(1, NULL);
    in_fiber(crew, 0, dig, &depth); /* SIGSEGV, and no neighbour is overwritten */
}
END_TEST

static void add_bugs(Suite *s)
{
    TCase *tc = tcase_create("bugs");
    tcase_add_test_raise_signal(tc, waiting_outside_a_fiber_is_a_bug, SIGABRT);
#ifdef JACKDAW_DEBUG
    tcase_add_test_raise_signal(tc, debug_builds_catch_a_forbidden_wait, SIGABRT);
#else
    (void)debug_builds_catch_a_forbidden_wait;
#endif
#ifndef WITH_SANITIZER /* they catch the signal */
    tcase_add_test_raise_signal(tc, beyond_its_stack_a_fiber_hits_the_guard, SIGSEGV);
#else
    (void)beyond_its_stack_a_fiber_hits_the_guard;
#endif
    suite_add_tcase(s, tc);
}

static Suite *suite(void)
{
    Suite *s = suite_create("fiber");
    TCase *tc = tcase_create("fiber");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_fiber_runs_at_once_from_the_loop_and_later_from_a_fiber);
    tcase_add_test(tc, yielding_lets_the_others_run);
    tcase_add_test(tc, an_answer_wakes_its_waiter);
    tcase_add_test(tc, an_answer_after_the_deadline_is_dropped);
    tcase_add_test(tc, answer_and_timeout_in_one_turn_end_the_wait_once);
    tcase_add_test(tc, a_parked_fiber_may_be_cancelled);
    tcase_add_test(tc, cancelling_does_not_take_back_an_answer);
    tcase_add_test(tc, a_cancelled_fiber_never_waits_again);
    tcase_add_test(tc, a_promise_may_be_answered_or_abandoned_before_the_wait);
    tcase_add_test(tc, a_deadline_holds_for_every_wait_and_is_inherited);
    tcase_add_test(tc, fibers_are_limited_with_a_reserve_for_control);
    tcase_add_test(tc, stacks_are_given_back_after_a_storm);
    tcase_add_test(tc, a_worker_stays_until_all_have_ended);
    tcase_add_test(tc, a_late_answer_does_not_end_the_next_wait);
    tcase_add_test(tc, stopping_lets_parked_fibers_run_to_their_end);
    tcase_add_test(tc, a_ban_on_waiting_ends);
    tcase_add_test(tc, a_stack_has_what_it_is_said_to_have);
    suite_add_tcase(s, tc);
    add_bugs(s);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
