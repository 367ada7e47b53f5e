#include "core/item.h"

#ifdef FAULT_TORN
#include <stdlib.h>
#include <unistd.h>
#endif

#include "base/clock.h"
#include "base/mem.h"
#include "core/ask_life.h"
#include "core/bind.h"
#include "core/call.h"
#include "core/delivery.h"
#include "core/entity_life.h"
#include "core/hook.h"
#include "core/host.h"
#include "core/module.h"
#include "core/receipt.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/tell.h"
#include "core/work_life.h"

struct item *item_new(enum item_kind kind)
{
    struct item *item = mem_new(struct item);
    item->kind = kind;
    return item;
}

void item_free(struct item **item)
{
    if (!*item)
        return;
    stanza_unref(&(*item)->st);
    jid_free(&(*item)->to);
    free((*item)->resource);
    mem_free(item);
}

static uint64_t peer_of(const struct entity *e, const struct jid *other)
{
    return other ? other->bare_hash : e->jid->bare_hash;
}

static struct work work_of(struct entity *e, struct item *item, const struct jid *peer)
{
    return (struct work){
        .account = e,
        .host = e->host,
        .st = item->st,
        .entry = ledger_open(&e->ledger, peer_of(e, peer)),
    };
}

/* ---- a client's own stanza ---- */

static void send_on(struct work *w, uint64_t seq)
{
    receipt_expect_more(w->session, seq, w->want_copy);
    struct receipt r = {.source = w->session->id, .seq = seq, .home = home_of_self()};
    work_route_receipt(w, w->st, &r);
}

static void out_message(struct work *w, uint64_t seq)
{
    if (submission_of(w) == SUBMIT_SELF)
        stanza_set_to(w->st, w->account->jid);
    w->to = w->st->to;
    enum hook_result result;
    HOST_CHAIN(result, w->host, message_out, w);
    if (result == HOOK_CONTINUE)
        send_on(w, seq);
}

static void out_presence(struct work *w)
{
    enum hook_result result;
    bool subscription = w->st->type >= TYPE_SUBSCRIBE && w->st->type <= TYPE_UNSUBSCRIBED;
    if (subscription && w->account->temporary) { /* it would outlive the account (XEP-0175) */
        work_reject(w, SE_NOT_ALLOWED, "an anonymous user has no contacts");
        return;
    }
    HOST_CHAIN(result, w->host, presence_out, w);
    (void)result; /* a refusal stands in `w` */
}

/* True if an aside handler has taken the work over. */
static bool out_iq(struct work *w, uint64_t seq)
{
    switch (submission_of(w)) {
    case SUBMIT_ACCOUNT: return work_iq(w, IQ_ACCOUNT, true, seq);
    case SUBMIT_HOST:
        w->host = host_find(jid_domain(w->st->to), jid_domain_len(w->st->to));
        return work_iq(w, IQ_HOST, true, seq);
    case SUBMIT_REFUSED: work_reject(w, SE_SERVICE_UNAVAILABLE, NULL); return false;
    case SUBMIT_ANSWER: ask_answered(w); return false;
    default: send_on(w, seq); return false;
    }
}

/* Items of their own: what they write does not hold back the presence that caused them. */

static void tell_available(struct entity *e, struct session *s)
{
    struct work w = work_own(e, s);
    s->announced = false;
    HOST_NOTIFY(w.host, session_available, &w);
    work_own_end(&w);
}

static void tell_takes_messages(struct entity *e, struct session *s)
{
    struct work w = work_own(e, s);
    HOST_NOTIFY(w.host, session_takes_messages, &w);
    work_own_end(&w);
}

static void handle_out(struct entity *e, struct item *item)
{
    struct session *s = session_find(item->session);
    INVARIANT(s); /* what is outstanding keeps it */
    if (s->closed) {
        receipt_done(s, item->seq);
        return;
    }
    struct work w = work_of(e, item, item->st->to);
    w.session = s;
    w.to = item->st->to;
    const char *flaw = stanza_flaw(item->st);
    bool took_messages = session_wants_messages(s);
    if (flaw)
        work_reject(&w, SE_BAD_REQUEST, flaw);
    else if (item->st->kind == STANZA_MESSAGE)
        out_message(&w, item->seq);
    else if (item->st->kind == STANZA_PRESENCE)
        out_presence(&w);
    else if (out_iq(&w, item->seq))
        return;
    /* One that has removed its account is gone with its item. */
    bool announced = s->announced, takes_messages = !took_messages && session_wants_messages(s);
    work_finish_out(&w, item->seq);
    if (announced)
        tell_available(e, s);
    if (takes_messages)
        tell_takes_messages(e, s);
}

/* ---- a stanza from elsewhere ---- */

/* Whether a hook has dealt with it. */
static bool intercepted(struct work *w)
{
    enum hook_result result;
    HOST_CHAIN(result, w->host, iq_in, w);
    return result != HOOK_CONTINUE;
}

/* True if an aside handler has taken the work over. */
static bool in_iq(struct work *w)
{
    bool request = w->st->type == TYPE_GET || w->st->type == TYPE_SET;
    if (request && intercepted(w))
        return false;
    struct session *s;
    switch (w->delivery) {
    case DELIVER_RESOURCE: /* a hook may have waited: it may have gone meanwhile */
        s = delivery_addressed(w->account, w->to);
        if (s)
            work_send(w, s, w->st);
        else if (request)
            work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
        return false;
    case DELIVER_ACCOUNT: return work_iq(w, IQ_ACCOUNT, false, 0);
    case DELIVER_REFUSED: work_reject(w, SE_SERVICE_UNAVAILABLE, NULL); return false;
    default: return false;
    }
}

#ifdef FAULT_TORN
/* As if the server died when one side of a subscription had been stored and the other had not:
 * while the file exists that this variable names, no subscription stanza arrives. */
static bool is_torn_off(const struct stanza *st)
{
    const char *file = getenv("FAULT_TORN");
    return st->kind == STANZA_PRESENCE && st->type >= TYPE_SUBSCRIBE &&
           st->type <= TYPE_UNSUBSCRIBED && file && access(file, F_OK) == 0;
}
#endif

static void handle_in(struct entity *e, struct item *item)
{
#ifdef FAULT_TORN
    if (is_torn_off(item->st))
        return;
#endif
    struct work w = work_of(e, item, item->st->from);
    enum hook_result result;
    w.to = item->to ? item->to : item->st->to;
    w.receipt = item->receipt;
    w.delivery = delivery_for(item->st, e, w.to);
    if (item->st->kind == STANZA_IQ) {
        if (in_iq(&w))
            return;
    } else if (!e->exists) {
        if (w.delivery == DELIVER_REFUSED)
            work_reject(&w, SE_SERVICE_UNAVAILABLE, NULL);
    } else {
        if (item->st->kind == STANZA_MESSAGE)
            HOST_CHAIN(result, w.host, message_in, &w);
        else
            HOST_CHAIN(result, w.host, presence_in, &w);
        (void)result; /* a refusal stands in `w` */
    }
    work_finish_in(&w);
}

/* ---- answers and events ---- */

static void handle_kept(struct entity *e, struct item *item)
{
    struct session *s = session_find(item->session);
    struct sent *sent = s ? receipt_sent(s, item->seq) : NULL;
    INVARIANT(sent);
    if (!e->exists || s->owner != e->owner) { /* the account has been removed meanwhile */
        receipt_done(s, item->seq);
        return;
    }
    item->st = stanza_ref(sent->st);
    struct work w = work_of(e, item, item->st->to);
    w.session = s;
    w.to = item->st->to;
    HOST_NOTIFY(w.host, message_kept, &w);
    work_finish_out(&w, item->seq);
}

static void handle_closed(struct entity *e, struct item *item)
{
    struct session *s = session_find(item->session);
    if (!s || s->closed)
        return;
    session_end(e, s);
}

void session_end(struct entity *e, struct session *s)
{
    struct work w = work_own(e, s);
    HOST_NOTIFY(w.host, session_closed, &w);
    ask_end_all(e, s);
    session_close(s);
    if (e->temporary)
        entity_forget(e);
    work_own_end(&w);
}

void item_handle(struct entity *e, struct item *item)
{
    static void (*const handlers[])(struct entity *, struct item *) = {
        [ITEM_IN] = handle_in,     [ITEM_OUT] = handle_out,         [ITEM_KEPT] = handle_kept,
        [ITEM_BIND] = bind_handle, [ITEM_CLOSED] = handle_closed,   [ITEM_TOLD] = tell_handle,
        [ITEM_CALL] = call_handle, [ITEM_ASK_DUE] = ask_due_handle,
    };
    fiber_set_deadline(clock_mono() + server.config->limits.stanza_deadline);
    handlers[item->kind](e, item);
    item_free(&item);
}

void item_refuse(struct entity *e, struct item *item, enum stanza_error cond, const char *text)
{
    struct session *s;
    switch (item->kind) {
    case ITEM_IN: route_refuse(item->st, &item->receipt, cond, text); break;
    case ITEM_OUT:
    case ITEM_KEPT:
        s = session_find(item->session);
        if (s && item->st) {
            struct stanza *error = stanza_error(item->st, cond, text);
            if (error)
                session_send(s, error);
            stanza_unref(&error);
        }
        if (s)
            receipt_done(s, item->seq);
        break;
    case ITEM_BIND: bind_refuse(item, text); break;
    case ITEM_CLOSED: handle_closed(e, item); break;
    case ITEM_TOLD: break; /* what is owed stands in the store */
    case ITEM_CALL: call_refuse(item); break;
    case ITEM_ASK_DUE: break; /* never refused: the account is loaded, and it is few */
    }
    item_free(&item);
}
