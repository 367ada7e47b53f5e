#include "core/config.h"

#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"
#include "core/config_read.h"
#include "core/config_schema.h"
#include "core/module.h"
#include "net/address.h"
#include "store/store.h"
#include "xmpp/jid.h"

/* A configuration being made. */
struct load {
    struct config *c;
    struct arena *scratch; /* what is only needed while loading */
    config_find_module *find;
    void *find_arg;
    struct err *err;
    struct raw_file file;
    struct config_module *modules; /* values not yet filled in */
    const struct module **tables;  /* the modules' declarations, side by side with these */
    size_t n_modules;
};

static int at(struct err *e, const struct raw_place *place)
{
    return err_prefix(e, "%s:%d", place->file, place->line);
}

/* ---- first pass: which modules have sections ---- */

static const char *const no_keys[] = {NULL};

static const char *const *keys_of(struct arena *a, const struct option *table)
{
    size_t n = option_count(table);
    const char **keys = arena_alloc(a, (n + 1) * sizeof(*keys));
    for (size_t i = 0; i < n; i++)
        keys[i] = table[i].name;
    keys[n] = NULL;
    return keys;
}

/* The shape of the whole file, given the keys that may stand in any module's section. */
static const struct raw_shape *make_shapes(struct arena *a, const char *const *module_keys)
{
    struct raw_shape *shapes = arena_zalloc(a, (CONFIG_SECTIONS + 2) * sizeof(*shapes));
    for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
        const struct config_section *s = &config_sections[i];
        shapes[i] = (struct raw_shape){s->name, s->title != NULL, keys_of(a, s->options)};
    }
    shapes[CONFIG_SECTIONS] = (struct raw_shape){"module", true, module_keys};
    return shapes;
}

static bool is_section(const struct raw_section *s, const char *name)
{
    return s->name == name || (s->name && name && strcmp(s->name, name) == 0);
}

static const char *resolve(struct load *l, const char *path)
{
    const char *slash = path[0] == '/' ? NULL : strrchr(l->c->file, '/');
    if (!slash)
        return path;
    return arena_printf(l->c->arena, "%.*s%s", (int)(slash + 1 - l->c->file), l->c->file, path);
}

/* The configured module_dir: needed before the modules' own options can be read. */
static const char *early_module_dir(struct load *l)
{
    const struct raw_section *root = STAILQ_FIRST(&l->file);
    const struct raw_value *v;
    STAILQ_FOREACH (v, &root->values, link) {
        if (strcmp(v->key, "module_dir") == 0 && v->n == 1)
            return resolve(l, v->texts[0]);
    }
    return NULL;
}

static int find_modules(struct load *l)
{
    const struct raw_section *s;
    size_t n = 0;
    STAILQ_FOREACH (s, &l->file, link)
        n += is_section(s, "module");
    l->modules = arena_zalloc(l->c->arena, n * sizeof(*l->modules));
    l->tables = arena_zalloc(l->scratch, n * sizeof(*l->tables));
    STAILQ_FOREACH (s, &l->file, link) {
        if (!is_section(s, "module"))
            continue;
        const struct module *m = l->find(l->find_arg, l->c->module_dir, s->title, l->err);
        if (!m)
            return at(l->err, &s->place);
        l->modules[l->n_modules].name = m->name;
        l->tables[l->n_modules++] = m;
    }
    return 0;
}

/* The keys of all modules together; whose they are is checked when they are filled in. */
static const char *const *all_module_keys(struct load *l)
{
    size_t n = 0, max = 0;
    for (size_t i = 0; i < l->n_modules; i++)
        max += option_count(l->tables[i]->options);
    const char **keys = arena_alloc(l->scratch, (max + 1) * sizeof(*keys));
    for (size_t i = 0; i < l->n_modules; i++) {
        for (const struct option *o = l->tables[i]->options; o && o->name; o++) {
            size_t known = 0;
            while (known < n && strcmp(keys[known], o->name) != 0)
                known++;
            if (known == n)
                keys[n++] = o->name;
        }
    }
    keys[n] = NULL;
    return keys;
}

/* Reads the file twice. An error of the first pass is only told if the second, which knows more,
 * has none. */
static int read_twice(struct load *l)
{
    struct err first_error = {{0}};
    int first = config_read(l->c->file, make_shapes(l->scratch, no_keys), true, l->scratch,
                            &l->file, &first_error);
    l->c->module_dir = early_module_dir(l);
    if (find_modules(l) < 0)
        return -1;
    if (config_read(l->c->file, make_shapes(l->scratch, all_module_keys(l)), false, l->scratch,
                    &l->file, l->err) < 0)
        return -1;
    return first < 0 ? err_set(l->err, "%s", first_error.text) : 0;
}

/* ---- filling in ---- */

/* "port in listen \"c2s\"" */
static int about(struct err *e, const struct raw_section *s, const char *key)
{
    if (!s->name)
        return err_prefix(e, "%s", key);
    if (!s->title)
        return err_prefix(e, "%s in %s", key, s->name);
    return err_prefix(e, "%s in %s \"%.60s\"", key, s->name, s->title);
}

static int unknown_option(struct load *l, const struct raw_section *s, const struct raw_value *v,
                          const struct option *table)
{
    struct suggest near;
    suggest_init(&near, v->key);
    for (const struct option *o = table; o && o->name; o++)
        suggest_offer(&near, o->name);
    err_set(l->err, "unknown key '%s' in %s \"%.60s\"%s%s%s", v->key, s->name, s->title,
            near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
    return at(l->err, &v->place);
}

/* Fills `out`, the section's struct, with defaults and then with what the file says. */
static int fill(struct load *l, const struct raw_section *s, const struct option *table, void *out)
{
    option_defaults(table, out, l->c->arena);
    const struct raw_value *v;
    STAILQ_FOREACH (v, &s->values, link) {
        const struct option *o = option_find(table, v->key);
        if (!o)
            return unknown_option(l, s, v, table);
        if (option_set(o, out, v->texts, v->n, l->c->arena, l->err) < 0) {
            about(l->err, s, v->key);
            return at(l->err, &v->place);
        }
        const char **string = (const char **)(void *)((char *)out + o->offset);
        if (o->path)
            *string = resolve(l, *string);
    }
    for (const struct option *o = table; o && o->name; o++) {
        if (!o->required)
            continue;
        STAILQ_FOREACH (v, &s->values, link) {
            if (strcmp(v->key, o->name) == 0)
                break;
        }
        if (!v) {
            err_set(l->err, "is missing and has no default");
            about(l->err, s, o->name);
            return at(l->err, &s->place);
        }
    }
    return 0;
}

/* Whether the modules that a host or a listener names exist. */
static int check_module(struct load *l, const struct raw_section *s, const char *key,
                        const char *name)
{
    if (l->find(l->find_arg, l->c->module_dir, name, l->err))
        return 0;
    const struct raw_value *v;
    STAILQ_FOREACH (v, &s->values, link) {
        if (strcmp(v->key, key) == 0)
            return at(l->err, &v->place);
    }
    return at(l->err, &s->place);
}

static int fill_host(struct load *l, const struct raw_section *s)
{
    struct config *c = l->c;
    struct config_host *h = &c->hosts[c->n_hosts];
    char name[JID_MAX + 1];
    if (!jid_prep_domain(s->title, strlen(s->title), name)) {
        err_set(l->err, "host \"%.100s\" is not a domain name", s->title);
        return at(l->err, &s->place);
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, name) == 0) {
            err_set(l->err, "host \"%.100s\" is there twice", name);
            return at(l->err, &s->place);
        }
    }
    h->name = arena_strdup(c->arena, name);
    jid_domain_ascii(h->name, name);
    h->ascii = arena_strdup(c->arena, name);
    c->n_hosts++;
    if (fill(l, s, config_sections[CONFIG_HOST].options, h) < 0)
        return -1;
    if (!h->certificate != !h->key) {
        err_set(l->err, "host \"%.100s\": certificate and key belong together: %s is missing", name,
                h->key ? "certificate" : "key");
        return at(l->err, &s->place);
    }
    for (size_t i = 0; i < h->modules.n; i++) {
        if (check_module(l, s, "modules", h->modules.items[i]) < 0)
            return -1;
    }
    return 0;
}

/* A value that is of the right type, but wrong. The error says what; this adds where. */
static int wrong(struct load *l, const struct raw_section *s, const char *key)
{
    const struct raw_value *v;
    about(l->err, s, key);
    STAILQ_FOREACH (v, &s->values, link) {
        if (strcmp(v->key, key) == 0)
            return at(l->err, &v->place);
    }
    return at(l->err, &s->place);
}

static int read_networks(struct config_listen *listen, struct arena *a, struct err *e)
{
    const struct option_list *list = &listen->proxy_trusted;
    struct network *networks = arena_zalloc(a, (list->n + 1) * sizeof(*networks));
    for (size_t i = 0; i < list->n; i++) {
        if (!network_parse(list->items[i], &networks[i]))
            return err_set(e,
                           "'%.60s' is not an address such as 192.0.2.1 or a network such as "
                           "192.0.2.0/24",
                           list->items[i]);
    }
    listen->proxies = networks;
    listen->n_proxies = list->n;
    return 0;
}

static int fill_listen(struct load *l, const struct raw_section *s)
{
    struct config_listen *listen = &l->c->listens[l->c->n_listens++];
    union address address;
    listen->name = arena_strdup(l->c->arena, s->title);
    if (fill(l, s, config_sections[CONFIG_LISTEN].options, listen) < 0)
        return -1;
    if (strcmp(listen->address, "*") != 0 && !address_parse(listen->address, 0, &address)) {
        err_set(l->err, "'%.60s' is neither \"*\" nor an IPv4 or IPv6 address", listen->address);
        return wrong(l, s, "address");
    }
    if (read_networks(listen, l->c->arena, l->err) < 0)
        return wrong(l, s, "proxy_trusted");
    return check_module(l, s, "module", listen->module);
}

/* "stream=debug" */
static int read_area(struct load *l, const char *text, struct log_area_level *out)
{
    const char *equals = strchr(text, '=');
    if (!equals || !log_level_parse(equals + 1, &out->level))
        return err_set(l->err, "'%.60s' is not an area and its level, such as stream=debug", text);
    out->area = arena_strndup(l->c->arena, text, (size_t)(equals - text));
    struct suggest near;
    suggest_init(&near, out->area);
    for (const char *const *known = log_areas; *known; known++) {
        if (strcmp(*known, out->area) == 0)
            return 0;
        suggest_offer(&near, *known);
    }
    if (l->find(l->find_arg, l->c->module_dir, out->area, l->err))
        return 0;
    if (near.best)
        return err_set(l->err, "there is no area '%.60s'; did you mean '%s'?", out->area,
                       near.best);
    return err_prefix(l->err, "there is no area '%.60s'", out->area);
}

static int fill_log(struct load *l, const struct raw_section *s)
{
    struct config_log *log = &l->c->log;
    if (fill(l, s, config_sections[CONFIG_LOG].options, log) < 0)
        return -1;
    struct log_area_level *levels = arena_zalloc(l->c->arena, (log->areas.n + 1) * sizeof(*levels));
    if (log->areas.n > LOG_AREAS_MAX) {
        err_set(l->err, "more than %d areas", LOG_AREAS_MAX);
        return wrong(l, s, "areas");
    }
    for (size_t i = 0; i < log->areas.n; i++) {
        if (read_area(l, log->areas.items[i], &levels[i]) < 0)
            return wrong(l, s, "areas");
    }
    log->levels = levels;
    if (log->target == LOG_TO_FILE && !log->file) {
        err_set(l->err, "the target file needs a file");
        return wrong(l, s, "target");
    }
    return 0;
}

static int fill_module(struct load *l, const struct raw_section *s)
{
    for (size_t i = 0; i < l->n_modules; i++) {
        if (strcmp(l->modules[i].name, s->title) != 0)
            continue;
        const struct module *m = l->tables[i];
        l->modules[i].values = m->options ? arena_zalloc(l->c->arena, m->conf_size) : NULL;
        return fill(l, s, m->options, l->modules[i].values);
    }
    INVARIANT(!"the first pass found every module");
}

static int fill_section(struct load *l, const struct raw_section *s)
{
    if (is_section(s, "host"))
        return fill_host(l, s);
    if (is_section(s, "listen"))
        return fill_listen(l, s);
    if (is_section(s, "module"))
        return fill_module(l, s);
    if (is_section(s, "log"))
        return fill_log(l, s);
    for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
        if (is_section(s, config_sections[i].name))
            return fill(l, s, config_sections[i].options, (char *)l->c + config_sections[i].offset);
    }
    return 0;
}

static int fill_all(struct load *l)
{
    struct config *c = l->c;
    const struct raw_section *s;
    size_t hosts = 1, listens = 2; /* room for the default ones */
    STAILQ_FOREACH (s, &l->file, link) {
        hosts += is_section(s, "host");
        listens += is_section(s, "listen");
    }
    c->hosts = arena_zalloc(c->arena, hosts * sizeof(*c->hosts));
    c->listens = arena_zalloc(c->arena, listens * sizeof(*c->listens));
    STAILQ_FOREACH (s, &l->file, link) {
        if (fill_section(l, s) < 0)
            return -1;
    }
    c->modules = l->modules;
    c->n_modules = l->n_modules;
    return 0;
}

/* ---- what follows from other values ---- */

static void complete_hosts(struct config *c)
{
    if (c->n_hosts == 0) {
        option_defaults(config_sections[CONFIG_HOST].options, c->hosts, c->arena);
        c->hosts[0].name = c->hosts[0].ascii = "localhost";
        c->n_hosts = 1;
    }
    if (c->n_listens > 0)
        return;
    c->n_listens = 2;
    for (size_t i = 0; i < c->n_listens; i++)
        option_defaults(config_sections[CONFIG_LISTEN].options, &c->listens[i], c->arena);
    c->listens[0].name = "c2s";
    c->listens[1].name = "c2s-tls";
    c->listens[1].port = 5223;
    c->listens[1].tls = LISTEN_DIRECT_TLS;
}

static int complete(struct load *l)
{
    struct config *c = l->c;
    complete_hosts(c);
    if (!c->control_socket)
        c->control_socket = arena_printf(c->arena, "%s/jackdaw.sock", c->data_dir);
    struct sockaddr_un sun;
    if (strlen(c->control_socket) >= sizeof(sun.sun_path))
        return err_set(l->err, "%s: control_socket: '%.150s' is too long for a Unix socket (%zu)",
                       c->file, c->control_socket, sizeof(sun.sun_path) - 1);
    if (!c->store.target && c->store.driver == STORE_POSTGRES)
        return err_set(l->err,
                       "%s: store: the driver postgres needs a target, such as "
                       "\"host=/run/postgresql dbname=jackdaw\"",
                       c->file);
    if (!c->store.target)
        c->store.target = arena_printf(c->arena, "%s/jackdaw.db", c->data_dir);
    if (c->cache.servers && c->cache.lease <= c->cache.heartbeat)
        return err_set(l->err, "%s: cache: lease must be longer than heartbeat", c->file);
    if (!c->node) {
        char name[256] = "";
        gethostname(name, sizeof(name) - 1);
        c->node = arena_strdup(c->arena, name[0] ? name : "localhost");
    }
    return 0;
}

struct config *config_load(const char *file, config_find_module *find, void *arg, struct err *e)
{
    struct arena *a = arena_new(4096);
    struct config *c = arena_zalloc(a, sizeof(*c));
    c->arena = a;
    c->file = arena_strdup(a, file);
    struct load l = {.c = c, .find = find, .find_arg = arg, .err = e, .scratch = arena_new(16384)};
    for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
        if (!config_sections[i].title)
            option_defaults(config_sections[i].options, (char *)c + config_sections[i].offset, a);
    }
    bool good = read_twice(&l) == 0 && fill_all(&l) == 0 && complete(&l) == 0;
    arena_free(&l.scratch);
    if (!good)
        config_free(&c);
    return c;
}

void config_set_bus(struct config *c, const char *bus)
{
    if (bus)
        c->bus = strcmp(bus, "loopback") == 0 ? BUS_LOOPBACK : BUS_LOCAL;
}

const void *config_module_values(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_modules; i++) {
        if (strcmp(c->modules[i].name, name) == 0)
            return c->modules[i].values;
    }
    return NULL;
}

void config_free(struct config **cp)
{
    if (!*cp)
        return;
    struct arena *a = (*cp)->arena; /* holds the struct too */
    *cp = NULL;
    arena_free(&a);
}
