#include "roster.h"

#define PUSH_ID 12 /* characters of 6 bits: no client can answer a push it has not seen */

static const char *const subscription_names[] = {
    [0] = "none",
    [SUBSCRIBED_TO] = "to",
    [SUBSCRIBED_FROM] = "from",
    [SUBSCRIBED_TO | SUBSCRIBED_FROM] = "both",
};

void roster_add_item(struct stanza *st, struct xml_el *query, const struct contact *c)
{
    struct arena *a = st->arena;
    struct xml_el *item = xml_add(a, query, NS_ROSTER, A_item);
    xml_set(a, item, A_jid, arena_strdup(a, c->jid->s));
    if (c->name)
        xml_set(a, item, A_name, arena_strdup(a, c->name));
    xml_set(a, item, A_subscription, subscription_names[c->subscription]);
    if (c->ask)
        xml_set(a, item, A_ask, "subscribe");
    if (c->approved)
        xml_set(a, item, A_approved, "true");
    for (const char *g = c->groups; g && *g; g += strlen(g) + 1)
        xml_text(a, xml_add(a, item, NS_ROSTER, A_group), arena_strdup(a, g));
}

static struct stanza *push_to(const struct session *s)
{
    char id[PUSH_ID + 1];
    mem_random_token(id, PUSH_ID);
    return stanza_new(STANZA_IQ, TYPE_SET, s->account->jid, s->jid, id);
}

void roster_push(struct work *w, const struct contact *c)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link) {
        if (!s->interested)
            continue;
        struct stanza *push = push_to(s);
        roster_add_item(push, st_add(push, NS_ROSTER, A_query), c);
        work_send(w, s, push);
        stanza_unref(&push);
    }
}

void roster_push_removed(struct work *w, const struct jid *contact)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link) {
        if (!s->interested)
            continue;
        struct stanza *push = push_to(s);
        struct xml_el *item =
            xml_add(push->arena, st_add(push, NS_ROSTER, A_query), NS_ROSTER, A_item);
        xml_set(push->arena, item, A_jid, arena_strdup(push->arena, contact->s));
        xml_set(push->arena, item, A_subscription, "remove");
        work_send(w, s, push);
        stanza_unref(&push);
    }
}
