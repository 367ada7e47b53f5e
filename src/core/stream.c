#include "core/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quota.h"
#include "base/throttle.h"
#include "core/home.h"
#include "core/host.h"
#include "core/router.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream_private.h"
#include "net/tls.h"
#include "xml/writer.h"

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

int64_t stream_last_heard(const struct stream *s)
{
    return s->last_data;
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

static const struct conn_handler conn_handler = {stream_input, conn_happened};

/* ---- life ---- */

static void stream_free(struct turn_end *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, turn);
    stream_forget_input(s);
    conn_free(&s->conn);
    xml_parser_free(&s->parser);
    stream_set_sasl(s, NULL, NULL);
    stanza_unref(&s->success);
    jid_free(&s->claimed);
    jid_free(&s->account);
    free(s->lang);
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

/* Who has not logged in may be anybody, and come as often as he likes: of each kind of end, only so
 * much from one network is worth a line. */
static enum log_level worth_a_line(const struct stream *s, enum stream_error err)
{
    static const struct throttle_rate some = {20, 60 * CLOCK_SEC};
    char network[QUOTA_NETWORK_MAX];
    if (s->account || !s->conn)
        return LOG_INFO;
    quota_network(conn_peer_address(s->conn), network);
    uint64_t key = throttle_key("closed", network, stream_error_name(err));
    if (throttle_full(THROTTLE_LINES, key, &some))
        return LOG_DEBUG;
    throttle_add(THROTTLE_LINES, key, &some);
    return LOG_INFO;
}

/* Our last words; nothing may be written after them. */
static void say_goodbye(struct stream *s, enum stream_error err, const char *text)
{
    struct strbuf out;
    strbuf_init(&out, 4096);
    if (!s->header_sent)
        stream_send_header(s);
    if (err != STREAM_NO_ERROR) {
        enum log_level level = worth_a_line(s, err);
        log_at(level, "stream", s->label, "closed: %s%s%s", stream_error_name(err),
               text ? ": " : "", text ? text : "");
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
    stream_input_init(s);
    s->conn = conn_new(w, fd, peer, &conn_conf, &conn_handler, s);
    s->label = mem_strdup(conn_peer(s->conn));
    s->parser = xml_parser_new(&stream_sink, s, &limits);
    table_add(s);
    if (!take_quota(s)) {
        stream_close(s, STREAM_POLICY_VIOLATION, "too many connections from this address");
        return;
    }
    bool direct = listen->tls == LISTEN_DIRECT_TLS;
    stream_set_phase(s, direct ? STREAM_HANDSHAKE : STREAM_OPENING);
    if (direct)
        conn_start_tls(s->conn, server.tls, NULL);
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
    s->turn.run = stream_turn_end;
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
        stream_close(s, STREAM_POLICY_VIOLATION, "too many failed attempts");
}
