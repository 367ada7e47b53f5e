#include "core/router.h"

#include <limits.h>

#include "base/hash.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/host.h"
#include "core/item.h"
#include "core/receipt.h"
#include "core/server.h"

unsigned home_of(uint64_t bare_hash)
{
    return (unsigned)(bare_hash % crew_size(server.crew));
}

unsigned home_of_self(void)
{
    return home_self()->index;
}

struct host *host_find(const char *name, size_t len)
{
    for (unsigned i = 0; i < server.n_hosts; i++)
        if (server.hosts[i]->jid->len == len && memcmp(server.hosts[i]->jid->s, name, len) == 0)
            return server.hosts[i];
    return NULL;
}

/* Whether a stanza is news only to an account that is loaded: it never wakes one. */
static bool only_if_loaded(const struct stanza *st)
{
    return st->kind == STANZA_PRESENCE &&
           (st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE || st->type == TYPE_PROBE ||
            st->type == TYPE_ERROR);
}

/* Bounds and replacement in the recipient's mailbox. What was sent to another address of the same
 * account is other news: it is shown to other sessions. There are as many of these as the sender
 * makes up, so only what is for all sessions is kept in any case. */
static void address_mail(struct item *item)
{
    const struct stanza *st = item->st;
    const struct jid *to = item->to ? item->to : st->to;
    struct mail *mail = &item->mail;
    mail->source = st->from ? st->from->bare_hash : 0;
    mail->keep = (st->kind == STANZA_PRESENCE && st->type == TYPE_UNAVAILABLE && jid_is_bare(to)) ||
                 (st->kind == STANZA_IQ && (st->type == TYPE_RESULT || st->type == TYPE_ERROR));
    if (st->kind == STANZA_PRESENCE && st->from &&
        (st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE))
        mail->replace =
            (hash_bytes(st->from->s, st->from->len) * 3 + hash_bytes(to->s, to->len)) | 1;
}

/* ---- crossings ---- */

static void stanza_encode(struct strbuf *out, const struct stanza *st)
{
    struct strbuf bytes;
    strbuf_init(&bytes, STANZA_WRITTEN_MAX);
    stanza_write(&bytes, st);
    INVARIANT(!bytes.overflow);
    wire_put_bytes(out, strbuf_str(&bytes), bytes.len);
    strbuf_free(&bytes);
}

static struct stanza *stanza_decode(struct wire *in)
{
    size_t len;
    const char *bytes = wire_bytes(in, &len);
    return bytes ? stanza_parse(bytes, len) : NULL;
}

static void item_encode(const struct crossing *x, struct strbuf *out)
{
    const struct item *item = CONTAINER_OF(x, struct item, crossing);
    stanza_encode(out, item->st);
    receipt_encode(out, &item->receipt);
}

static void item_crossing_free(struct crossing *x)
{
    struct item *item = CONTAINER_OF(x, struct item, crossing);
    item_free(&item);
}

static struct crossing *item_decode(struct wire *in)
{
    struct item *item = item_new(ITEM_IN);
    item->st = stanza_decode(in);
    item->receipt = receipt_decode(in);
    if (!item->st || !item->st->to)
        in->bad = true;
    else
        address_mail(item);
    return &item->crossing;
}

static void send_item(struct item *item, const struct jid *to);

static void item_arrive(struct crossing *x)
{
    struct item *item = CONTAINER_OF(x, struct item, crossing);
    const struct jid *to = item->st->to;
    struct home *h = home_self();
    if (UNLIKELY(home_of(to->bare_hash) != h->index)) { /* its home has moved meanwhile */
        send_item(item, to);
        return;
    }
    struct entity *e = only_if_loaded(item->st) ? entity_find(h, to) : entity_wake(h, to);
    if (e) {
        entity_post(e, item);
        return;
    }
    receipt_answer(&item->receipt, RECEIPT_HANDED, SE_UNDEFINED_CONDITION, NULL);
    item_free(&item);
}

static const struct crossing_type item_type = {
    .name = "stanza",
    .encode = item_encode,
    .decode = item_decode,
    .arrive = item_arrive,
    .free = item_crossing_free,
};

static void send_item(struct item *item, const struct jid *to)
{
    unsigned home = home_of(to->bare_hash);
    if (home != home_self()->index)
        stanza_freeze(item->st);
    bus_send(server.crew, home, &item->crossing);
}

/* ---- routing ---- */

void route_error(struct stanza *st, enum stanza_error cond, const char *text)
{
    if (!st->from)
        return;
    struct stanza *error = stanza_error(st, cond, text);
    if (error && error->to)
        route(error, NULL);
    stanza_unref(&error);
}

void route_refuse(struct stanza *st, const struct receipt *r, enum stanza_error cond,
                  const char *text)
{
    if (!r || !r->source || r->account)
        route_error(st, cond, text);
    if (r)
        receipt_answer(r, RECEIPT_REFUSED, cond, text);
}

static struct item *item_for(struct stanza *st, const struct receipt *r)
{
    struct item *item = item_new(ITEM_IN);
    item->crossing.type = &item_type;
    item->st = stanza_ref(st);
    if (r)
        item->receipt = *r;
    address_mail(item);
    return item;
}

void route(struct stanza *st, const struct receipt *r)
{
    const struct jid *to = st->to;
    INVARIANT(to);
    if (!host_find(jid_domain(to), jid_domain_len(to))) {
        route_refuse(st, r, SE_REMOTE_SERVER_NOT_FOUND,
                     "this server does not talk to other servers yet");
        return;
    }
    if (!jid_has_node(to)) { /* clients' requests to a host are answered where they come from */
        if (delivery_to_host(st) == DELIVER_REFUSED)
            route_refuse(st, r, SE_SERVICE_UNAVAILABLE, NULL);
        else if (r)
            receipt_answer(r, RECEIPT_HANDED, SE_UNDEFINED_CONDITION, NULL);
        return;
    }
    send_item(item_for(st, r), to);
}

void route_to_worker_for_test(struct stanza *st, unsigned worker)
{
    stanza_freeze(st);
    bus_send(server.crew, worker, &item_for(st, NULL)->crossing);
}

/* ---- fan-out ---- */

/* One stanza for several addressees of one worker. */
struct fanout {
    struct crossing crossing;
    struct stanza *st;
    size_t n;
    struct jid *to[];
};

static void fanout_free(struct crossing *x)
{
    struct fanout *f = CONTAINER_OF(x, struct fanout, crossing);
    stanza_unref(&f->st);
    for (size_t i = 0; i < f->n; i++)
        jid_free(&f->to[i]);
    free(f);
}

static void fanout_encode(const struct crossing *x, struct strbuf *out)
{
    const struct fanout *f = CONTAINER_OF(x, struct fanout, crossing);
    stanza_encode(out, f->st);
    wire_put_u32(out, (uint32_t)f->n);
    for (size_t i = 0; i < f->n; i++)
        wire_put_bytes(out, f->to[i]->s, f->to[i]->len);
}

static struct crossing *fanout_decode(struct wire *in)
{
    struct stanza *st = stanza_decode(in);
    uint32_t n = wire_u32(in);
    if (n > (uint32_t)(in->end - in->p))
        n = 0; /* each takes some bytes: a number beyond that is wrong */
    struct fanout *f = mem_zalloc(sizeof(*f) + n * sizeof(f->to[0]));
    f->st = st;
    for (; f->n < n && !in->bad; f->n++) {
        size_t len;
        const char *s = wire_bytes(in, &len);
        f->to[f->n] = s ? jid_parse_new(s, len) : NULL;
        in->bad |= !f->to[f->n];
    }
    in->bad |= !st;
    return &f->crossing;
}

static void fanout_arrive(struct crossing *x)
{
    struct fanout *f = CONTAINER_OF(x, struct fanout, crossing);
    struct home *h = home_self();
    for (size_t i = 0; i < f->n; i++) {
        struct entity *e = entity_find(h, f->to[i]);
        if (!e)
            continue;
        struct item *item = item_new(ITEM_IN);
        item->st = stanza_ref(f->st);
        item->to = f->to[i];
        f->to[i] = NULL;
        address_mail(item);
        entity_post(e, item);
    }
    fanout_free(x);
}

static const struct crossing_type fanout_type = {
    .name = "fan-out",
    .encode = fanout_encode,
    .decode = fanout_decode,
    .arrive = fanout_arrive,
    .free = fanout_free,
};

#define NOWHERE UINT_MAX

/* Where there may be someone to tell: NOWHERE if `to` is not ours, or is of this worker and not
 * loaded. (Whoever comes later asks for himself.) */
static unsigned fanout_home(struct home *h, const struct jid *to)
{
    if (!jid_has_node(to) || !host_find(jid_domain(to), jid_domain_len(to)))
        return NOWHERE;
    unsigned home = home_of(to->bare_hash);
    return home == h->index && !entity_find(h, to) ? NOWHERE : home;
}

void route_fanout(struct stanza *st, const struct jid *const *to, size_t n)
{
    unsigned workers = crew_size(server.crew);
    unsigned *homes = mem_alloc((n + 1) * sizeof(*homes));
    size_t *counts = mem_zalloc(workers * sizeof(*counts));
    for (size_t i = 0; i < n; i++) {
        homes[i] = fanout_home(home_self(), to[i]);
        if (homes[i] != NOWHERE)
            counts[homes[i]]++;
    }
    stanza_freeze(st);
    for (unsigned home = 0; home < workers; home++) {
        if (counts[home] == 0)
            continue;
        struct fanout *f = mem_zalloc(sizeof(*f) + counts[home] * sizeof(f->to[0]));
        f->crossing.type = &fanout_type;
        f->st = stanza_ref(st);
        for (size_t i = 0; i < n; i++)
            if (homes[i] == home)
                f->to[f->n++] = jid_dup(to[i]);
        bus_send(server.crew, home, &f->crossing);
    }
    free(homes);
    free(counts);
}

void router_init(void)
{
    bus_declare(&item_type);
    bus_declare(&fanout_type);
    receipt_init();
}
