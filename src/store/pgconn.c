#include "store/pgconn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/pgwire.h"
#include "store/postgres.h"

#define BACKOFF_MIN (20 * CLOCK_MS)
#define BACKOFF_MAX (1 * CLOCK_SEC)
#define ANSWER_MARGIN (2 * CLOCK_SEC) /* so much later than the server the client gives up */

#define SENT_MAX (1u << 20)

static void connect_now(struct pgconn *c);

static struct pg_store *shared(const struct pgconn *c)
{
    return c->store->state;
}

/* Longest wait for an answer or a connection: statement_timeout should end it before. */
static int64_t answer_timeout(const struct pgconn *c)
{
    return c->store->conf.statement_timeout + ANSWER_MARGIN;
}

/* Of all connections of the process the first that is lost is logged, and when all are back. */
static void count_away(struct pgconn *c, const char *reason)
{
    if (c->counted)
        return;
    c->counted = true;
    if (atomic_fetch_add(&shared(c)->away, 1) == 0)
        log_error("store", NULL,
                  "Postgres is away: %.*s; what must be stored is refused until it is back, which "
                  "is tried all the time (store.target says where)",
                  (int)strcspn(reason, "\n"), reason);
}

static void count_back(struct pgconn *c)
{
    if (!c->counted)
        return;
    c->counted = false;
    if (atomic_fetch_sub(&shared(c)->away, 1) == 1)
        log_info("store", NULL, "Postgres is back");
}

/* ---- state ---- */

static void set_state(struct pgconn *c, enum pgconn_state state)
{
    static const char *const names[] = {"down", "resolving", "connecting", "preparing", "ready"};
    log_debug("store", NULL, "Postgres connection %p: %s", (void *)c, names[state]);
    c->state = state;
}

static void disconnect(struct pgconn *c)
{
    io_free(&c->io);
    timer_clear(c->worker, &c->timer);
    PQfinish(c->pg);
    c->pg = NULL;
    strbuf_reset(&c->sent);
    c->answered = 0;
    set_state(c, PGCONN_DOWN);
}

void pgconn_drop(struct pgconn *c, const char *reason)
{
    bool was_ready = c->state == PGCONN_READY;
    char why[200]; /* PQerrorMessage() goes with the connection */
    snprintf(why, sizeof(why), "%s", reason);
    disconnect(c);
    count_away(c, why);
    timer_set(c->worker, &c->timer, c->backoff);
    c->backoff = c->backoff * 2 < BACKOFF_MAX ? c->backoff * 2 : BACKOFF_MAX;
    if (was_ready)
        c->events->lost(c);
}

static void drop_for_error(struct pgconn *c)
{
    const char *reason = PQerrorMessage(c->pg);
    pgconn_drop(c, *reason ? reason : "the connection was closed");
}

static void timer_fired(struct timer *t)
{
    struct pgconn *c = CONTAINER_OF(t, struct pgconn, timer);
    if (c->state == PGCONN_DOWN) {
        connect_now(c);
        return;
    }
    c->slow = c->state == PGCONN_READY;
    pgconn_drop(c, "no answer in time");
}

/* ---- connecting ---- */

static void prepare_all(struct pgconn *c)
{
    char timeout[64];
    snprintf(timeout, sizeof(timeout), "SET statement_timeout = %lld",
             (long long)(c->store->conf.statement_timeout / CLOCK_MS));
    bool good = PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg) == 1 &&
                PQsendQueryParams(c->pg, timeout, 0, NULL, NULL, NULL, NULL, 0) == 1;
    strbuf_putc(&c->sent, PGCONN_STATEMENT);
    for (unsigned i = 0; good && i < c->store->n_stmts; i++) {
        if (statement_is_read(c->store->stmts[i]) != c->reads)
            continue;
        good = pgwire_prepare(c->pg, c->store->stmts[i]);
        strbuf_putc(&c->sent, PGCONN_STATEMENT);
    }
    if (!good || PQpipelineSync(c->pg) != 1) {
        drop_for_error(c);
        return;
    }
    strbuf_putc(&c->sent, PGCONN_SYNC);
    set_state(c, PGCONN_PREPARING);
    pgconn_flush(c);
}

static void got_ready(struct pgconn *c)
{
    set_state(c, PGCONN_READY);
    timer_clear(c->worker, &c->timer);
    c->backoff = BACKOFF_MIN;
    count_back(c);
    c->events->ready(c);
}

static void preparing_result(struct pgconn *c, const PGresult *r)
{
    if (r && PQresultStatus(r) == PGRES_PIPELINE_SYNC)
        got_ready(c);
    else if (r && PQresultStatus(r) != PGRES_COMMAND_OK)
        pgconn_drop(c, PQresultErrorMessage(r));
}

/* ---- traffic ---- */

/* One was answered to its end. */
static void step(struct pgconn *c)
{
    c->answered++;
    if (pgconn_waiting(c) == 0) {
        strbuf_reset(&c->sent);
        c->answered = 0;
    }
}

static void take_result(struct pgconn *c, const PGresult *r)
{
    bool sync = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
    if (!r && pgconn_at_sync(c)) /* the end of an error that came instead of a sync */
        return;
    if (sync && !pgconn_at_sync(c)) {
        pgconn_drop(c, "the server lost count of the statements");
        return;
    }
    if (!r || sync)
        step(c);
    if (c->state == PGCONN_PREPARING) {
        preparing_result(c, r);
        return;
    }
    if (pgconn_waiting(c) > 0)
        timer_set(c->worker, &c->timer, answer_timeout(c));
    else
        timer_clear(c->worker, &c->timer);
    c->events->result(c, r);
}

/* Hands out what has arrived whole. Any call may end the connection, so it is looked at anew. */
static void take_results(struct pgconn *c)
{
    PGconn *pg = c->pg;
    while (c->pg == pg && pgconn_waiting(c) > 0 && !PQisBusy(pg)) {
        PGresult *r = PQgetResult(pg);
        bool broken = PQstatus(pg) == CONNECTION_BAD;
        if (!broken)
            take_result(c, r);
        PQclear(r);
        if (broken) {
            drop_for_error(c);
            return;
        }
    }
}

static void connecting_ready(struct pgconn *c);

static void socket_ready(void *arg, int ready)
{
    struct pgconn *c = arg;
    if (c->state == PGCONN_CONNECTING) {
        connecting_ready(c);
        return;
    }
    PGconn *pg = c->pg;
    if ((ready & IO_READ) && PQconsumeInput(pg) != 1) {
        take_results(c); /* what came before it broke */
        if (c->pg == pg)
            drop_for_error(c);
        return;
    }
    take_results(c);
    if (c->pg == pg)
        pgconn_flush(c);
}

void pgconn_flush(struct pgconn *c)
{
    int left = PQflush(c->pg);
    if (left < 0)
        drop_for_error(c);
    else
        io_want(c->io, IO_READ | (left > 0 ? IO_WRITE : 0));
}

void pgconn_sent(struct pgconn *c, enum pgconn_kind kind)
{
    if (pgconn_waiting(c) == 0)
        timer_set(c->worker, &c->timer, answer_timeout(c));
    strbuf_putc(&c->sent, (char)kind);
    INVARIANT(!c->sent.overflow);
}

/* libpq may have closed one socket and opened another: it is watched anew at every step. */
static void watch(struct pgconn *c, int events)
{
    c->io = io_new(c->worker, PQsocket(c->pg), socket_ready, c);
    io_want(c->io, events);
}

static void connecting_ready(struct pgconn *c)
{
    io_free(&c->io);
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING: watch(c, IO_READ); break;
    case PGRES_POLLING_WRITING: watch(c, IO_WRITE); break;
    case PGRES_POLLING_OK:
        watch(c, IO_READ);
        prepare_all(c);
        break;
    default: drop_for_error(c); break;
    }
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

static void connect_with(struct pgconn *c, const struct pgtarget_job *resolved)
{
    c->pg = pgtarget_connect(&shared(c)->target, resolved, answer_timeout(c));
    INVARIANT(c->pg);
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        drop_for_error(c);
        return;
    }
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    set_state(c, PGCONN_CONNECTING);
    timer_set(c->worker, &c->timer, answer_timeout(c));
    watch(c, IO_WRITE); /* as libpq wants it: as if PQconnectPoll() had said WRITING */
}

static void resolved(struct job *job)
{
    struct pgtarget_job *j = CONTAINER_OF(job, struct pgtarget_job, job);
    struct pgconn *c = j->user;
    c->resolving = NULL;
    atomic_store(&shared(c)->resolving, false);
    if (c->closing)
        c->closed(c);
    else if (j->addresses)
        connect_with(c, j);
    else
        pgconn_drop(c, j->err.text);
    pgtarget_job_free(&j);
}

static void connect_now(struct pgconn *c)
{
    if (!shared(c)->target.named) {
        connect_with(c, NULL);
        return;
    }
    /* One at a time in the process: a name server that hangs holds one thread of the pool, not all.
     */
    if (atomic_exchange(&shared(c)->resolving, true)) {
        timer_set(c->worker, &c->timer, BACKOFF_MIN);
        return;
    }
    set_state(c, PGCONN_RESOLVING);
    c->resolving = pgtarget_resolve(&shared(c)->target, c->worker, resolved, c);
    if (!c->resolving) {
        atomic_store(&shared(c)->resolving, false);
        pgconn_drop(c, "the offload pool is full");
    }
}

void pgconn_open(struct pgconn *c)
{
    c->timer.fn = timer_fired;
    c->backoff = BACKOFF_MIN;
    strbuf_init(&c->sent, SENT_MAX);
    connect_now(c);
}

void pgconn_close(struct pgconn *c, void (*closed)(struct pgconn *c))
{
    c->closing = true;
    c->closed = closed;
    if (c->counted)
        atomic_fetch_sub(&shared(c)->away, 1);
    c->counted = false;
    disconnect(c);
    strbuf_free(&c->sent);
    if (!c->resolving)
        closed(c);
}

bool pgconn_error_is_loss(const PGresult *r)
{
    /* Going down, crashed, not up yet, a standby (after a failover); broken connections. */
    static const char *const codes[] = {"57P01", "57P02", "57P03", "25006", "08"};
    const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    if (!code)
        return true; /* libpq made it up: the connection is broken */
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (strncmp(code, codes[i], strlen(codes[i])) == 0)
            return true;
    }
    return false;
}
