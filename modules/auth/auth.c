#include "auth.h"

const struct store_stmt auth_stmts[] = {
    [Q_CREDENTIAL_GET] =
        {
            .name = "credential_get",
            .kind = STORE_READ,
            .params = "i",
            .columns = "iibbb",
            .sql = "SELECT hash, iterations, salt, stored_key, server_key FROM credential "
                   "WHERE owner = $1",
        },
    [Q_CREDENTIAL_SET] = /* all of a password's keys or none; `hash` is enum scram_hash */
    {
        .name = "credential_set",
        .kind = STORE_WRITE,
        .params = "iiibbbbbbbbb",
        .columns = "",
        .sql = "INSERT INTO credential "
               "(owner, hash, iterations, salt, stored_key, server_key, ver) "
               "VALUES ($1, 0, $2, $4, $5, $6, $3), ($1, 1, $2, $7, $8, $9, $3), "
               "($1, 2, $2, $10, $11, $12, $3) "
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

static void auth_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &auth_stmts[Q_CREDENTIAL_DELETE], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option auth_options[] = {
    OPTION_INT_AT(struct auth_conf, iterations, "10000", 4096, 1000000, .reloadable = true,
                  .help = "SCRAM iterations of new passwords: more slow down guessing and logins. "
                          "Once there are accounts, a change tells them from names that do not "
                          "exist until all have a new password."),
    OPTION_LIST_AT(struct auth_conf, mechanisms, NULL,
                   .help = "The SASL mechanisms that are offered, where they can be, instead of "
                           "all: EXTERNAL, SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1 (each with "
                           "its -PLUS), PLAIN, ANONYMOUS."),
    OPTION_INT_AT(struct auth_conf, failures_per_both, "20", 1, 1000000, .reloadable = true,
                  .help = "Failed logins for one account from one address within failures_window; "
                          "more are refused for now. Some clients try every mechanism with a wrong "
                          "password. An IPv6 /64 counts as one address."),
    OPTION_INT_AT(struct auth_conf, failures_per_address, "100", 1, 1000000, .reloadable = true,
                  .help = "The same from one address for any account, except one that has logged "
                          "in from there lately."),
    OPTION_INT_AT(struct auth_conf, failures_per_account, "200", 1, 1000000, .reloadable = true,
                  .help = "The same for one account from anywhere, except where it has logged in "
                          "from lately."),
    OPTION_DURATION_AT(struct auth_conf, failures_window, "10m", CLOCK_SEC, 86400 * CLOCK_SEC,
                       .reloadable = true,
                       .help = "How long it takes until that many failed logins are forgotten."),
    {0},
};

JACKDAW_MODULE(auth) = {
    JACKDAW_MODULE_HEAD,
    .name = "auth",
    .summary = "Authentication with SASL; accounts and passwords",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0175", "1.2", ""},
                                        {"0178", "1.2", "clients"},
                                        {"0440", "1.0.0", ""},
                                        {"0474", "0.5.0", ""},
                                        {0}},
    .options = auth_options,
    .conf_size = sizeof(struct auth_conf),
    .check = mechanism_check,
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_features, PHASE_MAIN, mechanism_features),
            HOOK_AT(password_set, PHASE_MAIN, auth_password_set),
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
