#include "core/entity.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/account_life.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/item.h"
#include "core/module.h"
#include "core/receipt.h"
#include "core/server.h"
#include "core/stream_life.h"
#include "loop/worker.h"

#define ENTITY_SLOTS_FIRST 256
#define ITEMS_PER_TURN 32 /* then other entities of this worker get their turn */

void entity_table_init(struct home *h)
{
    h->entity_slots = ENTITY_SLOTS_FIRST;
    h->entities = mem_zalloc(h->entity_slots * sizeof(*h->entities));
}

static struct entity **slot_of(struct home *h, uint64_t hash)
{
    return &h->entities[(hash >> 16) & (h->entity_slots - 1)];
}

static void table_grow(struct home *h)
{
    struct entity **old = h->entities;
    size_t old_slots = h->entity_slots;
    h->entity_slots *= 2;
    h->entities = mem_zalloc(h->entity_slots * sizeof(*h->entities));
    for (size_t i = 0; i < old_slots; i++) {
        for (struct entity *e = old[i], *next; e; e = next) {
            next = e->next;
            struct entity **slot = slot_of(h, e->jid->bare_hash);
            e->next = *slot;
            *slot = e;
        }
    }
    free(old);
}

static void table_remove(struct home *h, struct entity *e)
{
    struct entity **at = slot_of(h, e->jid->bare_hash);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    h->n_entities--;
}

struct entity *entity_find(struct home *h, const struct jid *j)
{
    for (struct entity *e = *slot_of(h, j->bare_hash); e; e = e->next)
        if (e->jid->bare_hash == j->bare_hash && jid_equal_bare(e->jid, j))
            return e;
    return NULL;
}

static void slots_free(struct entity *e)
{
    for (unsigned i = 0; e->slots && i < server.n_slots; i++) {
        const struct module *m = server.insts[i]->module;
        if (e->slots[i] && m->account_free)
            m->account_free(e->slots[i]);
        free(e->slots[i]);
    }
    mem_free(&e->slots);
    contacts_clear(e);
}

struct entity *entity_by_hash(struct home *h, uint64_t bare_hash)
{
    struct entity *e = *slot_of(h, bare_hash);
    while (e && e->jid->bare_hash != bare_hash)
        e = e->next;
    return e;
}

void entity_forget(struct entity *e)
{
    slots_free(e);
    e->owner = 0;
    e->exists = e->leaving = e->temporary = false;
}

static void leave_idle(struct home *h, struct entity *e)
{
    if (!timer_is_set(&e->idle))
        return;
    timer_clear(h->worker, &e->idle);
    TAILQ_REMOVE(&h->idle, e, waiting);
    h->n_idle--;
}

static void entity_evict(struct home *h, struct entity *e)
{
    leave_idle(h, e);
    e->state = ENTITY_DRAINING;
    table_remove(h, e);
    slots_free(e);
    mailbox_clear(&e->mailbox);
    free((void *)(uintptr_t)e->jid);
    free(e);
}

static void idle_fired(struct timer *t)
{
    struct entity *e = CONTAINER_OF(t, struct entity, idle);
    struct home *h = home_self();
    TAILQ_REMOVE(&h->idle, e, waiting);
    h->n_idle--;
    entity_evict(h, e);
}

static void ledger_emptied(struct ledger *l)
{
    entity_rest(CONTAINER_OF(l, struct entity, ledger));
}

static struct entity *entity_new(struct home *h, const struct jid *j)
{
    struct entity *e = mem_new(struct entity);
    struct jid *bare = mem_alloc(sizeof(*bare) + j->bare_len + 1);
    *bare = (struct jid){j->bare_hash, j->node_len, j->bare_len, j->bare_len};
    memcpy(bare->s, j->s, j->bare_len);
    bare->s[j->bare_len] = '\0';
    e->jid = bare;
    e->host = host_find(jid_domain(bare), jid_domain_len(bare));
    INVARIANT(e->host);
    e->state = ENTITY_LOADING;
    const struct config_limits *limits = &server.config->limits;
    mailbox_init(&e->mailbox, (unsigned)limits->mailbox_max, (unsigned)limits->mailbox_per_source);
    ledger_init(&e->ledger);
    e->ledger.on_empty = ledger_emptied;
    e->idle.fn = idle_fired;
    TAILQ_INIT(&e->sessions);
    STAILQ_INIT(&e->contacts);
    if (h->n_entities >= h->entity_slots)
        table_grow(h);
    struct entity **slot = slot_of(h, bare->bare_hash);
    e->next = *slot;
    *slot = e;
    h->n_entities++;
    return e;
}

/* How long it is kept. Who connected before it was revoked has left or logged in after the time for
 * that. */
static int64_t keep_for(const struct entity *e)
{
    const struct config_limits *l = &server.config->limits;
    int64_t least = e->revoked ? stream_login_time() : 0;
    return l->entity_idle > least ? l->entity_idle : least;
}

/* An account without work and sessions is kept for a while, then forgotten; sooner if there are
 * many. */
void entity_rest(struct entity *e)
{
    struct home *h = home_self();
    if (e->running || e->waiting_for_fiber || !mailbox_empty(&e->mailbox) ||
        !ledger_empty(&e->ledger) || e->n_sessions || e->asides || e->holds ||
        timer_is_set(&e->idle))
        return;
    timer_set(h->worker, &e->idle, keep_for(e));
    TAILQ_INSERT_TAIL(&h->idle, e, waiting);
    h->n_idle++;
    struct entity *oldest = TAILQ_FIRST(&h->idle);
    if ((int64_t)h->n_entities > server.config->limits.entities_max && oldest != e)
        entity_evict(h, oldest);
    home_rested(h);
}

struct entity *entity_wake(struct home *h, const struct jid *j)
{
    struct entity *e = entity_find(h, j);
    return e ? e : entity_new(h, j);
}

/* Reads the owner number and every module's rows. False if the store did not answer. */
static bool entity_load(struct entity *e) MAY_YIELD
{
    uint64_t owner = 0;
    bool removed;
    if (account_find(e->jid, &owner, &removed) < 0)
        return false;
    e->owner = owner;
    e->exists = owner && !removed;
    e->leaving = removed;
    if (!owner || entity_load_rows(e))
        return true;
    entity_forget(e); /* what some modules have read already: they will read it again */
    return false;
}

/* The account could not be loaded: everyone who waits is told to try again later. */
static void refuse_all(struct entity *e)
{
    struct mail *mail;
    while ((mail = mailbox_take(&e->mailbox)))
        item_refuse(e, CONTAINER_OF(mail, struct item, mail), SE_RESOURCE_CONSTRAINT,
                    "the store does not answer, try again later");
}

/* The entity's fiber: handles its mail in order until there is none. */
static void entity_run(void *arg)
{
    struct entity *e = arg;
    struct mail *mail;
    unsigned handled = 0;
    while (!mailbox_empty(&e->mailbox) && !home_self()->over) {
        if (e->state == ENTITY_LOADING) {
            fiber_set_deadline(clock_mono() + server.config->limits.stanza_deadline);
            if (!entity_load(e)) {
                refuse_all(e);
                break;
            }
            e->state = ENTITY_LIVE;
            if (e->leaving)
                account_resume(e);
        }
        mail = mailbox_take(&e->mailbox);
        item_handle(e, CONTAINER_OF(mail, struct item, mail));
        if (++handled % ITEMS_PER_TURN == 0)
            fiber_yield();
    }
    e->running = false;
    entity_rest(e);
}

static void entity_kick(struct home *h, struct entity *e)
{
    if (e->running || e->waiting_for_fiber || h->over)
        return;
    leave_idle(h, e);
    h->kicks++;
    e->running = true;
    if (fiber_spawn(h->worker, FIBER_NORMAL, entity_run, e))
        return;
    e->running = false;
    e->waiting_for_fiber = true;
    TAILQ_INSERT_TAIL(&h->waiting, e, waiting);
}

void entity_fiber_free(void *arg)
{
    struct home *h = arg;
    struct entity *e;
    while ((e = TAILQ_FIRST(&h->waiting))) {
        TAILQ_REMOVE(&h->waiting, e, waiting);
        e->waiting_for_fiber = false;
        entity_kick(h, e);
        if (e->waiting_for_fiber) /* none is free any more: it is in the queue again */
            return;
    }
}

void entity_post(struct entity *e, struct item *item)
{
    struct mail *replaced;
    if (UNLIKELY(mailbox_put(&e->mailbox, &item->mail, &replaced) != MAILBOX_PUT)) {
        item_refuse(e, item, SE_RESOURCE_CONSTRAINT, "too much is waiting for this address");
        return;
    }
    if (replaced) {
        struct item *old = CONTAINER_OF(replaced, struct item, mail);
        receipt_answer(&old->receipt, RECEIPT_HANDED, SE_UNDEFINED_CONDITION, NULL);
        item_free(&old);
    }
    entity_kick(home_self(), e);
}

void entity_table_clear(struct home *h)
{
    for (size_t i = 0; i < h->entity_slots; i++)
        while (h->entities[i])
            entity_evict(h, h->entities[i]);
    mem_free(&h->entities);
}

static void **slot_at(void ***slots, unsigned slot)
{
    if (!*slots)
        *slots = mem_zalloc(server.n_slots * sizeof(**slots));
    return &(*slots)[slot];
}

void *account_slot(struct entity *e, const struct module_inst *inst)
{
    void **slot = slot_at(&e->slots, inst->slot);
    if (!*slot)
        *slot = mem_zalloc(inst->module->account_size);
    return *slot;
}

void *account_slot_peek(const struct entity *e, const struct module_inst *inst)
{
    return e->slots ? e->slots[inst->slot] : NULL;
}

struct session *entity_session(const struct entity *e, const char *resource)
{
    struct session *s;
    TAILQ_FOREACH (s, &e->sessions, link)
        if (strcmp(jid_resource(s->jid), resource) == 0)
            return s;
    return NULL;
}
