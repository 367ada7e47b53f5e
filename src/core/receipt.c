#include "core/receipt.h"

#include "base/arena.h"
#include "base/mem.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/item.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/tell.h"

#define RING_FIRST 8

/* An answer on its way to the stanza's source. */
struct answer {
    struct crossing crossing;
    struct receipt receipt;
    enum receipt_outcome outcome;
    enum stanza_error cond;
    char *text; /* owned, may be NULL */
};

static void ring_grow(struct session *s)
{
    unsigned cap = s->sent_cap ? s->sent_cap * 2 : RING_FIRST;
    struct sent *ring = mem_zalloc(cap * sizeof(*ring));
    for (uint64_t i = s->handled; i < s->seq; i++)
        ring[i % cap] = s->sent[i % s->sent_cap];
    free(s->sent);
    s->sent = ring;
    s->sent_cap = cap;
}

uint64_t receipt_expect(struct session *s, struct stanza *st)
{
    if (s->seq - s->handled >= s->sent_cap)
        ring_grow(s);
    uint64_t seq = s->seq++;
    size_t size = arena_size(st->arena);
    s->sent[seq % s->sent_cap] = (struct sent){.st = stanza_ref(st), .size = size, .pending = 1};
    s->sent_size += size;
    return seq;
}

struct sent *receipt_sent(struct session *s, uint64_t seq)
{
    if (seq < s->handled || seq >= s->seq)
        return NULL;
    struct sent *sent = &s->sent[seq % s->sent_cap];
    return sent->pending ? sent : NULL;
}

void receipt_expect_more(struct session *s, uint64_t seq, bool want_copy)
{
    struct sent *sent = receipt_sent(s, seq);
    INVARIANT(sent);
    sent->pending++;
    sent->want_copy = want_copy;
}

void receipt_done(struct session *s, uint64_t seq)
{
    struct sent *sent = receipt_sent(s, seq);
    INVARIANT(sent);
    if (--sent->pending > 0)
        return;
    stanza_unref(&sent->st);
    s->sent_size -= sent->size;
    if (seq != s->handled)
        return;
    while (s->handled < s->seq && s->sent[s->handled % s->sent_cap].pending == 0)
        s->handled++;
    session_window_moved(s);
}

/* The source's home: what becomes of the stanza now. */
static void answer_take(const struct receipt *r, enum receipt_outcome outcome,
                        enum stanza_error cond, const char *text)
{
    struct session *s = session_find(r->source);
    struct sent *sent = s ? receipt_sent(s, r->seq) : NULL;
    if (!sent)
        return; /* the session has been given up */
    if (outcome == RECEIPT_REFUSED) {
        struct stanza *error = stanza_error(sent->st, cond, text);
        if (error)
            session_send(s, error);
        stanza_unref(&error);
    } else if (sent->want_copy) {
        struct item *item = item_new(ITEM_KEPT);
        item->mail.keep = true;
        item->session = r->source;
        item->seq = r->seq;
        entity_post(s->account, item);
        return;
    }
    receipt_done(s, r->seq);
}

void receipt_encode(struct strbuf *out, const struct receipt *r)
{
    wire_put_u64(out, r->source);
    wire_put_u64(out, r->seq);
    wire_put_u32(out, r->home);
    wire_put_u32(out, r->account);
}

struct receipt receipt_decode(struct wire *in)
{
    struct receipt r = {.source = wire_u64(in)};
    r.seq = wire_u64(in);
    r.home = wire_u32(in);
    r.account = wire_u32(in) != 0;
    return r;
}

static void answer_encode(const struct crossing *x, struct strbuf *out)
{
    const struct answer *a = CONTAINER_OF(x, struct answer, crossing);
    receipt_encode(out, &a->receipt);
    wire_put_u32(out, (uint32_t)a->outcome);
    wire_put_u32(out, (uint32_t)a->cond);
    wire_put_str(out, a->text);
}

static struct crossing *answer_decode(struct wire *in)
{
    struct answer *a = mem_new(struct answer);
    size_t len;
    a->receipt = receipt_decode(in);
    a->outcome = (enum receipt_outcome)wire_u32(in);
    a->cond = (enum stanza_error)wire_u32(in);
    const char *text = wire_bytes(in, &len);
    a->text = text ? mem_strndup(text, len) : NULL;
    if (a->outcome > RECEIPT_REFUSED || a->cond >= SE_COUNT)
        in->bad = true;
    return &a->crossing;
}

static void answer_free(struct crossing *x)
{
    struct answer *a = CONTAINER_OF(x, struct answer, crossing);
    free(a->text);
    free(a);
}

static void answer_arrive(struct crossing *x)
{
    struct answer *a = CONTAINER_OF(x, struct answer, crossing);
    if (a->receipt.account)
        tell_answered(&a->receipt, a->outcome, a->cond);
    else
        answer_take(&a->receipt, a->outcome, a->cond, a->text);
    answer_free(x);
}

static const struct crossing_type answer_type = {
    .name = "receipt",
    .encode = answer_encode,
    .decode = answer_decode,
    .arrive = answer_arrive,
    .free = answer_free,
};

void receipt_init(void)
{
    bus_declare(&answer_type);
}

void receipt_answer(const struct receipt *r, enum receipt_outcome outcome, enum stanza_error cond,
                    const char *text)
{
    if (!r->source)
        return;
    /* An account must hear of it after what the other sent it before. */
    if (!r->account && r->home == home_self()->index && server.config->bus == BUS_LOCAL) {
        answer_take(r, outcome, cond, text);
        return;
    }
    struct answer *a = mem_new(struct answer);
    a->crossing.type = &answer_type;
    a->receipt = *r;
    a->outcome = outcome;
    a->cond = cond;
    a->text = text ? mem_strdup(text) : NULL;
    bus_send(server.crew, r->home, &a->crossing);
}
