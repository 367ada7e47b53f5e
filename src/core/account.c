#include "core/account.h"

#include "core/entity_life.h"
#include "core/host.h"
#include "core/module.h"
#include "core/session_life.h"
#include "core/stream.h"
#include "core/work.h"

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                                 \
    for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT(var, field), 1); (var) = (next))
#endif

/* The directory: the only table that is found by name. Numbers are never used again. */
enum { Q_LOOKUP, Q_CREATE, Q_DELETE, Q_LIST, Q_COUNT };

const struct store_stmt account_stmts[] = {
    [Q_LOOKUP] =
        {
            .name = "account_lookup",
            .kind = STORE_DIRECTORY_READ,
            .params = "tt",
            .columns = "i",
            .sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
        },
    [Q_CREATE] =
        {
            .name = "account_create",
            .kind = STORE_DIRECTORY_WRITE,
            .params = "tti",
            .columns = "i",
            .sql = "INSERT INTO account (host, name, created) VALUES ($1, $2, $3) "
                   "ON CONFLICT (host, name) DO UPDATE SET name = excluded.name RETURNING owner",
        },
    [Q_DELETE] =
        {
            .name = "account_delete",
            .kind = STORE_DIRECTORY_WRITE,
            .params = "tti",
            .columns = "",
            .sql = "DELETE FROM account WHERE host = $1 AND name = $2 AND owner = $3",
        },
    [Q_LIST] =
        {
            .name = "account_list",
            .kind = STORE_DIRECTORY_READ,
            .params = "tti",
            .columns = "t",
            .sql = "SELECT name FROM account WHERE host = $1 AND name > $2 ORDER BY name LIMIT $3",
        },
};
const size_t account_n_stmts = Q_COUNT;

const struct store_migration account_migrations[] = {
    {
        .number = 1,
        .sql_postgres = "CREATE TABLE account ("
                        " host text NOT NULL, name text NOT NULL,"
                        " owner bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,"
                        " created bigint NOT NULL, PRIMARY KEY (host, name))",
        .sql_sqlite = "CREATE TABLE account ("
                      " owner INTEGER PRIMARY KEY AUTOINCREMENT,"
                      " host TEXT NOT NULL, name TEXT NOT NULL,"
                      " created INTEGER NOT NULL, UNIQUE (host, name)) STRICT",
    },
};
const size_t account_n_migrations = ARRAY_LEN(account_migrations);

#define NODE_MAX 1024

/* The node of a bare JID as a string. */
static const char *node_of(const struct jid *bare, char out[NODE_MAX])
{
    memcpy(out, bare->s, bare->node_len);
    out[bare->node_len] = '\0';
    return out;
}

int account_lookup(const struct jid *bare, uint64_t *owner)
{
    char node[NODE_MAX];
    struct store_rows *rows;
    *owner = 0;
    const char *host = bare->s + bare->node_len + 1;
    struct store_value args[] = {
        {.type = 't', .p = host, .len = jid_domain_len(bare)},
        SV_TEXT(node_of(bare, node)),
    };
    int result = store_query(&account_stmts[Q_LOOKUP], (struct store_args){args, 2}, &rows);
    if (result < 0)
        return result;
    if (store_rows_count(rows) > 0)
        *owner = (uint64_t)store_int(rows, 0, 0);
    store_rows_free(&rows);
    return 0;
}

int account_create(struct work *w)
{
    struct entity *e = w->account;
    if (e->exists)
        return 1;
    char node[NODE_MAX];
    struct store_rows *rows;
    int result = store_write_wait(
        &account_stmts[Q_CREATE], 0,
        STORE_ARGS(SV_TEXT(e->host->name), SV_TEXT(node_of(e->jid, node)), SV_INT(clock_wall())),
        &rows);
    if (result < 0)
        return result;
    e->owner = (uint64_t)store_int(rows, 0, 0);
    e->exists = true;
    store_rows_free(&rows);
    return 0;
}

void account_close_sessions(struct work *w, const char *why)
{
    struct session *s, *next;
    w->account->revoked = clock_mono();
    TAILQ_FOREACH_SAFE (s, &w->account->sessions, link, next) {
        struct stream *stream = s->stream;
        s->stream = NULL;
        if (stream)
            stream_close(stream, STREAM_NOT_AUTHORIZED, why);
        session_end(w->account, s);
    }
}

int account_delete(struct work *w)
{
    struct entity *e = w->account;
    if (!e->exists)
        return 1;
    account_close_sessions(w, "the account has been removed");
    HOST_NOTIFY(e->host, account_removed, w);
    char node[NODE_MAX];
    int result = store_write_wait(
        &account_stmts[Q_DELETE], e->owner,
        STORE_ARGS(SV_TEXT(e->host->name), SV_TEXT(node_of(e->jid, node)), SV_INT(e->owner)), NULL);
    entity_forget(e);
    if (result < 0) /* perhaps it was done, perhaps only in part: the store knows */
        e->state = ENTITY_LOADING;
    return result;
}

int account_list(const char *host, const char *after, int64_t max, struct store_rows **rows)
{
    return store_query(&account_stmts[Q_LIST],
                       STORE_ARGS(SV_TEXT(host), SV_TEXT(after), SV_INT(max)), rows);
}
