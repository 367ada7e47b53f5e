/* Unit tests of the offload pool. */
#include <check.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop-crew.h"
#include "loop/offload.h"

static struct crew *crew;
static struct flag started, may_end, ended, dropped;

static struct crew *small_crew(unsigned threads, unsigned queue)
{
    struct crew_conf conf;
    crew_conf_defaults(&conf);
    conf.offload_threads = threads;
    conf.offload_queue = queue;
    return test_crew(1, &conf);
}

/* ---- jobs ---- */

struct task {
    struct job job;
    struct worker *worker;
    pthread_t thread;
    bool accepted, worked;
};

static struct task tasks[4];

static void work(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    ck_assert_ptr_null(worker_self());
    t->thread = pthread_self();
    flag_raise(&started);
    flag_wait(&may_end, 1);
    t->worked = true;
}

static void done(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    ck_assert_ptr_eq(worker_self(), t->worker);
    ck_assert_ptr_null(fiber_self());
    ck_assert(t->worked);
    ck_assert(!pthread_equal(t->thread, pthread_self()));
    flag_raise(&ended);
}

static void submit(void *arg)
{
    struct task *t = arg;
    t->worker = worker_self();
    t->job.work = work;
    t->job.done = done;
    t->accepted = offload_submit(t->worker, &t->job);
}

START_TEST(a_full_queue_refuses)
{
    crew = small_crew(1, 2);
    on_worker(crew, 0, submit, &tasks[0]);
    flag_wait(&started, 1); /* it is being worked on: not in the queue any more */
    for (unsigned i = 1; i < 4; i++)
        on_worker(crew, 0, submit, &tasks[i]);
    ck_assert(tasks[0].accepted && tasks[1].accepted && tasks[2].accepted);
    ck_assert(!tasks[3].accepted);
    flag_raise(&may_end);
    flag_wait(&ended, 3);
    on_worker(crew, 0, submit, &tasks[3]); /* there is room again */
    ck_assert(tasks[3].accepted);
    flag_wait(&ended, 4);
    crew_stop(&crew);
}
END_TEST

/* Lets the jobs that run end as soon as the pool is being stopped, which is when it takes no more.
 */
struct probe {
    struct job job;
    struct probe *next;
};

static struct probe *probes;
static bool probe_ran;

static void probe_work(struct job *job)
{
    (void)job;
    probe_ran = true;
}

static void end_when_stopping(void *arg)
{
    bool accepted = true;
    (void)arg;
    while (accepted) {
        struct probe *p = mem_new(struct probe);
        p->job.work = p->job.done = probe_work;
        p->next = probes;
        probes = p;
        accepted = offload_submit(worker_self(), &p->job);
        fiber_yield();
    }
    flag_raise(&may_end);
}

static void spawn_end_when_stopping(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, end_when_stopping, arg));
}

static void stop_with_jobs_waiting(void)
{
    on_worker(crew, 0, spawn_end_when_stopping, NULL);
    crew_stop(&crew);
    ck_assert(!probe_ran);
    while (probes) {
        struct probe *p = probes;
        probes = p->next;
        free(p);
    }
}

START_TEST(jobs_that_have_not_begun_are_forgotten_when_the_crew_stops)
{
    crew = small_crew(1, 1000000);
    on_worker(crew, 0, submit, &tasks[0]);
    flag_wait(&started, 1);
    on_worker(crew, 0, submit, &tasks[1]);
    stop_with_jobs_waiting();
    ck_assert(tasks[0].worked);
    ck_assert(!tasks[1].worked);
    ck_assert_uint_eq(ended.value, 1);
}
END_TEST

/* ---- waiting for a job in a fiber ---- */

struct question {
    unsigned number, answer;
    bool blocks;
};

static void work_it_out(void *arg)
{
    struct question *q = arg;
    flag_raise(&started);
    if (q->blocks)
        flag_wait(&may_end, 1);
    q->answer = q->number * 2;
}

static void drop_question(void *arg)
{
    ck_assert_ptr_nonnull(worker_self());
    free(arg);
    flag_raise(&dropped);
}

static int ran;

static void ask(void *arg)
{
    struct question *q = arg;
    ran = offload_run(work_it_out, q, drop_question);
    if (ran == 0 || ran == OFFLOAD_FULL)
        free(q);
}

static void ask_simply(void *arg)
{
    struct question *q = mem_new(struct question);
    q->number = 21;
    ck_assert_int_eq(offload_run(work_it_out, q, drop_question), 0);
    *(unsigned *)arg = q->answer;
    free(q);
}

START_TEST(a_fiber_waits_for_its_answer)
{
    unsigned answer = 0;
    crew = small_crew(2, 8);
    in_fiber(crew, 0, ask_simply, &answer);
    ck_assert_uint_eq(answer, 42);
    ck_assert_uint_eq(dropped.value, 0);
    crew_stop(&crew);
}
END_TEST

static void ask_impatiently(void *arg)
{
    fiber_set_deadline(worker_now(worker_self()) + 5 * CLOCK_MS);
    ask(arg);
}

static struct question *blocking(void)
{
    struct question *q = mem_new(struct question);
    q->blocks = true;
    return q;
}

START_TEST(work_goes_on_when_its_waiter_has_left)
{
    crew = small_crew(1, 8);
    in_fiber(crew, 0, ask_impatiently, blocking());
    ck_assert_int_eq(ran, WAIT_TIMEOUT);
    flag_wait(&started, 1);
    ck_assert_uint_eq(dropped.value, 0); /* still at work on it */
    flag_raise(&may_end);
    flag_wait(&dropped, 1);
    crew_stop(&crew);
    ck_assert_uint_eq(dropped.value, 1);
}
END_TEST

static struct fiber *asking;

static void ask_remembered(void *arg)
{
    asking = fiber_self();
    ask(arg);
    flag_raise(&ended);
}

static void spawn_asking(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, ask_remembered, arg));
}

static void cancel_asking(void *arg)
{
    (void)arg;
    fiber_cancel(asking);
}

START_TEST(a_waiter_may_be_cancelled_while_its_job_runs)
{
    crew = small_crew(1, 8);
    on_worker(crew, 0, spawn_asking, blocking());
    flag_wait(&started, 1);
    on_worker(crew, 0, cancel_asking, NULL);
    flag_wait(&ended, 1);
    ck_assert_int_eq(ran, WAIT_CANCELLED);
    ck_assert_uint_eq(dropped.value, 0);
    flag_raise(&may_end);
    flag_wait(&dropped, 1);
    crew_stop(&crew);
}
END_TEST

static void ask_in_vain(void *arg)
{
    (void)arg;
    ask(blocking());
}

START_TEST(a_fiber_is_told_that_the_queue_is_full)
{
    crew = small_crew(1, 1);
    on_worker(crew, 0, submit, &tasks[0]);
    flag_wait(&started, 1);
    on_worker(crew, 0, submit, &tasks[1]);
    in_fiber(crew, 0, ask_in_vain, NULL);
    ck_assert_int_eq(ran, OFFLOAD_FULL);
    ck_assert_uint_eq(dropped.value, 0);
    flag_raise(&may_end);
    flag_wait(&ended, 2);
    crew_stop(&crew);
}
END_TEST

START_TEST(stopping_ends_those_who_wait_for_a_job)
{
    crew = small_crew(1, 1000000);
    on_worker(crew, 0, submit, &tasks[0]);
    flag_wait(&started, 1);
    on_worker(crew, 0, spawn_asking, blocking()); /* waits in the queue behind it */
    stop_with_jobs_waiting();
    ck_assert_int_eq(ran, WAIT_CANCELLED);
    ck_assert_uint_eq(dropped.value, 1);
    ck_assert_uint_eq(ended.value, 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("offload");
    TCase *tc = tcase_create("offload");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_full_queue_refuses);
    tcase_add_test(tc, jobs_that_have_not_begun_are_forgotten_when_the_crew_stops);
    tcase_add_test(tc, a_fiber_waits_for_its_answer);
    tcase_add_test(tc, work_goes_on_when_its_waiter_has_left);
    tcase_add_test(tc, a_waiter_may_be_cancelled_while_its_job_runs);
    tcase_add_test(tc, a_fiber_is_told_that_the_queue_is_full);
    tcase_add_test(tc, stopping_ends_those_who_wait_for_a_job);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
