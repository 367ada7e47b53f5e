/* Hooks: the points where modules take part. Three flavours: a chain ends at the first that handles
 * or rejects; a gather asks all for something; a notify tells all. Inside a hook, order is by
 * phase. */
#ifndef JACKDAW_CORE_HOOK_H
#define JACKDAW_CORE_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct arena;
struct err;
struct module_inst;
struct stream;
struct work;
struct xml_el;

/* What is asked of the hook password_set. */
struct password_change {
    const char *password; /* as it was typed */
    int result;           /* of account_set_password() */
};

enum hook_phase {
    PHASE_GUARD,   /* refuse what may not be */
    PHASE_REWRITE, /* stamp, strip, complete */
    PHASE_POLICY,  /* blocking, limits */
    PHASE_MAIN,
    PHASE_STORE,   /* begin writes */
    PHASE_DELIVER, /* effects */
    PHASE_LAST,
    PHASES
};

enum hook_result {
    HOOK_CONTINUE,
    HOOK_HANDLED, /* done: later handlers are not asked */
    HOOK_REJECT,  /* refused: the handler has called work_reject() */
};

/* Every hook: HOOK_CHAIN / HOOK_GATHER / HOOK_NOTIFY (name, parameters after the instance).
 *
 * At the sender's home, ordered, may yield:
 *   message_out   a client's message before it is routed
 *   presence_out  a client's presence (all types, directed or not)
 *   message_kept  the recipient's home answered that it keeps / handed over a message of ours: the
 *                 sender's own copy is written here
 * At the recipient's home, ordered, may yield:
 *   message_in    a message to the account or one of its resources
 *   presence_in   presence of any type to the account
 *   iq_in         another's request to the account or one of its resources, before it is answered
 *                 or delivered. Also for a name without an account (w->account->exists), so that a
 *                 stranger can be told the same in both cases
 * Sessions, ordered, may yield:
 *   session_bound, session_closed (its presence was not necessarily sent: `session` is still there)
 *   session_available  first available presence (initial presence), after its broadcast
 *   session_takes_messages  its presence has become one that takes messages: available, with a
 *                 priority that is not negative. After session_available
 * Accounts:
 *   contact_told       a contact's home has dealt with what w->contact was told about w->about, or
 *                      refused it (w->rejected, w->error); must not yield
 *   password_set       the account gets this password: keeps what is needed of it, sets the
 *                      result; ordered, may yield
 *   account_removed    its rows are to be deleted (with work_write); perhaps not for the first
 *                      time, if the server ended meanwhile
 * Streams, on the stream's worker, not in a fiber:
 *   stream_features    add children to <stream:features/>
 *   stream_silent      nothing was heard for limits.ping_after: ask something that must be
 *                      answered, and return HOOK_HANDLED; without an answer it is closed
 *   stream_input       so many bytes of a bound client were read, and so many elements since the
 *                      last time
 * Gather:
 *   disco_account      identities, features and forms of an account's bare JID (into the query)
 *   disco_host         those of a host: the same whoever asks, on any worker
 */
#define HOOKS(CHAIN, GATHER, NOTIFY)                                                               \
    CHAIN(message_out, struct work *w)                                                             \
    CHAIN(presence_out, struct work *w)                                                            \
    NOTIFY(message_kept, struct work *w)                                                           \
    CHAIN(message_in, struct work *w)                                                              \
    CHAIN(presence_in, struct work *w)                                                             \
    CHAIN(iq_in, struct work *w)                                                                   \
    NOTIFY(session_bound, struct work *w)                                                          \
    NOTIFY(session_closed, struct work *w)                                                         \
    NOTIFY(session_available, struct work *w)                                                      \
    NOTIFY(session_takes_messages, struct work *w)                                                 \
    NOTIFY(contact_told, struct work *w)                                                           \
    NOTIFY(password_set, struct work *w, struct password_change *change)                           \
    NOTIFY(account_removed, struct work *w)                                                        \
    GATHER(stream_features, struct stream *s, struct xml_el *features)                             \
    CHAIN(stream_silent, struct stream *s)                                                         \
    NOTIFY(stream_input, struct stream *s, size_t bytes, unsigned elements)                        \
    GATHER(disco_account, struct work *w, struct arena *a, struct xml_el *query)                   \
    GATHER(disco_host, struct arena *a, struct xml_el *query)

#define HOOK_ID(name, ...) HOOK_##name,
enum hook_id { HOOKS(HOOK_ID, HOOK_ID, HOOK_ID) HOOK_COUNT };
#undef HOOK_ID

#define HOOK_CHAIN_TYPE(name, ...)                                                                 \
    typedef enum hook_result hook_##name##_fn(struct module_inst *inst, __VA_ARGS__);
#define HOOK_OTHER_TYPE(name, ...)                                                                 \
    typedef void hook_##name##_fn(struct module_inst *inst, __VA_ARGS__);
HOOKS(HOOK_CHAIN_TYPE, HOOK_OTHER_TYPE, HOOK_OTHER_TYPE)
#undef HOOK_CHAIN_TYPE
#undef HOOK_OTHER_TYPE

union hook_fn {
#define HOOK_MEMBER(name, ...) hook_##name##_fn *name;
    HOOKS(HOOK_MEMBER, HOOK_MEMBER, HOOK_MEMBER)
#undef HOOK_MEMBER
};

/* A module's entry: HOOK_AT(message_in, PHASE_STORE, archive_message_in, .after = "blocking").
 * Tables end with HOOK_END. The function's type is checked at compile time. */
struct hook_entry {
    enum hook_id id;
    enum hook_phase phase;
    union hook_fn fn;
    const char *fn_name;
    const char *after; /* a module that must come first within the phase, NULL: any order */
    bool used;
};
#define HOOK_AT(hook, ph, func, ...)                                                               \
    {                                                                                              \
        .id = HOOK_##hook, .phase = (ph), .fn = {.hook = func}, .fn_name = #func, .used = true,    \
        __VA_ARGS__                                                                                \
    }
#define HOOK_END                                                                                   \
    {                                                                                              \
        .used = false                                                                              \
    }

/* What a host has compiled for one hook: entries in order. */
struct hook_slot {
    struct module_inst *inst;
    union hook_fn fn;
    const struct hook_entry *entry;
};
struct hook_list {
    struct hook_slot *slots;
    unsigned n;
};

/* Puts the entries of `insts` for one hook in order: by phase, within a phase as the instances
 * come, moved back as far as `after` asks. The list is kept in `a`. -1 and `e` if entries wait for
 * each other. */
MUST_CHECK int hook_compile(enum hook_id id, struct module_inst *const *insts, unsigned n_insts,
                            struct arena *a, struct hook_list *out, struct err *e);

/* "message_in" and so on, for humans. */
const char *hook_name(enum hook_id id);
const char *hook_phase_name(enum hook_phase phase);

#endif
