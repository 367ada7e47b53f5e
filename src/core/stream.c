#include "core/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quota.h"
#include "core/home.h"
#include "core/host.h"
#include "core/router.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream_private.h"
#include "net/tls.h"
#include "xml/writer.h"

#define HELD_MAX                                                                                   \
    ((size_t)256 << 10)   /* bytes kept while the stream is busy; its reading is paused */
#define LANG_MAX 35       /* of a language tag (RFC 5646 section 4.4.1) */
#define READ_BUDGET 65536 /* bytes per turn of the loop */

static _Thread_local struct stream *streams; /* of this worker, by id */

static const char *const phase_names[] = {
    [STREAM_OPENING] = "opening", [STREAM_INSECURE] = "insecure", [STREAM_HANDSHAKE] = "handshake",
    [STREAM_SECURE] = "secure",   [STREAM_MOVING] = "moving",     [STREAM_AUTHED] = "authenticated",
    [STREAM_BOUND] = "bound",     [STREAM_CLOSING] = "closing",   [STREAM_CLOSED] = "closed",
};

const char *stream_phase_name(enum stream_phase p)
{
    return phase_names[p];
}

void stream_set_phase(struct stream *s, enum stream_phase phase)
{
    log_debug("stream", s->label, "%s -> %s", phase_names[s->phase], phase_names[phase]);
    s->phase = phase;
    stream_set_timer(s);
}

/* ---- facts ---- */

uint64_t stream_id(const struct stream *s)
{
    return s->id;
}

struct stream *stream_find(uint64_t id)
{
    struct stream *s;
    HASH_FIND(hh, streams, &id, sizeof(id), s);
    return s;
}

enum stream_phase stream_phase(const struct stream *s)
{
    return s->phase;
}

struct conn *stream_conn(const struct stream *s)
{
    return s->conn;
}

struct host *stream_host(const struct stream *s)
{
    return s->host;
}

const char *stream_label(const struct stream *s)
{
    return s->label;
}

const struct jid *stream_account(const struct stream *s)
{
    return s->account;
}

int64_t stream_since(const struct stream *s)
{
    return s->since;
}

struct session *stream_session(const struct stream *s)
{
    return s->session;
}

void stream_set_sasl(struct stream *s, void *sasl, void (*free_fn)(void *sasl))
{
    if (s->sasl && s->sasl_free)
        s->sasl_free(s->sasl);
    s->sasl = sasl;
    s->sasl_free = free_fn;
}

void *stream_sasl(const struct stream *s)
{
    return s->sasl;
}

/* ---- what goes out ---- */

void stream_send(struct stream *s, const char *bytes, size_t len)
{
    if (s->conn && s->phase != STREAM_CLOSING)
        conn_write(s->conn, bytes, len);
}

void stream_send_el(struct stream *s, const struct xml_el *el)
{
    struct strbuf *out = home_self()->scratch;
    strbuf_reset(out);
    xml_write(out, el, NS_CONTENT);
    stream_send(s, strbuf_str(out), out->len);
}

void stream_send_stanza(struct stream *s, const struct stanza *st, const struct jid *to)
{
    struct strbuf *out = home_self()->scratch;
    strbuf_reset(out);
    stanza_write_as(out, st, NULL, st->to ? NULL : to);
    stream_send(s, strbuf_str(out), out->len);
}

/* ---- what comes in ---- */

/* Whether what comes now is for the stream: not after its end, nor in the middle of a handshake. */
static bool hears(const struct stream *s)
{
    return !s->close_seen && s->phase != STREAM_CLOSED && s->phase != STREAM_HANDSHAKE;
}

static bool input_waits(const struct stream *s)
{
    return s->busy || s->queue || s->held.len > 0;
}

/* The connection is read exactly while nothing waits and its client need not be slowed down. */
static void update_reading(struct stream *s)
{
    bool pause = input_waits(s) || timer_is_set(&s->slow);
    if (!s->conn || pause == s->paused)
        return;
    s->paused = pause;
    if (pause)
        conn_pause(s->conn);
    else
        conn_resume(s->conn);
}

static struct stanza *queue_take(struct stream *s)
{
    struct stanza *st = s->queue;
    if (!st)
        return NULL;
    s->queue = st->next;
    st->next = NULL;
    if (!s->queue)
        s->queue_tail = &s->queue;
    return st;
}

/* The peer's part is over. What it sent before is answered first (RFC 6120 section 4.4). */
static void answer_close(struct stream *s)
{
    if (s->phase != STREAM_BOUND || session_settled(s->session)) {
        stream_close(s, s->refusal, s->refusal_text);
    } else if (!s->session->leaving) {
        s->session->leaving = true;
        stream_set_closing_timer(s);
    }
}

/* Handles what has been read: a header, elements, the end. */
static void dispatch(struct stream *s)
{
    if (s->dispatching)
        return;
    s->dispatching = true;
    if (s->opening.seen && s->phase != STREAM_CLOSED)
        stream_answer_opening(s);
    while (s->queue && !s->busy && s->phase != STREAM_CLOSED) {
        if (s->session && session_window_full(s->session) && !s->close_seen)
            break;
        stream_handle(s, queue_take(s));
    }
    s->dispatching = false;
    if (s->close_seen && !s->queue && !s->busy && s->phase != STREAM_CLOSED)
        answer_close(s);
}

/* How much to parse at once. Until a session is bound, the XML may be restarted after any element,
 * so that what follows must not yet be parsed: every element ends with a '>'. */
static size_t piece_len(const struct stream *s, const char *bytes, size_t len)
{
    if (s->phase == STREAM_BOUND || s->phase == STREAM_CLOSING)
        return len;
    const char *end = memchr(bytes, '>', len);
    return end ? (size_t)(end - bytes) + 1 : len;
}

/* Parses and handles bytes until they are used up or the stream has to wait; returns how many were
 * parsed. */
static size_t feed(struct stream *s, const char *bytes, size_t len)
{
    size_t used = 0;
    while (used < len && hears(s) && !s->busy && !s->queue) {
        size_t piece = piece_len(s, bytes + used, len - used);
        enum xml_error e = xml_parser_feed(s->parser, bytes + used, piece);
        used += piece;
        if (e != XML_OK && !s->close_seen) { /* what came before the mistake is still done */
            s->refusal = stream_error_of_xml(e);
            s->refusal_text = e == XML_TOO_BIG ? "larger than this server's limits" : NULL;
            s->close_seen = true;
        }
        dispatch(s);
    }
    return used;
}

void stream_continue(struct stream *s)
{
    if (s->ended)
        return;
    dispatch(s);
    while (s->held.len > 0 && hears(s) && !s->busy && !s->queue) {
        struct strbuf bytes = s->held;
        strbuf_init(&s->held, HELD_MAX);
        size_t used = feed(s, bytes.s, bytes.len);
        if (used < bytes.len && hears(s)) {
            struct strbuf later = s->held; /* what a restart may have put back comes after */
            strbuf_init(&s->held, HELD_MAX);
            strbuf_add(&s->held, bytes.s + used, bytes.len - used);
            strbuf_add(&s->held, strbuf_str(&later), later.len);
            strbuf_free(&later);
        }
        strbuf_free(&bytes);
    }
    if (!s->ended)
        update_reading(s);
}

static void hold(struct stream *s, const char *bytes, size_t len)
{
    strbuf_add(&s->held, bytes, len);
    if (s->held.overflow)
        stream_close(s, STREAM_POLICY_VIOLATION, "too much was sent without waiting for answers");
}

static void tell_input(struct stream *s, size_t bytes)
{
    unsigned elements = s->elements;
    s->elements = 0;
    HOST_NOTIFY(s->host, stream_input, s, bytes, elements);
}

static void slow_over(struct timer *t)
{
    update_reading(CONTAINER_OF(t, struct stream, slow));
}

void stream_slow(struct stream *s, int64_t time)
{
    if (s->ended)
        return;
    s->slow.fn = slow_over;
    timer_set(home_self()->worker, &s->slow, time);
    update_reading(s);
}

static void data_came(void *arg, const char *bytes, size_t len)
{
    struct stream *s = arg;
    struct worker *w = home_self()->worker;
    if (!hears(s))
        return;
    s->last_data = worker_now(w);
    if (s->idle && s->phase == STREAM_BOUND)
        stream_heard(s);
    size_t used = input_waits(s) ? 0 : feed(s, bytes, len);
    if (used < len && hears(s))
        hold(s, bytes + used, len - used);
    if (s->phase == STREAM_BOUND && s->session)
        tell_input(s, len);
    if (s->phase != STREAM_CLOSED)
        update_reading(s);
}

/* RFC 6120 section 4.7.5: two numbers; a later version than ours is answered with ours. */
static bool is_version_1(const char *version)
{
    unsigned major, minor;
    char rest;
    return version && sscanf(version, "%5u.%5u%c", &major, &minor, &rest) == 2 && major >= 1;
}

/* Our stream is in English, and so is everything on it that does not say otherwise. */
static char *foreign_lang(const char *lang)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t len = lang ? strlen(lang) : 0;
    if (len == 0 || len > LANG_MAX || strspn(lang, allowed) != len || strcmp(lang, "en") == 0)
        return NULL;
    return mem_strdup(lang);
}

static void forget_opening(struct stream *s)
{
    jid_free(&s->opening.to);
    jid_free(&s->opening.from);
}

static void sink_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    struct stream *s = arg;
    const char *to = xml_attr(el, A_to), *from = xml_attr(el, A_from);
    forget_opening(s);
    s->opening = (struct stream_opening){
        .seen = true,
        .ns_right = atom_is(el->ns, NS_STREAM) && atom_is(content_ns, NS_CONTENT),
        .name_right = atom_is(el->name, A_stream),
        .version_1 = is_version_1(xml_attr(el, A_version)),
        .to = to ? jid_parse_new(to, strlen(to)) : NULL,
        .from = from ? jid_parse_new(from, strlen(from)) : NULL,
    };
    s->opening.from_bad = from && !s->opening.from;
    free(s->lang);
    s->lang = foreign_lang(xml_attr_ns(el, NS_XML, A_lang));
}

static void sink_element(void *arg, struct arena *arena, struct xml_el *el)
{
    struct stream *s = arg;
    struct stanza *st = stanza_from_element(arena, el, NULL);
    *s->queue_tail = st;
    s->queue_tail = &st->next;
    s->elements++;
}

static void sink_close(void *arg)
{
    struct stream *s = arg;
    s->close_seen = true;
}

static const struct xml_sink sink = {sink_open, sink_element, sink_close};

/* ---- events ---- */

static void secured(struct stream *s)
{
    jid_free(&s->claimed); /* what was said before is not to be believed */
    stream_restart(s);
    stream_set_phase(s, STREAM_OPENING);
}

static void conn_happened(void *arg, enum conn_event ev, const char *why)
{
    struct stream *s = arg;
    switch (ev) {
    case CONN_SECURED: secured(s); break;
    case CONN_CLOSED:
        s->close_seen = true;
        if (!s->busy)
            stream_continue(s);
        break;
    case CONN_BROKEN:
        log_debug("stream", s->label, "connection lost: %s", why ? why : "unknown");
        stream_end(s);
        break;
    }
}

static struct conn_conf conn_conf;

size_t stream_room(const struct stream *s)
{
    size_t room = conn_conf.output_max / 2, queued = s->conn ? conn_queued(s->conn) : room;
    return queued < room ? room - queued : 0;
}

void streams_init(void)
{
    const struct config_limits *l = &server.config->limits;
    int64_t least = STANZA_GROWTH * l->stanza_size; /* never too much for its reader */
    conn_conf = (struct conn_conf){
        .output_max = (size_t)(l->output_max > least ? l->output_max : least),
        .read_budget = READ_BUDGET,
    };
}

static const struct conn_handler conn_handler = {data_came, conn_happened};

void stream_window_moved(struct stream *s)
{
    if (!s->ended && !s->dispatching && (s->paused || s->close_seen || input_waits(s)))
        worker_at_turn_end(home_self()->worker, &s->turn);
}

static void turn_continue(struct turn_end *t)
{
    stream_continue(CONTAINER_OF(t, struct stream, turn));
}

/* ---- life ---- */

static void stream_free(struct turn_end *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, turn);
    struct stanza *st;
    while ((st = queue_take(s)))
        stanza_unref(&st);
    conn_free(&s->conn);
    xml_parser_free(&s->parser);
    stream_set_sasl(s, NULL, NULL);
    stanza_unref(&s->success);
    forget_opening(s);
    jid_free(&s->claimed);
    jid_free(&s->account);
    free(s->lang);
    strbuf_free(&s->held);
    if (s->quota)
        quota_give(s->quota);
    free(s->quota);
    free(s->label);
    free(s);
}

static void table_add(struct stream *s)
{
    HASH_ADD(hh, streams, id, sizeof(s->id), s);
    home_self()->n_streams++;
}

static void table_remove(struct stream *s)
{
    HASH_DEL(streams, s);
    home_self()->n_streams--;
}

/* Frees at the end of the turn; while a fiber names it, when that has ended. */
static void free_later(struct stream *s)
{
    struct worker *w = home_self()->worker;
    worker_cancel_turn_end(w, &s->turn);
    s->turn.run = stream_free;
    worker_at_turn_end(w, &s->turn);
}

void stream_end(struct stream *s)
{
    if (s->ended)
        return;
    s->ended = true;
    if (s->phase != STREAM_CLOSED)
        stream_set_phase(s, STREAM_CLOSED);
    timer_clear(home_self()->worker, &s->slow);
    conn_free(&s->conn);
    table_remove(s);
    struct session *session = s->session;
    s->session = NULL;
    if (session && session->stream == s)
        session_stream_ended(session);
    if (!s->fiber)
        free_later(s);
}

void stream_fiber_ended(struct stream *s)
{
    s->fiber = false;
    if (s->ended)
        free_later(s);
}

/* Our last words; nothing may be written after them. */
static void say_goodbye(struct stream *s, enum stream_error err, const char *text)
{
    struct strbuf out;
    strbuf_init(&out, 4096);
    if (!s->header_sent)
        stream_send_header(s);
    if (err != STREAM_NO_ERROR) {
        log_info("stream", s->label, "closed: %s%s%s", stream_error_name(err), text ? ": " : "",
                 text ? text : "");
        stream_error_write(&out, err, text);
    }
    strbuf_puts(&out, "</stream:stream>");
    stream_send(s, strbuf_str(&out), out.len);
    strbuf_free(&out);
}

static void hang_up(struct stream *s, int64_t linger)
{
    stream_set_phase(s, STREAM_CLOSED);
    if (s->conn)
        conn_close(&s->conn, linger);
    stream_end(s);
}

void stream_close(struct stream *s, enum stream_error err, const char *text)
{
    if (s->phase == STREAM_CLOSED)
        return;
    if (s->phase != STREAM_HANDSHAKE && s->phase != STREAM_CLOSING)
        say_goodbye(s, err, text);
    /* One that is too many does not stay. */
    hang_up(s, s->quota ? server.config->limits.close_timeout : 0);
}

void stream_refuse(struct stream *s, enum stream_error err, const char *text)
{
    struct stanza *st;
    while ((st = queue_take(s)))
        stanza_unref(&st);
    strbuf_reset(&s->held);
    s->refusal = err;
    s->refusal_text = text;
    s->close_seen = true;
}

void stream_give_up(struct stream *s)
{
    if (s->phase == STREAM_CLOSING)
        hang_up(s, 0);
    else
        stream_close(s, s->refusal, s->refusal_text);
}

void streams_close_all(enum stream_error err)
{
    struct stream *s, *next;
    HASH_ITER (hh, streams, s, next) {
        if (s->phase != STREAM_BOUND || s->close_seen) {
            stream_close(s, err, NULL);
            continue;
        }
        say_goodbye(s, err, NULL);
        s->session->leaving = true;
        stream_set_phase(s, STREAM_CLOSING);
    }
}

static bool take_quota(struct stream *s)
{
    char network[QUOTA_NETWORK_MAX], name[128];
    quota_network(conn_peer_address(s->conn), network);
    snprintf(name, sizeof(name), "connection %s", network);
    if (!quota_take(name, server.config->limits.connections_per_address))
        return false;
    s->quota = mem_strdup(name);
    return true;
}

static struct xml_limits limits_before_login(void)
{
    const struct config_limits *l = &server.config->limits;
    return (struct xml_limits){(size_t)l->preauth_stanza_size, (unsigned)l->preauth_elements,
                               (unsigned)l->stanza_depth, (unsigned)l->stanza_attributes};
}

static struct xml_limits limits_after_login(void)
{
    const struct config_limits *l = &server.config->limits;
    return (struct xml_limits){(size_t)l->stanza_size, (unsigned)l->stanza_elements,
                               (unsigned)l->stanza_depth, (unsigned)l->stanza_attributes};
}

void stream_restart(struct stream *s)
{
    struct xml_limits limits = s->account ? limits_after_login() : limits_before_login();
    xml_parser_restart(s->parser);
    xml_parser_set_limits(s->parser, &limits);
    s->header_sent = false;
}

void stream_accept(struct worker *w, const struct config_listen *listen, int fd,
                   const union address *peer)
{
    struct stream *s = mem_new(struct stream);
    struct xml_limits limits = limits_before_login();
    s->id = home_new_id(home_self());
    s->since = worker_now(w);
    s->listen = listen;
    s->queue_tail = &s->queue;
    strbuf_init(&s->held, HELD_MAX);
    s->turn.run = turn_continue;
    s->conn = conn_new(w, fd, peer, &conn_conf, &conn_handler, s);
    s->label = mem_strdup(conn_peer(s->conn));
    s->parser = xml_parser_new(&sink, s, &limits);
    table_add(s);
    if (!take_quota(s)) {
        stream_close(s, STREAM_POLICY_VIOLATION, "too many connections from this address");
        return;
    }
    bool direct = listen->tls == LISTEN_DIRECT_TLS;
    stream_set_phase(s, direct ? STREAM_HANDSHAKE : STREAM_OPENING);
    if (direct)
        conn_start_tls(s->conn, server.tls);
}

/* ---- the move ---- */

static void arrive(struct post *post)
{
    struct stream *s = CONTAINER_OF(post, struct stream, post);
    struct home *h = home_self();
    table_add(s);
    s->busy = false;
    conn_attach(s->conn, h->worker);
    s->paused = false;
    stream_set_phase(s, STREAM_OPENING);
    stream_send_el(s, s->success->el);
    stanza_unref(&s->success);
    stream_restart(s);
    if (h->stopping)
        stream_close(s, STREAM_SYSTEM_SHUTDOWN, NULL);
    else
        stream_continue(s);
}

/* At the end of the turn, when nothing on this worker's stack names the stream any more. */
static void depart(struct turn_end *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, turn);
    INVARIANT(!s->fiber && s->account);
    s->turn.run = turn_continue;
    if (s->paused)
        conn_resume(s->conn);
    conn_detach(s->conn);
    table_remove(s);
    s->post.run = arrive;
    worker_post(crew_worker(server.crew, home_of(s->account->bare_hash)), &s->post);
}

void stream_authenticated(struct stream *s, const struct jid *bare, struct stanza *success)
{
    if (s->ended) {
        stanza_unref(&success);
        return;
    }
    stream_set_sasl(s, NULL, NULL);
    s->account = jid_dup(bare);
    s->success = success;
    free(s->label);
    s->label = mem_strndup(bare->s, bare->bare_len);
    stream_set_phase(s, STREAM_MOVING);
    s->busy = true; /* until it has arrived */
    s->turn.run = depart;
    worker_at_turn_end(home_self()->worker, &s->turn);
}

void stream_make_temporary(struct stream *s)
{
    s->temporary = true;
}

bool stream_is_temporary(const struct stream *s)
{
    return s->temporary;
}

void stream_auth_failed(struct stream *s)
{
    if (++s->failures >= server.config->limits.login_failures)
        stream_close(s, STREAM_POLICY_VIOLATION, "too many failed logins");
}
