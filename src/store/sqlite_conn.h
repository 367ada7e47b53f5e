/* One SQLite connection of one thread, with its prepared statements. */
#ifndef JACKDAW_STORE_SQLITE_CONN_H
#define JACKDAW_STORE_SQLITE_CONN_H

#include <sqlite3.h>

#include "store/op.h"

struct sqlite_conn {
    sqlite3 *db;
    sqlite3_stmt **prepared; /* by statement index, as needed */
    unsigned n;
    int64_t due; /* when a read is interrupted (monotonic µs) */
};

enum sqlite_mode { SQLITE_ADMIN, SQLITE_WRITER, SQLITE_READER };

/* Opens the file (making it if need be) for at most `statements` statements. */
MUST_CHECK int sqlite_conn_open(struct sqlite_conn *c, const char *path, enum sqlite_mode mode,
                                unsigned statements, struct err *e);
/* Accepts a zeroed or closed one. */
void sqlite_conn_close(struct sqlite_conn *c);

/* Runs op's statement and sets its rows and result; returns SQLite's code (SQLITE_OK). */
int sqlite_conn_run(struct sqlite_conn *c, struct op *op);

/* Runs statements without parameters or rows; SQLite's code. */
int sqlite_conn_exec(struct sqlite_conn *c, const char *sql);

/* What to answer for an error code: the statement's fault or the disk's. */
int sqlite_conn_result(int code);

/* Prepares without caching; NULL and `e` if it cannot. The caller finalizes it. */
sqlite3_stmt *sqlite_conn_prepare(struct sqlite_conn *c, const char *sql, struct err *e);

/* Adds the current row of `stmt`. False if the result is too big. */
MUST_CHECK bool sqlite_conn_row(sqlite3_stmt *stmt, const char *types, struct store_rows *rows);

#endif
