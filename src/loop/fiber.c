#include "config.h"

#include "loop/fiber.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/internal.h"
#include "loop/timer.h"

enum {
    SPARE_MIN = 16,               /* stacks that are kept however idle the worker is */
    TRIM_EVERY = 1000 * CLOCK_MS, /* µs */
    RETRY_AFTER = 50 * CLOCK_MS,  /* µs, after the system had no room for a stack */
};

struct fiber {
    struct context context;
    struct worker *worker;
    TAILQ_ENTRY(fiber) live; /* or in `spare` */
    TAILQ_ENTRY(fiber) run;  /* in `ready` or `yielded` */
    fiber_fn *fn;
    void *arg;
    int64_t deadline;
    int64_t born;
    struct timer timer; /* the end of the wait it is parked in */
    enum wait_result result;
    bool parked, cancelled;
    unsigned forbidden;
};

/* ---- running ---- */

struct fiber *fiber_self(void)
{
    struct worker *w = worker_self();
    return w ? w->fibers.current : NULL;
}

static void make_ready(struct fiber *f, enum wait_result result)
{
    INVARIANT(f->parked);
    f->parked = false;
    f->result = result;
    timer_clear(f->worker, &f->timer);
    TAILQ_INSERT_TAIL(&f->worker->fibers.ready, f, run);
}

/* A fiber's stack serves one function after the other. */
static void fiber_main(void *arg)
{
    struct fiber *f = arg;
    for (;;) {
        f->fn(f->arg);
        f->fn = NULL;
        context_switch(&f->context, &f->worker->fibers.home, true);
    }
}

static void trim_later(struct worker *w)
{
    struct fibers *fs = &w->fibers;
    if (!timer_is_set(&fs->trim) && fs->spare_count > SPARE_MIN) {
        fs->spare_low = fs->spare_count;
        timer_set(w, &fs->trim, TRIM_EVERY);
    }
}

static void fiber_ended(struct worker *w, struct fiber *f)
{
    struct fibers *fs = &w->fibers;
    TAILQ_REMOVE(&fs->live, f, live);
    fs->live_count--;
    TAILQ_INSERT_HEAD(&fs->spare, f, live);
    fs->spare_count++;
    trim_later(w);
}

static void run_fiber(struct worker *w, struct fiber *f)
{
    INVARIANT(!w->fibers.current);
    w->fibers.current = f;
    context_switch(&w->fibers.home, &f->context, false);
    w->fibers.current = NULL;
    if (!f->fn)
        fiber_ended(w, f);
}

void fibers_run(struct worker *w)
{
    struct fiber *f;
    while ((f = TAILQ_FIRST(&w->fibers.ready))) {
        TAILQ_REMOVE(&w->fibers.ready, f, run);
        run_fiber(w, f);
    }
}

void fibers_next_turn(struct worker *w)
{
    TAILQ_CONCAT(&w->fibers.ready, &w->fibers.yielded, run);
}

/* ---- stacks ---- */

static void stack_free(struct fibers *fs, struct fiber *f)
{
    TAILQ_REMOVE(&fs->spare, f, live);
    fs->spare_count--;
    context_destroy(&f->context);
    free(f);
}

/* Frees what nobody has needed since the last time: after a storm, all of it. */
static void on_trim(struct timer *t)
{
    struct fibers *fs = CONTAINER_OF(t, struct fibers, trim);
    unsigned unused = fs->spare_low > SPARE_MIN ? fs->spare_low - SPARE_MIN : 0;
    while (unused-- > 0)
        stack_free(fs, TAILQ_LAST(&fs->spare, fiber_list));
    trim_later(CONTAINER_OF(fs, struct worker, fibers));
}

static struct fiber *stack_get(struct worker *w)
{
    struct fibers *fs = &w->fibers;
    struct fiber *f = TAILQ_FIRST(&fs->spare);
    if (f) {
        TAILQ_REMOVE(&fs->spare, f, live);
        if (--fs->spare_count < fs->spare_low)
            fs->spare_low = fs->spare_count;
        return f;
    }
    f = mem_new(struct fiber);
    if (!context_init(&f->context, &fs->home, w->crew->conf.fiber_stack, fiber_main, f))
        mem_free(&f);
    return f;
}

/* ---- starting ---- */

static void on_timeout(struct timer *t)
{
    make_ready(CONTAINER_OF(t, struct fiber, timer), WAIT_TIMEOUT);
}

static void on_retry(struct timer *t)
{
    (void)t; /* fibers_offer() follows in every turn */
}

/* NULL if there is no free one. */
static struct fiber *fiber_get(struct worker *w, enum fiber_class cls)
{
    struct fibers *fs = &w->fibers;
    const struct crew_conf *conf = &w->crew->conf;
    unsigned max = conf->fibers_max + (cls == FIBER_CONTROL ? conf->fibers_reserve : 0);
    if (fs->live_count >= max)
        return NULL;
    struct fiber *f = stack_get(w);
    if (!f) {
        log_error("loop", NULL,
                  "worker %u has no room for the stack of fiber %u: %s; work waits (raise "
                  "vm.max_map_count, or lower limits.fibers_max)",
                  w->index, fs->live_count + 1, strerror(errno));
        timer_set(w, &fs->retry, RETRY_AFTER);
    }
    return f;
}

bool fiber_spawn(struct worker *w, enum fiber_class cls, fiber_fn *fn, void *arg)
{
    INVARIANT(worker_self() == w);
    struct fibers *fs = &w->fibers;
    struct fiber *f = fiber_get(w, cls);
    if (!f) {
        fs->refused = true;
        return false;
    }
    f->worker = w;
    f->fn = fn;
    f->arg = arg;
    f->deadline = fs->current ? fs->current->deadline : 0;
    f->timer.fn = on_timeout;
    f->cancelled = fs->closing;
    f->forbidden = 0;
    f->born = worker_now(w);
    TAILQ_INSERT_TAIL(&fs->live, f, live);
    if (++fs->live_count > fs->peak)
        fs->peak = fs->live_count;
    if (fs->current)
        TAILQ_INSERT_TAIL(&fs->ready, f, run);
    else
        run_fiber(w, f);
    return true;
}

int64_t fiber_oldest(const struct worker *w)
{
    INVARIANT(worker_self() == w);
    const struct fiber *f = TAILQ_FIRST(&w->fibers.live);
    return f ? f->born : INT64_MAX;
}

void fiber_on_free(struct worker *w, void (*fn)(void *arg), void *arg)
{
    INVARIANT(worker_self() == w);
    w->fibers.on_free = fn;
    w->fibers.on_free_arg = arg;
}

void fibers_offer(struct worker *w)
{
    struct fibers *fs = &w->fibers;
    if (!fs->refused || !fs->on_free || fs->live_count >= w->crew->conf.fibers_max ||
        (timer_is_set(&fs->retry) && fs->spare_count == 0))
        return;
    fs->refused = false;
    fs->on_free(fs->on_free_arg);
}

/* ---- all of a worker's ---- */

void fibers_init(struct worker *w)
{
    struct fibers *fs = &w->fibers;
    context_init_home(&fs->home);
    TAILQ_INIT(&fs->live);
    TAILQ_INIT(&fs->ready);
    TAILQ_INIT(&fs->yielded);
    TAILQ_INIT(&fs->spare);
    fs->trim.fn = on_trim;
    fs->retry.fn = on_retry;
}

void fiber_cancel_all(struct worker *w)
{
    struct fiber *f;
    w->fibers.closing = true;
    TAILQ_FOREACH (f, &w->fibers.live, live)
        fiber_cancel(f);
}

void fibers_free(struct worker *w)
{
    struct fibers *fs = &w->fibers;
    INVARIANT(fs->live_count == 0);
    timer_clear(w, &fs->trim);
    timer_clear(w, &fs->retry);
    while (!TAILQ_EMPTY(&fs->spare))
        stack_free(fs, TAILQ_FIRST(&fs->spare));
}

/* ---- waiting ---- */

void fiber_set_deadline(int64_t due)
{
    struct fiber *f = fiber_self();
    INVARIANT(f);
    f->deadline = due;
}

int64_t fiber_deadline(void)
{
    struct fiber *f = fiber_self();
    return f ? f->deadline : 0;
}

void fiber_cancel(struct fiber *f)
{
    INVARIANT(worker_self() == f->worker);
    f->cancelled = true;
    if (f->parked)
        make_ready(f, WAIT_CANCELLED);
}

bool fiber_cancelled(void)
{
    struct fiber *f = fiber_self();
    return f && f->cancelled;
}

void fiber_forbid(bool on)
{
    struct fiber *f = fiber_self();
    if (!f)
        return;
    INVARIANT(on || f->forbidden > 0);
    f->forbidden += on ? 1 : -1U;
}

void fiber_assert_may_yield(const char *func)
{
#ifdef JACKDAW_DEBUG
    struct fiber *f = fiber_self();
    if (f && !f->forbidden)
        return;
    fprintf(stderr, "jackdaw: %s() may wait, but is called %s\n", func,
            f ? "where waiting is forbidden" : "outside of any fiber");
    abort();
#else
    (void)func;
#endif
}

static struct fiber *must_park(const char *func)
{
    struct fiber *f = fiber_self();
    INVARIANT(f);
    fiber_assert_may_yield(func);
    return f;
}

/* Parks until somebody calls make_ready(), at the latest at `due` (0: for ever). */
static enum wait_result park(struct fiber *f, int64_t due)
{
    struct worker *w = f->worker;
    if (f->cancelled)
        return WAIT_CANCELLED;
    if (due && due <= worker_now(w))
        return WAIT_TIMEOUT;
    if (due)
        timer_set(w, &f->timer, due - worker_now(w));
    f->parked = true;
    context_switch(&f->context, &w->fibers.home, false);
    return f->result;
}

int fiber_sleep(int64_t after)
{
    struct fiber *f = must_park(__func__);
    int64_t due = worker_now(f->worker) + (after > 0 ? after : 1);
    bool whole = !f->deadline || due <= f->deadline;
    enum wait_result result = park(f, whole ? due : f->deadline);
    return result == WAIT_TIMEOUT && whole ? WAIT_OK : result;
}

void fiber_yield(void)
{
    struct fiber *f = must_park(__func__);
    TAILQ_INSERT_TAIL(&f->worker->fibers.yielded, f, run);
    context_switch(&f->context, &f->worker->fibers.home, false);
}

/* ---- promises ---- */

struct promise {
    struct fiber *waiter; /* parked for it */
    void *value;
    void (*drop)(void *value);
    bool answered, abandoned; /* that side has given up its reference */
    bool taken;               /* the value has found its owner */
};

struct promise *promise_new(void (*drop)(void *value))
{
    struct promise *p = mem_new(struct promise);
    p->drop = drop;
    return p;
}

static void promise_release(struct promise *p)
{
    if (!p->answered || !p->abandoned)
        return;
    if (!p->taken && p->drop && p->value)
        p->drop(p->value);
    free(p);
}

int promise_wait(struct promise **promise, void **value)
{
    struct promise *p = *promise;
    struct fiber *f = must_park(__func__);
    enum wait_result result = f->cancelled ? WAIT_CANCELLED : WAIT_OK;
    if (!p->answered) {
        p->waiter = f;
        result = park(f, f->deadline);
        p->waiter = NULL;
    }
    if (result == WAIT_OK && value) {
        p->taken = true;
        *value = p->value;
    }
    promise_abandon(promise);
    return result;
}

void promise_abandon(struct promise **promise)
{
    struct promise *p = *promise;
    if (!p)
        return;
    *promise = NULL;
    p->abandoned = true;
    promise_release(p);
}

void promise_answer(struct promise **promise, void *value)
{
    struct promise *p = *promise;
    *promise = NULL;
    INVARIANT(!p->answered);
    p->answered = true;
    p->value = value;
    if (p->waiter && p->waiter->parked)
        make_ready(p->waiter, WAIT_OK);
    promise_release(p);
}
