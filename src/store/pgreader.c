/* Reads: pipelined over the worker's reading connections. Those of one turn share a sync. */
#include "base/log.h"
#include "base/mem.h"
#include "store/pgwire.h"
#include "store/postgres.h"

#define READER_DEPTH 64 /* reads in flight per connection */
#define READ_LOSSES 1   /* a read may lose its connection so often, then it is refused */

/* ---- the queue ---- */

static struct pg_reader *least_busy(struct pg_worker *pw)
{
    struct pg_reader *best = NULL;
    for (unsigned i = 0; i < pw->n_readers; i++) {
        struct pg_reader *r = &pw->readers[i];
        if (r->conn.state == PGCONN_READY && r->n_sent < READER_DEPTH &&
            (!best || r->n_sent < best->n_sent))
            best = r;
    }
    return best;
}

static void send_read(struct pg_reader *r, struct op *op)
{
    STAILQ_INSERT_TAIL(&r->sent, op, link);
    r->n_sent++;
    r->unsynced = true;
    op->again = false;
    if (!pgwire_send(r->conn.pg, &op, 1)) {
        pgconn_drop(&r->conn, PQerrorMessage(r->conn.pg));
        return;
    }
    pgconn_sent(&r->conn, PGCONN_STATEMENT);
    worker_at_turn_end(r->conn.worker, &r->sync);
}

static void send_reads(struct pg_worker *pw)
{
    struct op *op;
    struct pg_reader *r;
    while ((op = STAILQ_FIRST(&pw->reads)) && (r = least_busy(pw))) {
        STAILQ_REMOVE_HEAD(&pw->reads, link);
        pw->n_reads--;
        send_read(r, op);
    }
}

void pg_reads_put(struct store_worker *sw, struct op *op)
{
    struct pg_worker *pw = sw->state;
    if (pw->n_reads >= sw->store->conf.queue_max) {
        store_finish(op, STORE_FULL);
        return;
    }
    STAILQ_INSERT_TAIL(&pw->reads, op, link);
    pw->n_reads++;
    send_reads(pw);
    if (pw->n_reads > 0)
        store_sweep_later(sw);
}

unsigned pg_reads_refuse(struct store_worker *sw, int64_t since)
{
    struct pg_worker *pw = sw->state;
    struct op *op;
    while ((op = STAILQ_FIRST(&pw->reads)) && op->since <= since) {
        STAILQ_REMOVE_HEAD(&pw->reads, link);
        pw->n_reads--;
        store_finish(op, STORE_FULL);
    }
    return pw->n_reads;
}

static void sync_reads(struct turn_end *t)
{
    struct pg_reader *r = CONTAINER_OF(t, struct pg_reader, sync);
    if (r->conn.state != PGCONN_READY || !r->unsynced)
        return;
    r->unsynced = false;
    if (PQpipelineSync(r->conn.pg) != 1) {
        pgconn_drop(&r->conn, PQerrorMessage(r->conn.pg));
        return;
    }
    pgconn_sent(&r->conn, PGCONN_SYNC);
    pgconn_flush(&r->conn);
}

/* ---- results ---- */

static void read_result(struct op *op, const PGresult *r)
{
    struct err e;
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_TUPLES_OK) {
        op->rows = pgwire_rows(r, op->stmt->decl->columns, &e);
        op->result = op->rows ? STORE_OK : STORE_FAILED;
        if (!op->rows)
            log_error("store", op->stmt->name, "%s", e.text);
        return;
    }
    op->result = pg_result(r);
    if (op->result == STORE_FAILED)
        log_warn("store", op->stmt->name, "the database refused it: %s",
                 PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* Before all others. */
static void put_back(struct pg_reader *r, struct op *op)
{
    struct pg_worker *pw = r->home->state;
    STAILQ_INSERT_HEAD(&pw->reads, op, link);
    pw->n_reads++;
    store_sweep_later(r->home);
}

/* The oldest one was answered to its end. */
static void read_ended(struct pg_reader *r)
{
    struct op *op = STAILQ_FIRST(&r->sent);
    STAILQ_REMOVE_HEAD(&r->sent, link);
    r->n_sent--;
    if (op->again)
        put_back(r, op);
    else
        store_finish(op, op->result);
}

static void reader_result(struct pgconn *c, const PGresult *res)
{
    struct pg_reader *r = c->user;
    struct op *op = STAILQ_FIRST(&r->sent);
    ExecStatusType status = res ? PQresultStatus(res) : PGRES_EMPTY_QUERY;
    if (status == PGRES_PIPELINE_SYNC)
        send_reads(r->home->state);
    else if (status == PGRES_FATAL_ERROR && pgconn_error_is_loss(res))
        pgconn_drop(c, PQresultErrorMessage(res));
    else if (!res)
        read_ended(r);
    else if (status == PGRES_PIPELINE_ABORTED)
        op->again = true; /* not its fault: another read of the same sync failed */
    else if (!pgconn_at_sync(c))
        read_result(op, res);
}

static void reader_ready(struct pgconn *c)
{
    struct pg_reader *r = c->user;
    send_reads(r->home->state);
}

/* A read changes nothing, so it simply goes again, once. */
static void reader_lost(struct pgconn *c)
{
    struct pg_reader *r = c->user;
    struct op_list lost = STAILQ_HEAD_INITIALIZER(lost);
    struct op *op;
    STAILQ_CONCAT(&lost, &r->sent);
    r->n_sent = 0;
    r->unsynced = false;
    while ((op = STAILQ_FIRST(&lost))) {
        STAILQ_REMOVE_HEAD(&lost, link);
        r->home->stats.retries++;
        store_rows_free(&op->rows);
        if (op->losses++ < READ_LOSSES)
            put_back(r, op);
        else
            store_finish(op, STORE_FULL);
    }
    send_reads(r->home->state);
}

void pg_reader_init(struct pg_reader *r, struct store_worker *sw)
{
    static const struct pgconn_events events = {reader_ready, reader_result, reader_lost};
    r->home = sw;
    STAILQ_INIT(&r->sent);
    r->sync.run = sync_reads;
    r->conn.store = sw->store;
    r->conn.worker = sw->worker;
    r->conn.events = &events;
    r->conn.user = r;
    r->conn.reads = true;
    pgconn_open(&r->conn);
}

void pg_reader_close(struct pg_reader *r, void (*closed)(struct pgconn *c))
{
    struct op *op;
    worker_cancel_turn_end(r->home->worker, &r->sync);
    while ((op = STAILQ_FIRST(&r->sent))) {
        STAILQ_REMOVE_HEAD(&r->sent, link);
        store_finish(op, STORE_FULL);
    }
    pgconn_close(&r->conn, closed);
}
