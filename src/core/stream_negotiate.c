/* What a stream says from its first header to the bound resource: RFC 6120 sections 4 to 7. Which
 * element may come in which phase is the table at the end. */
#include "base/log.h"
#include "base/mem.h"
#include "core/bind.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module.h"
#include "core/router.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream_private.h"
#include "loop/fiber.h"

/* ---- the header ---- */

static void send_header(struct stream *s, const char *from)
{
    char id[STREAM_ID_LEN + 1];
    mem_random_token(id, STREAM_ID_LEN);
    struct strbuf out;
    strbuf_init(&out, 2048);
    const char *to = s->account ? s->account->s : NULL;
    stream_header_write(&out, NS_CONTENT, from, to, id);
    stream_send(s, strbuf_str(&out), out.len);
    strbuf_free(&out);
    s->header_sent = true;
}

/* What is wrong with the header, STREAM_NO_ERROR if nothing. */
static enum stream_error check_opening(struct stream *s, const char **text)
{
    const struct stream_opening *o = &s->opening;
    *text = NULL;
    if (!o->is_stream || !o->is_client)
        return STREAM_INVALID_NAMESPACE;
    if (!o->version_1)
        return STREAM_UNSUPPORTED_VERSION;
    if (!o->to) {
        *text = "the stream header's 'to' must name a host of this server";
        return STREAM_IMPROPER_ADDRESSING;
    }
    struct host *host = host_find(o->to->s, o->to->len);
    if (!host) {
        *text = "this server does not serve that host";
        return STREAM_HOST_UNKNOWN;
    }
    if (s->host && s->host != host) { /* the first header has decided */
        *text = "a restarted stream must be to the same host";
        return STREAM_HOST_UNKNOWN;
    }
    s->host = host;
    return STREAM_NO_ERROR;
}

static void add_starttls(struct arena *a, struct xml_el *features)
{
    xml_add(a, xml_add(a, features, NS_TLS, A_starttls), NS_TLS, A_required);
}

static void send_features(struct stream *s)
{
    struct stanza *st = stanza_nonza(NS_STREAM, A_features);
    if (s->phase == STREAM_INSECURE)
        add_starttls(st->arena, st->el);
    if (s->phase == STREAM_AUTHED)
        xml_add(st->arena, st->el, NS_BIND, A_bind);
    s->features = st;
    HOST_NOTIFY(s->host, stream_features, s, st->el);
    s->features = NULL;
    stream_send_el(s, st->el);
    stanza_unref(&st);
}

struct arena *stream_features_arena(const struct stream *s)
{
    return s->features->arena;
}

void stream_answer_opening(struct stream *s)
{
    const char *text;
    enum stream_error err = check_opening(s, &text);
    s->opening.seen = false;
    send_header(s, s->host ? s->host->name : s->opening.to ? s->opening.to->s : NULL);
    jid_free(&s->opening.to);
    if (err != STREAM_NO_ERROR) {
        stream_close(s, err, text);
        return;
    }
    stream_set_phase(s, s->account             ? STREAM_AUTHED
                        : conn_is_tls(s->conn) ? STREAM_SECURE
                                               : STREAM_INSECURE);
    send_features(s);
}

/* ---- elements, by phase ---- */

static void send_sasl_failure(struct stream *s, const char *condition)
{
    struct stanza *st = stanza_nonza(NS_SASL, A_failure);
    xml_add(st->arena, st->el, NS_SASL, condition);
    stream_send_el(s, st->el);
    stanza_unref(&st);
}

static void insecure(struct stream *s, struct stanza *st)
{
    if (xml_is(st->el, NS_TLS, A_starttls)) {
        struct xml_el *proceed = xml_new(st->arena, NS_TLS, A_proceed);
        stream_send_el(s, proceed);
        stream_set_phase(s, STREAM_HANDSHAKE);
        strbuf_reset(&s->held); /* clear text behind the request is not to be believed */
        conn_start_tls(s->conn, server.tls);
    } else if (atom_is(st->el->ns, NS_SASL)) {
        send_sasl_failure(s, "encryption-required");
    } else if (st->kind != STANZA_NONZA) {
        stream_close(s, STREAM_NOT_AUTHORIZED, "TLS comes first, then authentication");
    } else {
        stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    }
}

/* A module's handler of a nonza under way. */
struct nonza_run {
    struct stream *stream;
    struct stanza *st;
    const struct nonza_entry *entry;
    struct module_inst *inst;
};

static void nonza_fiber(void *arg)
{
    struct nonza_run *run = arg;
    struct stream *s = run->stream;
    fiber_set_deadline(clock_mono() + server.config->limits.stanza_deadline);
    run->entry->fn(run->inst, s, run->st);
    stanza_unref(&run->st);
    free(run);
    bool moving = s->phase == STREAM_MOVING;
    stream_fiber_ended(s);
    if (moving)
        return;
    s->busy = false;
    stream_window_moved(s);
}

/* Hands a nonza, or an iq before there is a session, to the module that has declared it for this
 * phase; false if none has. */
static bool to_module(struct stream *s, struct stanza *st)
{
    bool in_iq = st->kind == STANZA_IQ;
    const struct xml_el *el = in_iq ? xml_first(st->el) : st->el;
    struct module_inst *inst;
    const struct nonza_entry *entry = el ? host_nonza(s->host, el->ns, el->name, &inst) : NULL;
    if (!entry || entry->phase != s->phase || entry->in_iq != in_iq)
        return false;
    struct nonza_run *run = mem_new(struct nonza_run);
    *run = (struct nonza_run){.stream = s, .st = stanza_ref(st), .entry = entry, .inst = inst};
    s->busy = s->fiber = true;
    if (fiber_spawn(home_self()->worker, FIBER_NORMAL, nonza_fiber, run))
        return true;
    s->busy = s->fiber = false;
    stanza_unref(&run->st);
    free(run);
    stream_close(s, STREAM_RESOURCE_CONSTRAINT, "too much to do, try again later");
    return true;
}

/* RFC 6120 section 5.4.2.2: TLS is there already. */
static void refuse_starttls(struct stream *s)
{
    struct stanza *st = stanza_nonza(NS_TLS, A_failure);
    stream_send_el(s, st->el);
    stanza_unref(&st);
    stream_close(s, STREAM_NO_ERROR, NULL);
}

static void secure(struct stream *s, struct stanza *st)
{
    if (xml_is(st->el, NS_TLS, A_starttls)) {
        refuse_starttls(s);
        return;
    }
    if (to_module(s, st))
        return;
    if (st->kind != STANZA_NONZA)
        stream_close(s, STREAM_NOT_AUTHORIZED, "authentication comes first");
    else
        stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

static void authed(struct stream *s, struct stanza *st)
{
    if (st->kind == STANZA_IQ && st->type == TYPE_SET && st->id && st_child(st, NS_BIND, A_bind)) {
        s->busy = true;
        bind_request(s, st);
    } else if (st->kind != STANZA_NONZA) {
        stream_close(s, STREAM_NOT_AUTHORIZED, "a resource must be bound first");
    } else if (!to_module(s, st)) {
        stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    }
}

static void bound(struct stream *s, struct stanza *st)
{
    if (st->kind == STANZA_NONZA) {
        if (!to_module(s, st))
            stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    session_receive(s->session, stanza_ref(st));
}

static void nothing_allowed(struct stream *s, struct stanza *st)
{
    (void)st;
    stream_close(s, STREAM_BAD_FORMAT, "nothing is expected now");
}

void stream_handle(struct stream *s, struct stanza *st)
{
    static void (*const by_phase[])(struct stream *, struct stanza *) = {
        [STREAM_OPENING] = nothing_allowed,
        [STREAM_INSECURE] = insecure,
        [STREAM_HANDSHAKE] = nothing_allowed,
        [STREAM_SECURE] = secure,
        [STREAM_MOVING] = nothing_allowed,
        [STREAM_AUTHED] = authed,
        [STREAM_BOUND] = bound,
        [STREAM_CLOSED] = nothing_allowed,
    };
    by_phase[s->phase](s, st);
    stanza_unref(&st);
}

/* ---- binding ---- */

void stream_bound(struct stream *s, struct session *session, struct stanza *iq)
{
    s->session = session;
    free(s->label);
    s->label = mem_strdup(session->jid->s);
    stream_set_phase(s, STREAM_BOUND);
    timer_set(home_self()->worker, &s->timer, server.config->limits.parser_idle);
    struct stanza *reply = stanza_reply(iq);
    struct xml_el *bind = xml_add(reply->arena, reply->el, NS_BIND, A_bind);
    struct xml_el *jid = xml_add(reply->arena, bind, NS_BIND, A_jid);
    xml_text(reply->arena, jid, session->jid->s);
    stream_send_stanza(s, reply, NULL);
    stanza_unref(&reply);
    s->busy = false;
    stream_window_moved(s);
}

void stream_bind_failed(struct stream *s, struct stanza *iq, enum stanza_error cond,
                        const char *text)
{
    struct stanza *error = stanza_error(iq, cond, text);
    stream_send_stanza(s, error, NULL);
    stanza_unref(&error);
    s->busy = false;
    stream_window_moved(s);
}
