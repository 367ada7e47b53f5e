/* Pairs exchange messages: whoever receives one sends one back, so that a pair always has as many
 * in flight as its window says; or, at a given rate, messages fall due by the clock. */
#include <string.h>

#include "base/mem.h"
#include "hist.h"
#include "proc.h"
#include "scenario.h"

/* A body begins "J", the sender's number, the message's number, and when it was sent:
 * "J0000002a.000001f4.0000000123456789 ". */
#define MARK_LEN 35
#define SENDER_AT 1
#define SEQ_AT 10
#define TIME_AT 19

/* How far back numbers are remembered, to tell a double from a late one. */
#define MEMORY 64

/* One direction of a pair, kept at its receiver, and what its sender needs. */
struct talker {
    char *head, *tail; /* of a message to the peer: up to its id, behind its body's mark */
    size_t head_len, tail_len;
    uint32_t sent;
    uint32_t next;           /* the number expected from the peer */
    uint64_t seen;           /* bit i: number next - 1 - i has come */
    unsigned in_flight;      /* of this sender */
    uint64_t due_at[MEMORY]; /* paced: messages that fell due while the window was full */
    unsigned due;
};

struct chat {
    const struct opts *opts;
    struct crew *crew;
    struct talker *talkers; /* by client number */
    char run[7];            /* begins every id, so that none of an earlier run comes again */
    bool sending;
    uint64_t sent, delivered, refused, doubles, disorder, gaps, overdue;
    unsigned turn; /* paced: whose message falls due next */
    struct hist latency;
};

static void put_hex(char *out, uint64_t v, int digits)
{
    while (digits-- > 0) {
        out[digits] = "0123456789abcdef"[v & 15];
        v >>= 4;
    }
}

/* False if it is not a number of that length. */
static bool get_hex(const char *s, int digits, uint64_t *v)
{
    *v = 0;
    for (int i = 0; i < digits; i++) {
        char c = s[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *v = *v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static struct client *peer_of(const struct chat *chat, const struct client *c)
{
    return &chat->crew->clients[c->number ^ 1];
}

/* Writes a message straight into the output: this is where the generator must be cheap. */
static void send_message(struct chat *chat, struct client *c, uint64_t now)
{
    struct talker *t = &chat->talkers[c->number];
    char mark[MARK_LEN + 1] = "J00000000.00000000.0000000000000000";
    char id[8];
    put_hex(mark + SENDER_AT, c->number, 8);
    put_hex(mark + SEQ_AT, t->sent, 8);
    put_hex(mark + TIME_AT, now, 16);
    memcpy(id, mark + SEQ_AT, 8);
    t->sent++;
    t->in_flight++;
    chat->sent++;
    strbuf_add(&c->out, t->head, t->head_len);
    strbuf_add(&c->out, id, 8);
    if (chat->opts->origin_id) {
        strbuf_puts(&c->out, "'><origin-id xmlns='urn:xmpp:sid:0' id='");
        strbuf_puts(&c->out, chat->run);
        strbuf_add(&c->out, id, 8);
        strbuf_puts(&c->out, "'/><body>");
    } else {
        strbuf_puts(&c->out, "'><body>");
    }
    strbuf_add(&c->out, mark, MARK_LEN);
    strbuf_add(&c->out, t->tail, t->tail_len);
    client_touched(c);
}

/* A message of the peer has come: loss, doubles and order, as a window over the last numbers. */
static bool check_number(struct chat *chat, struct talker *t, uint32_t seq)
{
    int32_t ahead = (int32_t)(seq - t->next);
    if (ahead >= 0) {
        chat->gaps += (uint32_t)ahead;
        t->seen = ahead + 1 >= MEMORY ? 1 : t->seen << (ahead + 1) | 1;
        t->next = seq + 1;
        return true;
    }
    uint64_t bit = -ahead > MEMORY ? 0 : 1ULL << (-ahead - 1);
    if (!bit || t->seen & bit) {
        chat->doubles++;
        return false;
    }
    t->seen |= bit;
    chat->gaps--;
    chat->disorder++;
    return true;
}

/* The window has room again at `sender`, or something has fallen due. */
static void send_due(struct chat *chat, struct client *sender)
{
    struct talker *t = &chat->talkers[sender->number];
    while (t->due > 0 && t->in_flight < chat->opts->window) {
        send_message(chat, sender, t->due_at[0]);
        memmove(t->due_at, t->due_at + 1, --t->due * sizeof(t->due_at[0]));
    }
}

/* A message to `receiver` is out of the way: its sender has room, the receiver answers. */
static void go_on(struct chat *chat, struct client *receiver, uint64_t now)
{
    struct client *sender = peer_of(chat, receiver);
    chat->talkers[sender->number].in_flight--;
    if (chat->opts->rate)
        send_due(chat, sender);
    else if (chat->sending)
        send_message(chat, receiver, now);
}

static void on_stanza(struct client *c, struct slice s)
{
    struct chat *chat = c->crew->scenario;
    struct slice type;
    if (!scan_is(s, "message")) {
        client_answer_iq(c, s);
        return;
    }
    if (scan_attr(s, "type", &type) && type.len == 5 && memcmp(type.s, "error", 5) == 0) {
        chat->refused++;
        go_on(chat, peer_of(chat, c), c->read_at);
        return;
    }
    const char *body = scan_find(s, "<body>J");
    uint64_t sender, seq, at;
    if (!body || s.s + s.len - body < 6 + MARK_LEN || !get_hex(body + 6 + SENDER_AT, 8, &sender) ||
        !get_hex(body + 6 + SEQ_AT, 8, &seq) || !get_hex(body + 6 + TIME_AT, 16, &at))
        return;
    if (sender != (c->number ^ 1)) {
        chat->doubles++; /* somebody else's message was shown to us */
        return;
    }
    if (!check_number(chat, &chat->talkers[c->number], (uint32_t)seq))
        return;
    chat->delivered++;
    hist_add(&chat->latency, c->read_at > at ? c->read_at - at : 0);
    go_on(chat, c, c->read_at);
}

static void on_closed(struct client *c, const char *why)
{
    struct chat *chat = c->crew->scenario;
    (void)why;
    chat->sending = false;
}

static void prepare(struct chat *chat, struct client *c)
{
    const struct opts *o = chat->opts;
    struct talker *t = &chat->talkers[c->number];
    const struct client *peer = peer_of(chat, c);
    struct strbuf head, tail;
    strbuf_init(&head, 1024);
    strbuf_init(&tail, 16384);
    strbuf_printf(&head, "<message to='%s@%s%s%s' type='chat' id='%s", peer->name, o->domain,
                  o->to == TO_FULL ? "/" : "", o->to == TO_FULL ? peer->resource : "", chat->run);
    for (unsigned i = MARK_LEN; i < o->size; i++)
        strbuf_putc(&tail, i % 8 == 3 ? ' ' : (char)('a' + i % 26));
    strbuf_puts(&tail, "</body>");
    if (!o->store)
        strbuf_puts(&tail, "<no-store xmlns='urn:xmpp:hints'/>");
    strbuf_puts(&tail, "</message>");
    t->head_len = head.len;
    t->head = strbuf_detach(&head);
    t->tail_len = tail.len;
    t->tail = strbuf_detach(&tail);
}

/* Lets messages fall due, evenly over time and over the clients; their latency counts from then.
 * What a window and its queue cannot take is given up: the server is too slow for this rate. */
static void fall_due(struct chat *chat, uint64_t from, uint64_t now, uint64_t *done)
{
    unsigned n = chat->opts->connections & ~1u;
    uint64_t target = (uint64_t)((double)(now - from) * chat->opts->rate / 1e9);
    for (; *done < target; ++*done) {
        struct client *c = &chat->crew->clients[chat->turn++ % n];
        struct talker *t = &chat->talkers[c->number];
        if (t->due == MEMORY) {
            chat->overdue++;
            continue;
        }
        t->due_at[t->due++] = from + (uint64_t)((double)*done * 1e9 / chat->opts->rate);
        send_due(chat, c);
    }
}

/* Lets the exchange go on for a time, or until `count` more messages are delivered. False if
 * nothing comes any more. */
static bool go(struct chat *chat, double seconds, uint64_t count)
{
    const struct opts *o = chat->opts;
    uint64_t from = proc_now(), now = from, progress = from, due = 0;
    uint64_t first = chat->delivered, last = first;
    while (chat->sending) {
        crew_turn(chat->crew, o->rate ? 0 : 100);
        now = proc_now();
        if (o->rate)
            fall_due(chat, from, now, &due);
        if (chat->delivered != last)
            progress = now;
        last = chat->delivered;
        if (count ? last - first >= count : (double)(now - from) >= seconds * 1e9)
            return true;
        if ((double)(now - progress) > o->patience * 1e9)
            return false;
    }
    return false;
}

/* Sends no more and waits for what is on its way. */
static void drain(struct chat *chat)
{
    uint64_t progress = proc_now(), last = chat->delivered;
    chat->sending = false;
    for (unsigned i = 0; i < chat->opts->connections; i++)
        chat->talkers[i].due = 0;
    while (chat->delivered + chat->refused < chat->sent) {
        crew_turn(chat->crew, 100);
        if (chat->delivered != last)
            progress = proc_now();
        last = chat->delivered;
        if ((double)(proc_now() - progress) > chat->opts->patience * 1e9)
            return;
    }
    /* A double would come now. */
    crew_turn(chat->crew, 200);
    crew_turn(chat->crew, 0);
}

static bool run_once(struct chat *chat, struct report *r)
{
    const struct opts *o = chat->opts;
    struct meter from, to;
    uint64_t first = chat->delivered;
    memset(&chat->latency, 0, sizeof(chat->latency));
    meter_read(&from, o);
    bool ok = go(chat, o->seconds, o->count);
    meter_read(&to, o);
    double n = (double)(chat->delivered - first);
    report_add(r, "messages_s", "messages/s", 0, n / (to.at - from.at));
    meter_report(r, o, &from, &to, n);
    report_add(r, "p50_us", "us", 0, hist_quantile(&chat->latency, .5) / 1e3);
    report_add(r, "p95_us", "us", 0, hist_quantile(&chat->latency, .95) / 1e3);
    report_add(r, "p99_us", "us", 0, hist_quantile(&chat->latency, .99) / 1e3);
    report_add(r, "max_us", "us", 0, (double)chat->latency.max / 1e3);
    return ok;
}

static void start(struct chat *chat)
{
    const struct opts *o = chat->opts;
    chat->talkers = mem_zalloc(o->connections * sizeof(*chat->talkers));
    chat->crew->events = (struct crew_events){NULL, on_stanza, on_closed};
    chat->crew->scenario = chat;
    chat->sending = true;
    mem_random_token(chat->run, sizeof(chat->run) - 1);
    for (unsigned i = 0; i < (o->connections & ~1u); i++)
        prepare(chat, &chat->crew->clients[i]);
    for (unsigned i = 0; !o->rate && i + 1 < o->connections; i += 2)
        for (unsigned w = 0; w < o->window; w++)
            send_message(chat, &chat->crew->clients[i], proc_now());
}

static bool finish(struct chat *chat, struct report *r)
{
    const struct opts *o = chat->opts;
    uint64_t answered = chat->delivered + chat->refused;
    uint64_t lost = chat->sent > answered ? chat->sent - answered : 0;
    report_fact(r, "window", o->window);
    report_fact(r, "rate", o->rate);
    report_fact(r, "size", o->size);
    report_text(r, "store", o->store ? "yes" : "no");
    report_text(r, "to", o->to == TO_FULL ? "full" : "bare");
    report_fact(r, "sent", (json_int_t)chat->sent);
    report_fact(r, "delivered", (json_int_t)chat->delivered);
    report_fact(r, "lost", (json_int_t)lost);
    report_fact(r, "doubles", (json_int_t)chat->doubles);
    report_fact(r, "disorder", (json_int_t)chat->disorder);
    report_fact(r, "refused", (json_int_t)chat->refused);
    report_fact(r, "overdue", (json_int_t)chat->overdue);
    for (unsigned i = 0; i < o->connections; i++) {
        mem_free(&chat->talkers[i].head);
        mem_free(&chat->talkers[i].tail);
    }
    mem_free(&chat->talkers);
    return lost == 0 && chat->doubles == 0 && chat->disorder == 0 && chat->refused == 0;
}

bool scenario_chat(struct crew *crew, struct report *r)
{
    struct chat *chat = mem_new(struct chat);
    chat->opts = crew->opts;
    chat->crew = crew;
    if (!crew_login(crew, crew->opts->connections)) {
        mem_free(&chat);
        return false;
    }
    start(chat);
    bool ok = go(chat, crew->opts->warmup, 0);
    for (unsigned i = 0; ok && i < crew->opts->runs; i++)
        ok = run_once(chat, r);
    drain(chat);
    ok = finish(chat, r) && ok;
    crew->events = (struct crew_events){0};
    mem_free(&chat);
    return ok;
}
