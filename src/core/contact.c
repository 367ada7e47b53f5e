#include "core/contact.h"

#include "base/mem.h"
#include "core/entity.h"

#define CONTACT_SLOTS_FIRST 8

static struct contact **slot_of(const struct contact_table *t, const struct jid *jid)
{
    return &t->slots[(jid->bare_hash >> 16) & (t->n_slots - 1)];
}

static void table_add(struct contact_table *t, struct contact *c)
{
    struct contact **slot = slot_of(t, c->jid);
    c->next = *slot;
    *slot = c;
}

static void table_grow(struct entity *account)
{
    struct contact_table *t = &account->contact_table;
    struct contact *c;
    free(t->slots);
    t->n_slots = t->n_slots ? t->n_slots * 2 : CONTACT_SLOTS_FIRST;
    t->slots = mem_zalloc(t->n_slots * sizeof(struct contact *));
    STAILQ_FOREACH (c, &account->contacts, link)
        table_add(t, c);
}

struct contact *contact_find(const struct entity *account, const struct jid *jid)
{
    if (account->n_contacts == 0)
        return NULL;
    struct contact *c = *slot_of(&account->contact_table, jid);
    while (c && !jid_equal_bare(c->jid, jid))
        c = c->next;
    return c;
}

bool contact_sees(const struct entity *account, const struct jid *jid)
{
    const struct contact *c = jid ? contact_find(account, jid) : NULL;
    return (c && (c->subscription & SUBSCRIBED_FROM)) || (jid && jid_equal_bare(jid, account->jid));
}

struct contact *contact_make(struct entity *account, const struct jid *jid)
{
    struct contact *c = contact_find(account, jid);
    if (c)
        return c;
    if (account->n_contacts >= account->contact_table.n_slots)
        table_grow(account);
    c = mem_new(struct contact);
    c->jid = jid_dup(jid);
    STAILQ_INSERT_TAIL(&account->contacts, c, link);
    table_add(&account->contact_table, c);
    account->n_contacts++;
    return c;
}

static void contact_free(struct contact *c)
{
    jid_free(&c->jid);
    free(c->name);
    free(c->groups);
    free(c);
}

void contact_remove(struct entity *account, struct contact **c)
{
    struct contact **at = slot_of(&account->contact_table, (*c)->jid);
    while (*at != *c)
        at = &(*at)->next;
    *at = (*c)->next;
    STAILQ_REMOVE(&account->contacts, *c, contact, link);
    account->n_contacts--;
    contact_free(*c);
    *c = NULL;
}

void contacts_clear(struct entity *account)
{
    struct contact *c;
    while ((c = STAILQ_FIRST(&account->contacts))) {
        STAILQ_REMOVE_HEAD(&account->contacts, link);
        contact_free(c);
    }
    account->n_contacts = 0;
    mem_free(&account->contact_table.slots);
    account->contact_table.n_slots = 0;
}

const struct jid **contacts_with(const struct entity *account, unsigned subscription, size_t *n)
{
    const struct jid **jids = mem_alloc((account->n_contacts + 1) * sizeof(*jids));
    struct contact *c;
    *n = 0;
    STAILQ_FOREACH (c, &account->contacts, link)
        if ((c->subscription & subscription) == subscription)
            jids[(*n)++] = c->jid;
    return jids;
}
