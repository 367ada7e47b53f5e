/* What comes in on a stream: bytes, elements in turn, the end. What cannot be handled yet waits
 * here, and the connection is not read meanwhile. */
#include "base/mem.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream_private.h"

#define HELD_MAX                                                                                   \
    ((size_t)256 << 10) /* bytes kept while the stream is busy; its reading is paused */
#define LANG_MAX 35     /* of a language tag (RFC 5646 section 4.4.1) */

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

void stream_charge(struct stream *s, size_t n)
{
    s->elements += (unsigned)n;
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

void stream_input(void *arg, const char *bytes, size_t len)
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
    static const char digits[] = "0123456789";
    size_t major = version ? strspn(version, digits) : 0;
    if (major == 0 || version[major] != '.' || strspn(version, "0") == major)
        return false;
    const char *minor = version + major + 1;
    return *minor && minor[strspn(minor, digits)] == '\0';
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
    if (from && !strchr(from, '@'))
        from = NULL; /* XML::Stream (sendxmpp) names its machine: that says nothing of an account */
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

const struct xml_sink stream_sink = {sink_open, sink_element, sink_close};

void stream_window_moved(struct stream *s)
{
    if (!s->ended && !s->dispatching && (s->paused || s->close_seen || input_waits(s)))
        worker_at_turn_end(home_self()->worker, &s->turn);
}

void stream_turn_end(struct turn_end *t)
{
    stream_continue(CONTAINER_OF(t, struct stream, turn));
}

void stream_input_init(struct stream *s)
{
    s->queue_tail = &s->queue;
    strbuf_init(&s->held, HELD_MAX);
    s->turn.run = stream_turn_end;
}

void stream_forget_input(struct stream *s)
{
    struct stanza *st;
    while ((st = queue_take(s)))
        stanza_unref(&st);
    strbuf_free(&s->held);
    forget_opening(s);
}

void stream_refuse(struct stream *s, enum stream_error err, const char *text)
{
    stream_forget_input(s);
    s->refusal = err;
    s->refusal_text = text;
    s->close_seen = true;
}
