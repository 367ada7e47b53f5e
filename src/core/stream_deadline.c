/* The one timer of a stream: how long each phase may take, and what is done about silence. */
#include "base/log.h"
#include "core/home.h"
#include "core/module.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream_private.h"

/* Where in struct config_limits the time of a phase stands, and what was missing when it is over.
 * Other phases are not timed so. */
static const struct {
    size_t limit;
    const char *missing;
} phases[] = {
    [STREAM_OPENING] = {offsetof(struct config_limits, header_timeout), "no stream header"},
    [STREAM_INSECURE] = {offsetof(struct config_limits, tls_timeout), "TLS was not begun"},
    [STREAM_HANDSHAKE] = {offsetof(struct config_limits, tls_timeout), "no TLS handshake"},
    [STREAM_SECURE] = {offsetof(struct config_limits, auth_timeout), "no login"},
    [STREAM_AUTHED] = {offsetof(struct config_limits, bind_timeout), "no resource was bound"},
    [STREAM_CLOSING] = {offsetof(struct config_limits, close_timeout), "no end of the stream"},
    [STREAM_CLOSED] = {0},
};

static int64_t time_of(enum stream_phase phase)
{
    const char *limits = (const char *)&server.config->limits;
    return phases[phase].missing ? *(const int64_t *)(limits + phases[phase].limit) : 0;
}

int64_t stream_login_time(void)
{
    int64_t each = time_of(STREAM_INSECURE) + time_of(STREAM_HANDSHAKE) + time_of(STREAM_SECURE) +
                   time_of(STREAM_AUTHED);
    return each + 3 * time_of(STREAM_OPENING); /* at first, after TLS, after SASL */
}

/* ---- silence ---- */

/* What a silent stream does not need. */
static void give_back(struct stream *s)
{
    xml_parser_park(s->parser);
    session_idle(s->session);
    if (s->held.len == 0)
        strbuf_free(&s->held);
    s->idle = true;
}

/* A question to the client; false if no module asks one. */
static bool ask(struct stream *s)
{
    enum hook_result result;
    HOST_CHAIN(result, s->host, stream_silent, s);
    s->asked = result == HOOK_HANDLED;
    return s->asked;
}

/* RFC 6120 section 4.6. While the stream is not read, nothing can be heard. */
static void silent(struct stream *s, struct worker *w)
{
    const struct config_limits *l = &server.config->limits;
    int64_t for_so_long = worker_now(w) - s->last_data;
    if (s->paused) {
        timer_set(w, &s->timer, l->parser_idle);
        return;
    }
    if (for_so_long < l->parser_idle) {
        timer_set(w, &s->timer, l->parser_idle - for_so_long);
        return;
    }
    if (!s->idle)
        give_back(s);
    if (s->asked)
        stream_close(s, STREAM_CONNECTION_TIMEOUT, "nothing was heard, not even an answer");
    else if (l->ping_after > for_so_long)
        timer_set(w, &s->timer, l->ping_after - for_so_long);
    else if (l->ping_after > 0 && ask(s) && !s->ended)
        timer_set(w, &s->timer, l->ping_timeout);
}

void stream_heard(struct stream *s)
{
    s->idle = s->asked = false;
    timer_set(home_self()->worker, &s->timer, server.config->limits.parser_idle);
}

/* ---- the timer ---- */

static void fired(struct timer *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, timer);
    char text[128];
    if (s->close_seen || s->phase == STREAM_CLOSING) {
        stream_give_up(s);
    } else if (s->phase == STREAM_BOUND) {
        silent(s, home_self()->worker);
    } else {
        snprintf(text, sizeof(text), "%s within the time allowed", phases[s->phase].missing);
        stream_close(s, STREAM_CONNECTION_TIMEOUT, text);
    }
}

void stream_set_timer(struct stream *s)
{
    struct worker *w = home_self()->worker;
    int64_t limit =
        s->phase == STREAM_BOUND ? server.config->limits.parser_idle : time_of(s->phase);
    s->timer.fn = fired;
    if (limit > 0)
        timer_set(w, &s->timer, limit);
    else
        timer_clear(w, &s->timer);
}

void stream_set_closing_timer(struct stream *s)
{
    timer_set(home_self()->worker, &s->timer, time_of(STREAM_CLOSING));
}
