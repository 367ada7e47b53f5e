/* What the files of the Postgres driver share. */
#ifndef JACKDAW_STORE_POSTGRES_H
#define JACKDAW_STORE_POSTGRES_H

#include <stdatomic.h>

#include "store/internal.h"
#include "store/pgconn.h"
#include "store/pgtarget.h"

struct pg_store {
    struct pgtarget target;
    PGconn *admin;         /* while the store is being opened or checked */
    atomic_uint away;      /* connections that were lost or could not be made */
    atomic_bool resolving; /* one of them has its host's name resolved */
};

/* A connection that takes the batches of one lane (pgwriter.c). */
struct pg_writer {
    struct pgconn conn;
    struct lane *lane;
    struct pg_group { /* statements that travel as one: an append of many rows, or a single one */
        unsigned first, n;
    } * groups; /* of the batch in flight */
    unsigned n_groups, current;
    bool single; /* each op is a transaction of its own */
    bool retry;  /* the batch was refused as a whole: again, one by one */
};
void pg_writer_init(struct pg_writer *w, struct lane *lane);
/* Closes it and answers what is in flight with STORE_FULL. */
void pg_writer_close(struct pg_writer *w, void (*closed)(struct pgconn *c));

/* A connection that carries reads of the worker (pgreader.c). */
struct pg_reader {
    struct pgconn conn;
    struct store_worker *home;
    struct op_list sent; /* oldest first */
    unsigned n_sent;
    bool unsynced; /* something was sent after the last sync */
    struct turn_end sync;
};
void pg_reader_init(struct pg_reader *r, struct store_worker *sw);
void pg_reader_close(struct pg_reader *r, void (*closed)(struct pgconn *c));

/* The reads of a worker that no connection has taken yet. */
void pg_reads_put(struct store_worker *sw, struct op *op);
unsigned pg_reads_refuse(struct store_worker *sw, int64_t since);

struct pg_worker {
    struct store_worker *home;
    struct pg_writer *writers; /* one per lane */
    struct pg_reader *readers;
    unsigned n_readers;
    struct op_list reads;
    unsigned n_reads;
    unsigned open; /* connections and jobs that must end before the worker may go */
    struct timer partition_timer;
};

/* The store_result that stands for an error. */
int pg_result(const PGresult *r);

/* The admin connection, made if need be; NULL and `e` if it cannot be. Blocks. */
PGconn *pg_admin(struct store *s, struct err *e);

/* Makes the partitions of every declared table that are due and are not there. Blocks. */
int pg_partition(struct store *s, PGconn *pg, struct err *e);

/* Makes partitions every partition_every from this worker; the second stops that. A job under way
 * counts in pg_worker.open. */
void pg_partition_daily(struct store_worker *sw);
void pg_partition_stop(struct store_worker *sw);

/* One of pg_worker.open has ended. */
void pg_worker_ended(struct store_worker *sw);

#endif
