/* Where stanzas go. route() never parks and never fails silently. */
#ifndef JACKDAW_CORE_ROUTER_H
#define JACKDAW_CORE_ROUTER_H

#include "core/work.h"

struct host;
struct stanza;

/* Sends `st` (frozen here; the caller keeps its reference) to st->to: an entity's home, or a host
 * address, or another domain. What cannot be delivered is answered with an error to st->from, or
 * through `r` if it has a source. From any worker. */
void route(struct stanza *st, const struct receipt *r);

/* For tests: delivers `st` to this worker, as if it had been sent there before its addressee's home
 * moved. */
void route_to_worker_for_test(struct stanza *st, unsigned worker);

/* Answers `st` with this error to its sender, if it may be answered. */
void route_error(struct stanza *st, enum stanza_error cond, const char *text);

/* Refuses `st`: the source of its receipt gets the error, or, without one, its sender. An account
 * that waits for the answer gets both: its clients shall see what came back. `r` may be NULL. */
void route_refuse(struct stanza *st, const struct receipt *r, enum stanza_error cond,
                  const char *text);

/* Sends one stanza to many bare or full JIDs: one crossing per destination worker with the shared
 * body. `to` is copied. For presence: addressees that are not loaded are passed over. */
void route_fanout(struct stanza *st, const struct jid *const *to, size_t n);

/* The host with this name (`len` bytes, prepared), NULL if it is not ours. */
struct host *host_find(const char *name, size_t len);

/* The worker index where the entity with this bare-JID hash lives. Only this function knows. */
unsigned home_of(uint64_t bare_hash);
/* The calling worker's index. */
unsigned home_of_self(void);

/* Declares the crossing types. */
void router_init(void);

/* Work on an account at its home, from a fiber elsewhere (admin commands): posts an item that runs
 * `fn` in the account's ordered fiber (loading it if needed; w->account->exists says whether there
 * is such an account) and waits for its result. `arg` must stay valid: the wait cannot be
 * abandoned. Negative: mailbox full. */
typedef int account_fn(struct work *w, void *arg);
MUST_CHECK int account_do(const struct jid *bare, account_fn *fn, void *arg) MAY_YIELD;

/* Runs `fn(arg)` once on every worker's loop stack, one after the other, and waits: for lists and
 * totals. */
void workers_do(void (*fn)(void *arg), void *arg) MAY_YIELD;

#endif
