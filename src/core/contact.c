#include "core/contact.h"

#include "base/mem.h"
#include "core/entity.h"

struct contact *contact_find(const struct entity *account, const struct jid *jid)
{
    struct contact *c;
    STAILQ_FOREACH (c, &account->contacts, link)
        if (jid_equal_bare(c->jid, jid))
            return c;
    return NULL;
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
    c = mem_new(struct contact);
    c->jid = jid_dup(jid);
    STAILQ_INSERT_TAIL(&account->contacts, c, link);
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
    STAILQ_REMOVE(&account->contacts, *c, contact, link);
    account->n_contacts--;
    contact_free(*c);
    *c = NULL;
}

void contacts_clear(struct entity *account)
{
    struct contact *c;
    while ((c = STAILQ_FIRST(&account->contacts)))
        contact_remove(account, &c);
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
