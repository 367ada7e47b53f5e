/* archive: every message an account sends or receives, kept at its home in the order it was taken
 * (XEP-0313). */
#ifndef JACKDAW_ARCHIVE_H
#define JACKDAW_ARCHIVE_H

#include "codec.h"
#include "recent.h"

struct archive_conf {
    int64_t page_max;      /* messages of one page */
    int64_t dedupe_window; /* messages of an account among which a repeated origin-id is found */
};

enum { Q_APPEND, Q_HAS, Q_RECENT, Q_AFTER, Q_BEFORE, Q_REMOVE, ARCHIVE_STMTS };
extern const struct store_stmt archive_stmts[];

/* What the module keeps in an account, read at the first use of its archive. */
struct archive_slot {
    bool loaded;
    int64_t last_id;
    struct recent recent;
};

/* The answer to a page request (IQ set, aside). */
void archive_query(struct module_inst *inst, struct work *w, struct xml_el *query) MAY_YIELD;

#endif
