#include "roster.h"

/* ---- get (RFC 6121 section 2.2) ---- */

static void roster_get(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    const struct contact *c;
    char version[ROSTER_VERSION];
    if (!roster_fresh(inst, w))
        return;
    struct stanza *reply = work_reply(w);
    const char *known = xml_attr(child, A_ver);
    roster_version(w->account, version);
    if (!known || strcmp(known, version) != 0) { /* else nothing has changed: section 2.6.3 */
        struct xml_el *query = st_add(reply, NS_ROSTER, A_query);
        xml_set(reply->arena, query, A_ver, arena_strdup(reply->arena, version));
        STAILQ_FOREACH (c, &w->account->contacts, link)
            if (c->in_roster)
                roster_add_item(reply, query, c);
    }
    w->session->interested = true;
    work_answer(w, reply);
}

/* ---- what a set asks for (sections 2.1.5 and 2.3.3) ---- */

struct change {
    const struct jid *jid; /* in the stanza's arena */
    const char *name;      /* NULL if none */
    char *groups;          /* as in struct contact, owned */
    bool remove;
};

/* The query's only item; NULL if there are none or several. */
static struct xml_el *only_item(const struct xml_el *query)
{
    struct xml_el *el, *item = NULL;
    XML_FOREACH (el, query) {
        if (!xml_is(el, NS_ROSTER, A_item))
            continue;
        if (item)
            return NULL;
        item = el;
    }
    return item;
}

static bool read_jid(struct work *w, const struct xml_el *item, struct change *change)
{
    const char *text = xml_attr(item, A_jid);
    if (!text) {
        work_reject(w, SE_BAD_REQUEST, "the item has no jid");
        return false;
    }
    change->jid = jid_parse(w->st->arena, text, strlen(text));
    if (!change->jid) {
        work_reject(w, SE_JID_MALFORMED, NULL);
        return false;
    }
    if (!jid_is_bare(change->jid)) {
        work_reject(w, SE_BAD_REQUEST, "a contact is a bare JID, without a resource");
        return false;
    }
    if (jid_equal(change->jid, w->account->jid)) {
        work_reject(w, SE_NOT_ALLOWED, "nobody is a contact of their own");
        return false;
    }
    return true;
}

static bool has_group(const struct strbuf *groups, const char *name)
{
    for (size_t at = 0; at < groups->len; at += strlen(groups->s + at) + 1)
        if (strcmp(groups->s + at, name) == 0)
            return true;
    return false;
}

/* Adds a group, if it is one (section 2.3.3). */
static bool read_group(const struct roster_conf *conf, struct work *w, const struct xml_el *el,
                       struct strbuf *groups)
{
    const char *name = xml_text_of(w->st->arena, el);
    size_t len = strlen(name);
    if (len == 0)
        work_reject(w, SE_NOT_ACCEPTABLE, "a group has a name");
    else if (len > (size_t)conf->name_max)
        work_reject(w, SE_NOT_ACCEPTABLE, "the name of a group is too long");
    else if (has_group(groups, name))
        work_reject(w, SE_BAD_REQUEST, "a group is named twice");
    else
        strbuf_add(groups, name, len + 1);
    return !w->rejected;
}

static bool read_groups(const struct roster_conf *conf, struct work *w, const struct xml_el *item,
                        struct change *change)
{
    struct strbuf groups;
    struct xml_el *el;
    int64_t n = 0;
    strbuf_init(&groups, (size_t)(conf->groups_max * (conf->name_max + 1) + 1));
    XML_FOREACH (el, item) {
        if (!xml_is(el, NS_ROSTER, A_group))
            continue;
        if (++n > conf->groups_max)
            work_reject(w, SE_NOT_ACCEPTABLE, "the contact is in too many groups");
        if (w->rejected || !read_group(conf, w, el, &groups)) {
            strbuf_free(&groups);
            return false;
        }
    }
    if (groups.len)
        strbuf_putc(&groups, '\0');
    change->groups = strbuf_detach(&groups);
    return true;
}

/* Reads the item of a roster set into `change`, whose groups are the caller's to free. False if it
 * was rejected. The only subscription that a client may speak of here is "remove" (2.1.2.5). */
static bool read_change(const struct roster_conf *conf, struct work *w, const struct xml_el *query,
                        struct change *change)
{
    const struct xml_el *item = only_item(query);
    *change = (struct change){0};
    if (!item) {
        work_reject(w, SE_BAD_REQUEST, "a roster set has exactly one item");
        return false;
    }
    if (!read_jid(w, item, change))
        return false;
    const char *subscription = xml_attr(item, A_subscription);
    change->remove = subscription && strcmp(subscription, "remove") == 0;
    if (change->remove)
        return true;
    const char *name = xml_attr(item, A_name);
    change->name = name && *name ? name : NULL;
    if (name && strlen(name) > (size_t)conf->name_max) {
        work_reject(w, SE_NOT_ACCEPTABLE, "the name of the contact is too long");
        return false;
    }
    return read_groups(conf, w, item, change);
}

/* ---- set (sections 2.3 to 2.5) ---- */

static void set_item(struct module_inst *inst, struct work *w, struct change *change)
{
    const struct roster_conf *conf = inst->conf;
    struct contact *c = contact_find(w->account, change->jid);
    if (!(c && c->in_roster) && roster_full(conf, w->account)) {
        work_reject(w, SE_POLICY_VIOLATION, "the roster is full");
        return;
    }
    if (!c)
        c = contact_make(w->account, change->jid);
    free(c->name);
    free(c->groups);
    c->name = change->name ? mem_strdup(change->name) : NULL;
    c->groups = change->groups;
    change->groups = NULL;
    c->in_roster = true;
    roster_put_item(inst, w, c);
    roster_push(w, c);
    work_answer(w, work_reply(w));
}

static void remove_item(struct module_inst *inst, struct work *w, const struct change *change)
{
    struct contact *c = contact_find(w->account, change->jid);
    if (!c || !c->in_roster) {
        work_reject(w, SE_ITEM_NOT_FOUND, "there is no such contact in the roster");
        return;
    }
    bool saw_us = c->subscription & SUBSCRIBED_FROM;
    roster_bury(inst, w, c);
    roster_push(w, c);
    roster_say_owed(w, c); /* section 2.5.2 */
    if (saw_us)
        roster_take_leave(w, c->jid);
    roster_forget_if_empty(w, c);
    work_answer(w, work_reply(w));
}

static void roster_set(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    struct change change;
    if (!roster_fresh(inst, w))
        return;
    if (read_change(inst->conf, w, query, &change)) {
        if (change.remove)
            remove_item(inst, w, &change);
        else
            set_item(inst, w, &change);
    }
    free(change.groups);
}

/* ---- the rest ---- */

/* Sections 2.6.1 and 3.4.1. */
static void roster_features(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    (void)inst;
    if (stream_phase(s) != STREAM_AUTHED)
        return;
    xml_add(stream_features_arena(s), features, NS_ROSTERVER, A_ver);
    xml_add(stream_features_arena(s), features, NS_PREAPPROVAL, "sub");
}

/* Section 2.3.3: nobody sets the roster of another, whether there is such an account or not; and
 * what looks like a push but comes from somebody else reaches no client (section 2.1.6). */
static enum hook_result roster_guard(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (w->st->type != TYPE_SET || !st_child(w->st, NS_ROSTER, A_query) ||
        (w->st->from && jid_equal_bare(w->st->from, w->account->jid)))
        return HOOK_CONTINUE;
    return work_reject(w, SE_FORBIDDEN, NULL);
}

/* Its contacts are told that it has gone. */
static void roster_account_removed(struct module_inst *inst, struct work *w)
{
    struct contact *c, *next;
    if (!roster_fresh(inst, w))
        log_warn("roster", w->account->jid->s,
                 "the roster cannot be read: not every contact will hear of the removal");
    roster_bury_all(w);
    for (c = STAILQ_FIRST(&w->account->contacts); c; c = next) {
        next = STAILQ_NEXT(c, link);
        roster_say_owed(w, c);
        roster_forget_if_empty(w, c);
    }
}

static const struct option roster_options[] = {
    OPTION_INT_AT(struct roster_conf, contacts_max, "1000", 1, 10000, .reloadable = true,
                  .help = "Contacts in one roster"),
    OPTION_INT_AT(struct roster_conf, requests_max, "100", 0, 10000, .reloadable = true,
                  .help = "Unanswered subscription requests that are kept for one account"),
    OPTION_SIZE_AT(struct roster_conf, request_bytes, "4KiB", 0, 65536, .reloadable = true,
                   .help = "A larger subscription request is kept without what it carries"),
    OPTION_SIZE_AT(struct roster_conf, name_max, "1023", 64, 4096, .reloadable = true,
                   .help = "Bytes of the name of a contact or of a group"),
    OPTION_INT_AT(struct roster_conf, groups_max, "50", 1, 1000, .reloadable = true,
                  .help = "Groups of one contact"),
    {0},
};

JACKDAW_MODULE(roster) = {
    JACKDAW_MODULE_HEAD,
    .name = "roster",
    .summary = "Keeps each account's contacts and who may see whose presence",
    .standard = true,
    .options = roster_options,
    .conf_size = sizeof(struct roster_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(presence_out, PHASE_MAIN, roster_presence_out),
            HOOK_AT(presence_in, PHASE_POLICY, roster_check_broadcast),
            HOOK_AT(presence_in, PHASE_MAIN, roster_presence_in),
            HOOK_AT(iq_in, PHASE_GUARD, roster_guard),
            HOOK_AT(session_available, PHASE_DELIVER, roster_session_available),
            HOOK_AT(contact_told, PHASE_MAIN, roster_contact_told),
            HOOK_AT(account_removed, PHASE_STORE, roster_account_removed),
            HOOK_AT(stream_features, PHASE_MAIN, roster_features),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_ROSTER, A_query, TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ORDERED, roster_get},
            {NS_ROSTER, A_query, TYPE_SET, IQ_ACCOUNT, IQ_OWN, IQ_STORES, roster_set},
            {0},
        },
    .host_features = (const char *const[]){NS_ROSTER, NULL},
    .account_size = sizeof(struct roster_slot),
    .loads = (const struct account_load[]){{&roster_stmts[Q_LOAD], roster_loaded}, {0}},
    .stmts = roster_stmts,
    .n_stmts = ROSTER_STMTS,
    .migrations = roster_migrations,
    .n_migrations = ROSTER_MIGRATIONS,
};
