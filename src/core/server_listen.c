#include "core/server_listen.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/home.h"
#include "core/module.h"
#include "core/server.h"
#include "loop/worker.h"
#include "net/listener.h"
#include "net/proxy_wait.h"

/* One `listen` section: a listener per worker. */
struct open_listener {
    struct module_inst *inst;
    struct listener **per_worker;
};

static struct open_listener *open_listeners;
static struct server_listener *facts;
/* The control socket answers while they are being opened: what it sees of them is complete. */
static atomic_uint n_open;

unsigned server_listeners(const struct server_listener **out)
{
    unsigned n = atomic_load_explicit(&n_open, memory_order_acquire);
    *out = n ? facts : NULL;
    return n;
}

static void serve(void *arg, struct worker *w, int fd, const union address *peer)
{
    const struct server_listener *l = arg;
    struct module_inst *inst = open_listeners[l - facts].inst;
    inst->module->accepted(inst, w, l->conf, fd, peer);
}

/* A load balancer's connections begin with a PROXY header; in anybody else's it would be a lie, and
 * is taken for what it then is: no stream. */
static void accepted(void *arg, struct worker *w, int fd, const union address *peer)
{
    const struct server_listener *l = arg;
    for (size_t i = 0; i < l->conf->n_proxies; i++) {
        if (!network_has(&l->conf->proxies[i], peer))
            continue;
        proxy_wait(w, fd, peer, server.config->limits.proxy_timeout, serve, arg);
        return;
    }
    serve(arg, w, fd, peer);
}

static struct module_inst *find_global(const char *name)
{
    for (unsigned i = 0; i < server.n_globals; i++)
        if (strcmp(server.globals[i]->module->name, name) == 0)
            return server.globals[i];
    return NULL;
}

static int open_one(unsigned at, const struct config_listen *conf, struct err *e)
{
    struct module_inst *inst = find_global(conf->module);
    if (!inst || !inst->module->accepted)
        return err_set(e, "listen \"%s\": module %s does not listen", conf->name, conf->module);
    unsigned workers = crew_size(server.crew);
    open_listeners[at] = (struct open_listener){inst, mem_zalloc(workers * sizeof(void *))};
    facts[at] = (struct server_listener){.conf = conf, .port = (unsigned)conf->port};
    for (unsigned i = 0; i < workers; i++) {
        struct listener *l = listener_open(crew_worker(server.crew, i), conf->address,
                                           &facts[at].port, accepted, &facts[at], e);
        if (!l)
            return err_prefix(e, "listen \"%s\"", conf->name);
        open_listeners[at].per_worker[i] = l;
    }
    atomic_store_explicit(&n_open, at + 1, memory_order_release);
    log_info("server", conf->name, "listening on %s port %u", conf->address, facts[at].port);
    return 0;
}

int server_listen(struct err *e)
{
    const struct config *c = server.config;
    open_listeners = mem_zalloc(c->n_listens * sizeof(*open_listeners));
    facts = mem_zalloc(c->n_listens * sizeof(*facts));
    for (size_t i = 0; i < c->n_listens; i++)
        if (open_one((unsigned)i, &c->listens[i], e) < 0)
            return -1;
    return 0;
}

void server_unlisten(void)
{
    unsigned me = home_self()->index;
    for (unsigned i = 0; i < n_open; i++)
        listener_close(&open_listeners[i].per_worker[me]);
    proxy_wait_abort();
}

void server_listen_free(void)
{
    for (unsigned i = 0; i < n_open; i++)
        free(open_listeners[i].per_worker);
    mem_free(&open_listeners);
    mem_free(&facts);
    n_open = 0;
}
