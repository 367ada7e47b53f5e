#include "core/reload.h"

#include <pthread.h>
#include <signal.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/config_merge.h"
#include "core/config_schema.h"
#include "core/errand.h"
#include "core/modules.h"
#include "core/server.h"
#include "core/server_tls.h"
#include "core/stream_life.h"
#include "loop/fiber.h"
#include "loop/worker.h"

/* A configuration that was in use. Fibers that were parked when it was replaced may have pointers
 * to it on their stacks: it is kept until they have ended. */
struct snapshot {
    struct config *config;
    int64_t replaced; /* monotonic µs */
    STAILQ_ENTRY(snapshot) link;
};

static STAILQ_HEAD(, snapshot) retired = STAILQ_HEAD_INITIALIZER(retired);
static struct modules *modules;
static const struct config *boot;
static struct config *current; /* NULL: still that of the start */
static const char *bus;

/* What a reload is about to change over to. */
struct reload {
    struct config *fresh;
    const void **module_values; /* by number, as modules_all() has them */
    struct tls_context *tls;
    json_t *changes;
    unsigned counts[CHANGE_WARNING + 1];
    struct err *err;
};

/* Somebody waits for the outcome: jackdawctl. */
struct request {
    struct post post;
    struct worker *worker;
    struct promise *promise; /* the answerer's reference, used on that worker */
    json_t *changes;         /* NULL: it failed */
    struct err error;
    STAILQ_ENTRY(request) link;
};

static pthread_mutex_t requests_lock = PTHREAD_MUTEX_INITIALIZER;
static STAILQ_HEAD(, request) requests = STAILQ_HEAD_INITIALIZER(requests);

/* ---- what is told ---- */

static void note(void *arg, enum change what, const char *option, const char *why)
{
    static const struct {
        const char *word;
        enum log_level level;
    } outcomes[] = {
        [CHANGE_APPLIED] = {"applied", LOG_INFO},
        [CHANGE_RESTART] = {"needs restart", LOG_WARN},
        [CHANGE_REFUSED] = {"refused", LOG_ERROR},
        [CHANGE_WARNING] = {"warning", LOG_WARN},
    };
    struct reload *r = arg;
    r->counts[what]++;
    log_at(outcomes[what].level, "server", option, "%s%s%s", outcomes[what].word,
           why[0] ? ": " : "", why);
    json_array_append_new(r->changes, json_pack("{s:s, s:s, s:s}", "option", option, "outcome",
                                                outcomes[what].word, "why", why));
}

static void note_host(struct reload *r, enum change what, const char *host, const char *why)
{
    char option[300];
    snprintf(option, sizeof(option), "host \"%.200s\".certificate", host);
    note(r, what, option, why);
}

/* ---- preparing: nothing of the running server changes yet ---- */

/* Modules judge twice: what the file says, which is what the next start will have, and what comes
 * of it now. */
static int merge_modules(struct reload *r)
{
    const struct module *const *used;
    unsigned n = modules_all(modules, &used);
    r->module_values = arena_zalloc(r->fresh->arena, n * sizeof(*r->module_values));
    if (modules_read(modules, r->fresh, r->fresh->arena, r->module_values, r->err) < 0 ||
        modules_check(modules, r->module_values, r->err) < 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        char prefix[100];
        snprintf(prefix, sizeof(prefix), "module \"%.60s\".", used[i]->name);
        if (r->module_values[i])
            config_merge_section(used[i]->options, (void *)(uintptr_t)r->module_values[i],
                                 modules_values(modules, used[i]), r->fresh->arena, prefix, note,
                                 r);
    }
    return modules_check(modules, r->module_values, r->err);
}

static void certificate_refused(void *arg, const char *name, const char *why)
{
    struct reload *r = arg;
    static const char *const kept[] = {"certificate", "key", "client_ca"};
    for (size_t i = 0; i < r->fresh->n_hosts; i++) {
        struct config_host *host = &r->fresh->hosts[i];
        if (strcmp(host->ascii, name) != 0)
            continue;
        char reason[500];
        snprintf(reason, sizeof(reason), "%s; the old one stays in use", why);
        note_host(r, CHANGE_REFUSED, host->name, reason);
        for (size_t k = 0; k < ARRAY_LEN(kept); k++)
            option_copy(option_find(config_sections[CONFIG_HOST].options, kept[k]), host,
                        &server.config->hosts[i], r->fresh->arena);
    }
}

/* The files may have changed, or only their names, or both. */
static void note_certificates(struct reload *r)
{
    for (size_t i = 0; i < r->fresh->n_hosts; i++) {
        const struct config_host *host = &r->fresh->hosts[i], *was = &server.config->hosts[i];
        char before[65], after[65];
        tls_fingerprint(server.tls, host->ascii, before);
        tls_fingerprint(r->tls, host->ascii, after);
        const struct option *o = option_find(config_sections[CONFIG_HOST].options, "certificate");
        if (strcmp(before, after) != 0 && option_equal(o, host, was))
            note_host(r, CHANGE_APPLIED, host->name, "the file has changed");
    }
}

static void certificate_warning(void *arg, const char *name, const char *why)
{
    note_host(arg, CHANGE_WARNING, name, why);
}

static int renew_tls(struct reload *r)
{
    r->tls = server_tls_new(r->fresh, server.tls, certificate_refused, r, r->err);
    if (!r->tls)
        return -1;
    note_certificates(r);
    tls_inspect(r->tls, certificate_warning, r);
    return 0;
}

/* The log is the one thing that is changed before the rest: it may fail. */
static void change_log(struct reload *r)
{
    struct err e;
    if (reload_log(r->fresh, &e) == 0)
        return;
    note(r, CHANGE_REFUSED, "log", e.text);
    const struct config_log *now = &server.config->log;
    for (const struct option *o = config_sections[CONFIG_LOG].options; o->name; o++)
        option_copy(o, &r->fresh->log, now, r->fresh->arena);
    struct log_area_level *levels =
        arena_zalloc(r->fresh->arena, (now->areas.n + 1) * sizeof(*levels));
    for (size_t i = 0; i < now->areas.n; i++)
        levels[i] = (struct log_area_level){arena_strdup(r->fresh->arena, now->levels[i].area),
                                            now->levels[i].level};
    r->fresh->log.levels = levels;
}

static int prepare(struct reload *r)
{
    r->fresh = config_load(boot->file, modules_find, modules, r->err);
    if (!r->fresh)
        return -1;
    config_set_bus(r->fresh, bus);
    config_keep_shape(r->fresh, server.config, boot, note, r);
    if (merge_modules(r) < 0 || renew_tls(r) < 0)
        return -1;
    change_log(r);
    config_merge(r->fresh, server.config, note, r);
    return 0;
}

/* ---- changing over ---- */

/* While no worker does anything. */
static void change_over(void *arg)
{
    struct reload *r = arg;
    struct tls_context *old = server.tls;
    server.config = r->fresh;
    server.tls = r->tls;
    modules_change(modules, r->module_values);
    streams_init();
    r->tls = old; /* connections have references of their own */
}

static void retire(struct config *old)
{
    struct snapshot *s = mem_new(struct snapshot);
    s->config = old;
    s->replaced = clock_mono();
    STAILQ_INSERT_TAIL(&retired, s, link);
}

static void free_first(void)
{
    struct snapshot *s = STAILQ_FIRST(&retired);
    STAILQ_REMOVE_HEAD(&retired, link);
    config_free(&s->config);
    free(s);
}

static pthread_mutex_t oldest_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t oldest;

static void find_oldest(struct errand *errand)
{
    int64_t mine = fiber_oldest(worker_self());
    pthread_mutex_lock(&oldest_lock);
    if (mine < oldest)
        oldest = mine;
    pthread_mutex_unlock(&oldest_lock);
    errand_done(errand);
}

static void free_retired(void)
{
    oldest = INT64_MAX;
    errand_each_worker(find_oldest);
    while (!STAILQ_EMPTY(&retired) && STAILQ_FIRST(&retired)->replaced < oldest)
        free_first();
}

/* ---- from outside ---- */

static void answered(struct post *post)
{
    struct request *q = CONTAINER_OF(post, struct request, post);
    promise_answer(&q->promise, q);
}

static void request_free(void *arg)
{
    struct request *q = arg;
    json_decref(q->changes);
    free(q);
}

/* To everybody who asked before this reload began. */
static void answer(struct request *first, const struct reload *r, bool done)
{
    for (struct request *q = first, *next; q; q = next) {
        next = STAILQ_NEXT(q, link);
        q->changes = done ? json_deep_copy(r->changes) : NULL;
        if (!done)
            q->error = *r->err;
        q->post.run = answered;
        worker_post(q->worker, &q->post);
    }
}

static struct request *take_requests(void)
{
    pthread_mutex_lock(&requests_lock);
    struct request *first = STAILQ_FIRST(&requests);
    STAILQ_INIT(&requests);
    pthread_mutex_unlock(&requests_lock);
    return first;
}

static void notify_systemd(void)
{
    char text[80];
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono());
    sd_notify(0, text);
}

void reload_now(void)
{
    struct err e;
    struct reload r = {.err = &e, .changes = json_array()};
    struct request *asked = take_requests();
    notify_systemd();
    log_info("server", NULL, "reloading %s", boot->file);
    bool done = prepare(&r) == 0;
    if (done) {
        errand_stop_world(change_over, &r);
        if (current)
            retire(current);
        current = r.fresh;
        log_info("server", NULL, "reloaded: %u applied, %u need a restart, %u refused",
                 r.counts[CHANGE_APPLIED], r.counts[CHANGE_RESTART], r.counts[CHANGE_REFUSED]);
    } else {
        log_error("server", NULL, "not reloaded, everything stays as it was: %s", e.text);
        config_free(&r.fresh);
    }
    tls_unref(&r.tls);
    free_retired();
    answer(asked, &r, done);
    json_decref(r.changes);
    sd_notify(0, "READY=1");
}

int reload_command(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    struct request *q = mem_new(struct request);
    q->worker = worker_self();
    q->promise = promise_new(request_free);
    struct promise *mine = q->promise;
    pthread_mutex_lock(&requests_lock);
    STAILQ_INSERT_TAIL(&requests, q, link);
    pthread_mutex_unlock(&requests_lock);
    kill(getpid(), SIGHUP); /* wakes the main thread */
    void *value;
    if (promise_wait(&mine, &value) != WAIT_OK)
        return err_set(&call->error, "the server did not answer in time; see its log");
    q = value;
    call->result = q->changes ? json_incref(q->changes) : NULL;
    bool failed = !q->changes;
    if (failed)
        err_set(&call->error, "not reloaded, everything stays as it was: %s", q->error.text);
    request_free(q);
    return failed ? -1 : 0;
}

int reload_log(const struct config *c, struct err *e)
{
    struct log_conf conf = {
        .level = (enum log_level)c->log.level,
        .areas = c->log.levels,
        .n_areas = c->log.areas.n,
        .target = (enum log_target)c->log.target,
        .file = c->log.file,
        .json = c->log.format == FORMAT_JSON,
    };
    return log_configure(&conf, e) < 0 ? err_prefix(e, "log") : 0;
}

void reload_begin(struct modules *m, const struct config *c, const char *with_bus)
{
    modules = m;
    boot = c;
    bus = with_bus;
}

void reload_end(void)
{
    while (!STAILQ_EMPTY(&retired))
        free_first();
    config_free(&current);
    boot = NULL;
}
