/* A host: a domain of ours with its modules. Immutable between reloads. */
#ifndef JACKDAW_CORE_HOST_H
#define JACKDAW_CORE_HOST_H

#include "core/config.h"
#include "core/hook.h"
#include "xmpp/stanza.h"

struct jid;
struct module_inst;

struct host {
    const char *name;
    const struct jid *jid;
    struct module_inst **insts; /* in the order of loading */
    unsigned n_insts;
    struct hook_list hooks[HOOK_COUNT];
    unsigned char secret[32]; /* for what must be the same for a name each time and not guessable */
};

/* Who handles this IQ child on this host; NULL if nobody. */
const struct iq_entry *host_iq(const struct host *h, const char *ns, const char *name,
                               enum stanza_type type, unsigned scope, struct module_inst **inst);
const struct nonza_entry *host_nonza(const struct host *h, const char *ns, const char *name,
                                     struct module_inst **inst);

/* Calls every handler of a notify or gather hook: HOST_NOTIFY(host, session_bound, w). */
#define HOST_NOTIFY(h, hook, ...)                                                                  \
    do {                                                                                           \
        const struct hook_list *list_ = &(h)->hooks[HOOK_##hook];                                  \
        for (unsigned i_ = 0; i_ < list_->n; i_++)                                                 \
            list_->slots[i_].fn.hook(list_->slots[i_].inst, __VA_ARGS__);                          \
    } while (0)
/* Runs a chain hook; `result` gets what ended it (HOOK_CONTINUE if nobody did). */
#define HOST_CHAIN(result, h, hook, ...)                                                           \
    do {                                                                                           \
        const struct hook_list *list_ = &(h)->hooks[HOOK_##hook];                                  \
        (result) = HOOK_CONTINUE;                                                                  \
        for (unsigned i_ = 0; i_ < list_->n && (result) == HOOK_CONTINUE; i_++)                    \
            (result) = list_->slots[i_].fn.hook(list_->slots[i_].inst, __VA_ARGS__);               \
    } while (0)

#endif
