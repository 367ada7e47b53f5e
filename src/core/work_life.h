/* How items of work begin and end; for the core only. */
#ifndef JACKDAW_CORE_WORK_LIFE_H
#define JACKDAW_CORE_WORK_LIFE_H

#include "core/work.h"

/* Whether an effect of this work may happen right now; then it counts as happened. */
bool work_passes(struct work *w);

/* As work_route(), with a receipt that the other home answers. */
void work_route_receipt(struct work *w, struct stanza *st, const struct receipt *r);

/* Ends the work on a client's own stanza number `seq`: sends the error if it was refused, counts it
 * as answered by its own home once its writes are committed, closes its ledger entry. */
void work_finish_out(struct work *w, uint64_t seq);

/* Ends the work on a stanza from elsewhere: answers its receipt, or its sender if it was refused;
 * closes its ledger entry. */
void work_finish_in(struct work *w);

/* IQ requests: finds who answers `w->st` and runs it here or aside. `scope` is an enum iq_scope. An
 * aside handler takes over: then true is returned and it ends the work itself (as `seq`'s if
 * `out`). */
bool work_iq(struct work *w, unsigned scope, bool out, uint64_t seq) MAY_YIELD;

#endif
