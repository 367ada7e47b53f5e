/* A mailbox: the items waiting for one entity, in order, bounded per source. Pure data; own worker.
 */
#ifndef JACKDAW_LOOP_MAILBOX_H
#define JACKDAW_LOOP_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/macros.h"

/* Embedded in an item. */
struct mail {
    STAILQ_ENTRY(mail) link;
    uint64_t source;  /* hash of who sent it (bare JID); 0: the entity itself, unbounded here */
    uint64_t replace; /* if not 0: an item waiting with the same source and value is replaced */
    bool keep;        /* never refused: bounded by what caused it */
};

struct mailbox {
    STAILQ_HEAD(, mail) items;
    unsigned count, max;  /* `max` bounds items of others that are not `keep` */
    unsigned per_source;  /* of these, how many of one source */
    unsigned bounded;     /* items that count against `max` */
    unsigned replaceable; /* items with `replace` set */
    void *sources;        /* counts per source, only under pressure */
};

/* Empty, with the bounds explained above. */
void mailbox_init(struct mailbox *m, unsigned max, unsigned per_source);

enum mailbox_put { MAILBOX_PUT, MAILBOX_FULL, MAILBOX_SOURCE_FULL };

/* Appends `item`. If an item with the same source and `replace` waits, the new one takes its place
 * at the end and the old one is returned in *replaced (else NULL), the caller's again.
 * Not put: the item stays the caller's. */
MUST_CHECK enum mailbox_put mailbox_put(struct mailbox *m, struct mail *item,
                                        struct mail **replaced);

/* The oldest item, now the caller's; NULL if it is empty. */
struct mail *mailbox_take(struct mailbox *m);

static inline bool mailbox_empty(const struct mailbox *m)
{
    return m->count == 0;
}

/* Frees the bookkeeping; the box must be empty. */
void mailbox_clear(struct mailbox *m);

#endif
