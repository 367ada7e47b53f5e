/* The owner rule (PRINCIPLES, Store) over every declared statement and over the schema itself. */
#include <ctype.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "store/internal.h"

#define SQL_MAX (256u << 10)

/* Tables and their indexes that must begin with owner, and the column they begin with. */
static const char sqlite_keys[] =
    "SELECT t.name, x.name, c.name FROM sqlite_schema t, pragma_index_list(t.name) x, "
    "pragma_index_info(x.name) c WHERE t.type = 'table' AND c.seqno = 0 "
    "UNION ALL SELECT t.name, 'primary key', "
    "coalesce((SELECT p.name FROM pragma_table_info(t.name) p WHERE p.pk = 1), 'nothing') "
    "FROM sqlite_schema t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'";
static const char postgres_keys[] =
    "SELECT t.relname::text, x.relname::text, coalesce(a.attname::text, 'an expression') "
    "FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid "
    "LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] "
    "WHERE t.relnamespace = current_schema()::regnamespace AND NOT t.relispartition "
    "UNION ALL SELECT t.relname::text, 'primary key', 'nothing' FROM pg_class t "
    "WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p') "
    "AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)";

/* Lower case, every run of blanks one blank, none around "=", "(" and ",". The caller frees it. */
static char *normal(const char *sql)
{
    struct strbuf b;
    strbuf_init(&b, SQL_MAX);
    for (; *sql; sql++) {
        char c = (char)tolower((unsigned char)*sql);
        char last = b.len ? b.s[b.len - 1] : ' ';
        if (isspace((unsigned char)c)) {
            if (!strchr(" =(,", last))
                strbuf_putc(&b, ' ');
            continue;
        }
        if (strchr("=(,", c) && last == ' ' && b.len)
            b.s[--b.len] = '\0';
        strbuf_putc(&b, c);
    }
    char *text = strbuf_detach(&b);
    return text ? text : mem_strdup("");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Where `word` stands as a word of its own in `sql`; NULL if nowhere. */
static const char *find_word(const char *sql, const char *word)
{
    for (const char *p = sql; (p = strstr(p, word)); p++) {
        if ((p == sql || !is_word(p[-1])) && !is_word(p[strlen(word)]))
            return p;
    }
    return NULL;
}

static bool begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* "owner=$1", "a.owner=$1", or an array of owners in $1. */
static bool names_owner(const char *s)
{
    static const char *const forms[] = {"owner=$1", "owner=any($1",
                                        "owner in(select value from json_each($1"};
    const char *dot = s;
    while (is_word(*dot))
        dot++;
    if (*dot == '.')
        s = dot + 1;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        size_t len = strlen(forms[i]);
        if (strncmp(s, forms[i], len) == 0 && !isdigit((unsigned char)s[len]))
            return true;
    }
    return false;
}

/* Every WHERE of the statement, also of a part of it, begins with the owner. */
static int check_where(const char *sql, struct err *e)
{
    if (strstr(sql, "unnest($1"))
        return 0;
    const char *where = find_word(sql, "where");
    if (!where)
        return err_set(e, "has no WHERE owner = $1");
    for (; where; where = find_word(where + 1, "where")) {
        const char *after = where + strlen("where");
        if (!names_owner(after + strspn(after, " (")))
            return err_set(e, "has a WHERE that does not begin with owner = $1");
    }
    return 0;
}

/* "insert into t(owner,...) values($1,...) on conflict ...". Running it twice must be harmless:
 * it is sent again when a connection breaks before the answer. */
static int check_insert(const char *sql, struct err *e)
{
    const char *list = strchr(sql, '(');
    if (!list || !begins(list, "(owner,"))
        return err_set(e, "inserts into a column before owner");
    if (!strstr(sql, "values($1") && !strstr(sql, "select $1") && !strstr(sql, "unnest($1"))
        return err_set(e, "inserts another value than $1 into owner");
    return 0;
}

/* Postgres takes types for parameters that do not occur, so it does not find these. */
static int check_params(const struct store_stmt *decl, const char *sql, struct err *e)
{
    size_t highest = 0;
    for (const char *p = sql; (p = strchr(p, '$')); p++) {
        size_t n = strtoul(p + 1, NULL, 10);
        highest = n > highest ? n : highest;
    }
    if (highest == strlen(decl->params))
        return 0;
    return err_set(e, "takes %zu parameters, declared are %zu", highest, strlen(decl->params));
}

static int check_text(const struct store_stmt *decl, const char *sql, struct err *e)
{
    if (check_params(decl, sql, e) < 0)
        return -1;
    bool insert = begins(sql, "insert ");
    bool directory = decl->kind == STORE_DIRECTORY_READ || decl->kind == STORE_DIRECTORY_WRITE;
    if (insert && !find_word(sql, "on conflict"))
        return err_set(e, "inserts without ON CONFLICT: sent again after a broken connection, it "
                          "would fail although it was stored");
    if (directory)
        return 0;
    return insert ? check_insert(sql, e) : check_where(sql, e);
}

static int check_texts(const struct statement *stmt, struct err *e)
{
    const struct store_stmt *d = stmt->decl;
    if (d->kind == STORE_APPEND)
        return begins(d->sql, "owner,") && d->params[0] == 'i' && !strchr(d->params, 'I')
                   ? 0
                   : err_set(e, "appends rows that do not begin with owner");
    const char *texts[] = {d->sql, d->sql_postgres, d->sql_sqlite};
    int result = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts) && result == 0; i++) {
        if (!texts[i])
            continue;
        char *sql = normal(texts[i]);
        result = check_text(d, sql, e);
        free(sql);
    }
    return result;
}

/* Whether the table turns names into numbers: a statement marked so names it. */
static bool is_directory(const struct store *s, const char *table)
{
    for (unsigned i = 0; i < s->n_stmts; i++) {
        enum store_kind kind = s->stmts[i]->decl->kind;
        if ((kind == STORE_DIRECTORY_READ || kind == STORE_DIRECTORY_WRITE) &&
            find_word(s->stmts[i]->sql, table))
            return true;
    }
    return strcmp(table, "jackdaw_schema") == 0;
}

static int check_keys(struct store *s, struct err *e)
{
    bool postgres = s->conf.driver == STORE_POSTGRES;
    struct store_rows *rows;
    if (s->driver->query(s, postgres ? postgres_keys : sqlite_keys, "ttt", &rows, e) < 0)
        return -1;
    int result = 0;
    for (size_t i = 0; i < store_rows_count(rows) && result == 0; i++) {
        const char *table = store_str(rows, i, 0), *column = store_str(rows, i, 2);
        if (!is_directory(s, table) && strcmp(column, "owner") != 0)
            result = err_set(e, "table %s: %s begins with %s, not with owner", table,
                             store_str(rows, i, 1), column);
    }
    store_rows_free(&rows);
    return result;
}

int store_check_statements(struct store *s, struct err *e)
{
    for (unsigned i = 0; i < s->n_stmts; i++) {
        const struct statement *stmt = s->stmts[i];
        if (check_texts(stmt, e) < 0 || s->driver->check(s, stmt, e) < 0)
            return err_prefix(e, "statement %s", stmt->name);
    }
    return check_keys(s, e);
}
