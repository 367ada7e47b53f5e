/* The end of an account: it is marked as removed, then its contacts are told, then its name is
 * free. Whatever ends the server in between, it is gone on with from the mark. */
#ifndef JACKDAW_CORE_ACCOUNT_LIFE_H
#define JACKDAW_CORE_ACCOUNT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct entity;
struct jid;
struct work;

/* As account_lookup(); also finds one that is marked as removed. */
MUST_CHECK int account_find(const struct jid *bare, uint64_t *owner, bool *removed) MAY_YIELD;

/* In the fiber of a removed account that has just been loaded: goes on with its removal. */
void account_resume(struct entity *e) MAY_YIELD;

/* A contact has been told: when none is left, the name is given free. */
void account_leave_on(struct work *w);

/* Calls `fn(arg, result)` once when the removal begun in `w` has come to its end (0), or no further
 * for now: the account does not exist in either case. Negative: the store refused it. */
void account_when_gone(struct work *w, void (*fn)(void *arg, int result), void *arg);

/* On one worker when the server starts, in a fiber: goes on with all removals. */
void accounts_resume(void *unused) MAY_YIELD;

#endif
