#include "loop/mailbox.h"

#include <uthash.h>

#include "base/mem.h"

/* How many items of a source wait. Kept only under pressure: as long as fewer than `per_source`
 * items wait in all, no source can have too many. */
struct source {
    uint64_t source;
    unsigned count;
    UT_hash_handle hh;
};

void mailbox_init(struct mailbox *m, unsigned max, unsigned per_source)
{
    *m = (struct mailbox){.max = max, .per_source = per_source};
    STAILQ_INIT(&m->items);
}

static bool is_bounded(const struct mail *item)
{
    return item->source != 0 && !item->keep;
}

static struct source *source_find(const struct mailbox *m, uint64_t source)
{
    struct source *sources = m->sources, *found;
    HASH_FIND(hh, sources, &source, sizeof(source), found);
    return found;
}

static void source_add(struct mailbox *m, uint64_t source)
{
    struct source *s = source_find(m, source);
    if (!s) {
        struct source *sources = m->sources;
        s = mem_new(struct source);
        s->source = source;
        HASH_ADD(hh, sources, source, sizeof(source), s);
        m->sources = sources;
    }
    s->count++;
}

static void source_forget(struct mailbox *m, struct source *s)
{
    struct source *sources = m->sources;
    HASH_DEL(sources, s);
    m->sources = sources;
    free(s);
}

static void sources_count(struct mailbox *m)
{
    struct mail *item;
    STAILQ_FOREACH (item, &m->items, link) {
        if (is_bounded(item))
            source_add(m, item->source);
    }
}

static void sources_free(struct mailbox *m)
{
    while (m->sources)
        source_forget(m, m->sources);
}

/* An item that counts has come or gone. */
static void bounded_came(struct mailbox *m, const struct mail *item)
{
    m->bounded++;
    if (m->sources)
        source_add(m, item->source);
}

static void bounded_went(struct mailbox *m, const struct mail *item)
{
    m->bounded--;
    if (!m->sources)
        return;
    struct source *s = source_find(m, item->source);
    if (--s->count == 0)
        source_forget(m, s);
    if (m->bounded <= m->per_source / 2)
        sources_free(m);
}

/* Whether `item` has room if `old` goes. */
static enum mailbox_put check(struct mailbox *m, const struct mail *item, const struct mail *old)
{
    unsigned leaves = old && is_bounded(old) ? 1 : 0;
    if (!is_bounded(item))
        return MAILBOX_PUT;
    if (m->bounded - leaves >= m->max)
        return MAILBOX_FULL;
    if (m->bounded - leaves < m->per_source)
        return MAILBOX_PUT;
    if (!m->sources)
        sources_count(m);
    struct source *s = source_find(m, item->source);
    return s && s->count - leaves >= m->per_source ? MAILBOX_SOURCE_FULL : MAILBOX_PUT;
}

static struct mail *find_replaced(const struct mailbox *m, const struct mail *item)
{
    struct mail *old = NULL;
    if (item->replace == 0 || m->replaceable == 0)
        return NULL;
    STAILQ_FOREACH (old, &m->items, link) {
        if (old->replace == item->replace && old->source == item->source)
            break;
    }
    return old;
}

static void gone(struct mailbox *m, const struct mail *item)
{
    m->count--;
    m->replaceable -= item->replace != 0;
    if (is_bounded(item))
        bounded_went(m, item);
}

enum mailbox_put mailbox_put(struct mailbox *m, struct mail *item, struct mail **replaced)
{
    struct mail *old = find_replaced(m, item);
    enum mailbox_put result = check(m, item, old);
    *replaced = NULL;
    if (result != MAILBOX_PUT)
        return result;
    if (old) {
        STAILQ_REMOVE(&m->items, old, mail, link);
        gone(m, old);
        *replaced = old;
    }
    STAILQ_INSERT_TAIL(&m->items, item, link);
    m->count++;
    m->replaceable += item->replace != 0;
    if (is_bounded(item))
        bounded_came(m, item);
    return MAILBOX_PUT;
}

struct mail *mailbox_take(struct mailbox *m)
{
    struct mail *item = STAILQ_FIRST(&m->items);
    if (!item)
        return NULL;
    STAILQ_REMOVE_HEAD(&m->items, link);
    gone(m, item);
    return item;
}

void mailbox_clear(struct mailbox *m)
{
    INVARIANT(m->count == 0);
    sources_free(m);
}
