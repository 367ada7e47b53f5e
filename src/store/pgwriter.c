/* A lane's connection: a batch is one implicit transaction between two syncs. Appends of the same
 * kind travel as one statement. After an error the batch goes again, each op for itself; after a
 * broken connection it goes again as it was. */
#include "base/log.h"
#include "base/mem.h"
#include "store/pgwire.h"
#include "store/postgres.h"

/* ---- groups ---- */

/* The last group in which an owner has a statement: appends may only join it or a later one. */
struct owner_group {
    uint64_t owner;
    unsigned group; /* + 1; 0: the slot is free */
};

static struct owner_group *find_owner(struct owner_group *table, unsigned mask, uint64_t owner)
{
    unsigned at = (unsigned)(owner * 0x9e3779b97f4a7c15u >> 40) & mask;
    while (table[at].group != 0 && table[at].owner != owner)
        at = (at + 1) & mask;
    table[at].owner = owner;
    return &table[at];
}

/* The last group with this statement that an op whose owner was last seen in group `after` (+ 1)
 * may join; -1 if there is none. */
static int group_to_join(struct op *const *heads, unsigned n_groups, const struct op *op,
                         unsigned after)
{
    unsigned least = after > 0 ? after - 1 : 0;
    if (op->stmt->decl->kind != STORE_APPEND)
        return -1;
    for (unsigned g = n_groups; g > least; g--) {
        if (heads[g - 1]->stmt == op->stmt)
            return (int)g - 1;
    }
    return -1;
}

/* Says for every op of the batch which group it is in; fills the groups' sizes. */
static void assign_groups(struct pg_writer *w, const struct batch *b, unsigned *group_of)
{
    unsigned size = 16;
    while (size < b->n * 2)
        size *= 2;
    struct owner_group *owners = mem_zalloc(size * sizeof(*owners));
    struct op **heads = mem_zalloc(b->n * sizeof(*heads));
    w->n_groups = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct owner_group *own = find_owner(owners, size - 1, b->ops[i]->owner);
        int joined = group_to_join(heads, w->n_groups, b->ops[i], own->group);
        unsigned g = joined >= 0 ? (unsigned)joined : w->n_groups++;
        if (joined < 0) {
            heads[g] = b->ops[i];
            w->groups[g].n = 0;
        }
        w->groups[g].n++;
        group_of[i] = g;
        own->group = g + 1;
    }
    free(heads);
    free(owners);
}

/* Sorts the batch into groups, keeping the order of every owner's statements. */
static void make_groups(struct pg_writer *w, struct batch *b)
{
    unsigned *group_of = mem_zalloc(b->n * sizeof(*group_of));
    unsigned *next = mem_zalloc(b->n * sizeof(*next));
    struct op **sorted = mem_zalloc(b->n * sizeof(*sorted));
    w->groups = mem_realloc(w->groups, b->n * sizeof(*w->groups));
    assign_groups(w, b, group_of);
    for (unsigned g = 0, first = 0; g < w->n_groups; first += w->groups[g++].n)
        next[g] = w->groups[g].first = first;
    for (unsigned i = 0; i < b->n; i++)
        sorted[next[group_of[i]]++] = b->ops[i];
    memcpy(b->ops, sorted, b->n * sizeof(struct op *));
    free(sorted);
    free(next);
    free(group_of);
}

static void single_groups(struct pg_writer *w, const struct batch *b)
{
    w->groups = mem_realloc(w->groups, b->n * sizeof(*w->groups));
    w->n_groups = b->n;
    for (unsigned i = 0; i < b->n; i++)
        w->groups[i] = (struct pg_group){i, 1};
}

/* ---- sending ---- */

static bool send_groups(struct pg_writer *w, struct batch *b)
{
    PGconn *pg = w->conn.pg;
    for (unsigned g = 0; g < w->n_groups; g++) {
        if (!pgwire_send(pg, b->ops + w->groups[g].first, w->groups[g].n))
            return false;
        pgconn_sent(&w->conn, PGCONN_STATEMENT);
        if (!w->single && g + 1 < w->n_groups)
            continue;
        if (PQpipelineSync(pg) != 1)
            return false;
        pgconn_sent(&w->conn, PGCONN_SYNC);
    }
    return true;
}

static void send_flight(struct pg_writer *w)
{
    struct batch *b = w->lane->flight;
    for (unsigned i = 0; i < b->n; i++) {
        store_rows_free(&b->ops[i]->rows);
        b->ops[i]->result = STORE_OK;
    }
    if (w->single)
        single_groups(w, b);
    else
        make_groups(w, b);
    w->current = 0;
    w->retry = false;
    if (send_groups(w, b))
        pgconn_flush(&w->conn);
    else
        pgconn_drop(&w->conn, PQerrorMessage(w->conn.pg));
}

static void lane_send(struct lane *lane, struct batch *batch)
{
    struct pg_writer *w = lane->conn;
    (void)batch;
    w->single = false;
    send_flight(w);
}

/* ---- results ---- */

/* An error undoes the whole transaction, so in a batch of several it only says that they must go
 * one by one. */
static void refused(struct pg_writer *w, struct op *op, const PGresult *r)
{
    if (w->lane->flight->n > 1 && !w->single) {
        w->retry = true;
        return;
    }
    op->result = pg_result(r);
    if (op->result == STORE_FAILED)
        log_warn("store", op->stmt->name, "the database refused it: %s",
                 PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

static void group_result(struct pg_writer *w, const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    /* An error instead of a sync: the commit itself was refused. */
    unsigned g = pgconn_at_sync(&w->conn) ? w->current - 1 : w->current;
    struct op *op = w->lane->flight->ops[w->groups[g].first];
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        struct err e;
        op->rows = pgwire_rows(r, op->stmt->decl->columns, &e);
        if (!op->rows)
            log_error("store", op->stmt->name, "%s", e.text);
    } else if (status != PGRES_PIPELINE_ABORTED) {
        refused(w, op, r);
    }
}

static void sync_reached(struct pg_writer *w)
{
    if (pgconn_waiting(&w->conn) > 0) /* another op's transaction follows */
        return;
    if (w->retry) {
        w->single = true;
        w->lane->home->stats.retries++;
        send_flight(w);
        return;
    }
    lane_batch_done(w->lane);
}

static void writer_result(struct pgconn *c, const PGresult *r)
{
    struct pg_writer *w = c->user;
    if (!r)
        w->current++;
    else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
        sync_reached(w);
    else if (PQresultStatus(r) == PGRES_FATAL_ERROR && pgconn_error_is_loss(r))
        pgconn_drop(c, PQresultErrorMessage(r));
    else
        group_result(w, r);
}

/* The batch in flight is uncertain: it goes again. One that was too slow goes one by one. */
static void writer_ready(struct pgconn *c)
{
    struct pg_writer *w = c->user;
    if (w->lane->flight) {
        w->single |= c->slow;
        w->lane->home->stats.retries++;
        send_flight(w);
    }
    c->slow = false;
    if (c->state == PGCONN_READY)
        lane_set_ready(w->lane, true);
}

static void writer_lost(struct pgconn *c)
{
    struct pg_writer *w = c->user;
    lane_set_ready(w->lane, false);
}

void pg_writer_init(struct pg_writer *w, struct lane *lane)
{
    static const struct pgconn_events events = {writer_ready, writer_result, writer_lost};
    w->lane = lane;
    lane->conn = w;
    lane->send = lane_send;
    w->conn.store = lane->home->store;
    w->conn.worker = lane->home->worker;
    w->conn.events = &events;
    w->conn.user = w;
    pgconn_open(&w->conn);
}

void pg_writer_close(struct pg_writer *w, void (*closed)(struct pgconn *c))
{
    struct batch *b = w->lane->flight;
    lane_set_ready(w->lane, false);
    mem_free(&w->groups);
    if (b) {
        log_error("store", NULL, "%u statements were in flight at the end: not known to be stored",
                  b->n);
        for (unsigned i = 0; i < b->n; i++)
            b->ops[i]->result = STORE_FULL;
        lane_batch_done(w->lane);
    }
    pgconn_close(&w->conn, closed);
}
