/* Migrations: each module's steps, once, in order, in a transaction with the note that they ran. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/internal.h"

#define SQL_MAX (256u << 10)

/* `oldest_binary` is the highest number of the module that a binary must know to run with the step
 * applied: the step's own, until a release finds that older ones may go on. */
static const char schema_table[] =
    "CREATE TABLE IF NOT EXISTS jackdaw_schema (module {text} NOT NULL,"
    " number {int} NOT NULL, applied_at {int} NOT NULL,"
    " oldest_binary {int} NOT NULL,"
    " PRIMARY KEY (module, number)) {strict}";

static const char *text_for(const struct store *s, const struct store_migration *m)
{
    const char *own = s->conf.driver == STORE_POSTGRES ? m->sql_postgres : m->sql_sqlite;
    return own ? own : m->sql;
}

static int run_typed(struct store *s, const char *sql, struct err *e)
{
    char *typed = statement_typed(s->conf.driver, sql);
    int result = s->driver->exec(s, typed, e);
    free(typed);
    return result;
}

static int apply(struct store *s, const struct store_module *m, const struct store_migration *step,
                 struct err *e)
{
    log_info("store", m->name, "applying migration %u", step->number);
    struct strbuf b;
    strbuf_init(&b, SQL_MAX);
    strbuf_printf(&b,
                  "%s;\nINSERT INTO jackdaw_schema (module, number, applied_at, oldest_binary) "
                  "VALUES ('%s', %u, %lld, %u);",
                  text_for(s, step), m->name, step->number, (long long)clock_wall(), step->number);
    INVARIANT(!b.overflow);
    int result = run_typed(s, b.s, e);
    strbuf_free(&b);
    if (result < 0)
        return err_prefix(e, "migration %u of module %s", step->number, m->name);
    return 0;
}

/* What the database says of a module: the last step, and the least a binary must know. */
static int read_state(struct store *s, const char *module, int64_t *last, int64_t *needed,
                      struct err *e)
{
    struct strbuf b;
    strbuf_init(&b, 1024);
    strbuf_printf(&b,
                  "SELECT coalesce(max(number), 0), coalesce(max(oldest_binary), 0) "
                  "FROM jackdaw_schema WHERE module = '%s'",
                  module);
    struct store_rows *rows;
    int result = s->driver->query(s, b.s, "ii", &rows, e);
    strbuf_free(&b);
    if (result < 0)
        return -1;
    *last = store_int(rows, 0, 0);
    *needed = store_int(rows, 0, 1);
    store_rows_free(&rows);
    return 0;
}

static int migrate_module(struct store *s, const struct store_module *m, struct err *e)
{
    int64_t last, needed;
    if (read_state(s, m->name, &last, &needed, e) < 0)
        return -1;
    int64_t known = m->n_migrations > 0 ? m->migrations[m->n_migrations - 1].number : 0;
    if (needed > known)
        return err_set(e,
                       "the database was made by a newer Jackdaw: module %s is at step %lld there, "
                       "this binary knows step %lld. Install that version again, or restore a "
                       "backup of the database from before the upgrade",
                       m->name, (long long)last, (long long)known);
    for (size_t i = 0; i < m->n_migrations; i++) {
        if (m->migrations[i].number > last && apply(s, m, &m->migrations[i], e) < 0)
            return -1;
    }
    return 0;
}

static int migrate_modules(struct store *s, struct err *e)
{
    if (run_typed(s, schema_table, e) < 0)
        return -1;
    for (const struct store_module *m = s->modules; m; m = m->next) {
        if (migrate_module(s, m, e) < 0)
            return -1;
    }
    return 0;
}

/* All due steps are one transaction: the schema is the old one or the new one. The lock lets nodes
 * that start together wait for each other; in SQLite the transaction itself is the lock. */
int migrate_run(struct store *s, struct err *e)
{
    bool postgres = s->conf.driver == STORE_POSTGRES;
    const char *begin =
        postgres ? "BEGIN; SELECT pg_advisory_xact_lock(" STORE_LOCK ")" : "BEGIN IMMEDIATE";
    if (s->driver->exec(s, begin, e) < 0)
        return -1;
    if (migrate_modules(s, e) < 0 || s->driver->exec(s, "COMMIT", e) < 0) {
        (void)s->driver->exec(s, "ROLLBACK", NULL);
        return -1;
    }
    return 0;
}
