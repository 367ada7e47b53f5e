#include "core/modules.h"

#include "base/arena.h"
#include "core/host_secret.h"
#include "core/loader.h"
#include "core/server.h"
#include "store/store.h"
#include "xmpp/jid.h"

#define MODULES_MAX 256 /* that one host, or the process, may use */

/* A set of modules in which each comes after what it requires. */
struct set {
    const struct module *modules[MODULES_MAX];
    unsigned n;
};

struct modules {
    struct arena *arena;
    struct loader *loader;
    const char *dir; /* the configuration's module_dir, NULL if it has none */
    const char *data_dir;
    struct module_inst **insts; /* in the order they start; index: slot */
    unsigned n_insts, max_insts;
    unsigned n_started;
    struct host **hosts;
    unsigned n_hosts;
    struct module_inst **globals;
    unsigned n_globals;
    struct set used;
};

struct modules *modules_new(void)
{
    struct arena *a = arena_new(4096);
    struct modules *m = arena_zalloc(a, sizeof(*m));
    m->arena = a;
    m->loader = loader_new();
    return m;
}

void modules_free(struct modules **mp)
{
    struct modules *m = *mp;
    if (!m)
        return;
    *mp = NULL;
    loader_free(&m->loader);
    struct arena *a = m->arena; /* holds the struct too */
    arena_free(&a);
}

const struct module *modules_find(void *arg, const char *dir, const char *name, struct err *e)
{
    struct modules *m = arg;
    return loader_find(m->loader, dir ? dir : m->dir, name, e);
}

void modules_set_dir(struct modules *m, const char *dir)
{
    m->dir = dir ? arena_strdup(m->arena, dir) : NULL;
}

unsigned modules_load_all(struct modules *m, const struct module *const **out)
{
    return loader_all(m->loader, m->dir, out);
}

/* ---- which modules ---- */

static bool set_has(const struct set *s, const struct module *module)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (s->modules[i] == module)
            return true;
    }
    return false;
}

static int set_put(struct set *s, const struct module *module, struct err *e)
{
    if (s->n == MODULES_MAX)
        return err_set(e, "more than %d modules", MODULES_MAX);
    s->modules[s->n++] = module;
    return 0;
}

/* The modules being chosen. */
struct choice {
    struct modules *m;
    const struct config *c;
    struct set *globals, *host; /* a module goes to one of the two, by its kind */
    struct err *err;
};

/* Who asks for a module, back to the configuration: to see cycles. */
struct want {
    const struct want *by;
    const struct module *module;
};

/* Adds a module after all that it requires. */
static int choose(struct choice *ch, const char *name, const struct want *by)
{
    struct want w = {.by = by, .module = modules_find(ch->m, NULL, name, ch->err)};
    if (!w.module)
        return by ? err_prefix(ch->err, "module %s requires %s", by->module->name, name) : -1;
    for (const struct want *asker = by; asker; asker = asker->by) {
        if (asker->module == w.module)
            return err_set(ch->err, "modules %s and %s require each other", name, by->module->name);
    }
    struct set *into = w.module->global ? ch->globals : ch->host;
    if (set_has(into, w.module))
        return 0;
    for (const char *const *r = w.module->requires; r && *r; r++) {
        if (choose(ch, *r, &w) < 0)
            return -1;
    }
    return set_put(into, w.module, ch->err);
}

/* The global modules, and what they require on every host: listeners' and standard ones. */
static int choose_globals(struct choice *ch)
{
    for (size_t i = 0; i < ch->c->n_listens; i++) {
        const struct config_listen *listen = &ch->c->listens[i];
        if (choose(ch, listen->module, NULL) < 0)
            return err_prefix(ch->err, "listen \"%s\"", listen->name);
        const struct module *module = modules_find(ch->m, NULL, listen->module, ch->err);
        if (!module->accepted)
            return err_set(ch->err, "listen \"%s\": the module %s serves no connections",
                           listen->name, module->name);
    }
    const struct module *const *all;
    unsigned n = modules_load_all(ch->m, &all);
    for (unsigned i = 0; i < n; i++) {
        if (all[i]->standard && all[i]->global && choose(ch, all[i]->name, NULL) < 0)
            return -1;
    }
    return 0;
}

static int choose_for_host(struct choice *ch, const struct config_host *h)
{
    for (size_t i = 0; i < h->modules.n; i++) {
        if (choose(ch, h->modules.items[i], NULL) < 0)
            return err_prefix(ch->err, "host \"%s\"", h->name);
    }
    if (h->modules.n > 0)
        return 0;
    const struct module *const *all;
    unsigned n = modules_load_all(ch->m, &all);
    for (unsigned i = 0; i < n; i++) {
        if (all[i]->standard && choose(ch, all[i]->name, NULL) < 0)
            return err_prefix(ch->err, "host \"%s\"", h->name);
    }
    return 0;
}

/* ---- instances ---- */

/* The module's options: from the configuration, else its defaults. */
static int module_values(const struct config *c, const struct module *module, struct arena *a,
                         const void **out, struct err *e)
{
    *out = config_module_values(c, module->name);
    if (*out || !module->options)
        return 0;
    for (const struct option *o = module->options; o->name; o++) {
        if (o->required)
            return err_set(e, "%s: module \"%s\" { %s = ... } is missing and has no default",
                           c->file, module->name, o->name);
    }
    void *values = arena_zalloc(a, module->conf_size);
    option_defaults(module->options, values, a);
    *out = values;
    return 0;
}

static int check_values(const struct module *module, const void *values, struct err *e)
{
    if (!module->check || module->check(values, e) == 0)
        return 0;
    return err_prefix(e, "module \"%s\"", module->name);
}

static struct module_inst *instance(struct modules *m, const struct config *c,
                                    const struct module *module, struct host *host, struct err *e)
{
    struct module_inst *inst = arena_zalloc(m->arena, sizeof(*inst));
    inst->module = module;
    inst->host = host;
    inst->slot = m->n_insts;
    if (module_values(c, module, m->arena, &inst->conf, e) < 0 ||
        check_values(module, inst->conf, e) < 0)
        return NULL;
    if (m->n_insts == m->max_insts) {
        m->max_insts = m->max_insts ? m->max_insts * 2 : 64;
        struct module_inst **more = arena_alloc(m->arena, m->max_insts * sizeof(*more));
        if (m->n_insts)
            memcpy(more, m->insts, m->n_insts * sizeof(*more));
        m->insts = more;
    }
    m->insts[m->n_insts++] = inst;
    return set_has(&m->used, module) || set_put(&m->used, module, e) == 0 ? inst : NULL;
}

/* One instance per module of the set; NULL and `e`. */
static struct module_inst **instances(struct modules *m, const struct config *c,
                                      const struct set *s, struct host *host, struct err *e)
{
    struct module_inst **insts = arena_alloc(m->arena, (s->n + 1) * sizeof(*insts));
    for (unsigned i = 0; i < s->n; i++) {
        insts[i] = instance(m, c, s->modules[i], host, e);
        if (!insts[i])
            return NULL;
    }
    insts[s->n] = NULL;
    return insts;
}

static int make_host(struct choice *ch, const struct config_host *conf, const struct set *common)
{
    struct modules *m = ch->m;
    struct host *h = arena_zalloc(m->arena, sizeof(*h));
    ch->host = arena_alloc(m->arena, sizeof(*ch->host));
    *ch->host = *common;
    h->name = conf->name;
    h->ascii = conf->ascii;
    h->conf = conf;
    h->jid = jid_parse(m->arena, conf->name, strlen(conf->name));
    if (!h->jid)
        return err_set(ch->err, "host \"%s\" is not a domain name", conf->name);
    if (choose_for_host(ch, conf) < 0)
        return -1;
    h->insts = instances(m, ch->c, ch->host, h, ch->err);
    if (!h->insts)
        return -1;
    h->n_insts = ch->host->n;
    m->hosts[m->n_hosts++] = h;
    return 0;
}

static void warn_unused(const struct modules *m, const struct config *c)
{
    for (size_t i = 0; i < c->n_modules; i++) {
        bool used = false;
        for (unsigned u = 0; u < m->used.n; u++)
            used = used || strcmp(m->used.modules[u]->name, c->modules[i].name) == 0;
        if (!used)
            log_warn("modules", c->modules[i].name, "has options but no host uses it");
    }
}

/* Hosts first, then what listens: that is the order they start in. */
static int make_all(struct choice *ch, const struct set *common)
{
    struct modules *m = ch->m;
    m->hosts = arena_alloc(m->arena, (ch->c->n_hosts + 1) * sizeof(struct host *));
    for (size_t i = 0; i < ch->c->n_hosts; i++) {
        if (make_host(ch, &ch->c->hosts[i], common) < 0)
            return -1;
    }
    m->globals = instances(m, ch->c, ch->globals, NULL, ch->err);
    if (!m->globals)
        return -1;
    m->n_globals = ch->globals->n;
    for (unsigned i = 0; i < m->n_hosts; i++) {
        if (host_compile(m->hosts[i], m->globals, m->n_globals, m->arena, ch->err) < 0)
            return -1;
    }
    return 0;
}

int modules_instantiate(struct modules *m, const struct config *c, struct err *e)
{
    struct set *common = arena_zalloc(m->arena, sizeof(*common));
    struct set *globals = arena_zalloc(m->arena, sizeof(*globals));
    struct choice ch = {.m = m, .c = c, .globals = globals, .host = common, .err = e};
    modules_set_dir(m, c->module_dir);
    m->data_dir = arena_strdup(m->arena, c->data_dir);
    if (choose_globals(&ch) < 0 || make_all(&ch, common) < 0)
        return -1;
    warn_unused(m, c);
    server.hosts = m->hosts;
    server.n_hosts = m->n_hosts;
    server.globals = m->globals;
    server.n_globals = m->n_globals;
    server.insts = m->insts;
    server.n_slots = m->n_insts;
    return 0;
}

/* ---- other options while they run ---- */

int modules_read(const struct modules *m, const struct config *c, struct arena *a,
                 const void **values, struct err *e)
{
    for (unsigned i = 0; i < m->used.n; i++) {
        if (module_values(c, m->used.modules[i], a, &values[i], e) < 0)
            return -1;
    }
    return 0;
}

int modules_check(const struct modules *m, const void *const *values, struct err *e)
{
    for (unsigned i = 0; i < m->used.n; i++) {
        if (check_values(m->used.modules[i], values[i], e) < 0)
            return -1;
    }
    return 0;
}

const void *modules_values(const struct modules *m, const struct module *module)
{
    unsigned i = 0;
    while (m->insts[i]->module != module)
        i++;
    return m->insts[i]->conf;
}

void modules_change(struct modules *m, const void *const *values)
{
    for (unsigned i = 0; i < m->n_insts; i++) {
        unsigned at = 0;
        while (m->used.modules[at] != m->insts[i]->module)
            at++;
        m->insts[i]->conf = values[at];
    }
}

/* ---- their life ---- */

void modules_declare(struct modules *m, struct store *s)
{
    for (unsigned i = 0; i < m->used.n; i++) {
        const struct module *module = m->used.modules[i];
        store_declare(s, module->name, module->stmts, module->n_stmts, module->migrations,
                      module->n_migrations, module->partitioned);
    }
}

static int make_secrets(struct modules *m, struct err *e)
{
    unsigned char master[HOST_SECRET_LEN];
    if (host_secret_load(m->data_dir, master, e) < 0)
        return -1;
    for (unsigned i = 0; i < m->n_hosts; i++)
        host_secret_derive(master, m->hosts[i]->name, m->hosts[i]->secret);
    mem_clear(master, sizeof(master));
    return 0;
}

int modules_start(struct modules *m, struct err *e)
{
    if (make_secrets(m, e) < 0)
        return -1;
    for (; m->n_started < m->n_insts; m->n_started++) {
        struct module_inst *inst = m->insts[m->n_started];
        if (inst->module->start && inst->module->start(inst, e) < 0) {
            err_prefix(e, "module %s", inst->module->name);
            modules_stop(m);
            return -1;
        }
    }
    return 0;
}

void modules_stop(struct modules *m)
{
    while (m->n_started > 0) {
        struct module_inst *inst = m->insts[--m->n_started];
        if (inst->module->stop)
            inst->module->stop(inst);
    }
}

unsigned modules_all(const struct modules *m, const struct module *const **out)
{
    *out = m->used.modules;
    return m->used.n;
}
