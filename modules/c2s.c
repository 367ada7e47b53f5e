/* c2s: accepts clients' connections (RFC 6120). What a stream says is core's; this decides who may
 * begin one. */
#include "core/module.h"

static void c2s_accepted(struct module_inst *inst, struct worker *w,
                         const struct config_listen *listen, int fd, const union address *peer)
{
    (void)inst;
    stream_accept(w, listen, fd, peer);
}

static void add_session(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    (void)inst;
    if (stream_phase(s) != STREAM_AUTHED)
        return;
    struct arena *a = stream_features_arena(s);
    xml_add(a, xml_add(a, features, NS_SESSION, A_session), NS_SESSION, A_optional);
}

/* RFC 3921 section 3: clients of old wait for the answer; there is nothing to do. */
static void establish(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    work_answer(w, work_reply(w));
}

/* RFC 6120 section 7.6.2.2: one stream has one resource. */
static void bind_again(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    work_reject(w, SE_NOT_ALLOWED, "this stream has its resource");
}

JACKDAW_MODULE(c2s) = {
    JACKDAW_MODULE_HEAD,
    .name = "c2s",
    .summary = "Clients' connections, with STARTTLS or direct TLS",
    .global = true,
    .xeps = (const struct module_xep[]){{"0368", "1.1.0", "direct TLS accepted"},
                                        {"0478", "0.2.0", ""},
                                        {0}},
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_features, PHASE_MAIN, add_session),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_SESSION, A_session, TYPE_SET, IQ_ACCOUNT | IQ_HOST, IQ_OWN, IQ_ORDERED, establish},
            {NS_BIND, A_bind, TYPE_SET, IQ_ACCOUNT | IQ_HOST, IQ_OWN, IQ_ORDERED, bind_again},
            {0},
        },
    .accepted = c2s_accepted,
};
