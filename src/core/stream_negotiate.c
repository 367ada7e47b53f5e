/* What a stream says from its first header to the bound resource: RFC 6120 sections 4 to 7. Which
 * element may come in which phase is the table at the end. */
#include <inttypes.h>

#include "base/clock.h"
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

void stream_send_header(struct stream *s)
{
    char id[STREAM_ID_LEN + 1], to[JID_MAX + 1];
    const struct jid *from = s->opening.from;
    struct strbuf out;
    mem_random_token(id, STREAM_ID_LEN);
    strbuf_init(&out, 8192);
    snprintf(to, sizeof(to), "%.*s", from ? from->bare_len : 0, from ? from->s : "");
    stream_header_write(&out, NS_CONTENT, (s->host ? s->host : server.hosts[0])->name,
                        from ? to : NULL, id);
    stream_send(s, strbuf_str(&out), out.len);
    strbuf_free(&out);
    s->header_sent = true;
}

/* RFC 6120 sections 4.7.1 and 4.9.3.9: who it says it is, it must be; and says so once. */
static bool from_is_true(struct stream *s)
{
    struct stream_opening *o = &s->opening;
    if (o->from_bad)
        return false;
    if (!s->claimed && o->from)
        s->claimed = jid_dup(o->from);
    const struct jid *known = s->account ? s->account : s->claimed;
    return (!o->from || jid_equal_bare(o->from, known)) &&
           (!s->claimed || jid_equal_bare(s->claimed, known));
}

/* What is wrong with the header, STREAM_NO_ERROR if nothing. */
static enum stream_error check_opening(struct stream *s, const char **text)
{
    const struct stream_opening *o = &s->opening;
    *text = NULL;
    if (!o->ns_right)
        return STREAM_INVALID_NAMESPACE;
    if (!o->name_right)
        return STREAM_BAD_FORMAT;
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
    if (!from_is_true(s)) {
        *text = "the stream header's 'from' must be the account's own address";
        return STREAM_INVALID_FROM;
    }
    return STREAM_NO_ERROR;
}

static void add_starttls(struct arena *a, struct xml_el *features)
{
    xml_add(a, xml_add(a, features, NS_TLS, A_starttls), NS_TLS, A_required);
}

static void add_number(struct arena *a, struct xml_el *limits, const char *name, int64_t value)
{
    xml_text(a, xml_add(a, limits, NS_LIMITS, name), arena_printf(a, "%" PRId64, value));
}

/* XEP-0478: what holds from now on. */
static void add_limits(struct stream *s, struct arena *a, struct xml_el *features)
{
    const struct config_limits *l = &server.config->limits;
    struct xml_el *limits = xml_add(a, features, NS_LIMITS, "limits");
    int64_t idle = s->account ? l->ping_after : l->auth_timeout;
    add_number(a, limits, "max-bytes", s->account ? l->stanza_size : l->preauth_stanza_size);
    if (idle >= CLOCK_SEC)
        add_number(a, limits, "idle-seconds", idle / CLOCK_SEC);
}

static void send_features(struct stream *s)
{
    struct stanza *st = stanza_nonza(NS_STREAM, A_features);
    if (s->phase == STREAM_INSECURE)
        add_starttls(st->arena, st->el);
    if (s->phase == STREAM_AUTHED)
        xml_add(st->arena, st->el, NS_BIND, A_bind);
    if (s->phase != STREAM_INSECURE) /* TLS is offered alone */
        add_limits(s, st->arena, st->el);
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
    stream_send_header(s);
    jid_free(&s->opening.to);
    jid_free(&s->opening.from);
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
        conn_start_tls(s->conn, server.tls, s->host->ascii);
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
    if (!s->ended) /* since the fiber was asked for */
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
    if (to_module(s, st))
        return;
    if (st->kind != STANZA_NONZA)
        stream_close(s, STREAM_NOT_AUTHORIZED, "authentication comes first");
    else
        stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

static void authed(struct stream *s, struct stanza *st)
{
    if (st->kind == STANZA_IQ && st->type == TYPE_SET && st_child(st, NS_BIND, A_bind)) {
        s->busy = true;
        bind_request(s, st);
    } else if (st->kind != STANZA_NONZA) {
        stream_close(s, STREAM_NOT_AUTHORIZED, "a resource must be bound first");
    } else if (!to_module(s, st)) {
        stream_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    }
}

/* RFC 6120 section 8.1.5: what does not say its language is in that of its stream; on the streams
 * that it leaves by, this is another. */
static void add_lang(const struct stream *s, struct stanza *st)
{
    if (st->el->first && !xml_attr_ns(st->el, NS_XML, A_lang))
        xml_set_ns(st->arena, st->el, NS_XML, A_lang, arena_strdup(st->arena, s->lang));
}

static void stanza_of_session(struct stream *s, struct stanza *st)
{
    if (!session_is_sender(s->session, st)) {
        stream_refuse(s, STREAM_INVALID_FROM, "a stanza's 'from' must be the session's own");
        return;
    }
    if (s->lang)
        add_lang(s, st);
    session_receive(s->session, stanza_ref(st));
}

static void bound(struct stream *s, struct stanza *st)
{
    if (st->kind != STANZA_NONZA)
        stanza_of_session(s, st);
    else if (!to_module(s, st))
        stream_refuse(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* Nothing is answered any more, so what asks for an answer only is not even looked at. */
static void closing(struct stream *s, struct stanza *st)
{
    if (st->kind != STANZA_NONZA)
        stanza_of_session(s, st);
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
        [STREAM_CLOSING] = closing,
        [STREAM_CLOSED] = nothing_allowed,
    };
    if (xml_is(st->el, NS_STREAM, A_error)) /* section 4.9.1: its stream is over */
        stream_refuse(s, STREAM_NO_ERROR, NULL);
    else if (xml_is(st->el, NS_TLS, A_starttls) && conn_is_tls(s->conn))
        refuse_starttls(s);
    else
        by_phase[s->phase](s, st);
    stanza_unref(&st);
}

/* ---- binding ---- */

void stream_bound(struct stream *s, struct session *session, struct stanza *iq)
{
    s->session = session;
    free(s->label);
    s->label = mem_strdup(session->jid->s);
    jid_free(&s->claimed);
    stream_set_phase(s, STREAM_BOUND);
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
    if (cond == SE_CONFLICT) /* section 7.7.2.2: with another resource it may do */
        xml_set(error->arena, st_child(error, NS_CONTENT, A_error), A_type, "modify");
    stream_send_stanza(s, error, NULL);
    stanza_unref(&error);
    s->busy = false;
    stream_window_moved(s);
}
