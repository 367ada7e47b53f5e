#include "core/session.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/item.h"
#include "core/module.h"
#include "core/receipt.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream.h"
#include "core/stream_life.h"

static struct jid *full_jid(const struct jid *bare, const char *resource)
{
    size_t res_len = strlen(resource);
    size_t len = bare->bare_len + 1u + res_len;
    struct jid *full = mem_alloc(sizeof(*full) + len + 1);
    *full = (struct jid){bare->bare_hash, bare->node_len, bare->bare_len, (uint16_t)len};
    memcpy(full->s, bare->s, bare->bare_len);
    full->s[bare->bare_len] = '/';
    memcpy(full->s + bare->bare_len + 1, resource, res_len + 1);
    return full;
}

struct session *session_new(struct entity *account, struct stream *stream, const char *resource)
{
    struct home *h = home_self();
    struct session *s = mem_new(struct session);
    s->id = home_new_id(h);
    s->account = account;
    s->owner = account->owner;
    s->jid = full_jid(account->jid, resource);
    s->stream = stream;
    s->since = clock_wall();
    TAILQ_INSERT_TAIL(&account->sessions, s, link);
    account->n_sessions++;
    home_add_session(h, s);
    return s;
}

static void slots_free(struct session *s)
{
    for (unsigned i = 0; s->slots && i < server.n_slots; i++) {
        const struct module *m = server.insts[i]->module;
        if (s->slots[i] && m->session_free)
            m->session_free(s->slots[i]);
        free(s->slots[i]);
    }
    mem_free(&s->slots);
}

/* Frees a closed session that nothing names any more, and lets its account rest. */
static void free_if_done(struct session *s)
{
    if (!s->closed || s->holds || !session_settled(s))
        return;
    struct entity *account = s->account;
    home_remove_session(home_self(), s);
    stanza_unref(&s->presence);
    slots_free(s);
    free(s->sent);
    free((void *)(uintptr_t)s->jid);
    free(s);
    account->holds--;
    entity_rest(account);
}

void session_close(struct session *s)
{
    INVARIANT(!s->closed && !s->asks);
    TAILQ_REMOVE(&s->account->sessions, s, link);
    s->account->n_sessions--;
    s->account->holds++; /* until what is outstanding has been answered */
    s->closed = true;
    s->stream = NULL;
    free_if_done(s);
}

void session_hold(struct session *s)
{
    s->holds++;
}

void session_release(struct session *s)
{
    s->holds--;
    free_if_done(s);
}

void session_stream_ended(struct session *s)
{
    if (!s->stream)
        return;
    s->stream = NULL;
    struct item *item = item_new(ITEM_CLOSED);
    item->mail.keep = true;
    item->session = s->id;
    entity_post(s->account, item);
}

void session_send(struct session *s, struct stanza *st)
{
    if (s->stream)
        stream_send_stanza(s->stream, st, s->jid);
}

size_t session_room(const struct session *s)
{
    return s->stream ? stream_room(s->stream) : 0;
}

size_t session_cost(struct stanza *st)
{
    struct strbuf *out = home_self()->scratch;
    strbuf_reset(out);
    stanza_freeze(st);
    stanza_write(out, st);
    return out->len + JID_MAX; /* the address that session_send() may add */
}

/* The window is so many stanzas, or so many times what a large one holds. */
#define WINDOW_LARGE 4

bool session_window_full(const struct session *s)
{
    const struct config_limits *l = &server.config->limits;
    return (int64_t)(s->seq - s->handled) >= l->stream_window ||
           (int64_t)s->sent_size >= WINDOW_LARGE * l->stanza_size;
}

void session_window_moved(struct session *s)
{
    if (s->closed)
        free_if_done(s);
    else if (s->stream)
        stream_window_moved(s->stream);
}

void session_idle(struct session *s)
{
    if (!session_settled(s))
        return;
    mem_free(&s->sent);
    s->sent_cap = 0;
}

bool session_is_sender(const struct session *s, const struct stanza *st)
{
    if (!st->from)
        return !st_attr(st, A_from);
    return jid_equal(st->from, s->jid) || jid_equal(st->from, s->account->jid);
}

/* RFC 6120 section 8.1.2.1: the server says who it is from. */
static void stamp_from(struct session *s, struct stanza *st)
{
    /* A subscription is between accounts, so it carries the bare JID (RFC 6121 section 3). */
    bool subscription =
        st->kind == STANZA_PRESENCE && st->type >= TYPE_SUBSCRIBE && st->type <= TYPE_UNSUBSCRIBED;
    stanza_set_from(st, subscription ? s->account->jid : s->jid);
}

void session_receive(struct session *s, struct stanza *st)
{
    stamp_from(s, st);
    if (UNLIKELY(!st->to && st_attr(st, A_to))) { /* RFC 6120 section 8.3.3.8 */
        uint64_t seq = receipt_expect(s, st);
        struct stanza *error = stanza_error(st, SE_JID_MALFORMED, NULL);
        if (error)
            session_send(s, error);
        stanza_unref(&error);
        stanza_unref(&st);
        receipt_done(s, seq);
        return;
    }
    struct item *item = item_new(ITEM_OUT);
    item->mail.keep = true; /* bounded by the stream's window */
    item->session = s->id;
    item->seq = receipt_expect(s, st);
    item->st = st;
    entity_post(s->account, item);
}

void *session_slot(struct session *s, const struct module_inst *inst)
{
    if (!s->slots)
        s->slots = mem_zalloc(server.n_slots * sizeof(*s->slots));
    void **slot = &s->slots[inst->slot];
    if (!*slot)
        *slot = mem_zalloc(inst->module->session_size);
    return *slot;
}
