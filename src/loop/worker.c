#include "loop/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/internal.h"

enum { WORKERS_MAX = 256, TURN_END_ROUNDS = 16 };

static _Thread_local struct worker *self;

void crew_conf_defaults(struct crew_conf *conf)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *conf = (struct crew_conf){
        .workers = processors < 1             ? 1
                   : processors > WORKERS_MAX ? WORKERS_MAX
                                              : (unsigned)processors,
        .fiber_stack = 64 * 1024,
        .fibers_max = 4096,
        .fibers_reserve = 64,
        .offload_threads = 2,
        .offload_queue = 1024,
    };
}

unsigned crew_size(const struct crew *crew)
{
    return crew->conf.workers;
}

struct worker *crew_worker(const struct crew *crew, unsigned index)
{
    INVARIANT(index < crew->conf.workers);
    return crew->workers[index];
}

struct worker *worker_self(void)
{
    return self;
}

unsigned worker_index(const struct worker *w)
{
    return w->index;
}

struct crew *worker_crew(const struct worker *w)
{
    return w->crew;
}

int64_t worker_now(const struct worker *w)
{
    if (!w->now)
        ((struct worker *)w)->now = clock_mono(); /* a cache: only its owner can see it */
    return w->now;
}

void worker_stats(const struct worker *w, struct worker_stats *out)
{
    *out = w->stats;
    out->fibers = w->fibers.live_count;
    out->fibers_peak = w->fibers.peak;
}

/* ---- the inbox ---- */

static void wake(struct worker *w)
{
    uint64_t one = 1;
    while (write(w->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void worker_post(struct worker *w, struct post *post)
{
    struct post *newest = atomic_load_explicit(&w->inbox, memory_order_relaxed);
    do
        post->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&w->inbox, &newest, post, memory_order_acq_rel,
                                                  memory_order_relaxed));
    /* Whoever made it non-empty wakes; the worker looks at its inbox again before it sleeps. */
    if (!newest && self != w)
        wake(w);
}

static bool inbox_empty(struct worker *w)
{
    return !atomic_load_explicit(&w->inbox, memory_order_relaxed);
}

static void inbox_run(struct worker *w)
{
    if (inbox_empty(w))
        return;
    struct post *newest = atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
    struct post *oldest = NULL;
    while (newest) {
        struct post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct post *post = oldest;
        oldest = post->next; /* `run` may free it */
        post->next = NULL;
        w->stats.posts++;
        post->run(post);
    }
}

/* ---- the end of a turn ---- */

void worker_at_turn_end(struct worker *w, struct turn_end *t)
{
    INVARIANT(self == w);
    if (t->scheduled)
        return;
    t->scheduled = true;
    TAILQ_INSERT_TAIL(&w->turn_ends, t, link);
}

void worker_cancel_turn_end(struct worker *w, struct turn_end *t)
{
    if (!t->scheduled)
        return;
    INVARIANT(self == w);
    t->scheduled = false;
    TAILQ_REMOVE(&w->turn_ends, t, link);
}

/* Runs those scheduled so far; what they schedule comes in the next round. The mark behind them
 * holds whichever of them are cancelled meanwhile. */
static void turn_ends_run(struct worker *w)
{
    struct turn_end *t;
    if (TAILQ_EMPTY(&w->turn_ends))
        return;
    TAILQ_INSERT_TAIL(&w->turn_ends, &w->round_end, link);
    while ((t = TAILQ_FIRST(&w->turn_ends)) != &w->round_end) {
        worker_cancel_turn_end(w, t);
        t->run(t);
    }
    TAILQ_REMOVE(&w->turn_ends, &w->round_end, link);
}

/* Fibers and turn ends may make each other ready. The rounds are bounded, so that two who do so for
 * ever still let the loop look at its descriptors. */
static void settle(struct worker *w)
{
    for (unsigned round = 0; round < TURN_END_ROUNDS; round++) {
        fibers_run(w);
        fibers_offer(w);
        turn_ends_run(w);
        if (TAILQ_EMPTY(&w->fibers.ready) && TAILQ_EMPTY(&w->turn_ends))
            return;
    }
}

/* ---- turns ---- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    (void)fd, (void)what;
    w->stats.wakeups++;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    (void)fd, (void)what;
    w->alarm = INT64_MAX; /* it is off now */
}

/* Sets the alarm if the wheel must run before it rings anyway. One that has become too early only
 * costs a turn, less than setting it anew each time a timer is cleared. */
static void set_alarm(struct worker *w)
{
    int64_t next = wheel_next(&w->wheel);
    if (next >= w->alarm)
        return;
    struct itimerspec at = {
        .it_value = {.tv_sec = next / CLOCK_SEC, .tv_nsec = next % CLOCK_SEC * 1000}};
    INVARIANT(timerfd_settime(w->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    w->alarm = next;
}

static bool must_not_sleep(struct worker *w)
{
    return !TAILQ_EMPTY(&w->fibers.ready) || !TAILQ_EMPTY(&w->turn_ends) || !inbox_empty(w);
}

static void turn(struct worker *w)
{
    fibers_next_turn(w);
    set_alarm(w);
    w->now = 0;
    event_base_loop(w->base, must_not_sleep(w) ? EVLOOP_NONBLOCK | EVLOOP_ONCE : EVLOOP_ONCE);
    w->stats.turns++;
    inbox_run(w);
    wheel_run(&w->wheel, worker_now(w));
    settle(w);
}

static void wake_all(struct crew *crew)
{
    for (unsigned i = 0; i < crew->conf.workers; i++)
        wake(crew->workers[i]);
}

/* Lets every fiber run to its end. A worker that has none left stays for the posts of the others
 * until all have come so far. */
static void wind_up(struct worker *w)
{
    struct crew *crew = w->crew;
    fiber_cancel_all(w);
    settle(w);
    while (w->fibers.live_count > 0)
        turn(w);
    if (atomic_fetch_add(&crew->quiet, 1) + 1 == crew->conf.workers)
        wake_all(crew);
    while (atomic_load(&crew->quiet) < crew->conf.workers || w->fibers.live_count > 0 ||
           must_not_sleep(w))
        turn(w);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    self = w;
    snprintf(name, sizeof(name), "worker-%u", w->index);
    pthread_setname_np(pthread_self(), name);
    wheel_init(&w->wheel, clock_mono());
    fibers_init(w);
    while (!atomic_load_explicit(&w->crew->stopping, memory_order_relaxed))
        turn(w);
    wind_up(w);
    fibers_free(w);
    self = NULL;
    return NULL;
}

/* ---- the crew ---- */

static struct event *watch(struct worker *w, int fd, event_callback_fn fn)
{
    /* Edge-triggered: neither descriptor has ever to be read. */
    struct event *ev = event_new(w->base, fd, EV_READ | EV_PERSIST | EV_ET, fn, w);
    if (ev && event_add(ev, NULL) < 0) {
        event_free(ev);
        return NULL;
    }
    return ev;
}

static bool worker_open(struct worker *w)
{
    struct event_config *conf = event_config_new();
    if (!conf)
        return false;
    event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(conf, EV_FEATURE_ET);
    w->base = event_base_new_with_config(conf);
    event_config_free(conf);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!w->base || w->wake_fd < 0 || w->alarm_fd < 0)
        return false;
    w->wake_event = watch(w, w->wake_fd, on_wake);
    w->alarm_event = watch(w, w->alarm_fd, on_alarm);
    return w->wake_event && w->alarm_event;
}

static struct worker *worker_new(struct crew *crew, unsigned index)
{
    /* Aligned, so that the inbox has a cache line of its own. */
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof(*w));
    INVARIANT(w);
    memset(w, 0, sizeof(*w));
    w->crew = crew;
    w->index = index;
    w->wake_fd = w->alarm_fd = -1;
    w->alarm = INT64_MAX;
    TAILQ_INIT(&w->turn_ends);
    return w;
}

static void worker_free(struct worker **w)
{
    if ((*w)->wake_event)
        event_free((*w)->wake_event);
    if ((*w)->alarm_event)
        event_free((*w)->alarm_event);
    if ((*w)->base)
        event_base_free((*w)->base);
    if ((*w)->wake_fd >= 0)
        close((*w)->wake_fd);
    if ((*w)->alarm_fd >= 0)
        close((*w)->alarm_fd);
    mem_free(w);
}

static int start_threads(struct crew *crew)
{
    int error = 0;
    for (unsigned i = 0; i < crew->conf.workers && !error; i++) {
        struct worker *w = crew->workers[i];
        error = pthread_create(&w->thread, NULL, worker_main, w);
        w->has_thread = error == 0;
    }
    return error;
}

static bool crew_open(struct crew *crew, struct err *e)
{
    for (unsigned i = 0; i < crew->conf.workers; i++)
        crew->workers[i] = worker_new(crew, i);
    for (unsigned i = 0; i < crew->conf.workers; i++) {
        if (!worker_open(crew->workers[i])) {
            err_set(e, "worker %u cannot be made: %s", i, strerror(errno));
            return false;
        }
    }
    crew->offload = offload_new(&crew->conf, e);
    if (!crew->offload)
        return false;
    int error = start_threads(crew);
    if (error)
        err_set(e, "a worker's thread cannot be started: %s", strerror(error));
    return error == 0;
}

struct crew *crew_start(const struct crew_conf *conf, struct err *e)
{
    INVARIANT(conf->workers >= 1 && conf->workers <= WORKERS_MAX);
    struct crew *crew = mem_new(struct crew);
    crew->conf = *conf;
    crew->workers = mem_zalloc(conf->workers * sizeof(*crew->workers));
    /* Signals are for the thread that starts the crew. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = crew_open(crew, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!good)
        crew_stop(&crew);
    return crew;
}

void crew_stop(struct crew **crew)
{
    struct crew *c = *crew;
    if (!c)
        return;
    INVARIANT(!self);
    /* The pool first, while there is somebody to take its answers. */
    offload_stop(c->offload);
    for (unsigned i = 0; i < c->conf.workers; i++) {
        if (!c->workers[i]->has_thread) /* half started: nobody waits for it */
            atomic_fetch_add(&c->quiet, 1);
    }
    atomic_store(&c->stopping, true);
    wake_all(c);
    for (unsigned i = 0; i < c->conf.workers; i++) {
        if (c->workers[i]->has_thread)
            pthread_join(c->workers[i]->thread, NULL);
    }
    for (unsigned i = 0; i < c->conf.workers; i++)
        worker_free(&c->workers[i]);
    offload_free(&c->offload);
    free(c->workers);
    mem_free(crew);
}
