#include "core/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "cache/presence_cache.h"
#include "core/account.h"
#include "core/account_life.h"
#include "core/admin_server.h"
#include "core/directory.h"
#include "core/entity_life.h"
#include "core/errand.h"
#include "core/home.h"
#include "core/module.h"
#include "core/modules.h"
#include "core/reload.h"
#include "core/router.h"
#include "core/server_listen.h"
#include "core/server_run.h"
#include "core/server_tls.h"
#include "core/stream_life.h"
#include "net/conn.h"
#include "store/store.h"

struct server server;

#define CLOSING_CHECK (10 * CLOCK_MS)

/* What server_begin() makes, in this order. */
static struct parts {
    struct modules *modules;
    struct config *config;
    struct admin_server *admin;
    bool modules_started;
} parts;

/* ---- start ---- */

static void worker_begin(struct errand *errand)
{
    struct worker *w = worker_self();
    home_start(w);
    fiber_on_free(w, entity_fiber_free, home_self());
    store_attach(server.store, w);
    errand_done(errand);
}

static int start_store(struct parts *p, struct err *e)
{
    const struct config_store *c = &p->config->store;
    struct store_conf conf;
    store_conf_defaults(&conf);
    conf.driver = (enum store_driver)c->driver;
    conf.target = c->target;
    conf.lanes = (unsigned)c->lanes;
    conf.readers = (unsigned)c->readers;
    conf.batch_rows = (unsigned)c->batch_rows;
    conf.batch_wait = c->batch_wait;
    conf.queue_max = (unsigned)c->queue_max;
    conf.patience = c->patience;
    conf.statement_timeout = c->statement_timeout;
    server.store = store_new(&conf);
    store_declare(server.store, "core", account_stmts, account_n_stmts, account_migrations,
                  account_n_migrations, NULL);
    modules_declare(p->modules, server.store);
    return store_open(server.store, e);
}

static int start_crew(struct parts *p, struct err *e)
{
    struct crew_conf conf;
    crew_conf_defaults(&conf);
    if (p->config->workers > 0)
        conf.workers = (unsigned)p->config->workers;
    conf.fibers_max = (unsigned)p->config->limits.fibers_max;
    server.crew = crew_start(&conf, e);
    if (!server.crew)
        return -1;
    errand_each_worker(worker_begin);
    return 0;
}

static int start_cache(struct parts *p, struct err *e)
{
    struct presence_cache_conf conf = {
        .servers = p->config->cache.servers,
        .node = p->config->node,
        .heartbeat = p->config->cache.heartbeat,
        .lease = p->config->cache.lease,
        .queue_max = 10000,
    };
    server.cache = presence_cache_start(server.crew, &conf, e);
    if (!server.cache)
        return -1;
    presence_cache_on_lost(server.cache, directory_rebuild, NULL);
    return 0;
}

static int start_tls(struct parts *p, struct err *e)
{
    server.tls = server_tls_new(p->config, NULL, NULL, NULL, e);
    if (!server.tls)
        return -1;
    server_tls_warn(server.tls);
    return 0;
}

static int start_modules(struct parts *p, struct err *e)
{
    if (modules_start(p->modules, e) < 0)
        return -1;
    p->modules_started = true;
    return 0;
}

static void resume_removals(struct errand *errand)
{
    struct worker *w = worker_self();
    if (worker_index(w) == 0 && !fiber_spawn(w, FIBER_CONTROL, accounts_resume, NULL))
        log_warn(
            "server", NULL,
            "no fiber is free to go on with removals of accounts: tried again at the next start");
    errand_done(errand);
}

static int start_removals(struct parts *p, struct err *e)
{
    (void)p;
    (void)e;
    errand_each_worker(resume_removals);
    return 0;
}

static int start_admin(struct parts *p, struct err *e)
{
    p->admin = admin_server_start(p->modules, e);
    return p->admin ? 0 : -1;
}

static int start_listeners(struct parts *p, struct err *e)
{
    (void)p;
    return server_listen(e);
}

/* What the server writes is nobody else's business: the store holds keys and messages. */
static int configure(struct parts *p, const struct server_args *args, struct err *e)
{
    umask(S_IRWXG | S_IRWXO);
    p->modules = modules_new();
    p->config = config_load(args->config_file, modules_find, p->modules, e);
    if (!p->config)
        return -1;
    config_set_bus(p->config, args->bus);
    reload_begin(p->modules, p->config, args->bus);
    server.config = p->config;
    modules_set_dir(p->modules, p->config->module_dir);
    if (args->check)
        return modules_instantiate(p->modules, p->config, e);
    return reload_log(p->config, e) < 0 ? -1 : modules_instantiate(p->modules, p->config, e);
}

static int prepare_data_dir(struct parts *p, struct err *e)
{
    const char *dir = p->config->data_dir;
    if (mkdir(dir, S_IRWXU) < 0 && errno != EEXIST)
        return err_set(e, "cannot make data_dir %s: %s", dir, strerror(errno));
    if (access(dir, R_OK | W_OK | X_OK) < 0)
        return err_set(e, "data_dir %s: %s (its owner must be the user the server runs as)", dir,
                       strerror(errno));
    return 0;
}

static int start(struct parts *p, struct err *e)
{
    static int (*const steps[])(struct parts *, struct err *) = {
        prepare_data_dir, start_store,    start_crew,      start_cache, start_tls,
        start_modules,    start_removals, start_listeners, start_admin,
    };
    bus_set_loopback(p->config->bus == BUS_LOOPBACK);
    router_init();
    streams_init();
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i](p, e) < 0)
            return -1;
    return 0;
}

/* ---- stop, in the opposite order ---- */

static int64_t stop_until;         /* when what is still under way is given up */
static atomic_uint_fast64_t kicks; /* of all homes, added up by a round of worker_settle() */

static void set_limit(struct errand *errand, void (*fired)(struct timer *t))
{
    int64_t left = stop_until - clock_mono();
    errand->limit.fn = fired;
    timer_set(worker_self(), &errand->limit, left > 0 ? left : 1);
}

/* A store that does not answer must not keep the server from ending: what has not been acknowledged
 * is given up. */
static void give_up(struct timer *t)
{
    struct home *h = home_self();
    log_warn("server", NULL,
             "worker %u: giving up what could not be finished within limits.stop_timeout; what was "
             "acknowledged is stored",
             h->index);
    h->when_idle = NULL;
    h->given_up = true;
    fiber_cancel_all(h->worker);
    errand_done(CONTAINER_OF(t, struct errand, limit));
}

/* Everything of this worker has been dealt with. */
static void settled(void *arg)
{
    struct errand *errand = arg;
    timer_clear(worker_self(), &errand->limit);
    atomic_fetch_add(&kicks, home_self()->kicks);
    errand_done(errand);
}

static void worker_settle(struct errand *errand)
{
    struct home *h = home_self();
    if (h->given_up) {
        errand_done(errand);
        return;
    }
    set_limit(errand, give_up);
    home_when_idle(h, settled, errand);
}

/* Waits until every client has closed its stream too, or taken too long. */
static void wait_for_streams(struct timer *t)
{
    if (home_self()->n_streams > 0 && clock_mono() < stop_until) {
        timer_set(worker_self(), t, CLOSING_CHECK);
        return;
    }
    streams_close_all(STREAM_SYSTEM_SHUTDOWN);
    errand_done(CONTAINER_OF(t, struct errand, limit));
}

/* On every worker before the first client is told: nobody who comes back at once gets in. */
static void worker_unlisten(struct errand *errand)
{
    server_unlisten();
    errand_done(errand);
}

static void worker_close(struct errand *errand)
{
    home_self()->stopping = true;
    streams_close_all(STREAM_SYSTEM_SHUTDOWN);
    errand->limit.fn = wait_for_streams;
    timer_set(worker_self(), &errand->limit, CLOCK_MS);
}

/* Waits until the last bytes of every connection have gone out. */
static void wait_for_closing(struct timer *t)
{
    if (conn_closing() > 0 && clock_mono() < stop_until) {
        timer_set(worker_self(), t, CLOSING_CHECK);
        return;
    }
    conn_abort_closing();
    errand_done(CONTAINER_OF(t, struct errand, limit));
}

static void worker_flush(struct errand *errand)
{
    errand->limit.fn = wait_for_closing;
    timer_set(worker_self(), &errand->limit, CLOCK_MS);
}

/* What one worker ends with may be the beginning of something for another that was idle already.
 * All are done when all were idle, and then again without anything to do in between: whatever was
 * on its way from one to another at the first time has arrived before the second. */
static void drain(void)
{
    uint64_t before, now = UINT64_MAX;
    stop_until = clock_mono() + server.config->limits.stop_timeout;
    errand_each_worker(worker_unlisten);
    errand_each_worker(worker_close);
    do {
        before = now;
        atomic_store(&kicks, 0);
        errand_each_worker(worker_settle);
        now = atomic_load(&kicks);
    } while (now != before);
    errand_each_worker(worker_flush);
}

static void store_closed(void *errand)
{
    errand_done(errand);
}

/* What the store refuses now may be news for accounts of this worker or another, which has no store
 * any more: that is left in their mailboxes. */
static void worker_end(struct errand *errand)
{
    home_self()->over = true;
    store_detach(worker_self(), store_closed, errand);
}

/* By now the store has answered every write and every fiber has ended. If something was given up,
 * its memory goes with the process (and can be found until then, by what looks for leaks). */
static void worker_home_stop(struct errand *errand)
{
    static _Atomic(struct home *) left;
    struct home *h = home_self();
    if (h->n_idle == h->n_entities)
        home_stop();
    else
        h->next_left = atomic_exchange(&left, h);
    errand_done(errand);
}

static void stop(struct parts *p)
{
    if (p->admin)
        admin_server_stop(&p->admin);
    if (server.crew) {
        drain();
        errand_each_worker(worker_end);
    }
    if (server.cache) /* nobody tells it anything any more */
        presence_cache_stop(&server.cache);
    if (server.crew)
        errand_each_worker(worker_home_stop);
    if (server.store) /* before the crew: its threads answer to workers */
        store_free(&server.store);
    if (server.crew)
        crew_stop(&server.crew);
    server_listen_free();
    if (p->modules_started)
        modules_stop(p->modules);
    tls_unref(&server.tls);
    reload_end();
    modules_free(&p->modules);
    config_free(&p->config);
}

/* ---- the main thread ---- */

static void block_signals(sigset_t *set)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ,
           SIG_IGN); /* a file at its limit is an error of write(), for the store to report */
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void say_ready(const struct server_args *args)
{
    log_info("server", NULL, "serving");
    sd_notify(0, "READY=1");
    if (args->ready_fd < 0)
        return;
    ssize_t written = write(args->ready_fd, "READY\n", 6);
    (void)written;
    close(args->ready_fd);
}

static void wait_for_stop(const sigset_t *set)
{
    int sig;
    do {
        sigwait(set, &sig);
        if (sig == SIGHUP)
            reload_now();
    } while (sig == SIGHUP);
    log_info("server", NULL, "stopping");
    pthread_sigmask(SIG_UNBLOCK, set, NULL); /* a second signal ends it at once */
    sd_notify(0, "STOPPING=1");
}

void server_stop(void)
{
    kill(getpid(), SIGTERM);
}

int server_begin(const struct server_args *args, struct err *e)
{
    if (configure(&parts, args, e) < 0)
        return -1;
    return args->check ? 0 : start(&parts, e);
}

void server_end(void)
{
    stop(&parts);
    parts = (struct parts){0};
    server = (struct server){0};
}

int server_run(const struct server_args *args)
{
    struct err e;
    sigset_t set;
    block_signals(&set);
    int status = 0;
    if (server_begin(args, &e) < 0) {
        log_error("server", NULL, "cannot start: %s", e.text);
        status = 1;
    } else if (args->check) {
        printf("%s is fine\n", args->config_file);
    } else {
        say_ready(args);
        wait_for_stop(&set);
    }
    server_end();
    return status;
}
