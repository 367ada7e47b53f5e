#include "presence.h"

/* ---- to many ---- */

/* A presence for all contacts with some subscription, when its turn in the ledger has come. */
struct broadcast {
    struct entity *account; /* stays while its ledger is not empty */
    unsigned subscription;
    struct stanza *st;
};

static void broadcast_run(void *arg, int result)
{
    struct broadcast *b = arg;
    size_t n;
    const struct jid **to = contacts_with(b->account, b->subscription, &n);
    if (result == 0)
        route_fanout(b->st, to, n);
    free(to);
    stanza_unref(&b->st);
    free(b);
}

static void broadcast(struct work *w, struct stanza *st, unsigned subscription)
{
    struct broadcast *b = mem_new(struct broadcast);
    *b = (struct broadcast){w->account, subscription, stanza_ref(st)};
    work_then(w, broadcast_run, b);
}

/* Each of these contacts may have to be told: that is some of the work of a stanza. */
#define CONTACTS_PER_STANZA 8

static void charge(const struct work *w)
{
    if (w->session->stream)
        stream_charge(w->session->stream, w->account->n_contacts / CONTACTS_PER_STANZA);
}

static void send_to_available(struct work *w, struct stanza *st)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (session_available(s))
            work_send(w, s, st);
}

static void publish(void *account, int result)
{
    if (result == 0)
        directory_publish(account);
}

static bool anyone_available(const struct entity *account)
{
    const struct session *s;
    TAILQ_FOREACH (s, &account->sessions, link)
        if (session_available(s))
            return true;
    return false;
}

/* ---- the client's own presence (RFC 6121 sections 4.2, 4.4, 4.5) ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Section 4.7.2.3: an integer from -128 to 127, with blanks around it as XML Schema allows. */
static bool read_priority(const struct stanza *st, int *priority)
{
    const struct xml_el *el = st_child(st, NS_CONTENT, A_priority);
    *priority = 0;
    if (!el)
        return true;
    const char *s = xml_text_of(st->arena, el);
    while (is_space(*s))
        s++;
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    int value = 0, digits = 0;
    for (; *s >= '0' && *s <= '9' && value < 1000; s++, digits++)
        value = value * 10 + (*s - '0');
    while (is_space(*s))
        s++;
    *priority = negative ? -value : value;
    return digits > 0 && *s == '\0' && *priority >= -128 && *priority <= 127;
}

/* Who is there already, for a session that has just come (section 4.2.2); and what its contacts'
 * servers are asked (4.3.1). */
static void look_around(struct work *w)
{
    struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (s != w->session && session_available(s))
            work_send(w, w->session, s->presence);
    struct stanza *probe = stanza_new(STANZA_PRESENCE, TYPE_PROBE, w->session->jid, NULL, NULL);
    broadcast(w, probe, SUBSCRIBED_TO);
    stanza_unref(&probe);
}

static enum hook_result available(struct module_inst *inst, struct work *w)
{
    struct session *s = w->session;
    bool initial = !session_available(s);
    int priority;
    if (!read_priority(w->st, &priority))
        return work_reject(w, SE_BAD_REQUEST, "a priority is a number from -128 to 127");
    stanza_unref(&s->presence);
    s->presence = stanza_compact(w->st);
    s->priority = priority;
    ((struct presence_session *)session_slot(s, inst))->since = clock_wall();
    last_seen_online(inst, w->account);
    send_to_available(w, w->st); /* to itself as well */
    broadcast(w, w->st, SUBSCRIBED_FROM);
    charge(w);
    if (initial) {
        look_around(w);
        session_announce(s);
    }
    work_then(w, publish, w->account);
    return HOOK_HANDLED;
}

/* `st` says that w->session is not available any more, or never was. */
static void leave(struct module_inst *inst, struct work *w, struct stanza *st)
{
    struct session *s = w->session;
    bool was_available = session_available(s);
    if (was_available) {
        send_to_available(w, st); /* section 4.5.2: to itself as well */
        broadcast(w, st, SUBSCRIBED_FROM);
        stanza_unref(&s->presence);
        s->priority = 0;
        if (!anyone_available(w->account))
            last_seen_offline(inst, w->account, st);
        work_then(w, publish, w->account);
    }
    directed_end(inst, w, st, was_available);
}

/* What one client sends is written to all its contacts. */
static bool too_large(struct module_inst *inst, struct work *w)
{
    const struct presence_conf *conf = inst->conf;
    if (w->to || (w->st->type != TYPE_AVAILABLE && w->st->type != TYPE_UNAVAILABLE) ||
        (int64_t)session_cost(w->st) <= conf->broadcast_size)
        return false;
    work_reject(w, SE_POLICY_VIOLATION, "this is too large for a presence to all contacts");
    return true;
}

static enum hook_result presence_out(struct module_inst *inst, struct work *w)
{
    if (too_large(inst, w))
        return HOOK_REJECT;
    switch (w->st->type) {
    case TYPE_AVAILABLE: return w->to ? directed_out(inst, w) : available(inst, w);
    case TYPE_UNAVAILABLE:
        if (w->to)
            return directed_out(inst, w);
        leave(inst, w, w->st);
        charge(w);
        return HOOK_HANDLED;
    case TYPE_PROBE:
    case TYPE_ERROR:
        if (w->to)
            work_route(w, w->st);
        return HOOK_HANDLED;
    default: return HOOK_CONTINUE; /* subscriptions */
    }
}

static void session_gone(struct module_inst *inst, struct work *w)
{
    struct stanza *st = stanza_new(STANZA_PRESENCE, TYPE_UNAVAILABLE, w->session->jid, NULL, NULL);
    leave(inst, w, st);
    stanza_unref(&st);
}

/* ---- from others ---- */

/* The presence of `s`, with the time since when it is so (XEP-0203), for one who asks. */
static void answer(struct module_inst *inst, struct work *w, struct session *s)
{
    char stamp[32];
    struct stanza *st = stanza_edit(s->presence);
    stanza_set_to(st, w->st->from);
    if (!st_child(st, NS_DELAY, A_delay)) {
        clock_format(((struct presence_session *)session_slot(s, inst))->since, stamp);
        struct xml_el *delay = st_add(st, NS_DELAY, A_delay);
        xml_set(st->arena, delay, A_from, arena_strdup(st->arena, s->jid->s));
        xml_set(st->arena, delay, A_stamp, arena_strdup(st->arena, stamp));
    }
    work_route(w, st);
    stanza_unref(&st);
}

/* Section 4.3.2. Who may not know hears nothing: an answer would tell that there is an account. */
static void probed(struct module_inst *inst, struct work *w)
{
    struct session *s;
    if (!contact_sees(w->account, w->st->from))
        return;
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (session_available(s) && (jid_is_bare(w->to) || jid_equal(w->to, s->jid)))
            answer(inst, w, s);
}

/* To all who are there, or to the one that is addressed. */
static void deliver(struct work *w)
{
    struct session *s = delivery_addressed(w->account, w->to);
    if (w->delivery == DELIVER_AVAILABLE)
        send_to_available(w, w->st);
    else if (s)
        work_send(w, s, w->st);
}

static enum hook_result presence_in(struct module_inst *inst, struct work *w)
{
    struct session *s;
    switch (w->st->type) {
    case TYPE_AVAILABLE:
    case TYPE_UNAVAILABLE: deliver(w); return HOOK_HANDLED;
    case TYPE_PROBE: probed(inst, w); return HOOK_HANDLED;
    case TYPE_ERROR:
        s = delivery_addressed(w->account, w->to);
        if (s)
            directed_failed(inst, s, w->st->from);
        deliver(w);
        return HOOK_HANDLED;
    default: return HOOK_CONTINUE;
    }
}

static void presence_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &presence_stmts[Q_FORGET], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option presence_options[] = {
    OPTION_SIZE_AT(struct presence_conf, broadcast_size, "32KiB", 8192, 2 << 20, .reloadable = true,
                   .help = "The largest presence that is sent to all contacts"),
    OPTION_INT_AT(struct presence_conf, directed_max, "500", 1, 100000, .reloadable = true,
                  .help = "Addresses that one session may send its presence to by name"),
    OPTION_DURATION_AT(struct presence_conf, last_seen_interval, "5m", CLOCK_SEC, 86400 * CLOCK_SEC,
                       .reloadable = true,
                       .help =
                           "How often it is stored that an account is there, in case the server "
                           "does not live to see it go"),
    {0},
};

JACKDAW_MODULE(presence) = {
    JACKDAW_MODULE_HEAD,
    .name = "presence",
    .summary = "Tells contacts who is there",
    .standard = true,
    .requires = (const char *const[]){"roster", NULL},
    .xeps = (const struct module_xep[]){{"0203", "2.0", "in answers to probes"}, {0}},
    .options = presence_options,
    .conf_size = sizeof(struct presence_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(presence_out, PHASE_MAIN, presence_out),
            HOOK_AT(presence_in, PHASE_MAIN, presence_in),
            HOOK_AT(session_closed, PHASE_MAIN, session_gone),
            HOOK_AT(account_removed, PHASE_STORE, presence_account_removed),
            HOOK_END,
        },
    .account_size = sizeof(struct presence_account),
    .account_free = last_seen_free,
    .session_size = sizeof(struct presence_session),
    .session_free = directed_free,
    .stmts = presence_stmts,
    .n_stmts = PRESENCE_STMTS,
    .migrations = presence_migrations,
    .n_migrations = PRESENCE_MIGRATIONS,
};
