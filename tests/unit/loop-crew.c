#include "loop-crew.h"

#include <pthread.h>

#include "base/err.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t raised = PTHREAD_COND_INITIALIZER;

void flag_raise(struct flag *flag)
{
    pthread_mutex_lock(&lock);
    flag->value++;
    pthread_cond_broadcast(&raised);
    pthread_mutex_unlock(&lock);
}

void flag_wait(struct flag *flag, unsigned times)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    int error = 0;
    pthread_mutex_lock(&lock);
    while (flag->value < times && !error)
        error = pthread_cond_timedwait(&raised, &lock, &until);
    pthread_mutex_unlock(&lock);
    INVARIANT(!error); /* not ck_assert: it needs a test around it, and not all callers have one */
}

struct crew *test_crew(unsigned workers, struct crew_conf *conf)
{
    struct crew_conf defaults;
    struct err e;
    if (!conf) {
        conf = &defaults;
        crew_conf_defaults(conf);
    }
    conf->workers = workers;
    struct crew *crew = crew_start(conf, &e);
    ck_assert_msg(crew != NULL, "%s", crew ? "" : e.text);
    return crew;
}

struct call {
    struct post post;
    struct worker *worker;
    void (*fn)(void *arg);
    void *arg;
    struct flag done;
};

static void call_run(struct post *post)
{
    struct call *call = CONTAINER_OF(post, struct call, post);
    call->fn(call->arg);
    flag_raise(&call->done);
}

static void call_fiber(void *arg)
{
    struct call *call = arg;
    call->fn(call->arg);
    flag_raise(&call->done);
}

static void call_spawn(struct post *post)
{
    struct call *call = CONTAINER_OF(post, struct call, post);
    ck_assert(fiber_spawn(call->worker, FIBER_NORMAL, call_fiber, call));
}

static void call(struct crew *crew, unsigned index, void (*run)(struct post *post),
                 void (*fn)(void *arg), void *arg)
{
    struct call c = {.post = {.run = run}, .fn = fn, .arg = arg};
    c.worker = crew_worker(crew, index);
    worker_post(c.worker, &c.post);
    flag_wait(&c.done, 1);
}

void on_worker(struct crew *crew, unsigned index, void (*fn)(void *arg), void *arg)
{
    call(crew, index, call_run, fn, arg);
}

void in_fiber(struct crew *crew, unsigned index, fiber_fn *fn, void *arg)
{
    call(crew, index, call_spawn, fn, arg);
}

int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
