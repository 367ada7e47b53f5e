/* Unit tests of fibers and promises. */
#include <check.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop-crew.h"
#include "loop/internal.h"
#include "loop/timer.h"

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

static Suite *suite(void)
{
    Suite *s = suite_create("fiber");
    TCase *tc = tcase_create("fiber");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_fiber_runs_at_once_from_the_loop_and_later_from_a_fiber);
    tcase_add_test(tc, yielding_lets_the_others_run);
    tcase_add_test(tc, an_answer_wakes_its_waiter);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
