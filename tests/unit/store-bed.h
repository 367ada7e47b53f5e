/* For the tests of src/store and src/cache: throwaway servers, a store on a crew, and work on it.
 */
#ifndef JACKDAW_TESTS_UNIT_STORE_BED_H
#define JACKDAW_TESTS_UNIT_STORE_BED_H

#include "loop-crew.h"
#include "scratch.h"

#include "store/store.h"

/* Runs tests/lib/<command line> and gives its last line (the caller frees it). The test fails if
 * the helper does. */
char *helper(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- one table, "note", and statements on it ---- */

enum {
    NOTE_ADD,   /* append (owner, id, body, raw) */
    NOTE_PUT,   /* write: set the body whatever it was; returns id */
    NOTE_ERASE, /* write: delete one */
    NOTE_PAGE,  /* read (owner, after id, limit): id, body, raw */
    NOTE_COUNT, /* read (owners): how many of these owners */
    NAME_CLAIM, /* directory: name → owner; returns the owner if it was free */
    NAME_FIND,
    NOTE_STMTS
};
extern const struct store_stmt note_stmts[NOTE_STMTS];
extern const struct store_migration note_migrations[2];

/* ---- a store on a crew ---- */

struct bed {
    struct store *store;
    struct crew *crew;
};

/* The settings for a fresh store of this driver in `dir` (SQLite), or in the running Postgres of
 * `conninfo` with everything in it dropped. */
void bed_conf(struct store_conf *conf, enum store_driver driver, const char *target);

/* Declares the notes, opens and attaches on every worker. */
void bed_open(struct bed *bed, const struct store_conf *conf, unsigned workers);

/* Detaches (which commits what is queued), stops, frees. */
void bed_close(struct bed *bed);

/* Like in_fiber(), but patient: for what lasts while a server is restarted. */
void in_fiber_long(struct bed *bed, unsigned worker, fiber_fn *fn, void *arg);

/* Waits until every connection of every worker is up. */
void bed_wait_up(struct bed *bed);

/* ---- in a fiber ---- */

/* Reads `owner`'s ids page by page; fails the test if one page does. Returns how many; `ids` has
 * room for `max`. */
size_t read_ids(int64_t owner, int64_t *ids, size_t max);

/* How many notes the owner has, from the database. */
int64_t count_notes(int64_t owner);

#endif
