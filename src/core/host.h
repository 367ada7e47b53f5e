/* A host: a domain of ours with its modules. Immutable between reloads. */
#ifndef JACKDAW_CORE_HOST_H
#define JACKDAW_CORE_HOST_H

#include "core/config.h"
#include "core/hook.h"
#include "xmpp/stanza.h"

struct arena;
struct err;
struct jid;
struct module_inst;
struct registry;

struct host {
    const char *name;
    const char *ascii; /* the name in A-labels: what TLS has */
    const struct jid *jid;
    const struct config_host *conf;
    struct module_inst **insts; /* in the order of loading; without the global ones */
    unsigned n_insts;
    struct hook_list hooks[HOOK_COUNT];
    struct registry *registry; /* who handles which element: host_iq(), host_nonza() */
    unsigned char secret[32]; /* for what must be the same for a name each time and not guessable */
};

/* Who handles this IQ child on this host; NULL if nobody. *inst is set unless it is NULL. */
const struct iq_entry *host_iq(const struct host *h, const char *ns, const char *name,
                               enum stanza_type type, unsigned scope, struct module_inst **inst);
/* The same for an element at depth 1 that is no stanza, whatever the stream's phase. */
const struct nonza_entry *host_nonza(const struct host *h, const char *ns, const char *name,
                                     struct module_inst **inst);

/* Makes the host's hook lists and its registry of IQ and nonza handlers from what its instances and
 * the global ones declare, in `a`. -1 and `e` if two want the same element or hooks wait for each
 * other. */
MUST_CHECK int host_compile(struct host *h, struct module_inst *const *globals, unsigned n_globals,
                            struct arena *a, struct err *e);

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
