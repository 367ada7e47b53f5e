/* ping: XMPP Ping (XEP-0199). Answered in order: whoever has the answer knows that what was sent
 * before has been handled. */
#include "core/module.h"

static void ping(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    work_answer(w, work_reply(w));
}

JACKDAW_MODULE(ping) = {
    JACKDAW_MODULE_HEAD,
    .name = "ping",
    .summary = "Answers pings",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0199", "2.0.1", ""}, {0}},
    .iqs =
        (const struct iq_entry[]){
            {NS_PING, A_ping, TYPE_GET, IQ_ACCOUNT | IQ_HOST, IQ_ANYONE, IQ_ORDERED, ping},
            {0},
        },
    .host_features = (const char *const[]){NS_PING, NULL},
    .account_features = (const char *const[]){NS_PING, NULL},
};
