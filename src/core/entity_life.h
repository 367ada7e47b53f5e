/* The life of entities: absent → loading → live → draining. */
#ifndef JACKDAW_CORE_ENTITY_LIFE_H
#define JACKDAW_CORE_ENTITY_LIFE_H

#include "core/entity.h"

struct home;
struct item;
struct jid;

/* The home's table: made empty; freed with all entities, whatever their state. On its worker. */
void entity_table_init(struct home *h);
void entity_table_clear(struct home *h);

/* The entity of this bare (or full) JID if it is loaded or loading, else NULL. */
struct entity *entity_find(struct home *h, const struct jid *j);

/* The loaded entity whose bare JID has this hash, else NULL. */
struct entity *entity_by_hash(struct home *h, uint64_t bare_hash);

/* The same as entity_find(), begun to load if it is not there. */
struct entity *entity_wake(struct home *h, const struct jid *j);

/* Puts an item into the mailbox and sees that it is handled. What does not fit is refused. Owns
 * `item`. */
void entity_post(struct entity *e, struct item *item);

/* Reads every module's rows of an account that is being loaded; all reads travel together. False if
 * the store did not answer. */
MUST_CHECK bool entity_load_rows(struct entity *e) MAY_YIELD;

/* Something that kept the entity has gone (a ledger entry, an aside handler): it may be idle now.
 */
void entity_rest(struct entity *e);

/* In its own fiber: the account has been removed. What modules kept in memory goes; the entity
 * stays as one that does not exist. */
void entity_forget(struct entity *e);

/* Tries again what had to wait because no fiber was free. */
void entity_fiber_free(void *home);

#endif
