#include "core/ask.h"

#include "base/mem.h"
#include "core/ask_life.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/host.h"
#include "core/item.h"
#include "core/session.h"
#include "core/work.h"

#define ID_PREFIX "jackdaw-"

/* A request that has not ended. */
struct ask {
    struct ask *next; /* of the same session */
    uint64_t id;
    struct session *session;
    struct module_inst *inst;
    ask_fn *fn;
    int64_t tag;
    struct timer timer;
};

/* The time is up: the account hears of it in order. */
static void timer_fired(struct timer *t)
{
    struct ask *ask = CONTAINER_OF(t, struct ask, timer);
    struct item *item = item_new(ITEM_ASK_DUE);
    item->mail.keep = true;
    item->session = ask->session->id;
    item->seq = ask->id;
    entity_post(ask->session->account, item);
}

void work_ask(struct work *w, struct session *s, struct stanza *request, int64_t timeout,
              struct module_inst *inst, ask_fn *fn, int64_t tag)
{
    struct home *h = home_self();
    struct ask *ask = mem_new(struct ask);
    *ask = (struct ask){.next = s->asks,
                        .id = home_new_id(h),
                        .session = s,
                        .inst = inst,
                        .fn = fn,
                        .tag = tag,
                        .timer.fn = timer_fired};
    s->asks = ask;
    timer_set(h->worker, &ask->timer, timeout);
    struct stanza *st = stanza_edit(request);
    st->id = arena_printf(st->arena, ID_PREFIX "%llx", (unsigned long long)ask->id);
    xml_set(st->arena, st->el, A_id, st->id);
    stanza_set_from(st, w->host->jid);
    stanza_set_to(st, s->jid);
    work_send(w, s, st);
    stanza_unref(&st);
}

/* Takes it out of its session's list and ends it. */
static void end(struct ask **at, struct work *w, enum ask_outcome outcome)
{
    struct ask *ask = *at;
    *at = ask->next;
    timer_clear(home_self()->worker, &ask->timer);
    ask->fn(ask->inst, w, outcome, ask->tag);
    free(ask);
}

static struct ask **find(struct session *s, uint64_t id)
{
    struct ask **at = &s->asks;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return *at ? at : NULL;
}

void ask_answered(struct work *w)
{
    size_t prefix = strlen(ID_PREFIX);
    if (strncmp(w->st->id, ID_PREFIX, prefix) != 0)
        return;
    struct ask **at = find(w->session, strtoull(w->st->id + prefix, NULL, 16));
    if (at)
        end(at, w, ASK_ANSWERED);
}

void ask_due_handle(struct entity *e, struct item *item)
{
    struct session *s = session_find(item->session);
    struct ask **at = s ? find(s, item->seq) : NULL;
    if (!at)
        return; /* it has ended meanwhile */
    struct work w = work_own(e, s);
    end(at, &w, ASK_TIMEOUT);
    work_own_end(&w);
}

void ask_end_all(struct entity *e, struct session *s)
{
    while (s->asks) {
        struct work w = work_own(e, s);
        end(&s->asks, &w, ASK_GONE);
        work_own_end(&w);
    }
}
