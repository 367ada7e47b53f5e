/* The item in hand: what an ordered (or aside) handler is given, and what it may do with it.
 * "Stored, then shown": writes begun here hold back every effect of the same item until they are
 * committed. */
#ifndef JACKDAW_CORE_WORK_H
#define JACKDAW_CORE_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/delivery.h"
#include "core/entity.h"
#include "core/session.h"
#include "store/store.h"
#include "xmpp/stanza.h"

struct host;

/* Where a stanza's receipt is answered to: plain data that may cross nodes. */
struct receipt {
    uint64_t source; /* session id; 0: nobody waits for it */
    uint64_t seq;    /* which of the source's stanzas */
    uint32_t home;   /* worker index of the source */
    bool account;    /* the source is an account (its bare JID's hash), see core/tell.h */
};

struct work {
    struct entity *account; /* whose home this is. NULL for requests to a host */
    struct host *host;
    struct session *session; /* the client's own session (out); NULL for what came from others */
    struct stanza *st;       /* held for as long as the handler runs; NULL where a hook has none */
    const struct jid *to;    /* the addressee: st->to, or this one of a fan-out */
    struct ledger_entry *entry; /* NULL in aside handlers */
    struct receipt receipt;
    enum delivery delivery; /* of what came from elsewhere: what is to become of it */
    bool kept;              /* something was or already is stored for this stanza */
    bool want_copy; /* message_out: call message_kept when the recipient's home has answered */
    bool answered;  /* an IQ handler has answered */
    bool rejected;
    enum stanza_error error; /* if rejected */
    const char *error_text;  /* a literal or NULL */
    uint64_t archive_id;     /* set by the archive, 0 if not kept */
    bool storable;           /* a message that an archive keeps */
    bool offline;            /* nobody can take it now: it is stored to be delivered later */
    uint64_t withheld;       /* the session that takes it later all the same, 0: none */
    struct contact *contact; /* contact_told: whom we told something */
    enum contact_owed about; /* and about what */
    bool removing;           /* account_delete() has begun */
    struct stanza *edited;   /* what work_edit() has made; internal */
};

/* An item of the account's own, beside the one in hand, if any: what it writes and sends hangs on
 * nothing but itself. `s` may be NULL. */
struct work work_own(struct entity *account, struct session *s);
/* Ends it. */
void work_own_end(struct work *w);

/* Refuses the stanza: its sender gets this error. `text` is a literal or NULL. Returns
 * HOOK_REJECT's value so that handlers write `return work_reject(...)`. */
int work_reject(struct work *w, enum stanza_error cond, const char *text);

/* Lets the stanza be edited: makes w->st a copy of its own on the first call, and returns it.
 * Children are shared until edited (stanza_edit). Later handlers and the delivery see the copy. */
struct stanza *work_edit(struct work *w);

/* Begins a write of this account (first argument of the statement: its owner). Every effect of this
 * item now waits for it; if it is refused, the sender gets resource-constraint or
 * internal-server-error. */
void work_write(struct work *w, const struct store_stmt *stmt, struct store_args args);

/* Effects. Each takes its own reference. They run at once or when the writes are committed; never
 * if a write was refused. In an aside handler they run at once. */
void work_send(struct work *w, struct session *to,
               struct stanza *st);                  /* to a session of this account */
void work_route(struct work *w, struct stanza *st); /* to st->to, wherever it is */

/* `run(arg, result)` when the writes are committed (0) or refused (<0): exactly once. */
void work_then(struct work *w, void (*run)(void *arg, int result), void *arg);

/* Answers an IQ: makes the reply to w->st, which the handler fills (reply->el) and gives to
 * work_answer(), or an error with work_reject(). work_answer() uses up the reference. */
struct stanza *work_reply(const struct work *w);
void work_answer(struct work *w, struct stanza *reply);

#endif
