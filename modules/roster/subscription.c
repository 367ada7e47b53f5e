#include "roster.h"

static bool is_subscription(const struct stanza *st)
{
    return st->type >= TYPE_SUBSCRIBE && st->type <= TYPE_UNSUBSCRIBED;
}

/* ---- what a change brings about ---- */

/* What the user sees of a contact's subscriptions. */
struct view {
    bool in_roster, ask, approved;
    unsigned subscription;
};

static struct view view_of(const struct contact *c)
{
    return c ? (struct view){c->in_roster, c->ask, c->approved, c->subscription} : (struct view){0};
}

static bool same_view(const struct view *a, const struct view *b)
{
    return a->in_roster == b->in_roster && a->ask == b->ask && a->approved == b->approved &&
           a->subscription == b->subscription;
}

static bool is_empty(const struct contact *c)
{
    return !c->in_roster && !c->subscription && !c->ask && !c->pending_in && !c->approved &&
           !c->owed;
}

/* Nobody needs a stranger's row any more whose request has been answered or taken back. */
void roster_write(struct module_inst *inst, struct work *w, const struct contact *c,
                  const struct stanza *request)
{
    if (is_empty(c))
        roster_delete(inst, w, c);
    else
        roster_put_state(inst, w, c, request);
}

void roster_forget_if_empty(struct work *w, struct contact *c)
{
    if (is_empty(c))
        contact_remove(w->account, &c);
}

static void push_if_changed(struct work *w, const struct contact *c, const struct view *before)
{
    struct view now = view_of(c);
    if (c->in_roster && !same_view(before, &now))
        roster_push(w, c);
}

/* Someone to whom the presence of an account is told. */
struct newcomer {
    struct entity *account;
    struct jid *jid;
};

/* As a broadcast, so that it shows at once whether the contact still wants it. */
static void tell_presence(struct newcomer *n)
{
    struct session *s;
    const struct jid *to = n->jid;
    TAILQ_FOREACH (s, &n->account->sessions, link)
        if (session_available(s))
            route_fanout(s->presence, &to, 1);
}

/* A permission that could not be stored was not given: until the roster has been read again, nobody
 * is to see more than before. */
static void take_back(struct newcomer *n)
{
    struct contact *c = contact_find(n->account, n->jid);
    if (c)
        c->subscription &= ~(unsigned)SUBSCRIBED_FROM;
}

static void permission_written(void *arg, int result)
{
    struct newcomer *n = arg;
    if (result == 0)
        tell_presence(n);
    else
        take_back(n);
    jid_free(&n->jid);
    free(n);
}

/* Section 3.1.5: who may see our presence from now on gets it, as it is when the permission has
 * been stored: what changes meanwhile is told them like everyone else. */
void roster_greet(struct work *w, const struct jid *contact)
{
    struct newcomer *n = mem_new(struct newcomer);
    *n = (struct newcomer){w->account, jid_dup(contact)};
    work_then(w, permission_written, n);
}

/* Sections 3.2.2, 3.3.3: who may not see our presence any more sees us leave. */
void roster_take_leave(struct work *w, const struct jid *contact)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link) {
        if (!session_available(s))
            continue;
        struct stanza *st = stanza_new(STANZA_PRESENCE, TYPE_UNAVAILABLE, s->jid, contact, NULL);
        work_route(w, st);
        stanza_unref(&st);
    }
}

static void follow_from(struct work *w, const struct contact *c, const struct view *before)
{
    unsigned was = before->subscription & SUBSCRIBED_FROM;
    unsigned is = c->subscription & SUBSCRIBED_FROM;
    if (is && !was)
        roster_greet(w, c->jid);
    else if (was && !is)
        roster_take_leave(w, c->jid);
}

static void send_to_contact(struct work *w, const struct jid *contact, enum stanza_type type)
{
    struct stanza *st = stanza_new(STANZA_PRESENCE, type, w->account->jid, contact, NULL);
    work_route(w, st);
    stanza_unref(&st);
}

/* ---- from the user (A.2) ---- */

/* Section 3.4: a permission nobody has asked for yet is kept for when it will be, and taken back
 * like one that is in force. */
static bool sets_approval(const struct work *w, enum roster_state state)
{
    return w->st->type == TYPE_UNSUBSCRIBED ||
           (w->st->type == TYPE_SUBSCRIBED && (state == NONE || state == NONE_OUT || state == TO));
}

/* The number of the account that has this name, 0 if it is none of ours. A permission is for whom
 * it was given to: not for whoever has the name later. Negative: the store does not answer. */
static int64_t number_of(const struct jid *jid) MAY_YIELD
{
    uint64_t owner;
    if (!jid_has_node(jid) || !host_find(jid_domain(jid), jid_domain_len(jid)))
        return 0;
    return account_lookup(jid, &owner) < 0 ? -1 : (int64_t)owner;
}

/* Whether the stanza asks for nothing that a contact must be made for. */
static bool needs_no_contact(const struct stanza *st)
{
    return st->type == TYPE_UNSUBSCRIBE || st->type == TYPE_UNSUBSCRIBED;
}

/* Refuses what is addressed to nobody who could be a contact. */
static bool addressed_well(struct work *w)
{
    if (!w->st->to) {
        work_reject(w, SE_BAD_REQUEST, "a subscription is with a contact: name one in 'to'");
        return false;
    }
    if (jid_equal_bare(w->st->to, w->account->jid)) {
        work_reject(w, SE_NOT_ALLOWED, "your own presence is always shown to you");
        return false;
    }
    if (!jid_is_bare(w->st->to)) { /* section 3.1.2 */
        struct stanza *st = work_edit(w);
        stanza_set_to(st, jid_bare(st->arena, st->to));
    }
    return true;
}

/* The contact of the user's stanza, made if it must be there. NULL: there is none, or (rejected)
 * there can be none. */
static struct contact *contact_for(struct module_inst *inst, struct work *w)
{
    const struct roster_conf *conf = inst->conf;
    struct contact *c = contact_find(w->account, w->st->to);
    if (c || needs_no_contact(w->st))
        return c;
    if (roster_full(conf, w->account)) {
        work_reject(w, SE_POLICY_VIOLATION, "the roster is full");
        return NULL;
    }
    return contact_make(w->account, w->st->to);
}

static enum hook_result handle_out(struct module_inst *inst, struct work *w, int64_t number)
{
    struct contact *c = contact_for(inst, w);
    if (w->rejected)
        return HOOK_REJECT;
    struct view before = view_of(c);
    enum roster_state state = roster_state(c);
    enum roster_state next = roster_outbound(w->st->type, state);
    enum contact_owed about = roster_about(w->st->type);
    if (c) {
        if (next < STATES) {
            roster_set_state(c, next);
            c->owed |= about;
        }
        if (sets_approval(w, state)) {
            c->approved = w->st->type == TYPE_SUBSCRIBED;
            c->approved_of = number;
        }
        /* Whoever asks, grants or pre-approves has the contact in the roster. */
        if (!needs_no_contact(w->st) && (next != STOP || c->approved))
            c->in_roster = true;
        struct view now = view_of(c);
        if (next < STATES || !same_view(&before, &now))
            roster_write(inst, w, c, NULL);
    }
    if (next != STOP && c)
        contact_tell(w, c, about, w->st);
    else if (next != STOP)
        work_route(w, w->st);
    if (c) {
        push_if_changed(w, c, &before);
        follow_from(w, c, &before);
        roster_forget_if_empty(w, c);
    }
    return HOOK_HANDLED;
}

enum hook_result roster_presence_out(struct module_inst *inst, struct work *w)
{
    if (!is_subscription(w->st))
        return HOOK_CONTINUE;
    if (!addressed_well(w) || !roster_fresh(inst, w))
        return HOOK_REJECT;
    int64_t number = w->st->type == TYPE_SUBSCRIBED ? number_of(w->st->to) : 0;
    if (number < 0)
        return work_reject(w, SE_RESOURCE_CONSTRAINT, "the store does not answer, try again later");
    return handle_out(inst, w, number);
}

/* ---- from a contact (A.3) ---- */

/* A request goes to those who can answer it now, all else to those who show a roster. */
static void deliver(struct work *w)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (w->st->type == TYPE_SUBSCRIBE ? session_available(s) : s->interested)
            work_send(w, s, w->st);
}

static void change_by_contact(struct module_inst *inst, struct work *w, struct contact *c,
                              enum roster_state next, const struct view *before)
{
    bool granted = c->approved && w->st->type == TYPE_SUBSCRIBE;
    bool of_theirs = roster_about(w->st->type) == OWED_TO;
    roster_set_state(c, next);
    /* They know better now than what we may still owe them. */
    c->owed &= of_theirs ? ~(unsigned)OWED_FROM : ~(unsigned)OWED_TO;
    if (granted) { /* section 3.4: answered as if the user did it now */
        roster_set_state(c, roster_outbound(TYPE_SUBSCRIBED, next));
        c->owed |= OWED_FROM;
    }
    roster_write(inst, w, c, w->st->type == TYPE_SUBSCRIBE ? w->st : NULL);
    if (granted)
        roster_say(w, c, OWED_FROM);
    else
        deliver(w); /* before the push, which it explains (section 3.1.6) */
    push_if_changed(w, c, before);
    follow_from(w, c, before);
    roster_forget_if_empty(w, c);
}

/* Takes a pre-approval back that was not given to the one who asks now, but to another account of
 * that name. */
static void check_approval(struct work *w, struct contact *c) MAY_YIELD
{
    if (w->st->type != TYPE_SUBSCRIBE || !c->approved || !c->approved_of)
        return;
    int64_t number = number_of(c->jid);
    if (number < 0)
        work_reject(w, SE_RESOURCE_CONSTRAINT, "the store does not answer, try again later");
    c->approved = number == c->approved_of || w->rejected;
}

/* The contact that sent w->st; a stranger who asks becomes one, as long as there is room. */
static struct contact *sender(struct module_inst *inst, struct work *w)
{
    const struct roster_conf *conf = inst->conf;
    struct contact *c = contact_find(w->account, w->st->from);
    if (c || w->st->type != TYPE_SUBSCRIBE)
        return c;
    if (roster_count(w->account, false) >= (size_t)conf->requests_max)
        return NULL;
    struct jid *bare = jid_parse_new(w->st->from->s, w->st->from->bare_len);
    if (bare)
        c = contact_make(w->account, bare);
    jid_free(&bare);
    return c;
}

static void handle_in(struct module_inst *inst, struct work *w)
{
    struct contact *c = sender(inst, w);
    if (!c) {
        if (w->st->type == TYPE_SUBSCRIBE) /* not kept, as too many are: who is there sees it */
            deliver(w);
        return;
    }
    struct view before = view_of(c);
    enum roster_state next = roster_inbound(w->st->type, roster_state(c));
    if (next < STATES) {
        check_approval(w, c);
        if (!w->rejected)
            change_by_contact(inst, w, c, next, &before);
    } else if (w->st->type == TYPE_SUBSCRIBE && (c->subscription & SUBSCRIBED_FROM)) {
        send_to_contact(w, c->jid, TYPE_SUBSCRIBED); /* section 3.1.3: they lost our answer */
        roster_greet(w, c->jid);
    }
}

enum hook_result roster_presence_in(struct module_inst *inst, struct work *w)
{
    if (!is_subscription(w->st))
        return HOOK_CONTINUE;
    if (!w->st->from || jid_equal_bare(w->st->from, w->account->jid))
        return HOOK_HANDLED;
    if (!roster_fresh(inst, w))
        return HOOK_REJECT;
    handle_in(inst, w);
    return HOOK_HANDLED;
}

/* ---- requests that wait (section 3.1.3) ---- */

static bool any_pending(const struct entity *account)
{
    const struct contact *c;
    STAILQ_FOREACH (c, &account->contacts, link)
        if (c->pending_in)
            return true;
    return false;
}

/* The request as it came, or the least that says the same. */
static struct stanza *request_of(const struct work *w, const struct store_rows *rows, size_t row,
                                 const struct contact *c)
{
    size_t len;
    const void *bytes = store_blob(rows, row, 1, &len);
    struct stanza *st = bytes ? stanza_parse(bytes, len) : NULL;
    return st ? st : stanza_new(STANZA_PRESENCE, TYPE_SUBSCRIBE, c->jid, w->account->jid, NULL);
}

void roster_session_available(struct module_inst *inst, struct work *w)
{
    struct store_rows *rows;
    (void)inst;
    roster_say_again(w);
    if (!any_pending(w->account))
        return;
    if (store_query(&roster_stmts[Q_REQUESTS], STORE_ARGS(SV_INT(w->account->owner)), &rows) < 0) {
        log_warn("roster", w->session->jid->s,
                 "the store does not answer: subscription requests wait for the next login");
        return;
    }
    for (size_t i = 0; i < store_rows_count(rows); i++) {
        const char *text = store_str(rows, i, 0);
        struct jid *jid = jid_parse_new(text, strlen(text));
        struct contact *c = jid ? contact_find(w->account, jid) : NULL;
        struct stanza *st = c && c->pending_in ? request_of(w, rows, i, c) : NULL;
        if (st)
            work_send(w, w->session, st);
        stanza_unref(&st);
        jid_free(&jid);
    }
    store_rows_free(&rows);
}
