/* Accounts in the store: the directory of names, and what becomes of an account. */
#ifndef JACKDAW_CORE_ACCOUNT_H
#define JACKDAW_CORE_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "store/store.h"

struct entity;
struct jid;
struct work;

#define PASSWORD_MAX 1024 /* bytes of a password prepared by SASLprep, with its NUL */

extern const struct store_stmt account_stmts[];
extern const size_t account_n_stmts;
extern const struct store_migration account_migrations[];
extern const size_t account_n_migrations;

/* The owner number of a bare JID, 0 if there is no such account. One read whether it exists or not.
 * Negative: a store_result or wait_result. Any worker. */
MUST_CHECK int account_lookup(const struct jid *bare, uint64_t *owner) MAY_YIELD;

/* In the account's ordered handler (account_do): makes the account, so that w->account->exists and
 * ->owner is its new number. 0, 1 if it exists already, 2 if a removed one still holds the name
 * (its contacts are being told: try again), negative as above. */
MUST_CHECK int account_create(struct work *w) MAY_YIELD;

/* In the account's ordered handler: marks it as removed and waits for that commit, answers w->st if
 * it is a session of the account that has asked for this, ends its sessions (not-authorized), lets
 * every module delete its rows (hook account_removed). When all
 * contacts have been told its name is free; account_do() returns then. 0, 1 if there is no such
 * account. */
MUST_CHECK int account_delete(struct work *w) MAY_YIELD;

/* In its ordered fiber: makes the entity, which does not exist, a temporary account until its
 * session ends. What others write for it (work_write) is dropped; what it asks to be stored
 * (IQ_STORES) and subscriptions are refused. */
void account_make_temporary(struct entity *e);

/* In the account's ordered handler: gives it this password (hook password_set), which ends no
 * session. Waits for the commit. 0, 1 if nobody can keep passwords here or this one cannot be used:
 * it is empty, too long, or holds what SASLprep prohibits; negative as above, or OFFLOAD_FULL. */
MUST_CHECK int account_set_password(struct work *w, const char *password) MAY_YIELD;

/* Ends every session of the account with a stream error; whoever is about to log in must connect
 * anew. After a password change. The second spares w->session, which has asked for it. */
void account_close_sessions(struct work *w, const char *why);
void account_close_others(struct work *w, const char *why);

/* The names on a host in order, at most `max` after `after` ("" from the start): columns "t". */
MUST_CHECK int account_list(const char *host, const char *after, int64_t max,
                            struct store_rows **rows) MAY_YIELD;

#endif
