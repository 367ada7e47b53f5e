#include "auth.h"

const struct store_stmt auth_stmts[] = {
    [Q_CREDENTIAL_GET] =
        {
            .name = "credential_get",
            .kind = STORE_READ,
            .params = "ii",
            .columns = "ibbb",
            .sql = "SELECT iterations, salt, stored_key, server_key FROM credential "
                   "WHERE owner = $1 AND hash = $2",
        },
    [Q_CREDENTIAL_SET] =
        {
            .name = "credential_set",
            .kind = STORE_WRITE,
            .params = "iiibbbi",
            .columns = "",
            .sql = "INSERT INTO credential "
                   "(owner, hash, iterations, salt, stored_key, server_key, ver) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7) "
                   "ON CONFLICT (owner, hash) DO UPDATE SET iterations = excluded.iterations, "
                   "salt = excluded.salt, stored_key = excluded.stored_key, "
                   "server_key = excluded.server_key, ver = excluded.ver "
                   "WHERE credential.ver < excluded.ver",
        },
    [Q_CREDENTIAL_DELETE] =
        {
            .name = "credential_delete",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM credential WHERE owner = $1",
        },
};

static const struct store_migration migrations[] = {
    {
        .number = 1,
        .sql = "CREATE TABLE credential ("
               " owner {int} NOT NULL, hash {int} NOT NULL, iterations {int} NOT NULL,"
               " salt {blob} NOT NULL, stored_key {blob} NOT NULL, server_key {blob} NOT NULL,"
               " ver {int} NOT NULL, PRIMARY KEY (owner, hash)) {strict}",
    },
};

/* Copies a key column; false if it does not have the size it must have. */
static bool read_key(const struct store_rows *rows, unsigned col, unsigned char *out, size_t size)
{
    size_t len;
    const void *p = store_blob(rows, 0, col, &len);
    if (len != size)
        return false;
    memcpy(out, p, size);
    return true;
}

int auth_read_keys(uint64_t owner, enum scram_hash hash, struct scram_keys *keys, bool *found)
{
    struct store_rows *rows;
    int result =
        store_query(&auth_stmts[Q_CREDENTIAL_GET], STORE_ARGS(SV_INT(owner), SV_INT(hash)), &rows);
    *found = false;
    if (result < 0)
        return result;
    if (store_rows_count(rows) > 0) {
        size_t salt_len;
        const void *salt = store_blob(rows, 0, 1, &salt_len);
        size_t size = scram_hash_size(hash);
        keys->iterations = (uint32_t)store_int(rows, 0, 0);
        if (salt_len <= sizeof(keys->salt)) {
            memcpy(keys->salt, salt, salt_len);
            keys->salt_len = salt_len;
            *found = read_key(rows, 2, keys->stored_key, size) &&
                     read_key(rows, 3, keys->server_key, size);
        }
    }
    store_rows_free(&rows);
    return 0;
}

static void auth_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &auth_stmts[Q_CREDENTIAL_DELETE], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option auth_options[] = {
    OPTION_INT_AT(struct auth_conf, iterations, "10000", 4096, 1000000, .reloadable = true,
                  .help = "SCRAM iterations of new passwords: more slow down guessing and logins"),
    {0},
};

JACKDAW_MODULE(auth) = {
    JACKDAW_MODULE_HEAD,
    .name = "auth",
    .summary = "Authentication with SCRAM; accounts and passwords",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0440", "0.4.2", ""}, {0}},
    .options = auth_options,
    .conf_size = sizeof(struct auth_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_features, PHASE_MAIN, auth_features),
            HOOK_AT(account_removed, PHASE_STORE, auth_account_removed),
            HOOK_END,
        },
    .nonzas = auth_nonzas,
    .stmts = auth_stmts,
    .n_stmts = AUTH_STMTS,
    .migrations = migrations,
    .n_migrations = ARRAY_LEN(migrations),
    .commands = auth_commands,
};
