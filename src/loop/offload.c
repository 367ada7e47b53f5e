#include "loop/offload.h"

#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/internal.h"

/* The pool is one of the few things that threads share: a queue behind a lock. A job costs so much
 * more than the lock that nothing cleverer is worth it. */
struct offload {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *first, **last;
    unsigned waiting, max;
    bool stopping;
    unsigned threads;
    pthread_t *thread;
};

static void on_done(struct post *post)
{
    struct job *job = CONTAINER_OF(post, struct job, post);
    job->done(job);
}

/* The oldest job, waiting for one if there is none; NULL when the pool stops. */
static struct job *take(struct offload *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->more, &pool->lock);
    struct job *job = pool->stopping ? NULL : pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *offload_main(void *arg)
{
    struct offload *pool = arg;
    struct job *job;
    pthread_setname_np(pthread_self(), "offload");
    while ((job = take(pool))) {
        job->work(job);
        worker_post(job->owner, &job->post);
    }
    return NULL;
}

struct offload *offload_new(const struct crew_conf *conf, struct err *e)
{
    struct offload *pool = mem_new(struct offload);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pool->last = &pool->first;
    pool->max = conf->offload_queue;
    pool->thread = mem_zalloc(conf->offload_threads * sizeof(*pool->thread));
    int error = 0;
    while (pool->threads < conf->offload_threads && !error) {
        error = pthread_create(&pool->thread[pool->threads], NULL, offload_main, pool);
        pool->threads += error == 0;
    }
    if (error) {
        err_set(e, "a thread of the offload pool cannot be started: %s", strerror(error));
        offload_stop(pool);
        offload_free(&pool);
    }
    return pool;
}

bool offload_submit(struct worker *w, struct job *job)
{
    INVARIANT(worker_self() == w);
    struct offload *pool = w->crew->offload;
    job->owner = w;
    job->post.run = on_done;
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool fits = pool->waiting < pool->max && !pool->stopping;
    if (fits) {
        *pool->last = job;
        pool->last = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->lock);
    return fits;
}

/* ---- waiting for a job ---- */

/* What a fiber waits for: the work, and who frees its argument. */
struct run {
    struct job job;
    void (*work)(void *arg);
    void *arg;
    void (*drop)(void *arg);
    struct promise *promise; /* the answerer's reference */
    bool ran;
};

static void run_drop(void *value)
{
    struct run *run = value;
    if (run->drop)
        run->drop(run->arg);
    free(run);
}

static void run_work(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, job);
    run->work(run->arg);
    run->ran = true;
}

static void run_done(struct job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, job);
    promise_answer(&run->promise, run);
}

int offload_run(void (*work)(void *arg), void *arg, void (*drop)(void *arg))
{
    struct run *run = mem_new(struct run);
    struct promise *promise = promise_new(run_drop);
    *run = (struct run){
        .job = {.work = run_work, .done = run_done},
        .work = work,
        .arg = arg,
        .drop = drop,
        .promise = promise,
    };
    if (!offload_submit(worker_self(), &run->job)) {
        promise_abandon(&promise);
        run->drop = NULL; /* `arg` stays the caller's */
        promise_answer(&run->promise, run);
        return OFFLOAD_FULL;
    }
    void *value;
    int result = promise_wait(&promise, &value);
    if (result != WAIT_OK)
        return result;
    if (!run->ran) { /* the pool was stopped before it came to it */
        run_drop(run);
        return WAIT_CANCELLED;
    }
    free(run);
    return 0;
}

/* ---- the end ---- */

void offload_stop(struct offload *pool)
{
    if (!pool || pool->stopping)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    /* Fibers that wait for what never ran are told so; other jobs are simply forgotten. */
    struct job *next;
    for (struct job *job = pool->first; job; job = next) {
        next = job->next;
        if (job->work == run_work)
            worker_post(job->owner, &job->post);
    }
}

void offload_free(struct offload **pool)
{
    if (!*pool)
        return;
    pthread_mutex_destroy(&(*pool)->lock);
    pthread_cond_destroy(&(*pool)->more);
    free((*pool)->thread);
    mem_free(pool);
}
