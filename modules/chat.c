/* chat: delivers messages to an account's sessions by the rules of RFC 6121 section 8.5. */
#include "core/module.h"

/* What becomes of a message of each type (rows of RFC 6121 section 8.5.2 and 8.5.3, table 1). */
enum rule {
    TO_ALL, /* every session that takes messages; nobody there: offline storage, or an error */
    TO_ALL_QUIET, /* the same, but dropped if nobody is there */
    DROP,
    REFUSE, /* service-unavailable */
};

struct rules {
    enum rule bare;    /* to the bare JID */
    enum rule no_full; /* to a full JID that is not connected */
};

static const struct rules rules[] = {
    [TYPE_NORMAL] = {TO_ALL, REFUSE},    [TYPE_CHAT] = {TO_ALL, TO_ALL},
    [TYPE_GROUPCHAT] = {REFUSE, REFUSE}, [TYPE_HEADLINE] = {TO_ALL_QUIET, DROP},
    [TYPE_ERROR] = {DROP, DROP},
};

static struct session *addressed_session(const struct work *w)
{
    struct session *s = jid_is_bare(w->to) ? NULL : entity_session(w->account, jid_resource(w->to));
    return s && session_connected(s) ? s : NULL;
}

static enum rule rule_for(const struct work *w)
{
    const struct rules *r = &rules[w->st->type];
    return jid_is_bare(w->to) ? r->bare : r->no_full;
}

static bool anyone_there(const struct entity *account)
{
    struct session *s;
    TAILQ_FOREACH (s, &account->sessions, link)
        if (session_wants_messages(s))
            return true;
    return false;
}

/* A chat state or a receipt is not worth an error when nobody is there. */
static bool has_content(const struct stanza *st)
{
    return st_child(st, NS_CONTENT, A_body) || st_child(st, NS_CONTENT, A_subject);
}

/* PHASE_MAIN: decides before anything is stored, so that what is refused has left no trace. */
static enum hook_result chat_decide(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (addressed_session(w))
        return HOOK_CONTINUE;
    switch (rule_for(w)) {
    case DROP: return HOOK_HANDLED;
    case REFUSE: return work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
    case TO_ALL_QUIET: return anyone_there(w->account) ? HOOK_CONTINUE : HOOK_HANDLED;
    case TO_ALL: break;
    }
    if (anyone_there(w->account) || w->offline)
        return HOOK_CONTINUE;
    if (has_content(w->st))
        return work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
    return HOOK_HANDLED;
}

/* PHASE_DELIVER. */
static enum hook_result chat_deliver(struct module_inst *inst, struct work *w)
{
    (void)inst;
    struct session *s = addressed_session(w);
    if (s) {
        work_send(w, s, w->st);
        return HOOK_HANDLED;
    }
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (session_wants_messages(s))
            work_send(w, s, w->st);
    return HOOK_HANDLED;
}

JACKDAW_MODULE(chat) = {
    JACKDAW_MODULE_HEAD,
    .name = "chat",
    .summary = "Delivers messages to the sessions of an account",
    .standard = true,
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_in, PHASE_MAIN, chat_decide),
            HOOK_AT(message_in, PHASE_DELIVER, chat_deliver),
            HOOK_END,
        },
};
