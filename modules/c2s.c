/* c2s: accepts clients' connections (RFC 6120). What a stream says is core's; this decides who may
 * begin one. */
#include "core/module.h"

static void c2s_accepted(struct module_inst *inst, struct worker *w,
                         const struct config_listen *listen, int fd, const union address *peer)
{
    (void)inst;
    stream_accept(w, listen, fd, peer);
}

JACKDAW_MODULE(c2s) = {
    JACKDAW_MODULE_HEAD,
    .name = "c2s",
    .summary = "Clients' connections, with STARTTLS or direct TLS",
    .global = true,
    .xeps = (const struct module_xep[]){{"0368", "1.1.0", "direct TLS accepted"}, {0}},
    .accepted = c2s_accepted,
};
