#include "loop/ledger.h"

#include "base/mem.h"

/* Two orders matter. Entries with writes are released one after the other, oldest first: `writers`.
 * An entry without writes waits only for an older writer of the same peer. So "does this entry
 * wait?" never needs more than a look at the writers before it. */

struct ledger_entry {
    struct ledger *ledger;
    TAILQ_ENTRY(ledger_entry) link;
    TAILQ_ENTRY(ledger_entry) writer; /* while `wrote` */
    uint64_t number;                  /* entries are numbered as they are opened */
    uint64_t peer;
    STAILQ_HEAD(, effect) effects; /* waiting */
    unsigned pending;              /* writes on their way */
    int result;
    bool wrote, closed;
    bool passed; /* an effect has run: no write may follow */
};

void ledger_init(struct ledger *l)
{
    *l = (struct ledger){0};
    TAILQ_INIT(&l->entries);
    TAILQ_INIT(&l->writers);
}

struct ledger_entry *ledger_open(struct ledger *l, uint64_t peer)
{
    struct ledger_entry *e = mem_new(struct ledger_entry);
    e->ledger = l;
    e->peer = peer;
    e->number = ++l->opened;
    STAILQ_INIT(&e->effects);
    TAILQ_INSERT_TAIL(&l->entries, e, link);
    l->count++;
    return e;
}

/* ---- what waits ---- */

/* Its effects may run. A writer is only released when it is closed, as the handler may begin
 * another write until then. */
static bool may_pass(const struct ledger_entry *e)
{
    struct ledger *l = e->ledger;
    if (e->wrote)
        return e->closed && e->pending == 0 && TAILQ_FIRST(&l->writers) == e;
    struct ledger_entry *writer;
    TAILQ_FOREACH (writer, &l->writers, writer) {
        if (writer->number > e->number)
            break;
        if (writer->peer == e->peer)
            return false;
    }
    return true;
}

bool ledger_may_pass(const struct ledger_entry *e)
{
#ifdef FAULT_SHOW_EARLY
    /* A build that is wrong on purpose: what tests a crash must find it out. */
    (void)may_pass;
    (void)e;
    return true;
#else
    return STAILQ_EMPTY(&e->effects) && may_pass(e);
#endif
}

void ledger_passed(struct ledger_entry *e)
{
    e->passed = true;
}

/* ---- releasing ---- */

static void entry_free(struct ledger_entry *e)
{
    struct ledger *l = e->ledger;
    TAILQ_REMOVE(&l->entries, e, link);
    l->count--;
    free(e);
}

/* Runs the effects that wait, then forgets the entry if its handler is done with it. Until then
 * a writer keeps its place: what its effects bring about must not overtake those still to come. */
static void release(struct ledger_entry *e)
{
    struct ledger *l = e->ledger;
    struct effect *effect;
    l->releasing = e;
    while ((effect = STAILQ_FIRST(&e->effects))) {
        STAILQ_REMOVE_HEAD(&e->effects, link);
        l->waiting--;
        e->passed = true;
        effect->run(effect, e->result);
    }
    l->releasing = NULL;
    if (e->wrote)
        TAILQ_REMOVE(&l->writers, e, writer);
    if (e->closed)
        entry_free(e);
}

/* The next entry that waits without need: first those that let a writer go ahead and were opened
 * before the next writer of their peer. */
static struct ledger_entry *next_to_release(struct ledger *l)
{
    struct ledger_entry *e;
    if (l->waiting > 0) {
        TAILQ_FOREACH (e, &l->entries, link) {
            if (!e->wrote && !STAILQ_EMPTY(&e->effects) && may_pass(e))
                return e;
        }
    }
    e = TAILQ_FIRST(&l->writers);
    return e && may_pass(e) ? e : NULL;
}

/* Effects may call back into the ledger; only the outermost call releases. */
static void settle(struct ledger *l)
{
    struct ledger_entry *e;
    if (l->settling)
        return;
    l->settling = true;
    while ((e = next_to_release(l)))
        release(e);
    l->settling = false;
    if (l->count == 0 && l->on_empty)
        l->on_empty(l); /* may free the ledger */
}

/* ---- what handlers and writes do ---- */

void ledger_write_begin(struct ledger_entry *e)
{
    struct ledger *l = e->ledger;
    INVARIANT(!e->closed);
#ifndef FAULT_SHOW_EARLY
    INVARIANT(!e->passed);
#endif
    e->pending++;
    if (e->wrote)
        return;
    e->wrote = true;
    struct ledger_entry *before = TAILQ_LAST(&l->writers, ledger_writers);
    while (before && before->number > e->number)
        before = TAILQ_PREV(before, ledger_writers, writer);
    if (before)
        TAILQ_INSERT_AFTER(&l->writers, before, e, writer);
    else
        TAILQ_INSERT_HEAD(&l->writers, e, writer);
}

void ledger_write_done(struct ledger_entry *e, int result)
{
    struct ledger *l = e->ledger;
    INVARIANT(e->pending > 0 && result <= 0);
    e->pending--;
    if (e->result == 0)
        e->result = result;
    if (may_pass(e))
        settle(l);
}

void ledger_effect(struct ledger_entry *e, struct effect *effect)
{
    INVARIANT(!e->closed);
    if (ledger_may_pass(e)) {
        e->passed = true;
        effect->run(effect, 0);
        return;
    }
    STAILQ_INSERT_TAIL(&e->effects, effect, link);
    e->ledger->waiting++;
}

void ledger_close(struct ledger_entry *e)
{
    struct ledger *l = e->ledger;
    INVARIANT(!e->closed);
    e->closed = true;
    if (!e->wrote && STAILQ_EMPTY(&e->effects)) {
        /* Nothing holds it. If an effect of it is being run, release() lets it go. */
        if (l->releasing == e)
            return;
        entry_free(e);
    }
    settle(l);
}
