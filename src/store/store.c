#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "store/internal.h"

#define SWEEP_EVERY (100 * CLOCK_MS) /* or a quarter of the patience if that is less */

/* The calling worker's part of its store. */
static _Thread_local struct store_worker *here;

/* ---- set up ---- */

void store_conf_defaults(struct store_conf *conf)
{
    *conf = (struct store_conf){
        .driver = STORE_SQLITE,
        .lanes = 2,
        .readers = 2,
        .batch_rows = 200,
        .batch_wait = 2 * CLOCK_MS,
        .queue_max = 10000,
        .patience = 5 * CLOCK_SEC,
        .statement_timeout = 10 * CLOCK_SEC,
        .partition_every = 24 * 3600 * CLOCK_SEC,
    };
}

struct store *store_new(const struct store_conf *conf)
{
    INVARIANT(conf->target && conf->lanes > 0 && conf->readers > 0 && conf->batch_rows > 0);
    struct store *s = mem_new(struct store);
    s->conf = *conf;
    s->conf.target = mem_strdup(conf->target);
    s->driver = conf->driver == STORE_POSTGRES ? &postgres_driver : &sqlite_driver;
    return s;
}

static void declare_statement(struct store *s, const char *module, const struct store_stmt *decl)
{
    struct statement *stmt = statement_new(s->conf.driver, module, decl, s->n_stmts);
    s->stmts = mem_realloc(s->stmts, (s->n_stmts + 1) * sizeof(*s->stmts));
    s->stmts[s->n_stmts++] = stmt;
    HASH_ADD_PTR(s->by_decl, decl, stmt);
}

void store_declare(struct store *s, const char *module, const struct store_stmt *stmts,
                   size_t n_stmts, const struct store_migration *migrations, size_t n_migrations,
                   const struct store_partitioned *partitioned)
{
    struct store_module *m = mem_new(struct store_module);
    *m = (struct store_module){module, stmts, n_stmts, migrations, n_migrations, partitioned, NULL};
    struct store_module **end = &s->modules;
    while (*end)
        end = &(*end)->next;
    *end = m;
    for (size_t i = 0; i < n_stmts; i++)
        declare_statement(s, module, &stmts[i]);
}

static int make_partitions(struct store *s, struct err *e)
{
    return s->driver->partition ? s->driver->partition(s, e) : 0;
}

int store_open(struct store *s, struct err *e)
{
    if (s->driver->open(s, e) < 0 || migrate_run(s, e) < 0 || make_partitions(s, e) < 0 ||
        s->driver->start(s, e) < 0)
        return err_prefix(e, "store (%s)", s->driver->name);
    return 0;
}

void store_free(struct store **store)
{
    struct store *s = *store;
    *store = NULL;
    if (!s)
        return;
    s->driver->close(s);
    HASH_CLEAR(hh, s->by_decl);
    for (unsigned i = 0; i < s->n_stmts; i++)
        statement_free(&s->stmts[i]);
    free(s->stmts);
    while (s->modules) {
        struct store_module *m = s->modules;
        s->modules = m->next;
        free(m);
    }
    free((char *)s->conf.target);
    free(s);
}

/* ---- a worker comes and goes ---- */

static void answer_refused(struct turn_end *t)
{
    struct store_worker *sw = CONTAINER_OF(t, struct store_worker, refuse);
    struct op *op;
    while ((op = STAILQ_FIRST(&sw->refused))) {
        STAILQ_REMOVE_HEAD(&sw->refused, link);
        store_finish(op, STORE_FULL);
    }
}

static void sweep(struct timer *t)
{
    struct store_worker *sw = CONTAINER_OF(t, struct store_worker, sweep);
    int64_t since = worker_now(sw->worker) - sw->store->conf.patience;
    for (unsigned i = 0; i < sw->n_lanes; i++)
        lane_refuse(&sw->lanes[i], since);
    unsigned reads = sw->store->driver->refuse_reads(sw, since);
    if (reads > 0 || sw->stats.queued > 0)
        store_sweep_later(sw);
}

void store_sweep_later(struct store_worker *sw)
{
    int64_t every = sw->store->conf.patience / 4;
    if (!timer_is_set(&sw->sweep))
        timer_set(sw->worker, &sw->sweep, every < SWEEP_EVERY ? every : SWEEP_EVERY);
}

static void close_connections(struct turn_end *t)
{
    struct store_worker *sw = CONTAINER_OF(t, struct store_worker, close);
    timer_clear(sw->worker, &sw->patience);
    sw->gone = true;
    sw->store->driver->detach(sw);
}

static void patience_ended(struct timer *t)
{
    struct store_worker *sw = CONTAINER_OF(t, struct store_worker, patience);
    for (unsigned i = 0; i < sw->n_lanes; i++)
        lane_refuse(&sw->lanes[i], INT64_MAX);
    sw->store->driver->refuse_reads(sw, INT64_MAX);
    answer_refused(&sw->refuse);
    worker_at_turn_end(sw->worker, &sw->close);
}

void store_attach(struct store *s, struct worker *w)
{
    INVARIANT(!here && worker_self() == w);
    struct store_worker *sw = mem_new(struct store_worker);
    here = sw;
    sw->store = s;
    sw->worker = w;
    STAILQ_INIT(&sw->refused);
    sw->refuse.run = answer_refused;
    sw->sweep.fn = sweep;
    sw->patience.fn = patience_ended;
    sw->close.run = close_connections;
    sw->n_lanes = s->driver->lanes_wanted(&s->conf);
    sw->lanes = mem_zalloc(sw->n_lanes * sizeof(*sw->lanes));
    for (unsigned i = 0; i < sw->n_lanes; i++)
        lane_init(&sw->lanes[i], sw);
    s->driver->attach(sw);
}

void store_detach(struct worker *w, void (*done)(void *arg), void *arg)
{
    struct store_worker *sw = here;
    INVARIANT(sw && sw->worker == w && !sw->closing);
    sw->closing = true;
    sw->detached = done;
    sw->detached_arg = arg;
    if (sw->open == 0)
        worker_at_turn_end(w, &sw->close);
    else
        timer_set(w, &sw->patience, sw->store->conf.patience);
}

void store_detached(struct store_worker *sw)
{
    while (!STAILQ_EMPTY(&sw->refused))
        answer_refused(&sw->refuse);
    INVARIANT(sw == here && sw->open == 0);
    here = NULL;
    timer_clear(sw->worker, &sw->sweep);
    worker_cancel_turn_end(sw->worker, &sw->refuse);
    for (unsigned i = 0; i < sw->n_lanes; i++) {
        timer_clear(sw->worker, &sw->lanes[i].wait);
        worker_cancel_turn_end(sw->worker, &sw->lanes[i].flush);
    }
    sw->detached(sw->detached_arg);
    free(sw->lanes);
    free(sw);
}

/* ---- operations ---- */

static struct op *new_op(const struct store_stmt *decl, struct store_args args, bool read)
{
    INVARIANT(here);
    struct statement *stmt;
    HASH_FIND_PTR(here->store->by_decl, &decl, stmt);
    INVARIANT(stmt && statement_is_read(stmt) == read);
    struct op *op = op_new(stmt, args);
    op->home = here;
    op->since = worker_now(here->worker);
    here->open++;
    return op;
}

/* Refused, but not before the caller has returned. */
static void refuse(struct op *op)
{
    STAILQ_INSERT_TAIL(&op->home->refused, op, link);
    worker_at_turn_end(op->home->worker, &op->home->refuse);
}

static struct op *last_write(struct store_worker *sw, uint64_t owner)
{
    struct op *op;
    HASH_FIND(hh, sw->last_writes, &owner, sizeof(owner), op);
    return op;
}

/* The last write of an owner that this read is about, from op->next_owner on; NULL if none. */
static struct op *write_before(struct op *read)
{
    const struct store_value *v = read->v;
    if (read->stmt->decl->kind != STORE_READ || read->n == 0)
        return NULL;
    size_t n = v->type == 'i' ? 1 : v->type == 'I' ? v->len : 0;
    while (read->next_owner < n) {
        unsigned i = read->next_owner++;
        struct op *write =
            last_write(read->home, (uint64_t)(v->type == 'i' ? v->i : ((const int64_t *)v->p)[i]));
        if (write)
            return write;
    }
    return NULL;
}

/* On the loop stack, or before the worker's end has begun. */
static void start_read(struct op *op)
{
    struct op *write = write_before(op);
    if (op->home->gone)
        store_finish(op, STORE_FULL);
    else if (write)
        STAILQ_INSERT_TAIL(&write->readers, op, link);
    else
        op->home->store->driver->read(op->home, op);
}

void store_finish(struct op *op, int result)
{
    struct store_worker *sw = op->home;
    struct op_list readers = STAILQ_HEAD_INITIALIZER(readers);
    STAILQ_CONCAT(&readers, &op->readers);
    if (last_write(sw, op->owner) == op)
        HASH_DEL(sw->last_writes, op);
    if (result != STORE_OK)
        sw->stats.refused++;
    op_answer(op, result);
    struct op *read;
    while ((read = STAILQ_FIRST(&readers))) {
        STAILQ_REMOVE_HEAD(&readers, link);
        start_read(read);
    }
    sw->open--;
    if (sw->closing && !sw->gone && sw->open == 0)
        worker_at_turn_end(sw->worker, &sw->close);
}

static void start_write(struct op *op, uint64_t owner)
{
    struct store_worker *sw = op->home;
    op->owner = owner;
    sw->stats.writes++;
    if (sw->closing || !lane_put(&sw->lanes[owner % sw->n_lanes], op)) {
        refuse(op);
        return;
    }
    struct op *before = last_write(sw, owner);
    if (before)
        HASH_DEL(sw->last_writes, before);
    HASH_ADD(hh, sw->last_writes, owner, sizeof(owner), op);
}

void store_write(const struct store_stmt *stmt, uint64_t owner, struct store_args args,
                 store_done_fn *done, void *arg)
{
    struct op *op = new_op(stmt, args, false);
    op->done = done;
    op->arg = arg;
    start_write(op, owner);
}

/* What the promise brought, or how the wait ended. */
static int take_result(struct promise **p, struct store_rows **rows)
{
    void *value;
    int waited = promise_wait(p, &value);
    if (rows)
        *rows = NULL;
    if (waited != WAIT_OK)
        return waited;
    struct op_result *r = value;
    int result = r->result;
    if (rows && result == STORE_OK) {
        *rows = r->rows;
        r->rows = NULL;
    }
    op_result_drop(r);
    return result;
}

int store_write_wait(const struct store_stmt *stmt, uint64_t owner, struct store_args args,
                     struct store_rows **rows)
{
    fiber_assert_may_yield(__func__);
    struct op *op = new_op(stmt, args, false);
    struct promise *p = op->answer = promise_new(op_result_drop);
    start_write(op, owner);
    return take_result(&p, rows);
}

struct promise *store_query_start(const struct store_stmt *stmt, struct store_args args)
{
    struct op *op = new_op(stmt, args, true);
    struct promise *p = op->answer = promise_new(op_result_drop);
    op->home->stats.reads++;
    if (op->home->closing)
        refuse(op);
    else
        start_read(op);
    return p;
}

int store_query_wait(struct promise **p, struct store_rows **rows)
{
    return take_result(p, rows);
}

int store_query(const struct store_stmt *stmt, struct store_args args, struct store_rows **rows)
{
    fiber_assert_may_yield(__func__);
    struct promise *p = store_query_start(stmt, args);
    return take_result(&p, rows);
}

void store_stats(const struct worker *w, struct store_stats *out)
{
    INVARIANT(here && here->worker == w);
    *out = here->stats;
    const struct driver *driver = here->store->driver;
    out->up = driver->up(here);
    out->memory = driver->memory ? driver->memory() : 0;
}
