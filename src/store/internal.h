/* What the store's own files share: the store, a worker's part of it, and what a driver provides.
 */
#ifndef JACKDAW_STORE_INTERNAL_H
#define JACKDAW_STORE_INTERNAL_H

#include "loop/timer.h"
#include "store/lane.h"
#include "store/op.h"
#include "store/statement.h"
#include "store/store.h"

/* The advisory lock under which nodes change the schema (Postgres). */
#define STORE_LOCK "x'6a61636b646177'::bigint"

struct driver {
    const char *name;
    /* Connects the admin connection: for what is rare and blocks (migrations, checks). */
    int (*open)(struct store *s, struct err *e);
    /* Runs statements (several, divided by semicolons). */
    int (*exec)(struct store *s, const char *sql, struct err *e);
    /* Runs one query; `types` says its columns ("it"). The caller frees *rows. */
    int (*query)(struct store *s, const char *sql, const char *types, struct store_rows **rows,
                 struct err *e);
    /* Whether the statement prepares and returns what it declares. */
    int (*check)(struct store *s, const struct statement *stmt, struct err *e);
    /* Makes the partitions of all declared tables that are due and not there yet. May be NULL. */
    int (*partition)(struct store *s, struct err *e);
    /* Everything is set up: closes the admin connection, starts the driver's threads. */
    int (*start)(struct store *s, struct err *e);
    /* Stops the threads, closes what open() made (in whatever state), frees. */
    void (*close)(struct store *s);

    /* Gives the worker's lanes their connections; n_lanes of them, made by lanes_wanted(). */
    unsigned (*lanes_wanted)(const struct store_conf *conf);
    void (*attach)(struct store_worker *sw);
    /* Takes a read; answers by store_finish() later. */
    void (*read)(struct store_worker *sw, struct op *op);
    /* Refuses (STORE_FULL) reads that have waited unsent since before `since`; how many wait yet.
     */
    unsigned (*refuse_reads)(struct store_worker *sw, int64_t since);
    bool (*up)(const struct store_worker *sw);
    /* Bytes that the database keeps in this process, for all workers. May be NULL: none. */
    int64_t (*memory)(void);
    /* Nothing is queued any more, or patience is at its end: closes the worker's connections, gives
     * every batch and read in flight back, then calls store_detached(). */
    void (*detach)(struct store_worker *sw);
};
extern const struct driver sqlite_driver, postgres_driver;

struct store_module {
    const char *name;
    const struct store_stmt *stmts;
    size_t n_stmts;
    const struct store_migration *migrations;
    size_t n_migrations;
    const struct store_partitioned *partitioned; /* may be NULL */
    struct store_module *next;
};

struct store {
    struct store_conf conf; /* target is a copy */
    const struct driver *driver;
    struct store_module *modules;
    struct statement **stmts; /* by their index */
    unsigned n_stmts;
    struct statement *by_decl; /* uthash */
    void *state;               /* the driver's */
};

struct store_worker {
    struct store *store;
    struct worker *worker;
    struct lane *lanes;
    unsigned n_lanes;
    struct op *last_writes; /* uthash: owner → its last write that is not answered yet */
    struct op_list refused; /* to be answered at the end of the turn */
    struct turn_end refuse;
    struct timer sweep; /* set while anything waits */
    struct store_stats stats;
    unsigned open;         /* operations not answered yet */
    void *state;           /* the driver's */
    bool closing;          /* store_detach() was called: nothing new is taken */
    bool gone;             /* the driver is closing the connections */
    struct timer patience; /* of the detaching */
    struct turn_end close;
    void (*detached)(void *arg);
    void *detached_arg;
};

/* Ends an operation: answers it and starts the reads that waited for it. Own worker. */
void store_finish(struct op *op, int result);

/* Something waits at this worker: sees to it that it is refused when its patience ends. */
void store_sweep_later(struct store_worker *sw);

/* From the driver: the worker's connections are closed. */
void store_detached(struct store_worker *sw);

/* Runs what migrations are due, over the admin connection (migrate.c). */
int migrate_run(struct store *s, struct err *e);

#endif
