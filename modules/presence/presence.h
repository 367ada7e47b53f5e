/* presence: who is there, and who is told (RFC 6121 section 4). */
#ifndef JACKDAW_PRESENCE_H
#define JACKDAW_PRESENCE_H

#include "core/module.h"

struct presence_conf {
    int64_t broadcast_size;     /* bytes of a presence for all contacts, as it is written to one */
    int64_t directed_max;       /* addresses that one session has shown itself to by name */
    int64_t last_seen_interval; /* µs between two notes that an account is there */
};

/* What the module keeps in an account. */
struct presence_account {
    int64_t seen;       /* wall µs: when it was last written down */
    struct timer again; /* until it is again; set while a session is available */
    struct module_inst *inst;
    struct entity *account;
};

/* An address that a session has sent its presence to by name, and that must hear when it goes. */
struct directed {
    STAILQ_ENTRY(directed) link;
    struct jid *jid;
};

/* What the module keeps in a session; zeroed at first. */
struct presence_session {
    int64_t since; /* wall µs of its last available presence */
    STAILQ_HEAD(, directed) directed;
    size_t n_directed; /* the list is not initialised while this is 0 */
};

/* ---- directed.c (section 4.6) ---- */

/* Presence with a `to` from the client. */
enum hook_result directed_out(struct module_inst *inst, struct work *w);

/* Sends `unavailable` to all whom w->session has shown itself to by name, and forgets them. `told`:
 * its contacts and its own account have just heard it. */
void directed_end(struct module_inst *inst, struct work *w, struct stanza *unavailable, bool told);

/* The presence that w->session sent to `from` came back as an error: there is nobody to tell. */
void directed_failed(struct module_inst *inst, struct session *s, const struct jid *from);

/* Frees the list: module.session_free. */
void directed_free(void *slot);

/* ---- last_seen.c ---- */

enum { Q_SEEN, Q_FORGET, PRESENCE_STMTS };
extern const struct store_stmt presence_stmts[PRESENCE_STMTS];
enum { PRESENCE_MIGRATIONS = 1 };
extern const struct store_migration presence_migrations[PRESENCE_MIGRATIONS];

/* A session of the account is available: notes it in the store if that is long enough ago, and from
 * then on again and again. Nothing waits for these writes. */
void last_seen_online(struct module_inst *inst, struct entity *account);

/* None is any more; the last went with this presence. */
void last_seen_offline(struct module_inst *inst, struct entity *account,
                       const struct stanza *unavailable);

/* module.account_free */
void last_seen_free(void *slot);

#endif
