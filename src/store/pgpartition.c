/* Range partitions by time, made ahead: at start, and by a daily job off the loop. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/postgres.h"

#define AHEAD 2                       /* partitions after the current one */
#define AGAIN (10LL * 60 * CLOCK_SEC) /* after a failure */

/* Months since year 0, and back to µs since 1970. */
static int64_t month_of(int64_t wall)
{
    time_t seconds = (time_t)(wall / CLOCK_SEC);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return (tm.tm_year + 1900LL) * 12 + tm.tm_mon;
}

static int64_t month_start(int64_t month)
{
    struct tm tm = {.tm_year = (int)(month / 12 - 1900), .tm_mon = (int)(month % 12), .tm_mday = 1};
    return (int64_t)timegm(&tm) * CLOCK_SEC;
}

static int run(PGconn *pg, const char *sql, struct err *e)
{
    PGresult *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    PQclear(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return 0;
    const char *message = PQerrorMessage(pg);
    return err_set(e, "%.*s", (int)strcspn(message, "\n"), message);
}

/* Up to which id there are partitions; 0 if there are none. */
static int read_end(PGconn *pg, const char *table, int64_t *end, struct err *e)
{
    static const char sql[] =
        "SELECT coalesce(max(substring(pg_get_expr(c.relpartbound, c.oid) from "
        "'TO \\(''?(-?[0-9]+)''?\\)')::bigint), 0) FROM pg_inherits i JOIN pg_class c "
        "ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass";
    PGresult *r = PQexecParams(pg, sql, 1, NULL, &table, NULL, NULL, 0);
    bool good = PQresultStatus(r) == PGRES_TUPLES_OK;
    if (good)
        *end = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    const char *message = PQerrorMessage(pg);
    return good ? 0 : err_set(e, "%.*s", (int)strcspn(message, "\n"), message);
}

static int make_one(PGconn *pg, const char *table, int64_t from, int64_t to, struct err *e)
{
    char sql[512];
    int64_t month = month_of(from);
    snprintf(sql, sizeof(sql),
             "CREATE TABLE IF NOT EXISTS %s_p%lld%02lld PARTITION OF %s FOR VALUES FROM (%lld) TO "
             "(%lld)",
             table, (long long)(month / 12), (long long)(month % 12 + 1), table, (long long)from,
             (long long)to);
    log_info("store", table, "partition from %lld-%02lld", (long long)(month / 12),
             (long long)(month % 12 + 1));
    return run(pg, sql, e);
}

/* From the current period, or from where the partitions end (their length may have been another
 * before), to AHEAD periods after the current one. */
static int partition_table(PGconn *pg, const struct store_partitioned *p, struct err *e)
{
    int64_t end = 0, months = p->months > 0 ? p->months : 1;
    if (read_end(pg, p->table, &end, e) < 0)
        return -1;
    int64_t period = month_of(clock_wall()) / months;
    for (int64_t i = period; i <= period + AHEAD; i++) {
        int64_t from = month_start(i * months), to = month_start((i + 1) * months);
        if (from < end)
            from = end;
        if (from < to && make_one(pg, p->table, from, to, e) < 0)
            return -1;
    }
    return 0;
}

/* The lock is that of migrations: nodes make them one after the other. */
int pg_partition(struct store *s, PGconn *pg, struct err *e)
{
    int result = run(pg, "BEGIN; SELECT pg_advisory_xact_lock(" STORE_LOCK ")", e);
    for (struct store_module *m = s->modules; m && result == 0; m = m->next) {
        if (m->partitioned)
            result = partition_table(pg, m->partitioned, e);
        if (result < 0)
            err_prefix(e, "partitions of %s", m->partitioned->table);
    }
    if (result == 0)
        return run(pg, "COMMIT", e);
    (void)run(pg, "ROLLBACK", NULL);
    return -1;
}

/* ---- once in a while ---- */

struct pg_partition_job {
    struct job job;
    struct store_worker *home;
    int result;
    struct err err;
};

static void job_work(struct job *job)
{
    struct pg_partition_job *j = CONTAINER_OF(job, struct pg_partition_job, job);
    struct store *s = j->home->store;
    PGconn *pg = PQconnectdb(s->conf.target);
    if (PQstatus(pg) == CONNECTION_OK)
        j->result = pg_partition(s, pg, &j->err);
    else
        j->result = err_set(&j->err, "%s", PQerrorMessage(pg));
    PQfinish(pg);
}

static void job_done(struct job *job)
{
    struct pg_partition_job *j = CONTAINER_OF(job, struct pg_partition_job, job);
    struct store_worker *sw = j->home;
    struct pg_worker *pw = sw->state;
    if (j->result < 0)
        log_error(
            "store", NULL,
            "cannot make the partitions of the time to come: %s; tried again, look at it within "
            "weeks",
            j->err.text);
    if (!sw->gone)
        timer_set(sw->worker, &pw->partition_timer,
                  j->result < 0 ? AGAIN : sw->store->conf.partition_every);
    free(j);
    pg_worker_ended(sw);
}

static void timer_fired(struct timer *t)
{
    struct pg_worker *pw = CONTAINER_OF(t, struct pg_worker, partition_timer);
    struct pg_partition_job *j = mem_new(struct pg_partition_job);
    j->home = pw->home;
    j->job.work = job_work;
    j->job.done = job_done;
    if (!offload_submit(pw->home->worker, &j->job)) {
        free(j);
        timer_set(pw->home->worker, t, AGAIN);
        return;
    }
    pw->open++;
}

void pg_partition_daily(struct store_worker *sw)
{
    struct pg_worker *pw = sw->state;
    pw->partition_timer.fn = timer_fired;
    timer_set(sw->worker, &pw->partition_timer, sw->store->conf.partition_every);
}

void pg_partition_stop(struct store_worker *sw)
{
    struct pg_worker *pw = sw->state;
    timer_clear(sw->worker, &pw->partition_timer);
}
