/* The Postgres driver: per worker one writing connection for each lane and a few that read. */
#include "store/postgres.h"

#include "base/mem.h"
#include "store/pgwire.h"
#include "store/rows.h"

int pg_result(const PGresult *r)
{
    /* Out of resources, operator intervention (a timeout), I/O, locks, lost races: try later. */
    static const char *const later[] = {"53", "57", "58", "55P03", "40001", "40P01"};
    const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    for (size_t i = 0; code && i < ARRAY_LEN(later); i++) {
        if (strncmp(code, later[i], strlen(later[i])) == 0)
            return STORE_FULL;
    }
    return STORE_FAILED;
}

/* ---- the admin connection ---- */

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

/* libpq ends its messages with a newline and may write several lines. */
static int pg_err(struct err *e, const char *message)
{
    return err_set(e, "%.*s", (int)strcspn(message, "\n"), message);
}

PGconn *pg_admin(struct store *s, struct err *e)
{
    struct pg_store *ps = s->state;
    if (ps->admin && PQstatus(ps->admin) == CONNECTION_OK)
        return ps->admin;
    PQfinish(ps->admin);
    ps->admin = PQconnectdb(s->conf.target);
    PQsetNoticeReceiver(ps->admin, ignore_notice, NULL);
    if (PQstatus(ps->admin) == CONNECTION_OK)
        return ps->admin;
    pg_err(e, PQerrorMessage(ps->admin));
    PQfinish(ps->admin);
    ps->admin = NULL;
    return NULL;
}

static int postgres_open(struct store *s, struct err *e)
{
    struct pg_store *ps = mem_new(struct pg_store);
    s->state = ps;
    atomic_init(&ps->away, 0);
    atomic_init(&ps->resolving, false);
    for (unsigned i = 0; i < s->n_stmts; i++) {
        if (s->stmts[i]->n_params > PGWIRE_PARAMS_MAX)
            return err_set(e, "statement %s has too many parameters", s->stmts[i]->name);
    }
    if (pgtarget_parse(&ps->target, s->conf.target, e) < 0)
        return -1;
    return pg_admin(s, e) ? 0 : -1;
}

static int postgres_exec(struct store *s, const char *sql, struct err *e)
{
    PGconn *pg = pg_admin(s, e);
    if (!pg)
        return -1;
    PGresult *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    PQclear(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return 0;
    return pg_err(e, PQerrorMessage(pg));
}

static int postgres_query(struct store *s, const char *sql, const char *types,
                          struct store_rows **rows, struct err *e)
{
    PGconn *pg = pg_admin(s, e);
    if (!pg)
        return -1;
    PGresult *r = PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, 1);
    *rows = NULL;
    if (PQresultStatus(r) == PGRES_TUPLES_OK)
        *rows = pgwire_rows(r, types, e);
    else
        pg_err(e, PQerrorMessage(pg));
    PQclear(r);
    return *rows ? 0 : -1;
}

/* What Postgres says a prepared statement returns. */
static int check_description(const PGresult *r, const struct statement *stmt, struct err *e)
{
    const char *columns = stmt->decl->columns;
    if (PQnfields(r) != (int)strlen(columns))
        return err_set(e, "returns %d columns, declared are %zu", PQnfields(r), strlen(columns));
    for (int i = 0; columns[i]; i++) {
        if (!pgwire_type_fits(PQftype(r, i), columns[i]))
            return err_set(e, "column %d has type %u, which is not declared as '%c'", i + 1,
                           PQftype(r, i), columns[i]);
    }
    return 0;
}

/* The last result of what was sent, NULL results skipped; the connection's error if there is none.
 */
static int prepare_and_describe(PGconn *pg, const struct statement *stmt, struct err *e)
{
    int result = pgwire_prepare(pg, stmt) ? 0 : -1;
    PGresult *r;
    while ((r = PQgetResult(pg))) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            result = -1;
        PQclear(r);
    }
    if (result < 0)
        return pg_err(e, PQerrorMessage(pg));
    r = PQdescribePrepared(pg, stmt->name);
    result = check_description(r, stmt, e);
    PQclear(r);
    return result;
}

static int postgres_check(struct store *s, const struct statement *stmt, struct err *e)
{
    PGconn *pg = pg_admin(s, e);
    if (!pg)
        return -1;
    PQclear(PQexec(pg, "DEALLOCATE ALL"));
    return prepare_and_describe(pg, stmt, e);
}

static int postgres_partition(struct store *s, struct err *e)
{
    PGconn *pg = pg_admin(s, e);
    return pg ? pg_partition(s, pg, e) : -1;
}

static int postgres_start(struct store *s, struct err *e)
{
    struct pg_store *ps = s->state;
    (void)e;
    PQfinish(ps->admin);
    ps->admin = NULL;
    return 0;
}

static void postgres_close(struct store *s)
{
    struct pg_store *ps = s->state;
    if (!ps)
        return;
    PQfinish(ps->admin);
    pgtarget_clear(&ps->target);
    free(ps);
    s->state = NULL;
}

/* ---- on a worker ---- */

static unsigned postgres_lanes_wanted(const struct store_conf *conf)
{
    return conf->lanes;
}

static void postgres_attach(struct store_worker *sw)
{
    struct pg_worker *pw = mem_new(struct pg_worker);
    sw->state = pw;
    pw->home = sw;
    STAILQ_INIT(&pw->reads);
    pw->writers = mem_zalloc(sw->n_lanes * sizeof(*pw->writers));
    pw->n_readers = sw->store->conf.readers;
    pw->readers = mem_zalloc(pw->n_readers * sizeof(*pw->readers));
    pw->open = sw->n_lanes + pw->n_readers;
    for (unsigned i = 0; i < sw->n_lanes; i++)
        pg_writer_init(&pw->writers[i], &sw->lanes[i]);
    for (unsigned i = 0; i < pw->n_readers; i++)
        pg_reader_init(&pw->readers[i], sw);
    if (worker_index(sw->worker) == 0)
        pg_partition_daily(sw);
}

static bool postgres_up(const struct store_worker *sw)
{
    const struct pg_worker *pw = sw->state;
    bool up = true;
    for (unsigned i = 0; i < sw->n_lanes; i++)
        up &= pw->writers[i].conn.state == PGCONN_READY;
    for (unsigned i = 0; i < pw->n_readers; i++)
        up &= pw->readers[i].conn.state == PGCONN_READY;
    return up;
}

void pg_worker_ended(struct store_worker *sw)
{
    struct pg_worker *pw = sw->state;
    if (--pw->open > 0)
        return;
    free(pw->writers);
    free(pw->readers);
    free(pw);
    sw->state = NULL;
    store_detached(sw);
}

static void writer_closed(struct pgconn *c)
{
    struct pg_writer *w = c->user;
    pg_worker_ended(w->lane->home);
}

static void reader_closed(struct pgconn *c)
{
    struct pg_reader *r = c->user;
    pg_worker_ended(r->home);
}

/* One more is open while they are closed, so that the last of them does not free the rest. */
static void postgres_detach(struct store_worker *sw)
{
    struct pg_worker *pw = sw->state;
    pw->open++;
    pg_partition_stop(sw);
    for (unsigned i = 0; i < sw->n_lanes; i++)
        pg_writer_close(&pw->writers[i], writer_closed);
    for (unsigned i = 0; i < pw->n_readers; i++)
        pg_reader_close(&pw->readers[i], reader_closed);
    pg_worker_ended(sw);
}

const struct driver postgres_driver = {
    .name = "postgres",
    .open = postgres_open,
    .exec = postgres_exec,
    .query = postgres_query,
    .check = postgres_check,
    .partition = postgres_partition,
    .start = postgres_start,
    .close = postgres_close,
    .lanes_wanted = postgres_lanes_wanted,
    .attach = postgres_attach,
    .read = pg_reads_put,
    .refuse_reads = pg_reads_refuse,
    .up = postgres_up,
    .detach = postgres_detach,
};
