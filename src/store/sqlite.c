/* The embedded database. One writer thread for the process commits whatever has queued up in one
 * transaction; a few reader threads beside it see the last commit. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/rows.h"
#include "store/sqlite_conn.h"

STAILQ_HEAD(batch_list, batch);

struct sqlite_store {
    struct store *store;
    struct sqlite_conn admin;
    pthread_mutex_t lock; /* of everything up to the next blank line */
    pthread_cond_t writes_wait, reads_wait;
    struct batch_list batches;
    struct op_list reads;
    unsigned queued_reads;
    bool stop;

    struct sqlite_conn writer;
    struct sqlite_reader {
        struct sqlite_store *owner;
        struct sqlite_conn conn;
        pthread_t thread;
    } * readers;
    unsigned n_readers; /* whose threads run */
    pthread_t writer_thread;
    bool writer_runs;
    atomic_bool healthy; /* the disk took the last transaction */
};

/* ---- the writer's thread ---- */

/* Logs when the disk begins to refuse and when it takes writes again. */
static void note_health(struct sqlite_store *ss, int code)
{
    bool good = sqlite_conn_result(code) != STORE_FULL;
    if (good == atomic_exchange(&ss->healthy, good))
        return;
    if (good)
        log_info("store", NULL, "SQLite takes writes again");
    else
        log_error("store", NULL,
                  "SQLite refuses writes: %s; what must be stored is refused until it takes them "
                  "again (is there room on the disk?)",
                  sqlite3_errstr(code));
}

/* Runs a batch inside the open transaction. A refused statement undoes only itself, unless SQLite
 * has undone the transaction: then its code is returned. */
static int run_batch(struct sqlite_store *ss, struct batch *batch)
{
    for (unsigned i = 0; i < batch->n; i++) {
        int code = sqlite_conn_run(&ss->writer, batch->ops[i]);
        if (code != SQLITE_OK &&
            (sqlite3_get_autocommit(ss->writer.db) || batch->ops[i]->result == STORE_FULL))
            return code;
    }
    return SQLITE_OK;
}

static int run_transaction(struct sqlite_store *ss, struct batch_list *batches)
{
    struct batch *batch;
    int code = sqlite_conn_exec(&ss->writer, "BEGIN IMMEDIATE");
    STAILQ_FOREACH (batch, batches, link) {
        if (code == SQLITE_OK)
            code = run_batch(ss, batch);
    }
    if (code == SQLITE_OK)
        code = sqlite_conn_exec(&ss->writer, "COMMIT");
    if (code != SQLITE_OK && !sqlite3_get_autocommit(ss->writer.db))
        sqlite_conn_exec(&ss->writer, "ROLLBACK");
    return code;
}

static void refuse_batch(struct batch *batch, int result)
{
    for (unsigned i = 0; i < batch->n; i++) {
        store_rows_free(&batch->ops[i]->rows);
        batch->ops[i]->result = result;
    }
}

/* One statement took the whole transaction with it: each for itself. */
static void run_one_by_one(struct sqlite_store *ss, struct batch *batch)
{
    for (unsigned i = 0; i < batch->n; i++) {
        store_rows_free(&batch->ops[i]->rows);
        sqlite_conn_run(&ss->writer, batch->ops[i]); /* in autocommit mode */
    }
}

static void write_batches(struct sqlite_store *ss, struct batch_list *batches)
{
    int code = run_transaction(ss, batches);
    note_health(ss, code);
    struct batch *batch;
    while ((batch = STAILQ_FIRST(batches))) {
        STAILQ_REMOVE_HEAD(batches, link);
        if (code != SQLITE_OK && sqlite_conn_result(code) == STORE_FULL)
            refuse_batch(batch, STORE_FULL);
        else if (code != SQLITE_OK)
            run_one_by_one(ss, batch);
        worker_post(batch->lane->home->worker, &batch->post);
    }
}

static void *writer_main(void *arg)
{
    struct sqlite_store *ss = arg;
    struct batch_list taken = STAILQ_HEAD_INITIALIZER(taken);
    for (;;) {
        pthread_mutex_lock(&ss->lock);
        while (STAILQ_EMPTY(&ss->batches) && !ss->stop)
            pthread_cond_wait(&ss->writes_wait, &ss->lock);
        STAILQ_CONCAT(&taken, &ss->batches);
        pthread_mutex_unlock(&ss->lock);
        if (STAILQ_EMPTY(&taken))
            return NULL;
        write_batches(ss, &taken);
    }
}

/* ---- a reader's thread ---- */

static struct op *take_read(struct sqlite_store *ss)
{
    pthread_mutex_lock(&ss->lock);
    while (STAILQ_EMPTY(&ss->reads) && !ss->stop)
        pthread_cond_wait(&ss->reads_wait, &ss->lock);
    struct op *op = STAILQ_FIRST(&ss->reads);
    if (op) {
        STAILQ_REMOVE_HEAD(&ss->reads, link);
        ss->queued_reads--;
    }
    pthread_mutex_unlock(&ss->lock);
    return op;
}

static void *reader_main(void *arg)
{
    struct sqlite_reader *r = arg;
    struct op *op;
    while ((op = take_read(r->owner))) {
        const struct store_conf *conf = &r->owner->store->conf;
        int64_t now = clock_mono();
        r->conn.due = now + conf->statement_timeout;
        if (now - op->since > conf->patience)
            op->result = STORE_FULL;
        else
            sqlite_conn_run(&r->conn, op);
        worker_post(op->home->worker, &op->post);
    }
    return NULL;
}

/* ---- on a worker ---- */

static void batch_returned(struct post *post)
{
    struct batch *batch = CONTAINER_OF(post, struct batch, post);
    struct lane *lane = batch->lane;
    struct store_worker *sw = lane->home;
    lane_batch_done(lane);
    if (sw->gone && sw->open == 0)
        store_detached(sw);
}

static void sqlite_send(struct lane *lane, struct batch *batch)
{
    struct sqlite_store *ss = lane->conn;
    batch->post.run = batch_returned;
    pthread_mutex_lock(&ss->lock);
    bool wake = STAILQ_EMPTY(&ss->batches);
    STAILQ_INSERT_TAIL(&ss->batches, batch, link);
    pthread_mutex_unlock(&ss->lock);
    if (wake)
        pthread_cond_signal(&ss->writes_wait);
}

static void read_returned(struct post *post)
{
    struct op *op = CONTAINER_OF(post, struct op, post);
    struct store_worker *sw = op->home;
    store_finish(op, op->result);
    if (sw->gone && sw->open == 0)
        store_detached(sw);
}

static void sqlite_read(struct store_worker *sw, struct op *op)
{
    struct sqlite_store *ss = sw->store->state;
    op->post.run = read_returned;
    op->result = STORE_FULL;
    pthread_mutex_lock(&ss->lock);
    bool full = ss->queued_reads >= sw->store->conf.queue_max;
    if (!full) {
        STAILQ_INSERT_TAIL(&ss->reads, op, link);
        ss->queued_reads++;
    }
    pthread_mutex_unlock(&ss->lock);
    if (full)
        worker_post(sw->worker, &op->post);
    else
        pthread_cond_signal(&ss->reads_wait);
}

/* The readers' threads look at the clock themselves. */
static unsigned sqlite_refuse_reads(struct store_worker *sw, int64_t since)
{
    (void)sw;
    (void)since;
    return 0;
}

static unsigned sqlite_lanes_wanted(const struct store_conf *conf)
{
    (void)conf;
    return 1;
}

static void sqlite_attach(struct store_worker *sw)
{
    sw->lanes[0].conn = sw->store->state;
    sw->lanes[0].send = sqlite_send;
    lane_set_ready(&sw->lanes[0], true);
}

/* What is in flight comes back by itself: a thread holds it. */
static void sqlite_detach(struct store_worker *sw)
{
    lane_set_ready(&sw->lanes[0], false);
    if (sw->open == 0)
        store_detached(sw);
}

static bool sqlite_up(const struct store_worker *sw)
{
    struct sqlite_store *ss = sw->store->state;
    return atomic_load(&ss->healthy);
}

static int64_t sqlite_memory(void)
{
    return sqlite3_memory_used();
}

/* ---- set up ---- */

static int sqlite_open(struct store *s, struct err *e)
{
    struct sqlite_store *ss = mem_new(struct sqlite_store);
    s->state = ss;
    ss->store = s;
    atomic_init(&ss->healthy, true);
    pthread_mutex_init(&ss->lock, NULL);
    pthread_cond_init(&ss->writes_wait, NULL);
    pthread_cond_init(&ss->reads_wait, NULL);
    STAILQ_INIT(&ss->batches);
    STAILQ_INIT(&ss->reads);
    return sqlite_conn_open(&ss->admin, s->conf.target, SQLITE_ADMIN, 0, e);
}

static int sqlite_exec(struct store *s, const char *sql, struct err *e)
{
    struct sqlite_store *ss = s->state;
    if (sqlite_conn_exec(&ss->admin, sql) != SQLITE_OK)
        return err_set(e, "%s", sqlite3_errmsg(ss->admin.db));
    return 0;
}

static int sqlite_query(struct store *s, const char *sql, const char *types,
                        struct store_rows **rows, struct err *e)
{
    struct sqlite_store *ss = s->state;
    sqlite3_stmt *stmt = sqlite_conn_prepare(&ss->admin, sql, e);
    if (!stmt)
        return -1;
    *rows = rows_new(types);
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && sqlite_conn_row(stmt, types, *rows))
        ;
    if (code != SQLITE_DONE) {
        err_set(e, "%s", sqlite3_errmsg(ss->admin.db));
        store_rows_free(rows);
    }
    sqlite3_finalize(stmt);
    return *rows ? 0 : -1;
}

static int sqlite_check(struct store *s, const struct statement *stmt, struct err *e)
{
    struct sqlite_store *ss = s->state;
    sqlite3_stmt *prepared = sqlite_conn_prepare(&ss->admin, stmt->sql, e);
    if (!prepared)
        return -1;
    int columns = sqlite3_column_count(prepared);
    bool reads_only = sqlite3_stmt_readonly(prepared) != 0;
    sqlite3_finalize(prepared);
    if (columns != (int)strlen(stmt->decl->columns))
        return err_set(e, "returns %d columns, declared are %zu", columns,
                       strlen(stmt->decl->columns));
    if (reads_only != statement_is_read(stmt))
        return err_set(e, "is declared as a %s", reads_only ? "write" : "read");
    return 0;
}

static int start_reader(struct sqlite_store *ss, struct sqlite_reader *r, struct err *e)
{
    r->owner = ss;
    if (sqlite_conn_open(&r->conn, ss->store->conf.target, SQLITE_READER, ss->store->n_stmts, e) <
        0)
        return -1;
    if (pthread_create(&r->thread, NULL, reader_main, r) != 0) {
        sqlite_conn_close(&r->conn);
        return err_set(e, "no thread for a reader");
    }
    ss->n_readers++;
    return 0;
}

static int sqlite_start(struct store *s, struct err *e)
{
    struct sqlite_store *ss = s->state;
    if (sqlite_conn_open(&ss->writer, s->conf.target, SQLITE_WRITER, s->n_stmts, e) < 0)
        return -1;
    ss->readers = mem_zalloc(s->conf.readers * sizeof(*ss->readers));
    for (unsigned i = 0; i < s->conf.readers; i++) {
        if (start_reader(ss, &ss->readers[i], e) < 0)
            return -1;
    }
    if (pthread_create(&ss->writer_thread, NULL, writer_main, ss) != 0)
        return err_set(e, "no thread for the writer");
    ss->writer_runs = true;
    return 0;
}

static void stop_threads(struct sqlite_store *ss)
{
    pthread_mutex_lock(&ss->lock);
    ss->stop = true;
    pthread_cond_broadcast(&ss->writes_wait);
    pthread_cond_broadcast(&ss->reads_wait);
    pthread_mutex_unlock(&ss->lock);
    if (ss->writer_runs)
        pthread_join(ss->writer_thread, NULL);
    for (unsigned i = 0; i < ss->n_readers; i++) {
        pthread_join(ss->readers[i].thread, NULL);
        sqlite_conn_close(&ss->readers[i].conn);
    }
}

/* The writer's connection closes last: it checkpoints and removes the log. */
static void sqlite_close(struct store *s)
{
    struct sqlite_store *ss = s->state;
    if (!ss)
        return;
    stop_threads(ss);
    sqlite_conn_close(&ss->admin);
    sqlite_conn_close(&ss->writer);
    free(ss->readers);
    pthread_cond_destroy(&ss->writes_wait);
    pthread_cond_destroy(&ss->reads_wait);
    pthread_mutex_destroy(&ss->lock);
    free(ss);
    s->state = NULL;
}

const struct driver sqlite_driver = {
    .name = "sqlite",
    .open = sqlite_open,
    .exec = sqlite_exec,
    .query = sqlite_query,
    .check = sqlite_check,
    .start = sqlite_start,
    .close = sqlite_close,
    .lanes_wanted = sqlite_lanes_wanted,
    .attach = sqlite_attach,
    .read = sqlite_read,
    .refuse_reads = sqlite_refuse_reads,
    .up = sqlite_up,
    .memory = sqlite_memory,
    .detach = sqlite_detach,
};
