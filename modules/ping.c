/* ping: XMPP Ping (XEP-0199). Answered in order: whoever has the answer knows that what was sent
 * before has been handled. A client that is silent for long is pinged; any byte of it is an answer.
 */
#include "core/module.h"

/* Who may not see an account's presence is told the same as if it were not there. */
static void ping(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    if (w->session || contact_sees(w->account, w->st->from))
        work_answer(w, work_reply(w));
    else
        work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
}

#define ID_LEN 8

static enum hook_result ping_client(struct module_inst *inst, struct stream *s)
{
    char id[ID_LEN + 1];
    mem_random_token(id, ID_LEN);
    struct stanza *st = stanza_new(STANZA_IQ, TYPE_GET, inst->host->jid, NULL, id);
    st_add(st, NS_PING, A_ping);
    session_send(stream_session(s), st);
    stanza_unref(&st);
    return HOOK_HANDLED;
}

JACKDAW_MODULE(ping) = {
    JACKDAW_MODULE_HEAD,
    .name = "ping",
    .summary = "Answers pings, and pings clients that are silent",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0199", "2.0.1", ""}, {0}},
    .iqs =
        (const struct iq_entry[]){
            {NS_PING, A_ping, TYPE_GET, IQ_ACCOUNT | IQ_HOST, IQ_ANYONE, IQ_ORDERED, ping},
            {0},
        },
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_silent, PHASE_MAIN, ping_client),
            HOOK_END,
        },
    .host_features = (const char *const[]){NS_PING, NULL},
    .account_features = (const char *const[]){NS_PING, NULL},
};
