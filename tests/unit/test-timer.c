/* Unit tests of the timers: the wheel in a time of its own, then timers on a worker. */
#include <check.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop-crew.h"
#include "loop/internal.h"
#include "loop/timer.h"

/* ---- the wheel alone ---- */

enum { TIMERS = 3000, BEGIN = 1234567 };

struct alarm {
    struct timer timer;
    int64_t due; /* what it was set to, 0 if it must not ring */
    unsigned rang;
};

static struct wheel wheel;
static struct alarm alarms[TIMERS];
static int64_t sim_now, last_due;
static unsigned set_count;

/* A small generator: the same run every time. */
static uint64_t next_number(void)
{
    static uint64_t x = 88172645463325252ULL;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void on_alarm(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    ck_assert(!timer_is_set(t));
    ck_assert_int_ne(a->due, 0);
    ck_assert_int_le(a->due, sim_now);  /* not too early */
    ck_assert_int_ge(a->due, last_due); /* in order */
    last_due = a->due;
    a->due = 0;
    a->rang++;
    set_count--;
}

static void alarm_set(struct alarm *a, int64_t after)
{
    if (timer_is_set(&a->timer))
        wheel_remove(&wheel, &a->timer);
    else
        set_count++;
    a->timer.fn = on_alarm;
    a->timer.due = a->due = (sim_now + after) / CLOCK_MS * CLOCK_MS + CLOCK_MS;
    wheel_add(&wheel, &a->timer);
}

static void alarm_clear(struct alarm *a)
{
    if (!timer_is_set(&a->timer))
        return;
    wheel_remove(&wheel, &a->timer);
    a->due = 0;
    set_count--;
}

/* From a ms to three years, all magnitudes alike. */
static int64_t any_time(void)
{
    return (int64_t)(next_number() >> (next_number() % 37 + 17)) % (3LL * 365 * 86400 * CLOCK_SEC);
}

static int64_t earliest_due(void)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (alarms[i].due && alarms[i].due < due)
            due = alarms[i].due;
    }
    return due;
}

static void wheel_setup(void)
{
    sim_now = BEGIN;
    wheel_init(&wheel, sim_now);
    ck_assert_int_eq(wheel_next(&wheel), INT64_MAX);
}

/* Goes to `now` and checks that everything due has rung. */
static void go_to(int64_t now)
{
    sim_now = now;
    last_due = 0;
    wheel_run(&wheel, now);
    ck_assert_int_gt(earliest_due(), now / CLOCK_MS * CLOCK_MS);
    ck_assert_int_gt(wheel_next(&wheel), now);
}

START_TEST(many_timers_ring_once_in_order_and_never_early)
{
    wheel_setup();
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < 200; i++)
            alarm_set(&alarms[next_number() % TIMERS], any_time());
        for (unsigned i = 0; i < 60; i++)
            alarm_clear(&alarms[next_number() % TIMERS]);
        go_to(sim_now + any_time() / 64);
    }
    ck_assert_uint_gt(set_count, 0);
    unsigned runs = 0, before = set_count;
    while (set_count > 0) {
        ck_assert_int_le(wheel_next(&wheel), earliest_due());
        go_to(wheel_next(&wheel));
        runs++;
    }
    /* Each comes down at most once per level. */
    ck_assert_uint_le(runs, before * WHEEL_LEVELS);
    ck_assert_int_eq(wheel_next(&wheel), INT64_MAX);
}
END_TEST

START_TEST(bulk_set_move_and_clear_leave_nothing_behind)
{
    wheel_setup();
    for (unsigned i = 0; i < TIMERS; i++)
        alarm_set(&alarms[i], i * 7919LL * CLOCK_MS);
    for (unsigned i = 0; i < TIMERS; i++)
        alarm_set(&alarms[i], (TIMERS - i) * 104729LL * CLOCK_MS);
    for (unsigned i = 0; i < TIMERS; i++)
        alarm_clear(&alarms[i]);
    ck_assert_int_eq(wheel_next(&wheel), INT64_MAX); /* would wake an idle worker for nothing */
    go_to(BEGIN + 100LL * 365 * 86400 * CLOCK_SEC);
    for (unsigned i = 0; i < TIMERS; i++)
        ck_assert_uint_eq(alarms[i].rang, 0);
}
END_TEST

static void clears_the_others(struct timer *t)
{
    on_alarm(t);
    for (unsigned i = 0; i < 5; i++)
        alarm_clear(&alarms[i]);
    alarm_set(&alarms[5], 0); /* the next ms: not in this run, whatever its slot */
}

START_TEST(a_callback_may_clear_those_due_at_the_same_time)
{
    wheel_setup();
    for (unsigned i = 0; i < 5; i++) {
        alarm_set(&alarms[i], 70 * CLOCK_MS); /* comes down from the second level together */
        alarms[i].timer.fn = clears_the_others;
    }
    go_to(sim_now + 200 * CLOCK_MS);
    unsigned rang = 0;
    for (unsigned i = 0; i < 5; i++)
        rang += alarms[i].rang;
    ck_assert_uint_eq(rang, 1);
    ck_assert_uint_eq(alarms[5].rang, 0);
    go_to(sim_now + CLOCK_MS);
    ck_assert_uint_eq(alarms[5].rang, 1);
}
END_TEST

/* ---- on a worker ---- */

static struct crew *crew;
static struct timer soon, later, never;
static int64_t asked, rang_at;
static struct flag rang;

static void ring(struct timer *t)
{
    ck_assert_ptr_ne(t, &never);
    ck_assert_ptr_null(fiber_self());
    rang_at = worker_now(worker_self());
    flag_raise(&rang);
}

static void set_three(void *arg)
{
    struct worker *w = worker_self();
    (void)arg;
    soon.fn = later.fn = never.fn = ring;
    asked = worker_now(w);
    timer_set(w, &never, 5 * CLOCK_MS);
    timer_set(w, &later, 1 * CLOCK_MS);
    timer_set(w, &later, 86400 * CLOCK_SEC); /* moved: must not ring at its first time */
    timer_set(w, &soon, 20 * CLOCK_MS);
    timer_clear(w, &never);
    timer_clear(w, &never);
}

static void clear_later(void *arg)
{
    (void)arg;
    ck_assert(timer_is_set(&later));
    ck_assert(!timer_is_set(&never));
    timer_clear(worker_self(), &later);
}

START_TEST(a_worker_rings_at_its_time)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, set_three, NULL);
    flag_wait(&rang, 1);
    ck_assert_int_ge(rang_at - asked, 20 * CLOCK_MS);
    on_worker(crew, 0, clear_later, NULL);
    ck_assert_uint_eq(rang.value, 1);
    crew_stop(&crew);
}
END_TEST

static uint64_t turns[2];

static void count_turns(void *arg)
{
    struct worker_stats stats;
    worker_stats(worker_self(), &stats);
    *(uint64_t *)arg = stats.turns;
}

static void sleep_a_while(void *arg)
{
    (void)arg;
    ck_assert_int_eq(fiber_sleep(60 * CLOCK_MS), WAIT_OK);
}

START_TEST(an_idle_worker_does_not_turn)
{
    crew = test_crew(2, NULL);
    on_worker(crew, 0, set_three, NULL);
    flag_wait(&rang, 1); /* `later` is still set, a day ahead */
    on_worker(crew, 0, count_turns, &turns[0]);
    in_fiber(crew, 1, sleep_a_while, NULL);
    on_worker(crew, 0, count_turns, &turns[1]);
    /* The call itself, and at most one alarm that was already set. */
    ck_assert_uint_le(turns[1] - turns[0], 3);
    on_worker(crew, 0, clear_later, NULL);
    crew_stop(&crew);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("timer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, many_timers_ring_once_in_order_and_never_early);
    tcase_add_test(tc, bulk_set_move_and_clear_leave_nothing_behind);
    tcase_add_test(tc, a_callback_may_clear_those_due_at_the_same_time);
    tcase_add_test(tc, a_worker_rings_at_its_time);
    tcase_add_test(tc, an_idle_worker_does_not_turn);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
