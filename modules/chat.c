/* chat: gives messages to an account's sessions, as the table in core/delivery.c says. */
#include "core/module.h"

/* A chat state or a receipt is not worth an error when nobody is there. */
static bool has_content(const struct stanza *st)
{
    return st_child(st, NS_CONTENT, A_body) || st_child(st, NS_CONTENT, A_subject);
}

/* PHASE_MAIN: what is refused is refused before anything is stored, so that it leaves no trace. */
static enum hook_result chat_decide(struct module_inst *inst, struct work *w)
{
    (void)inst;
    switch (w->delivery) {
    case DELIVER_NOWHERE: return HOOK_HANDLED;
    case DELIVER_REFUSED: return work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
    case DELIVER_STORED:
        if (w->offline)
            return HOOK_CONTINUE;
        if (has_content(w->st))
            return work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
        return HOOK_HANDLED;
    default: return HOOK_CONTINUE;
    }
}

/* PHASE_DELIVER. */
static enum hook_result chat_deliver(struct module_inst *inst, struct work *w)
{
    (void)inst;
    struct session *s = delivery_addressed(w->account, w->to);
    if (w->delivery == DELIVER_RESOURCE && s && s->id != w->withheld)
        work_send(w, s, w->st);
    if (w->delivery == DELIVER_TAKERS)
        TAILQ_FOREACH (s, &w->account->sessions, link)
            if (session_wants_messages(s) && s->id != w->withheld)
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
