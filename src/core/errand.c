#include "core/errand.h"

#include <pthread.h>

#include "base/mem.h"
#include "core/server.h"

/* The errands of all workers, which go on side by side. */
struct round {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned left;
    unsigned halted; /* errand_stop_world(): how many wait ... */
    bool go_on;      /* ... for this */
};

void errand_done(struct errand *errand)
{
    struct round *r = errand->round;
    pthread_mutex_lock(&r->lock);
    if (--r->left == 0)
        pthread_cond_broadcast(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static void errand_run(struct post *post)
{
    struct errand *errand = CONTAINER_OF(post, struct errand, post);
    errand->fn(errand);
}

/* Sends everyone; `meanwhile` is called before they are waited for. */
static void send_all(void (*fn)(struct errand *errand), void (*meanwhile)(struct round *, void *),
                     void *arg)
{
    unsigned n = crew_size(server.crew);
    struct round round = {.lock = PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .left = n};
    struct errand *errands = mem_zalloc(n * sizeof(*errands));
    for (unsigned i = 0; i < n; i++) {
        errands[i].post.run = errand_run;
        errands[i].fn = fn;
        errands[i].round = &round;
        worker_post(crew_worker(server.crew, i), &errands[i].post);
    }
    pthread_mutex_lock(&round.lock);
    if (meanwhile)
        meanwhile(&round, arg);
    while (round.left > 0)
        pthread_cond_wait(&round.cond, &round.lock);
    pthread_mutex_unlock(&round.lock);
    free(errands);
}

void errand_each_worker(void (*fn)(struct errand *errand))
{
    send_all(fn, NULL, NULL);
}

/* ---- the world stops ---- */

static void halt(struct errand *errand)
{
    struct round *r = errand->round;
    pthread_mutex_lock(&r->lock);
    r->halted++;
    pthread_cond_broadcast(&r->cond);
    while (!r->go_on)
        pthread_cond_wait(&r->cond, &r->lock);
    pthread_mutex_unlock(&r->lock);
    errand_done(errand);
}

struct change {
    void (*fn)(void *arg);
    void *arg;
};

static void when_halted(struct round *r, void *arg)
{
    const struct change *change = arg;
    while (r->halted < r->left)
        pthread_cond_wait(&r->cond, &r->lock);
    change->fn(change->arg);
    r->go_on = true;
    pthread_cond_broadcast(&r->cond);
}

void errand_stop_world(void (*fn)(void *arg), void *arg)
{
    struct change change = {fn, arg};
    send_all(halt, when_halted, &change);
}
