/* The core's own admin commands: what the process is and does. */
#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/admin_server.h"
#include "core/home.h"
#include "core/module.h"
#include "core/reload.h"
#include "core/server.h"
#include "loop/worker.h"
#include "net/tls.h"
#include "store/store.h"

#include <config.h>

/* ---- status ---- */

/* Sums over the workers: one after the other adds its own. */
struct totals {
    json_int_t accounts, sessions, streams, fibers, queued, reads;
    json_int_t store_memory; /* not a sum */
    bool store_up;
};

static void add_totals(void *arg)
{
    struct totals *t = arg;
    const struct home *h = home_self();
    struct worker_stats worker;
    struct store_stats store;
    worker_stats(h->worker, &worker);
    store_stats(h->worker, &store);
    t->accounts += (json_int_t)h->n_entities;
    t->sessions += (json_int_t)h->n_sessions;
    t->streams += h->n_streams;
    t->fibers += worker.fibers;
    t->queued += store.queued;
    t->reads += (json_int_t)store.reads;
    t->store_memory = store.memory;
    t->store_up = t->store_up && store.up;
}

static json_t *listeners_json(void)
{
    const struct server_listener *all;
    unsigned n = server_listeners(&all);
    json_t *out = json_array();
    for (unsigned i = 0; i < n; i++) {
        const struct config_listen *l = all[i].conf;
        const char *tls = l->tls == LISTEN_DIRECT_TLS ? "direct" : "starttls";
        json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", l->name, "module",
                                             l->module, "address", l->address, "port",
                                             (int)all[i].port, "tls", tls));
    }
    return out;
}

static json_t *hosts_json(void)
{
    json_t *out = json_array();
    for (size_t i = 0; i < server.config->n_hosts; i++) {
        const struct config_host *h = &server.config->hosts[i];
        char fingerprint[65];
        tls_fingerprint(server.tls, h->ascii, fingerprint);
        json_array_append_new(out, json_pack("{s:s, s:b, s:s}", "name", h->name, "self_signed",
                                             h->certificate == NULL, "fingerprint", fingerprint));
    }
    return out;
}

static json_t *store_json(const struct totals *t)
{
    const char *driver = server.config->store.driver == STORE_POSTGRES ? "postgres" : "sqlite";
    return json_pack("{s:s, s:b, s:I, s:I, s:I}", "driver", driver, "up", t->store_up, "queued",
                     t->queued, "reads", t->reads, "memory", t->store_memory);
}

/* Open descriptors of this process. */
static json_int_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    json_int_t n = -1; /* the one that reads it */
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

/* Bytes: what the process occupies, and what of the heap is in use. */
static json_t *memory_json(void)
{
    long pages = 0;
    FILE *fp = fopen("/proc/self/statm", "re");
    if (fp && fscanf(fp, "%*s %ld", &pages) != 1)
        pages = 0;
    if (fp)
        fclose(fp);
    struct mallinfo2 heap = mallinfo2();
    return json_pack("{s:I, s:I}", "resident", (json_int_t)pages * sysconf(_SC_PAGESIZE),
                     "allocated", (json_int_t)(heap.uordblks + heap.hblkhd));
}

static int status(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    struct totals t = {.store_up = true};
    workers_do(add_totals, &t);
    call->result = json_pack(
        "{s:s, s:i, s:s, s:I, s:i, s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:I}", "version", VERSION,
        "pid", (int)getpid(), "node", server.config->node, "uptime",
        (json_int_t)(clock_uptime() / CLOCK_SEC), "workers", (int)crew_size(server.crew), "hosts",
        hosts_json(), "listeners", listeners_json(), "store", store_json(&t), "cache",
        server.config->cache.servers ? "memcached" : "in-process", "sessions", t.sessions,
        "accounts_loaded", t.accounts, "streams", t.streams, "fibers", t.fibers);
    json_object_set_new(call->result, "descriptors", json_integer(count_descriptors()));
    json_object_set_new(call->result, "memory", memory_json());
    return 0;
}

/* ---- sessions ---- */

struct session_query {
    const char *host; /* NULL: all */
    json_t *out;
};

static json_t *session_json(const struct session *s)
{
    char since[32];
    clock_format(s->since, since);
    since[19] = 'Z'; /* seconds are enough */
    since[20] = '\0';
    struct conn *conn = s->stream ? stream_conn(s->stream) : NULL;
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "jid", s->jid->s, "since", since, "presence",
                     session_available(s) ? "available" : "unavailable", "priority", s->priority,
                     "address", conn ? conn_peer(conn) : "", "tls",
                     conn ? conn_tls_version(conn) : "");
}

static void add_sessions(struct entity *e, void *arg)
{
    struct session_query *q = arg;
    struct session *s;
    if (q->host && strcmp(e->host->name, q->host) != 0)
        return;
    TAILQ_FOREACH (s, &e->sessions, link)
        json_array_append_new(q->out, session_json(s));
}

static void add_worker_sessions(void *arg)
{
    home_each_entity(home_self(), add_sessions, arg);
}

static int session_list(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    const char *host = admin_arg_str(call, "host");
    if (host && !host_find(host, strlen(host)))
        return err_set(&call->error, "this server does not serve %.100s", host);
    struct session_query q = {.host = host, .out = json_array()};
    workers_do(add_worker_sessions, &q);
    call->result = q.out;
    return 0;
}

/* ---- modules ---- */

static json_t *xeps_json(const struct module *m)
{
    json_t *out = json_array();
    for (const struct module_xep *x = m->xeps; x && x->number; x++)
        json_array_append_new(out, json_string(x->number));
    return out;
}

/* The hosts where the module is enabled; "*" for one of the whole process. */
static json_t *module_hosts(const struct module *m)
{
    json_t *out = json_array();
    for (unsigned i = 0; i < server.n_slots; i++) {
        const struct module_inst *inst = server.insts[i];
        if (inst->module == m)
            json_array_append_new(out, json_string(inst->host ? inst->host->name : "*"));
    }
    return out;
}

static int module_list(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    call->result = json_array();
    for (unsigned i = 0; i < server.n_slots; i++) {
        const struct module *m = server.insts[i]->module;
        unsigned first = 0; /* a module once, at its first instance */
        while (server.insts[first]->module != m)
            first++;
        if (first == i)
            json_array_append_new(call->result,
                                  json_pack("{s:s, s:o, s:o, s:s}", "name", m->name, "hosts",
                                            module_hosts(m), "xeps", xeps_json(m), "summary",
                                            m->summary ? m->summary : ""));
    }
    return 0;
}

static void add_hooks(json_t *out, const struct host *h, enum hook_id id)
{
    for (unsigned i = 0; i < h->hooks[id].n; i++) {
        const struct hook_slot *slot = &h->hooks[id].slots[i];
        json_array_append_new(
            out, json_pack("{s:s, s:s, s:s, s:s, s:s}", "host", h->name, "hook", hook_name(id),
                           "phase", hook_phase_name(slot->entry->phase), "module",
                           slot->inst->module->name, "function", slot->entry->fn_name));
    }
}

static int module_hooks(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    const char *only = admin_arg_str(call, "hook");
    bool known = !only;
    call->result = json_array();
    for (int id = 0; id < HOOK_COUNT; id++) {
        if (only && strcmp(only, hook_name((enum hook_id)id)) != 0)
            continue;
        known = true;
        for (unsigned i = 0; i < server.n_hosts; i++)
            add_hooks(call->result, server.hosts[i], (enum hook_id)id);
    }
    return known ? 0 : err_set(&call->error, "there is no hook '%.60s'", only);
}

/* ---- the table ---- */

static const struct admin_arg host_arg[] = {
    {.name = "host", .help = "only this host's"},
    {0},
};
static const struct admin_arg hook_arg[] = {
    {.name = "hook", .help = "only this hook, such as message_in"},
    {0},
};
static const char *const session_columns[] = {"jid",     "since", "presence", "priority",
                                              "address", "tls",   NULL};
static const char *const module_columns[] = {"name", "hosts", "xeps", "summary", NULL};
static const char *const reload_columns[] = {"option", "outcome", "why", NULL};
static const char *const hook_columns[] = {"host", "hook", "phase", "module", "function", NULL};

const struct admin_command admin_core_commands[] = {
    {.name = "status", .help = "What the server is and how it is", .fn = status},
    {.name = "session list",
     .help = "Who is connected",
     .args = host_arg,
     .fn = session_list,
     .columns = session_columns},
    {.name = "module list",
     .help = "The modules in use",
     .fn = module_list,
     .columns = module_columns},
    {.name = "module hooks",
     .help = "Which functions take part where, in order",
     .args = hook_arg,
     .fn = module_hooks,
     .columns = hook_columns},
    {.name = "reload",
     .help = "Reads the configuration and certificates again, as SIGHUP does",
     .fn = reload_command,
     .columns = reload_columns},
    {.name = NULL},
};
