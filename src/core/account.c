#include "core/account_life.h"

#include "core/account.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module.h"
#include "core/session_life.h"
#include "core/stream.h"
#include "core/work.h"

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                                 \
    for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT(var, field), 1); (var) = (next))
#endif

/* The directory: the only table that is found by name. Numbers are never used again. `removed`: the
 * account has gone, but not all of its contacts have heard of it; its name is not free yet. */
enum { Q_LOOKUP, Q_CREATE, Q_MARK, Q_DELETE, Q_LIST, Q_REMOVED, Q_COUNT };

#define RESUME_MAX 10000 /* removals that are gone on with at one start */

const struct store_stmt account_stmts[] = {
    [Q_LOOKUP] =
        {
            .name = "account_lookup",
            .kind = STORE_DIRECTORY_READ,
            .params = "tt",
            .columns = "ii",
            .sql = "SELECT owner, removed FROM account WHERE host = $1 AND name = $2",
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
    [Q_MARK] =
        {
            .name = "account_mark",
            .kind = STORE_DIRECTORY_WRITE,
            .params = "tti",
            .columns = "",
            .sql = "UPDATE account SET removed = 1 WHERE host = $1 AND name = $2 AND owner = $3",
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
            .sql = "SELECT name FROM account WHERE host = $1 AND name > $2 AND removed = 0 "
                   "ORDER BY name LIMIT $3",
        },
    [Q_REMOVED] =
        {
            .name = "account_removed",
            .kind = STORE_DIRECTORY_READ,
            .params = "i",
            .columns = "tt",
            .sql = "SELECT host, name FROM account WHERE removed = 1 LIMIT $1",
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
    {.number = 2, .sql = "ALTER TABLE account ADD COLUMN removed {int} NOT NULL DEFAULT 0"},
    {.number = 3, .sql = "CREATE INDEX account_removed ON account (owner) WHERE removed = 1"},
};
const size_t account_n_migrations = ARRAY_LEN(account_migrations);

#define NODE_MAX 1024
#define TEMPORARY_OWNERS ((uint64_t)1 << 62) /* beyond what the store ever gives */

/* The node of a bare JID as a string. */
static const char *node_of(const struct jid *bare, char out[NODE_MAX])
{
    memcpy(out, bare->s, bare->node_len);
    out[bare->node_len] = '\0';
    return out;
}

int account_find(const struct jid *bare, uint64_t *owner, bool *removed)
{
    char node[NODE_MAX];
    struct store_rows *rows;
    *owner = 0;
    *removed = false;
    const char *host = bare->s + bare->node_len + 1;
    struct store_value args[] = {
        {.type = 't', .p = host, .len = jid_domain_len(bare)},
        SV_TEXT(node_of(bare, node)),
    };
    int result = store_query(&account_stmts[Q_LOOKUP], (struct store_args){args, 2}, &rows);
    if (result < 0)
        return result;
    if (store_rows_count(rows) > 0) {
        *owner = (uint64_t)store_int(rows, 0, 0);
        *removed = store_int(rows, 0, 1) != 0;
    }
    store_rows_free(&rows);
    return 0;
}

int account_lookup(const struct jid *bare, uint64_t *owner)
{
    bool removed;
    int result = account_find(bare, owner, &removed);
    if (removed)
        *owner = 0;
    return result;
}

int account_create(struct work *w)
{
    struct entity *e = w->account;
    if (e->exists)
        return 1;
    if (e->leaving)
        return 2;
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

void account_make_temporary(struct entity *e)
{
    INVARIANT(!e->exists && !e->n_sessions);
    e->owner = TEMPORARY_OWNERS + home_new_id(home_self());
    e->exists = e->temporary = true;
}

int account_set_password(struct work *w, const char *password)
{
    struct password_change change = {.password = password, .result = 1};
    if (!w->account->temporary)
        HOST_NOTIFY(w->host, password_set, w, &change);
    return change.result;
}

static void close_sessions(struct work *w, const struct session *spared, const char *why)
{
    struct session *s, *next;
    w->account->revoked = clock_mono();
    TAILQ_FOREACH_SAFE (s, &w->account->sessions, link, next) {
        struct stream *stream = s->stream;
        if (s == spared)
            continue;
        s->stream = NULL;
        if (stream)
            stream_close(stream, STREAM_NOT_AUTHORIZED, why);
        session_end(w->account, s);
    }
}

void account_close_sessions(struct work *w, const char *why)
{
    close_sessions(w, NULL, why);
}

void account_close_others(struct work *w, const char *why)
{
    close_sessions(w, w->session, why);
}

/* ---- removal ---- */

static void removal_ends(struct entity *e, int result)
{
    void (*fn)(void *arg, int result) = e->when_gone;
    if (!fn)
        return;
    e->when_gone = NULL;
    e->holds--;
    fn(e->when_gone_arg, result);
    entity_rest(e);
}

static void name_freed(void *account, int result)
{
    struct entity *e = account;
    if (result == 0)
        entity_forget(e);
    else
        e->state = ENTITY_LOADING; /* perhaps it was done: the store knows */
    removal_ends(e, result);
}

static void nobody_told(void *account, int result)
{
    (void)result;
    removal_ends(account, 0);
}

static void rows_deleted(void *account, int result)
{
    struct entity *e = account;
    if (result == 0)
        return;
    e->state = ENTITY_LOADING; /* it is begun again when somebody looks at the account */
    removal_ends(e, result);
}

static bool in_flight(const struct entity *e)
{
    const struct contact *c;
    STAILQ_FOREACH (c, &e->contacts, link)
        if (c->flight[0] || c->flight[1])
            return true;
    return false;
}

void account_leave_on(struct work *w)
{
    struct entity *e = w->account;
    if (e->n_contacts == 0) {
        char node[NODE_MAX];
        work_write(
            w, &account_stmts[Q_DELETE],
            STORE_ARGS(SV_TEXT(e->host->name), SV_TEXT(node_of(e->jid, node)), SV_INT(e->owner)));
        work_then(w, name_freed, e);
    } else if (!in_flight(e)) {
        log_warn("account", e->jid->s,
                 "%zu contacts of the removed account could not be told: tried again at the next "
                 "start or when someone writes to it; until then its name is not free",
                 e->n_contacts);
        work_then(w, nobody_told, e);
    }
}

static void leave(struct work *w)
{
    HOST_NOTIFY(w->host, account_removed, w);
    account_leave_on(w);
    work_then(w, rows_deleted, w->account);
}

void account_resume(struct entity *e)
{
    struct work w = work_own(e, NULL);
    leave(&w);
    work_own_end(&w);
}

/* Not through the ledger: what it has to be behind is committed, and writes are still to come. */
static void answer_last(struct work *w)
{
    struct stanza *reply = work_reply(w);
    session_send(w->session, reply);
    stanza_unref(&reply);
    w->answered = true;
}

int account_delete(struct work *w)
{
    struct entity *e = w->account;
    if (!e->exists)
        return 1;
    if (e->temporary) {
        account_close_sessions(w, "the account has been removed");
        return 0;
    }
    char node[NODE_MAX];
    int result = store_write_wait(
        &account_stmts[Q_MARK], e->owner,
        STORE_ARGS(SV_TEXT(e->host->name), SV_TEXT(node_of(e->jid, node)), SV_INT(e->owner)), NULL);
    if (result < 0) {
        account_close_sessions(w, "the account is being removed");
        entity_forget(e);
        e->state = ENTITY_LOADING; /* perhaps it is marked: the store knows */
        return result;
    }
    if (w->session)
        answer_last(w);
    account_close_sessions(w, "the account has been removed");
    e->exists = false;
    e->leaving = w->removing = true;
    leave(w);
    return 0;
}

void account_when_gone(struct work *w, void (*fn)(void *arg, int result), void *arg)
{
    struct entity *e = w->account;
    if (!w->removing || !e->leaving) {
        work_then(w, fn, arg);
        return;
    }
    e->holds++;
    e->when_gone = fn;
    e->when_gone_arg = arg;
}

static int nothing(struct work *w, void *arg)
{
    (void)w;
    (void)arg;
    return 0;
}

void accounts_resume(void *unused)
{
    struct store_rows *rows;
    (void)unused;
    if (store_query(&account_stmts[Q_REMOVED], STORE_ARGS(SV_INT(RESUME_MAX)), &rows) < 0)
        return;
    for (size_t i = 0; i < store_rows_count(rows); i++) {
        char text[JID_MAX + 1];
        const char *host = store_str(rows, i, 0);
        int len = snprintf(text, sizeof(text), "%s@%s", store_str(rows, i, 1), host);
        struct jid *j = host_find(host, strlen(host)) ? jid_parse_new(text, (size_t)len) : NULL;
        /* It is gone on with when it is loaded. */
        if (j && account_do(j, nothing, NULL) < 0)
            log_warn("account", j->s,
                     "its removal could not be gone on with: tried again at the next start");
        jid_free(&j);
    }
    store_rows_free(&rows);
}

int account_list(const char *host, const char *after, int64_t max, struct store_rows **rows)
{
    return store_query(&account_stmts[Q_LIST],
                       STORE_ARGS(SV_TEXT(host), SV_TEXT(after), SV_INT(max)), rows);
}
