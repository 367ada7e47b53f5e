#include "roster.h"

#include <inttypes.h>

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

/* ---- versions ---- */

/* The key is no secret: whoever finds two rosters with one fingerprint deceives nobody but himself.
 */
static uint64_t print(uint64_t so_far, const void *data, size_t len)
{
    const struct hash_key key = {so_far, 0x6a61636b64617721};
    return hash_keyed(&key, data, len);
}

static uint64_t print_of(const struct contact *c)
{
    const char how[] = {(char)c->subscription, (char)c->ask, (char)c->approved};
    uint64_t p = print(0, c->jid->s, c->jid->len);
    p = print(p, c->name, c->name ? strlen(c->name) : 0);
    p = print(p, c->groups, roster_groups_len(c->groups));
    return print(p, how, sizeof(how));
}

void roster_version(const struct entity *account, char out[ROSTER_VERSION])
{
    const struct contact *c;
    uint64_t sum = 0; /* in whatever order they stand */
    STAILQ_FOREACH (c, &account->contacts, link)
        if (c->in_roster)
            sum += print_of(c);
    snprintf(out, ROSTER_VERSION, "%016" PRIx64, sum);
}

/* ---- pushes ---- */

/* A push to one session; its query element in *query. */
static struct stanza *push_to(const struct session *s, const char *version, struct xml_el **query)
{
    char id[PUSH_ID + 1];
    mem_random_token(id, PUSH_ID);
    struct stanza *st = stanza_new(STANZA_IQ, TYPE_SET, s->account->jid, s->jid, id);
    *query = st_add(st, NS_ROSTER, A_query);
    xml_set(st->arena, *query, A_ver, arena_strdup(st->arena, version));
    return st;
}

static void add_removed(struct stanza *st, struct xml_el *query, const struct jid *contact)
{
    struct xml_el *item = xml_add(st->arena, query, NS_ROSTER, A_item);
    xml_set(st->arena, item, A_jid, arena_strdup(st->arena, contact->s));
    xml_set(st->arena, item, A_subscription, "remove");
}

void roster_push(struct work *w, const struct contact *c)
{
    struct session *s;
    struct xml_el *query;
    char version[ROSTER_VERSION];
    roster_version(w->account, version);
    TAILQ_FOREACH (s, &w->account->sessions, link) {
        if (!s->interested)
            continue;
        struct stanza *push = push_to(s, version, &query);
        if (c->in_roster)
            roster_add_item(push, query, c);
        else
            add_removed(push, query, c->jid);
        work_send(w, s, push);
        stanza_unref(&push);
    }
}
