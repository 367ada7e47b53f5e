#include "store/statement.h"

#include <ctype.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define SQL_MAX (256u << 10)

static char *finish(struct strbuf *b)
{
    INVARIANT(!b->overflow);
    char *text = strbuf_detach(b);
    return text ? text : mem_strdup("");
}

char *statement_numbered(const char *sql)
{
    struct strbuf b;
    strbuf_init(&b, SQL_MAX);
    char quote = 0;
    for (const char *p = sql; *p; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '\'' || *p == '"')
            quote = *p;
        bool param = !quote && *p == '$' && isdigit((unsigned char)p[1]);
        strbuf_putc(&b, param ? '?' : *p);
    }
    return finish(&b);
}

char *statement_typed(enum store_driver driver, const char *sql)
{
    static const struct {
        const char *mark;
        const char *type[2]; /* by enum store_driver */
    } types[] = {
        {"{int}", {[STORE_SQLITE] = "INTEGER", [STORE_POSTGRES] = "bigint"}},
        {"{text}", {[STORE_SQLITE] = "TEXT", [STORE_POSTGRES] = "text"}},
        {"{blob}", {[STORE_SQLITE] = "BLOB", [STORE_POSTGRES] = "bytea"}},
        {"{strict}", {[STORE_SQLITE] = "STRICT", [STORE_POSTGRES] = ""}},
    };
    struct strbuf b;
    strbuf_init(&b, SQL_MAX);
    while (*sql) {
        size_t used = 0;
        for (size_t i = 0; i < ARRAY_LEN(types) && !used; i++) {
            size_t len = strlen(types[i].mark);
            if (strncmp(sql, types[i].mark, len) == 0) {
                strbuf_puts(&b, types[i].type[driver]);
                used = len;
            }
        }
        if (!used)
            strbuf_putc(&b, sql[used++]);
        sql += used;
    }
    return finish(&b);
}

static const char *array_type(char type)
{
    return type == 'i' ? "bigint[]" : type == 'b' ? "bytea[]" : "text[]";
}

/* Postgres takes many rows as one array per column; SQLite runs one prepared row after another. */
static char *append_sql(enum store_driver driver, const struct store_stmt *decl)
{
    struct strbuf b;
    strbuf_init(&b, SQL_MAX);
    strbuf_printf(&b, "INSERT INTO %s (%s) ", decl->table, decl->sql);
    strbuf_puts(&b, driver == STORE_POSTGRES ? "SELECT * FROM unnest(" : "VALUES (");
    for (unsigned i = 0; decl->params[i]; i++) {
        strbuf_puts(&b, i ? ", " : "");
        if (driver == STORE_POSTGRES)
            strbuf_printf(&b, "$%u::%s", i + 1, array_type(decl->params[i]));
        else
            strbuf_printf(&b, "?%u", i + 1);
    }
    strbuf_puts(&b, ") ON CONFLICT DO NOTHING");
    return finish(&b);
}

static char *driver_sql(enum store_driver driver, const struct store_stmt *decl)
{
    if (decl->kind == STORE_APPEND)
        return append_sql(driver, decl);
    const char *own = driver == STORE_POSTGRES ? decl->sql_postgres : decl->sql_sqlite;
    const char *sql = own ? own : decl->sql;
    return driver == STORE_POSTGRES ? mem_strdup(sql) : statement_numbered(sql);
}

struct statement *statement_new(enum store_driver driver, const char *module,
                                const struct store_stmt *decl, unsigned index)
{
    struct statement *s = mem_new(struct statement);
    s->decl = decl;
    s->index = index;
    s->n_params = (unsigned)strlen(decl->params);
    struct strbuf name;
    strbuf_init(&name, 128);
    strbuf_printf(&name, "%s.%s", module, decl->name);
    s->name = finish(&name);
    s->sql = driver_sql(driver, decl);
    return s;
}

void statement_free(struct statement **s)
{
    if (!*s)
        return;
    free((*s)->name);
    free((*s)->sql);
    mem_free(s);
}
