#include "presence.h"

#define STATUS_MAX 1024 /* bytes of the last words that are kept */

const struct store_stmt presence_stmts[PRESENCE_STMTS] = {
    [Q_SEEN] =
        {
            .name = "presence_seen",
            .kind = STORE_WRITE,
            .params = "iit",
            .columns = "",
            .sql = "INSERT INTO last_seen (owner, seen, status) VALUES ($1, $2, $3) "
                   "ON CONFLICT (owner) DO UPDATE SET seen = excluded.seen,"
                   " status = excluded.status WHERE last_seen.seen < excluded.seen",
        },
    [Q_FORGET] =
        {
            .name = "presence_forget",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM last_seen WHERE owner = $1",
        },
};

const struct store_migration presence_migrations[PRESENCE_MIGRATIONS] = {
    {
        .number = 1,
        .sql = "CREATE TABLE last_seen (owner {int} NOT NULL, seen {int} NOT NULL, status {text},"
               " PRIMARY KEY (owner)) {strict}",
    },
};

static void noted(void *arg, int result)
{
    (void)arg;
    if (result < 0)
        log_debug("presence", NULL, "a last activity could not be stored");
}

/* Not through the ledger: that someone has gone is true, and told, whether it can be noted or not.
 */
static void note(struct module_inst *inst, struct entity *account, const char *status)
{
    struct presence_account *slot = account_slot(account, inst);
    slot->seen = clock_wall();
    if (account->temporary)
        return;
    store_write(&presence_stmts[Q_SEEN], account->owner,
                STORE_ARGS(SV_INT(account->owner), SV_INT(slot->seen), SV_TEXT(status)), noted,
                NULL);
}

static void note_again(struct timer *t)
{
    struct presence_account *slot = CONTAINER_OF(t, struct presence_account, again);
    const struct presence_conf *conf = slot->inst->conf;
    note(slot->inst, slot->account, NULL);
    timer_set(worker_self(), t, conf->last_seen_interval);
}

void last_seen_online(struct module_inst *inst, struct entity *account)
{
    const struct presence_conf *conf = inst->conf;
    struct presence_account *slot = account_slot(account, inst);
    if (timer_is_set(&slot->again))
        return;
    slot->again.fn = note_again;
    slot->inst = inst;
    slot->account = account;
    if (clock_wall() - slot->seen >= conf->last_seen_interval)
        note(inst, account, NULL);
    timer_set(worker_self(), &slot->again, conf->last_seen_interval);
}

void last_seen_offline(struct module_inst *inst, struct entity *account,
                       const struct stanza *unavailable)
{
    const struct xml_el *el = st_child(unavailable, NS_CONTENT, A_status);
    const char *status = el && el->first && el->first->text ? el->first->text : NULL;
    last_seen_free(account_slot(account, inst));
    note(inst, account, status && strlen(status) <= STATUS_MAX ? status : NULL);
}

void last_seen_free(void *slot)
{
    timer_clear(worker_self(), &((struct presence_account *)slot)->again);
}
