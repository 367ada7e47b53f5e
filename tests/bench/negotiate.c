#include "negotiate.h"

#include <string.h>

static void say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

/* Opens a stream, the first or one that replaces another. */
static void open_stream(struct client *c, enum client_state state)
{
    c->scan.depth = 0;
    c->state = state;
    strbuf_printf(&c->out,
                  "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' "
                  "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
                  c->crew->opts->domain);
    client_touched(c);
}

void negotiate_plain(struct client *c)
{
    open_stream(c, CLIENT_STARTTLS_HEADER);
}

void negotiate_secure(struct client *c)
{
    if (!c->crew->opts->relay) {
        open_stream(c, CLIENT_AUTH_HEADER);
        return;
    }
    strbuf_printf(&c->out, "%s@%s\n", c->name, c->crew->opts->domain);
    open_stream(c, CLIENT_RELAY_HEADER);
}

static void ready(struct client *c)
{
    c->state = CLIENT_READY;
    c->crew->busy--;
    if (c->crew->events.ready)
        c->crew->events.ready(c);
}

/* The steps after binding, each left out if not asked for. The ping behind the presence is answered
 * when the presence has been handled. */
static void go_on(struct client *c)
{
    const struct opts *o = c->crew->opts;
    if (c->state < CLIENT_ROSTER && o->roster) {
        c->state = CLIENT_ROSTER;
        say(c, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    } else if (c->state < CLIENT_PRESENCE && o->presence) {
        c->state = CLIENT_PRESENCE;
        strbuf_printf(&c->out,
                      "<presence/><iq type='get' id='ping' to='%s'><ping xmlns='urn:xmpp:ping'/>"
                      "</iq>",
                      o->domain);
        client_touched(c);
    } else {
        ready(c);
    }
}

static void on_starttls_features(struct client *c, struct slice s)
{
    if (!scan_find(s, "<starttls")) {
        client_fail(c, "STARTTLS is not offered");
        return;
    }
    c->state = CLIENT_STARTTLS_PROCEED;
    say(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
}

static void on_proceed(struct client *c, struct slice s)
{
    if (scan_is(s, "proceed"))
        client_start_tls(c);
    else
        client_fail(c, "STARTTLS was refused");
}

static void on_auth_features(struct client *c, struct slice s)
{
    const struct opts *o = c->crew->opts;
    c->state = CLIENT_AUTH;
    if (sasl_start(&c->sasl, s, o->mechanism, c->name, o->password, &c->out))
        client_touched(c);
    else
        client_fail(c, "no SASL mechanism of ours is offered");
}

static void on_auth(struct client *c, struct slice s)
{
    struct crew *crew = c->crew;
    if (scan_is(s, "challenge")) {
        if (sasl_step(&c->sasl, s, crew->opts->password, &crew->keys[c->user], &c->out))
            client_touched(c);
        else
            client_fail(c, "the SASL challenge is malformed");
    } else if (!scan_is(s, "success")) {
        client_fail(c, "authentication failed");
    } else if (!sasl_finish(&c->sasl, s)) {
        client_fail(c, "the server's signature is wrong");
    } else {
        open_stream(c, CLIENT_BIND_HEADER);
    }
}

static void on_bind_features(struct client *c, struct slice s)
{
    if (!scan_find(s, "urn:ietf:params:xml:ns:xmpp-bind")) {
        client_fail(c, "binding is not offered");
        return;
    }
    c->state = CLIENT_BIND;
    strbuf_printf(&c->out,
                  "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  "<resource>bench%u</resource></bind></iq>",
                  c->number);
    client_touched(c);
}

/* Whether it is the <iq/> with this id. */
static bool answers(struct slice s, const char *id)
{
    struct slice v;
    return scan_is(s, "iq") && scan_attr(s, "id", &v) && v.len == strlen(id) &&
           memcmp(v.s, id, v.len) == 0;
}

static bool is_error(struct slice s)
{
    struct slice v;
    return scan_attr(s, "type", &v) && v.len == 5 && memcmp(v.s, "error", 5) == 0;
}

static void on_bind(struct client *c, struct slice s)
{
    if (!answers(s, "bind"))
        return;
    const char *jid = scan_find(s, "<jid>");
    struct slice text;
    if (is_error(s) || !jid ||
        !scan_text((struct slice){jid, (size_t)(s.s + s.len - jid)}, &text)) {
        client_fail(c, "binding failed");
        return;
    }
    const char *slash = memchr(text.s, '/', text.len);
    if (slash)
        snprintf(c->resource, sizeof(c->resource), "%.*s", (int)(text.s + text.len - slash - 1),
                 slash + 1);
    go_on(c);
}

static void on_roster(struct client *c, struct slice s)
{
    if (!answers(s, "roster"))
        return;
    if (is_error(s))
        client_fail(c, "the roster was refused");
    else
        go_on(c);
}

static void on_presence(struct client *c, struct slice s)
{
    if (answers(s, "ping"))
        go_on(c);
    else
        client_answer_iq(c, s);
}

static void on_relay_header(struct client *c, struct slice s)
{
    (void)s;
    ready(c);
}

/* What comes in which state, and who takes it. A header only leads to the next state. */
static const struct step {
    enum scan_result kind;
    void (*take)(struct client *c, struct slice stanza);
} steps[] = {
    [CLIENT_STARTTLS_HEADER] = {SCAN_OPEN, NULL},
    [CLIENT_STARTTLS_FEATURES] = {SCAN_STANZA, on_starttls_features},
    [CLIENT_STARTTLS_PROCEED] = {SCAN_STANZA, on_proceed},
    [CLIENT_AUTH_HEADER] = {SCAN_OPEN, NULL},
    [CLIENT_AUTH_FEATURES] = {SCAN_STANZA, on_auth_features},
    [CLIENT_AUTH] = {SCAN_STANZA, on_auth},
    [CLIENT_BIND_HEADER] = {SCAN_OPEN, NULL},
    [CLIENT_BIND_FEATURES] = {SCAN_STANZA, on_bind_features},
    [CLIENT_BIND] = {SCAN_STANZA, on_bind},
    [CLIENT_ROSTER] = {SCAN_STANZA, on_roster},
    [CLIENT_PRESENCE] = {SCAN_STANZA, on_presence},
    [CLIENT_RELAY_HEADER] = {SCAN_OPEN, on_relay_header},
};

void negotiate(struct client *c, enum scan_result kind, struct slice bytes)
{
    if (kind == SCAN_CLOSE) {
        client_fail(c, "the server ended the stream");
        return;
    }
    if (kind == SCAN_STANZA && scan_is(bytes, "stream:error")) {
        char why[160];
        snprintf(why, sizeof(why), "%.*s", (int)(bytes.len < 150 ? bytes.len : 150), bytes.s);
        client_fail(c, why);
        return;
    }
    const struct step *step = &steps[c->state];
    if (c->state > CLIENT_RELAY_HEADER || step->kind != kind) {
        client_fail(c, "the server sent something out of turn");
    } else if (step->take) {
        step->take(c, bytes);
    } else {
        c->state++;
    }
}

bool client_answer_iq(struct client *c, struct slice s)
{
    struct slice type, id, from;
    if (!scan_is(s, "iq") || !scan_attr(s, "type", &type) || !scan_attr(s, "id", &id))
        return false;
    if (type.len != 3 || (memcmp(type.s, "get", 3) != 0 && memcmp(type.s, "set", 3) != 0))
        return false;
    strbuf_printf(&c->out, "<iq type='result' id='%.*s'", (int)id.len, id.s);
    if (scan_attr(s, "from", &from))
        strbuf_printf(&c->out, " to='%.*s'", (int)from.len, from.s);
    strbuf_puts(&c->out, "/>");
    client_touched(c);
    return true;
}
