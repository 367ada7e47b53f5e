/* The store: declared SQL statements over Postgres (libpq, pipelined) or SQLite. Modules speak SQL,
 * drivers run it. Reads park the fiber; writes are batched per lane and answer by callback, so that
 * an entity's ledger can wait for them without its handler waiting. */
#ifndef JACKDAW_STORE_STORE_H
#define JACKDAW_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

struct promise;
struct store;
struct store_rows;
struct worker;

/* ---- what a module declares ---- */

enum store_kind {
    STORE_READ,   /* begins its WHERE with "owner = $1" */
    STORE_WRITE,  /* one statement of a batch; first parameter is the owner */
    STORE_APPEND, /* an insert into `table`: the driver makes one multi-row statement of many */
    STORE_DIRECTORY_READ, /* name → owner: the only tables that are not keyed by owner */
    STORE_DIRECTORY_WRITE,
};

/* A write is sent again when its connection breaks before the answer, so running it twice must be
 * harmless: an INSERT says ON CONFLICT, an UPDATE sets values (and compares a version where a late
 * one could undo a newer one) instead of adding to them.
 *
 * Types of parameters and columns: 'i' 64-bit integer, 't' text, 'b' bytes, 'I' array of integers
 * (parameters only; Postgres bigint[], SQLite a JSON array for json_each()). All may be NULL. */
struct store_stmt {
    const char *name; /* unique in its module: "roster_get" */
    enum store_kind kind;
    const char *params;       /* "itt" */
    const char *columns;      /* what it returns: "ttb", or "" */
    const char *sql;          /* with $1..$n; for STORE_APPEND the column list "owner, id, peer" */
    const char *sql_postgres; /* where the two differ; NULL: `sql` */
    const char *sql_sqlite;
    const char *table; /* STORE_APPEND only. Rows whose primary key exists are left as they are */
};

/* A step of a module's schema, applied once, in order, in a transaction. Texts may use {int},
 * {text}, {blob} and {strict}, which the driver replaces by its types ("bigint", "INTEGER", ...).
 */
struct store_migration {
    unsigned number; /* 1, 2, 3 ... per module */
    const char *sql;
    const char *sql_postgres; /* instead of `sql`; NULL: the same */
    const char *sql_sqlite;
};

/* A table partitioned in Postgres by ranges of a µs column `id`: partitions are made ahead at start
 * and by a daily job; at most about 24 are kept in use by choosing `months`. Nothing to do for
 * SQLite. */
struct store_partitioned {
    const char *table;
    unsigned months; /* per partition */
};

/* ---- set up, before workers serve ---- */

enum store_driver { STORE_SQLITE, STORE_POSTGRES };

struct store_conf {
    enum store_driver driver;
    const char *target;  /* SQLite: path of the file; Postgres: a libpq connection string */
    unsigned lanes;      /* writer connections per worker (Postgres, 2) */
    unsigned readers;    /* reader connections per worker (Postgres, 2) / threads (SQLite, 2) */
    unsigned batch_rows; /* a batch is sent at the latest with so many statements (200) */
    int64_t batch_wait;  /* or when its oldest is so old, µs (2000), or as old as a commit takes if
                          * that is less; an idle lane sends at the end of the turn */
    unsigned queue_max;  /* statements that may wait per lane and per reader set (10000) */
    int64_t patience; /* µs a statement may wait unsent, because the store is away or too slow (5
                       * s): STORE_FULL */
    int64_t statement_timeout; /* µs (10 s) */
    int64_t partition_every;   /* µs between two looks whether partitions are due (1 day) */
};
/* Fills `conf` with the defaults named above; driver SQLite, no target. */
void store_conf_defaults(struct store_conf *conf);

/* A store that is not open yet; `conf` is copied, `target` must be set. The caller frees it. */
struct store *store_new(const struct store_conf *conf);

/* Declares a module's statements and migrations; they must outlive the store. Before store_open().
 */
void store_declare(struct store *s, const char *module, const struct store_stmt *stmts,
                   size_t n_stmts, const struct store_migration *migrations, size_t n_migrations,
                   const struct store_partitioned *partitioned);

/* Connects once, runs what migrations are due (Postgres: under an advisory lock), refuses a schema
 * newer than this binary in plain words. Blocks; called before the workers serve. */
MUST_CHECK int store_open(struct store *s, struct err *e);

/* Makes the calling worker's lanes and readers; on its loop stack, before it uses the store. They
 * connect by themselves and reconnect for ever (backing off to 1 s), logging once when lost and
 * once when back. */
void store_attach(struct store *s, struct worker *w);

/* Takes nothing new, commits what is queued (up to `patience`: what then is not known to be
 * committed is answered STORE_FULL), then closes the worker's connections; on that worker. `done`
 * is called on it afterwards. */
void store_detach(struct worker *w, void (*done)(void *arg), void *arg);

/* After all workers have detached and before crew_stop(): it joins the store's threads, of which
 * one may still be about to wake a worker that has already had its answer. */
void store_free(struct store **s);

/* ---- use, on a worker ---- */

struct store_value {
    char type; /* 'i', 't', 'b', 'I', or 0 for NULL */
    int64_t i;
    const void *p; /* text, bytes or array of int64_t; copied by the call */
    size_t len;
};
#define SV_INT(x) ((struct store_value){.type = 'i', .i = (int64_t)(x)})
#define SV_TEXT(s) store_text(s)
#define SV_BLOB(ptr, n) ((struct store_value){.type = 'b', .p = (ptr), .len = (n)})
#define SV_INTS(ptr, n) ((struct store_value){.type = 'I', .p = (ptr), .len = (n)})
#define SV_NULL ((struct store_value){0})
static inline struct store_value store_text(const char *s)
{
    return s ? (struct store_value){.type = 't', .p = s, .len = strlen(s)} : SV_NULL;
}
/* Arguments of a statement, in parameter order: STORE_ARGS(SV_INT(owner), SV_TEXT(jid)). */
struct store_args {
    const struct store_value *v;
    size_t n;
};
#define STORE_ARGS(...)                                                                            \
    ((struct store_args){(const struct store_value[]){__VA_ARGS__},                                \
                         sizeof((const struct store_value[]){__VA_ARGS__}) /                       \
                             sizeof(struct store_value)})

enum store_result {
    STORE_OK = 0,
    STORE_FAILED = -10, /* the database refused it: nothing was changed */
    STORE_FULL = -11,   /* too much waits, or the store is away: nothing was changed; try later */
};
/* A write whose connection broke in flight is sent again by its lane until its fate is known; it is
 * never reported as anything but committed or refused. A wait may also end with a wait_result
 * (fiber.h). */

/* Runs a read and waits. On STORE_OK *rows (may hold none) is the caller's: store_rows_free(). If
 * the owner (first parameter) has writes in flight on this worker, they are awaited first. */
MUST_CHECK int store_query(const struct store_stmt *stmt, struct store_args args,
                           struct store_rows **rows) MAY_YIELD;

/* The same in two halves, so that several reads travel together. */
struct promise *store_query_start(const struct store_stmt *stmt, struct store_args args);
MUST_CHECK int store_query_wait(struct promise **p, struct store_rows **rows) MAY_YIELD;

/* Queues a write in the owner's lane. Writes of one owner are committed in the order of these
 * calls; a batch is one transaction. `done` is called exactly once, later, on this worker's loop
 * stack. */
typedef void store_done_fn(void *arg, int result);
void store_write(const struct store_stmt *stmt, uint64_t owner, struct store_args args,
                 store_done_fn *done, void *arg);

/* Queues a write and waits; with RETURNING, *rows are its rows (`rows` may be NULL). */
MUST_CHECK int store_write_wait(const struct store_stmt *stmt, uint64_t owner,
                                struct store_args args, struct store_rows **rows) MAY_YIELD;

/* ---- rows ---- */

/* How many rows there are; whether a value is NULL. Rows and columns count from 0. */
size_t store_rows_count(const struct store_rows *rows);
bool store_is_null(const struct store_rows *rows, size_t row, unsigned col);
/* 0 for NULL. */
int64_t store_int(const struct store_rows *rows, size_t row, unsigned col);
/* NUL-terminated, valid until the rows are freed; NULL for NULL. */
const char *store_str(const struct store_rows *rows, size_t row, unsigned col);
/* Bytes of a text or blob; *len 0 and NULL for NULL. */
const void *store_blob(const struct store_rows *rows, size_t row, unsigned col, size_t *len);
/* Accepts NULL, sets NULL. */
void store_rows_free(struct store_rows **rows);

/* ---- for humans and tests ---- */

/* Of one worker, since it was attached. */
struct store_stats {
    uint64_t reads, writes, batches, retries, refused;
    unsigned queued; /* statements waiting on this worker */
    bool up;         /* every connection of this worker is connected */
    int64_t memory;  /* bytes that an embedded database keeps, for all workers together */
};
/* A snapshot; on that worker. */
void store_stats(const struct worker *w, struct store_stats *out);

/* Checks the owner rule over every declared statement (DDL keys too) and that each prepares on the
 * open store. For tests. */
MUST_CHECK int store_check_statements(struct store *s, struct err *e);

#endif
