#include "store/sqlite_conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/rows.h"

#define BUSY_MS 5000          /* another process (a shell, a backup) may hold the lock so long */
#define INTERRUPT_EVERY 10000 /* virtual machine steps between two looks at the clock */
#define INTS_MAX (1u << 20)   /* bytes of an array of integers as JSON */

int sqlite_conn_exec(struct sqlite_conn *c, const char *sql)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL);
}

/* SQLite calls this while a statement runs; not 0 interrupts it. */
static int out_of_time(void *arg)
{
    const struct sqlite_conn *c = arg;
    return c->due != 0 && clock_mono() > c->due;
}

int sqlite_conn_open(struct sqlite_conn *c, const char *path, enum sqlite_mode mode,
                     unsigned statements, struct err *e)
{
    *c = (struct sqlite_conn){.n = statements};
    c->prepared = mem_zalloc(statements * sizeof(sqlite3_stmt *));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    /* A reader must be able to write the shared memory file; query_only keeps it from the rest. */
    static const char *const pragmas[] = {
        [SQLITE_ADMIN] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        [SQLITE_WRITER] = "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
                          "PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;",
        [SQLITE_READER] = "PRAGMA query_only = ON; PRAGMA cache_size = -65536;"
                          "PRAGMA temp_store = MEMORY;",
    };
    int code = sqlite3_open_v2(path, &c->db, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(c->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite_conn_exec(c, pragmas[mode]);
    if (code != SQLITE_OK) {
        err_set(e, "%s: %s", path, c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code));
        sqlite_conn_close(c);
        return -1;
    }
    if (mode == SQLITE_READER)
        sqlite3_progress_handler(c->db, INTERRUPT_EVERY, out_of_time, c);
    return 0;
}

void sqlite_conn_close(struct sqlite_conn *c)
{
    for (unsigned i = 0; c->prepared && i < c->n; i++)
        sqlite3_finalize(c->prepared[i]);
    mem_free(&c->prepared);
    sqlite3_close(c->db);
    c->db = NULL;
}

sqlite3_stmt *sqlite_conn_prepare(struct sqlite_conn *c, const char *sql, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        err_set(e, "%s", sqlite3_errmsg(c->db));
    else if (!stmt)
        err_set(e, "the statement is empty");
    return stmt;
}

/* An array of integers is a JSON text, for json_each(). */
static int bind_ints(sqlite3_stmt *stmt, int at, const struct store_value *v)
{
    const int64_t *ints = v->p;
    struct strbuf b;
    strbuf_init(&b, INTS_MAX);
    for (size_t i = 0; i < v->len; i++)
        strbuf_printf(&b, "%c%lld", i ? ',' : '[', (long long)ints[i]);
    strbuf_puts(&b, v->len ? "]" : "[]");
    int code = SQLITE_TOOBIG;
    if (!b.overflow)
        code = sqlite3_bind_text64(stmt, at, b.s, b.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    strbuf_free(&b);
    return code;
}

static int bind_value(sqlite3_stmt *stmt, int at, const struct store_value *v)
{
    switch (v->type) {
    case 'i': return sqlite3_bind_int64(stmt, at, v->i);
    case 't': return sqlite3_bind_text64(stmt, at, v->p, v->len, SQLITE_STATIC, SQLITE_UTF8);
    case 'b': return sqlite3_bind_blob64(stmt, at, v->p, v->len, SQLITE_STATIC);
    case 'I': return bind_ints(stmt, at, v);
    default: return sqlite3_bind_null(stmt, at);
    }
}

static bool add_column(sqlite3_stmt *stmt, unsigned col, char type, struct store_rows *rows)
{
    int at = (int)col;
    if (sqlite3_column_type(stmt, at) == SQLITE_NULL)
        return true;
    if (type == 'i') {
        rows_set_int(rows, col, sqlite3_column_int64(stmt, at));
        return true;
    }
    const void *p =
        type == 't' ? (const void *)sqlite3_column_text(stmt, at) : sqlite3_column_blob(stmt, at);
    return rows_set_bytes(rows, col, p, (size_t)sqlite3_column_bytes(stmt, at));
}

bool sqlite_conn_row(sqlite3_stmt *stmt, const char *types, struct store_rows *rows)
{
    if (!rows_add(rows))
        return false;
    for (unsigned col = 0; types[col]; col++) {
        if (!add_column(stmt, col, types[col], rows))
            return false;
    }
    return true;
}

static int run_prepared(sqlite3_stmt *stmt, struct op *op)
{
    const char *types = op->stmt->decl->columns;
    int code = SQLITE_OK;
    for (unsigned i = 0; i < op->n && code == SQLITE_OK; i++)
        code = bind_value(stmt, (int)i + 1, &op->v[i]);
    if (code != SQLITE_OK)
        return code;
    op->rows = rows_new(types);
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (*types && !sqlite_conn_row(stmt, types, op->rows))
            return SQLITE_TOOBIG;
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int sqlite_conn_result(int code)
{
    switch (code & 0xff) { /* without the extension */
    case SQLITE_OK: return STORE_OK;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN: return STORE_FULL;
    default: return STORE_FAILED;
    }
}

int sqlite_conn_run(struct sqlite_conn *c, struct op *op)
{
    sqlite3_stmt **stmt = &c->prepared[op->stmt->index];
    struct err e = {""};
    int code = SQLITE_ERROR;
    if (!*stmt)
        *stmt = sqlite_conn_prepare(c, op->stmt->sql, &e);
    if (*stmt) {
        code = run_prepared(*stmt, op);
        if (code != SQLITE_OK)
            err_set(&e, "%s", sqlite3_errmsg(c->db));
        sqlite3_reset(*stmt);
        sqlite3_clear_bindings(*stmt);
    }
    op->result = sqlite_conn_result(code);
    if (code != SQLITE_OK)
        store_rows_free(&op->rows);
    if (op->result == STORE_FAILED)
        log_warn("store", op->stmt->name, "the database refused it: %s", e.text);
    return code;
}
