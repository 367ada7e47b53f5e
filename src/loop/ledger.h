/* The ledger of an entity: effects wait for the writes of the same item and are released in order.
 * "Stored, then shown": nothing of an item is visible before its writes are committed. Own worker.
 */
#ifndef JACKDAW_LOOP_LEDGER_H
#define JACKDAW_LOOP_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/macros.h"

struct ledger_entry;

struct ledger {
    TAILQ_HEAD(ledger_entries, ledger_entry) entries; /* oldest first */
    unsigned count;
    void (*on_empty)(struct ledger *l); /* the last entry has gone; may be NULL, may free `l` */

    /* Internal. */
    TAILQ_HEAD(ledger_writers, ledger_entry) writers; /* those with writes, oldest first */
    unsigned waiting;                                 /* effects */
    uint64_t opened;
    bool settling;
    struct ledger_entry *releasing;
};

/* What happens when the entry's writes are committed (result 0) or one was refused (the negative
 * value given to ledger_write_done()). Runs exactly once, on the loop stack or in the fiber of
 * whoever released it, must not yield, and frees itself. */
struct effect {
    STAILQ_ENTRY(effect) link;
    void (*run)(struct effect *effect, int result);
};

/* Empty: nothing waits. */
void ledger_init(struct ledger *l);

/* Opens the entry of an item that is about to be handled. `peer` is the hash of the other side: an
 * entry without writes passes unless an earlier entry of the same peer still waits. Entries with
 * writes are released in FIFO order, once they are closed and their writes are back. The entry
 * lives until it is closed and released. */
struct ledger_entry *ledger_open(struct ledger *l, uint64_t peer);

/* A write of this entry is on its way: effects wait from now on. It is a bug (checked) to begin a
 * write after an effect of the same entry has already run. */
void ledger_write_begin(struct ledger_entry *e);

/* It came back: 0 committed, negative refused (the first refusal decides what effects are given).
 */
void ledger_write_done(struct ledger_entry *e, int result);

/* Whether an effect of this entry would run at once: lets callers do it directly, without an
 * allocation. Then call ledger_passed() to say that one did. */
bool ledger_may_pass(const struct ledger_entry *e);
void ledger_passed(struct ledger_entry *e);

/* Runs `effect` now if it may pass, else when the entry is released. */
void ledger_effect(struct ledger_entry *e, struct effect *effect);

/* The handler is done with the entry; it is released as soon as nothing holds it. */
void ledger_close(struct ledger_entry *e);

static inline bool ledger_empty(const struct ledger *l)
{
    return l->count == 0;
}

#endif
