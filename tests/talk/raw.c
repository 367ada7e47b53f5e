#include "raw.h"

#include "base/mem.h"
#include "stream.h"
#include "vars.h"

#define GATHERED_MAX (16U << 20)

static void raw_pump(struct client *c, int ms)
{
    struct raw *r = c->impl;
    int n = wire_read(r->wire, r->input, sizeof(r->input), ms);
    if (n > 0)
        stream_reader_feed(r->reader, r->input, (size_t)n);
    else if (n < 0)
        client_event(c, EVENT_GONE, NULL, NULL);
}

static bool raw_send(struct client *c, const char *data, size_t len)
{
    struct raw *r = c->impl;
    if (!r->gathering)
        return wire_write(r->wire, data, len, r->piece, c->d->options->patience);
    strbuf_add(&r->gathered, data, len);
    return !r->gathered.overflow;
}

static void raw_close(struct client *c)
{
    client_sendf(c, "</stream:stream>");
}

static void raw_drop(struct client *c)
{
    struct raw *r = c->impl;
    wire_close(&r->wire, false);
    c->gone = true;
}

static void raw_free(struct client *c)
{
    struct raw *r = c->impl;
    wire_close(&r->wire, false);
    stream_reader_free(&r->reader);
    strbuf_free(&r->gathered);
    free(r);
}

static const struct client_ops raw_ops = {
    .pump = raw_pump,
    .send = raw_send,
    .close = raw_close,
    .drop = raw_drop,
    .free = raw_free,
};

struct client *raw_connect(struct dialogue *d, const char *name, const char *port_variable)
{
    struct err e;
    const char *port = getenv(port_variable);
    struct wire *wire = wire_connect(port ? port : "", &e);
    if (!wire) {
        fail(d, "%s: %s", name, e.text);
        return NULL;
    }
    struct raw *r = mem_new(struct raw);
    r->wire = wire;
    r->piece = d->options->piece;
    strbuf_init(&r->gathered, GATHERED_MAX);
    struct client *c = client_add(d, name, &raw_ops, r);
    r->reader = stream_reader_new(c);
    return c;
}

struct raw *raw_of(struct client *c)
{
    if (c->ops == &raw_ops)
        return c->impl;
    fail(c->d, "%s is not a raw client", c->name);
    return NULL;
}

bool raw_flush(struct client *c)
{
    struct raw *r = c->impl;
    r->gathering = false;
    bool ok = wire_write(r->wire, strbuf_str(&r->gathered), r->gathered.len, r->piece,
                         c->d->options->patience);
    strbuf_reset(&r->gathered);
    return ok ? true : fail(c->d, "%s could not send", c->name);
}

static const char *domain_of(struct client *c)
{
    const char *domain = var_get(c->d, "domain");
    return domain ? domain : "";
}

bool raw_tls(struct client *c, const char *alpn, int version)
{
    struct raw *r = c->impl;
    struct err e;
    if (c->gone)
        return fail(c->d, "%s: the connection is closed", c->name);
    if (!wire_tls(r->wire, domain_of(c), alpn, version, c->d->options->patience, &e))
        return fail(c->d, "%s: %s", c->name, e.text);
    note(c->d, c->name, "--", "TLS");
    stream_reader_restart(r->reader);
    return true;
}

bool raw_open(struct client *c, const char *domain)
{
    return client_sendf(c,
                        "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' "
                        "to='%s' version='1.0'>",
                        NS_CLIENT, NS_STREAM, domain ? domain : domain_of(c));
}

const struct node *raw_header(struct client *c)
{
    const struct event *e = client_next(c, "the server's stream header");
    if (e && e->kind == EVENT_HEADER)
        return e->el;
    if (e)
        fail(c->d, "%s waited for the server's stream header\n  but received %s", c->name,
             event_say(c->d, e));
    return NULL;
}

/* The next stanza, which must be this element. */
static const struct node *take_element(struct client *c, const char *ns, const char *name)
{
    const char *wanted = arena_printf(c->d->arena, "<%s xmlns='%s'/>", name, ns);
    const struct node *n = client_next_stanza(c, wanted);
    if (!n || node_is(n, ns, name))
        return n;
    fail(c->d, "%s waited for %s\n  but received %s", c->name, wanted, node_say(c->d, n));
    return NULL;
}

static int by_octets(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values of a list's elements, sorted, joined by 0x1E; their text or an attribute. */
static const char *join(struct arena *a, const struct node *list, const char *attr)
{
    const char *values[32], *joined = "";
    size_t n = 0;
    for (const struct node *el = list ? list->first : NULL; el; el = el->next) {
        if (el->text || n == ARRAY_LEN(values))
            continue;
        const char *value = attr ? node_attr(el, "", attr) : node_text(a, el);
        values[n++] = value ? value : "";
    }
    qsort(values, n, sizeof(*values), by_octets);
    for (size_t i = 0; i < n; i++)
        joined = arena_printf(a, "%s%s%s", joined, i ? "\x1e" : "", values[i]);
    return joined;
}

const struct node *raw_features(struct client *c)
{
    struct raw *r = c->impl;
    const struct node *features = take_element(c, NS_STREAM, "features");
    const struct node *mechanisms = features ? node_child(features, NS_SASL, "mechanisms") : NULL;
    r->offer = NULL;
    if (mechanisms) {
        struct arena *a = c->d->arena;
        const struct node *bindings = node_child(features, NS_SASL_CB, "sasl-channel-binding");
        r->offer = arena_printf(a, "%s%s%s", join(a, mechanisms, NULL), bindings ? "\x1f" : "",
                                join(a, bindings, "type"));
    }
    return features;
}

bool raw_starttls(struct client *c)
{
    return client_sendf(c, "<starttls xmlns='%s'/>", NS_TLS) &&
           take_element(c, NS_TLS, "proceed") && raw_tls(c, NULL, 0);
}

/* The data for the kind of binding that the GS2 flag names. */
static void fill_binding(struct client *c, struct sasl_conf *conf)
{
    struct raw *r = c->impl;
    unsigned char *cb = arena_alloc(c->d->arena, WIRE_BINDING_MAX);
    if (!conf->gs2)
        conf->gs2 = "p=tls-exporter";
    if (conf->cb || strncmp(conf->gs2, "p=", 2))
        return;
    conf->cb = cb;
    conf->cb_len = wire_binding(r->wire, conf->gs2 + 2, cb);
}

static bool fill_conf(struct client *c, const char *mechanism, struct sasl_conf *conf)
{
    struct raw *r = c->impl;
    struct arena *a = c->d->arena;
    if (!conf->user) {
        if (!c->address)
            return fail(c->d, "%s: as whom?", c->name);
        conf->user = arena_strndup(a, c->address, strcspn(c->address, "@"));
    }
    if (!conf->password) {
        const char *key = arena_printf(a, "password of %s", c->address ? c->address : "");
        conf->password = var_get(c->d, key);
        if (!conf->password)
            conf->password = var_get(c->d, "password");
    }
    conf->offer = r->offer;
    size_t len = strlen(mechanism);
    if (len > 5 && !strcmp(mechanism + len - 5, "-PLUS"))
        fill_binding(c, conf);
    return true;
}

bool raw_auth(struct client *c, const char *mechanism, struct sasl_conf *conf)
{
    struct raw *r = c->impl;
    if (!fill_conf(c, mechanism, conf))
        return false;
    const char *first = sasl_first(&r->sasl, c->d->arena, mechanism, conf);
    if (!conf->initial)
        return client_sendf(c, "<auth xmlns='%s' mechanism='%s'>%s</auth>", NS_SASL, mechanism,
                            first);
    if (!client_sendf(c, "<auth xmlns='%s' mechanism='%s'/>", NS_SASL, mechanism))
        return false;
    const struct node *asked = take_element(c, NS_SASL, "challenge");
    if (!asked || *node_text(c->d->arena, asked))
        return asked && fail(c->d, "%s: the server asks for more than the first message", c->name);
    return client_sendf(c, "<response xmlns='%s'>%s</response>", NS_SASL, first);
}

bool raw_answer(struct client *c)
{
    struct raw *r = c->impl;
    struct err e;
    const struct node *challenge = take_element(c, NS_SASL, "challenge");
    if (!challenge)
        return false;
    const char *final = sasl_final(&r->sasl, node_text(c->d->arena, challenge), &e);
    if (!final)
        return fail(c->d, "%s: %s", c->name, e.text);
    var_set(c->d, arena_printf(c->d->arena, "%s.salt", c->name), "%s", r->sasl.salt);
    var_set(c->d, arena_printf(c->d->arena, "%s.iterations", c->name), "%d", r->sasl.rounds);
    return client_sendf(c, "<response xmlns='%s'>%s</response>", NS_SASL, final);
}

bool raw_success(struct client *c)
{
    struct raw *r = c->impl;
    const struct node *success = take_element(c, NS_SASL, "success");
    if (!success)
        return false;
    return sasl_verify(&r->sasl, node_text(c->d->arena, success))
               ? true
               : fail(c->d, "%s: the server did not prove that it knows the keys", c->name);
}

bool raw_send_bind(struct client *c, const char *resource)
{
    if (!resource)
        return client_sendf(c, "<iq type='set' id='bind'><bind xmlns='%s'/></iq>", NS_BIND);
    return client_sendf(
        c, "<iq type='set' id='bind'><bind xmlns='%s'><resource>%s</resource></bind></iq>", NS_BIND,
        resource);
}

bool raw_take_bind(struct client *c)
{
    const struct node *iq = client_next_stanza(c, "the answer to <bind/>");
    if (!iq)
        return false;
    const struct node *bind = node_child(iq, NS_BIND, "bind");
    const struct node *jid = bind ? node_child(bind, NS_BIND, "jid") : NULL;
    const char *id = node_attr(iq, "", "id");
    if (!jid || !id || strcmp(id, "bind"))
        return fail(c->d, "%s could not bind a resource: %s", c->name, node_say(c->d, iq));
    client_set_full(c, node_text(c->d->arena, jid));
    return true;
}
