/* Ordinary clients: libstrophe does for them what it does for its users. */
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client.h"

struct ordinary {
    xmpp_conn_t *conn;
    bool connected, failed;
};

static struct node *from_strophe(struct arena *a, xmpp_stanza_t *stanza);

static void add_attributes(struct arena *a, struct node *n, xmpp_stanza_t *stanza)
{
    const char *pairs[128];
    int count = xmpp_stanza_get_attributes(stanza, pairs, ARRAY_LEN(pairs));
    for (int i = 0; i + 1 < count; i += 2)
        if (strcmp(pairs[i], "xmlns"))
            node_set(a, n, "", arena_strdup(a, pairs[i]), arena_strdup(a, pairs[i + 1]));
}

static struct node *from_strophe(struct arena *a, xmpp_stanza_t *stanza)
{
    const char *ns = xmpp_stanza_get_ns(stanza);
    struct node *n = node_new(a, arena_strdup(a, ns ? ns : NS_CLIENT),
                              arena_strdup(a, xmpp_stanza_get_name(stanza)));
    add_attributes(a, n, stanza);
    for (xmpp_stanza_t *c = xmpp_stanza_get_children(stanza); c; c = xmpp_stanza_get_next(c)) {
        if (xmpp_stanza_is_text(c)) {
            const char *text = xmpp_stanza_get_text_ptr(c);
            node_add_text(a, n, text, strlen(text));
        } else {
            node_append(n, from_strophe(a, c));
        }
    }
    return n;
}

static int on_stanza(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct client *c = arg;
    const char *id = xmpp_stanza_get_id(stanza);
    (void)conn;
    /* The answers to what libstrophe itself asked are not the dialogue's. */
    if (id && !strncmp(id, "_xmpp_", 6))
        return 1;
    /* A stream error comes with the end of the connection. */
    const char *ns = xmpp_stanza_get_ns(stanza);
    if (ns && !strcmp(ns, NS_STREAM))
        return 1;
    client_event(c, EVENT_STANZA, from_strophe(c->d->arena, stanza), NULL);
    return 1;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *arg)
{
    struct client *c = arg;
    struct ordinary *o = c->impl;
    (void)error;
    if (event == XMPP_CONN_CONNECT) {
        o->connected = true;
        client_set_full(c, xmpp_conn_get_bound_jid(conn));
        xmpp_handler_add(conn, on_stanza, NULL, NULL, NULL, c);
        return;
    }
    if (stream_error && stream_error->stanza)
        client_event(c, EVENT_STREAM_ERROR, from_strophe(c->d->arena, stream_error->stanza), NULL);
    o->failed = true;
    client_event(c, EVENT_GONE, NULL, NULL);
}

static void ordinary_pump(struct client *c, int ms)
{
    xmpp_run_once(c->d->strophe, (unsigned long)ms);
}

/* libstrophe only queues; its loop writes. */
static bool ordinary_send(struct client *c, const char *data, size_t len)
{
    struct ordinary *o = c->impl;
    xmpp_send_raw(o->conn, data, len);
    int64_t until = clock_mono() + c->d->options->patience;
    while (!c->gone && xmpp_conn_send_queue_len(o->conn) > 0 && clock_mono() < until)
        xmpp_run_once(c->d->strophe, 1);
    return c->gone || xmpp_conn_send_queue_len(o->conn) == 0;
}

static void ordinary_close(struct client *c)
{
    struct ordinary *o = c->impl;
    xmpp_disconnect(o->conn);
}

/* Without a word: the socket goes with the connection object. */
static void ordinary_drop(struct client *c)
{
    struct ordinary *o = c->impl;
    c->gone = true;
    if (o->conn)
        xmpp_conn_release(o->conn);
    o->conn = NULL;
}

static void ordinary_free(struct client *c)
{
    ordinary_drop(c);
    free(c->impl);
}

static const struct client_ops ordinary_ops = {
    .pump = ordinary_pump,
    .send = ordinary_send,
    .close = ordinary_close,
    .drop = ordinary_drop,
    .free = ordinary_free,
};

struct client *ordinary_new(struct dialogue *d, const char *name)
{
    return client_add(d, name, &ordinary_ops, mem_new(struct ordinary));
}

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static void configure(struct client *c, xmpp_conn_t *conn, bool direct_tls, const char *password)
{
    const char *jid = c->address;
    if (c->resource)
        jid = arena_printf(c->d->arena, "%s/%s", c->address, c->resource);
    xmpp_conn_set_jid(conn, jid);
    xmpp_conn_set_pass(conn, password);
    xmpp_conn_set_cafile(conn, env("XMPP_CA_FILE"));
    xmpp_conn_set_flags(conn,
                        XMPP_CONN_FLAG_DISABLE_SM | (direct_tls ? XMPP_CONN_FLAG_LEGACY_SSL
                                                                : XMPP_CONN_FLAG_MANDATORY_TLS));
}

bool ordinary_connect(struct client *c, bool direct_tls, const char *password, bool expect_failure)
{
    struct ordinary *o = c->impl;
    o->conn = xmpp_conn_new(c->d->strophe);
    configure(c, o->conn, direct_tls, password);
    unsigned long port = strtoul(env(direct_tls ? "XMPP_PORT_TLS" : "XMPP_PORT"), NULL, 10);
    int rc = xmpp_connect_client(o->conn, env("XMPP_HOST"), (unsigned short)port, on_connection, c);
    if (rc != XMPP_EOK)
        return fail(c->d, "%s: no connection to %s port %lu", c->name, env("XMPP_HOST"), port);
    int64_t until = clock_mono() + c->d->options->patience;
    while (!o->connected && !o->failed && clock_mono() < until)
        xmpp_run_once(c->d->strophe, 100);
    if (expect_failure)
        return o->failed ? true : fail(c->d, "%s could log in", c->name);
    if (!o->connected)
        return fail(c->d, "%s could not log in as %s", c->name, c->address);
    return true;
}
