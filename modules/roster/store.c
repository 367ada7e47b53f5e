#include "roster.h"

/* `request` is the contact's <presence type='subscribe'/> while it is unanswered; `owed` is as in
 * struct contact: a row of which nothing else is left stays until that has been told. What the user
 * edits and how the subscriptions stand are written apart, so that a refused write of the one does
 * not come back with the next write of the other. */
#define BURY                                                                                       \
    "name = NULL, group_names = NULL, subscription = 0, ask = 0, pending_in = 0, approved = 0,"    \
    " in_roster = 0, request = NULL"

const struct store_stmt roster_stmts[] = {
    [Q_LOAD] =
        {
            .name = "roster_load",
            .kind = STORE_READ,
            .params = "i",
            .columns = "ttbiiiiiiii",
            .sql = "SELECT jid, name, group_names, subscription, ask, pending_in, approved,"
                   " in_roster, ver, owed, approved_of FROM roster WHERE owner = $1 ORDER BY jid",
        },
    [Q_REQUESTS] =
        {
            .name = "roster_requests",
            .kind = STORE_READ,
            .params = "i",
            .columns = "tb",
            .sql = "SELECT jid, request FROM roster WHERE owner = $1 AND pending_in = 1",
        },
    [Q_PUT_ITEM] =
        {
            .name = "roster_put_item",
            .kind = STORE_WRITE,
            .params = "ittbi",
            .columns = "",
            .sql = "INSERT INTO roster (owner, jid, name, group_names, subscription, ask,"
                   " pending_in, approved, in_roster, ver) "
                   "VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 1, $5) "
                   "ON CONFLICT (owner, jid) DO UPDATE SET name = excluded.name,"
                   " group_names = excluded.group_names, in_roster = 1, ver = excluded.ver "
                   "WHERE roster.ver < excluded.ver",
        },
    [Q_PUT_STATE] =
        {
            .name = "roster_put_state",
            .kind = STORE_WRITE,
            .params = "itiiiiibiii",
            .columns = "",
            .sql = "INSERT INTO roster (owner, jid, subscription, ask, pending_in, approved,"
                   " in_roster, request, ver, owed, approved_of) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
                   "ON CONFLICT (owner, jid) DO UPDATE SET subscription = excluded.subscription,"
                   " ask = excluded.ask, pending_in = excluded.pending_in,"
                   " approved = excluded.approved, in_roster = excluded.in_roster,"
                   " request = CASE WHEN excluded.pending_in = 1"
                   " THEN coalesce(excluded.request, roster.request) END, ver = excluded.ver,"
                   " owed = excluded.owed, approved_of = excluded.approved_of "
                   "WHERE roster.ver < excluded.ver",
        },
    [Q_REMOVE] =
        {
            .name = "roster_remove",
            .kind = STORE_WRITE,
            .params = "iti",
            .columns = "",
            .sql = "DELETE FROM roster WHERE owner = $1 AND jid = $2 AND ver < $3",
        },
    [Q_BURY] =
        {
            .name = "roster_bury",
            .kind = STORE_WRITE,
            .params = "itii",
            .columns = "",
            .sql = "UPDATE roster SET " BURY ", owed = $4, ver = $3 "
                   "WHERE owner = $1 AND jid = $2 AND ver < $3",
        },
    [Q_BURY_ALL] =
        {
            .name = "roster_bury_all",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "UPDATE roster SET owed = owed | subscription | ask | (pending_in * 2), " BURY
                   " WHERE owner = $1",
        },
    [Q_FORGET] =
        {
            .name = "roster_forget",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM roster WHERE owner = $1 AND owed = 0",
        },
};

const struct store_migration roster_migrations[ROSTER_MIGRATIONS] = {
    {
        .number = 1,
        .sql = "CREATE TABLE roster (owner {int} NOT NULL, jid {text} NOT NULL, name {text},"
               " group_names {blob}, subscription {int} NOT NULL, ask {int} NOT NULL,"
               " pending_in {int} NOT NULL, approved {int} NOT NULL, in_roster {int} NOT NULL,"
               " request {blob}, ver {int} NOT NULL, PRIMARY KEY (owner, jid)) {strict}",
    },
    {.number = 2, .sql = "ALTER TABLE roster ADD COLUMN owed {int} NOT NULL DEFAULT 0"},
    {.number = 3, .sql = "ALTER TABLE roster ADD COLUMN approved_of {int} NOT NULL DEFAULT 0"},
};

/* ---- reading ---- */

size_t roster_groups_len(const char *groups)
{
    const char *g = groups;
    if (!g)
        return 0;
    while (*g)
        g += strlen(g) + 1;
    return (size_t)(g - groups) + 1;
}

static char *groups_copy(const void *bytes, size_t len)
{
    const char *s = bytes;
    if (len < 2 || s[len - 1] != '\0' || s[len - 2] != '\0')
        return NULL;
    return memcpy(mem_alloc(len), bytes, len);
}

static void load_row(struct entity *account, const struct store_rows *rows, size_t row)
{
    const char *text = store_str(rows, row, 0);
    struct jid *jid = jid_parse_new(text, strlen(text));
    if (!jid) {
        log_error("roster", account->jid->s, "the contact '%s' is not an address: left out", text);
        return;
    }
    struct contact *c = contact_make(account, jid);
    const char *name = store_str(rows, row, 1);
    size_t len;
    const void *groups = store_blob(rows, row, 2, &len);
    c->name = name ? mem_strdup(name) : NULL;
    c->groups = groups_copy(groups, len);
    c->subscription = (unsigned)store_int(rows, row, 3) & (SUBSCRIBED_TO | SUBSCRIBED_FROM);
    c->ask = store_int(rows, row, 4) && !(c->subscription & SUBSCRIBED_TO);
    c->pending_in = store_int(rows, row, 5) && !(c->subscription & SUBSCRIBED_FROM);
    c->approved = store_int(rows, row, 6) != 0;
    c->in_roster = store_int(rows, row, 7) != 0;
    c->approved_of = store_int(rows, row, 10);
    c->owed = (unsigned)store_int(rows, row, 9) & (OWED_TO | OWED_FROM);
    jid_free(&jid);
}

void roster_loaded(struct module_inst *inst, struct entity *account, struct store_rows *rows)
{
    struct roster_slot *slot = account_slot(account, inst);
    contacts_clear(account);
    for (size_t i = 0; i < store_rows_count(rows); i++) {
        load_row(account, rows, i);
        int64_t ver = store_int(rows, i, 8);
        slot->ver = ver > slot->ver ? ver : slot->ver;
    }
    slot->stale = false;
}

bool roster_is_stale(const struct module_inst *inst, const struct entity *account)
{
    const struct roster_slot *slot = account_slot_peek(account, inst);
    return slot && slot->stale;
}

bool roster_fresh(struct module_inst *inst, struct work *w)
{
    struct store_rows *rows;
    if (!roster_is_stale(inst, w->account))
        return true;
    if (store_query(&roster_stmts[Q_LOAD], STORE_ARGS(SV_INT(w->account->owner)), &rows) < 0) {
        work_reject(w, SE_RESOURCE_CONSTRAINT, "the roster cannot be read, try again later");
        return false;
    }
    roster_loaded(inst, w->account, rows);
    store_rows_free(&rows);
    return true;
}

size_t roster_count(const struct entity *account, bool in_roster)
{
    const struct contact *c;
    size_t n = 0;
    STAILQ_FOREACH (c, &account->contacts, link)
        n += in_roster ? c->in_roster : !c->in_roster && c->pending_in;
    return n;
}

bool roster_full(const struct roster_conf *conf, const struct entity *account)
{
    return roster_count(account, true) >= (size_t)conf->contacts_max ||
           account->n_contacts >= (size_t)(conf->contacts_max + conf->requests_max);
}

/* ---- writing ---- */

/* Versions of an account's rows only grow, whatever the clock does. */
static int64_t next_ver(struct module_inst *inst, struct entity *account)
{
    struct roster_slot *slot = account_slot(account, inst);
    int64_t now = clock_wall();
    slot->ver = now > slot->ver ? now : slot->ver + 1;
    return slot->ver;
}

/* Whose write it was. The account is there for as long as its ledger has the entry. */
struct written {
    struct entity *account;
    const struct module_inst *inst;
};

static void written(void *arg, int result)
{
    struct written *w = arg;
    struct roster_slot *slot = account_slot_peek(w->account, w->inst);
    if (result < 0 && slot)
        slot->stale = true;
    free(w);
}

/* After the write has begun, before any other effect: if it is refused, the next item that looks at
 * a contact reads them all again. */
static void watch(struct module_inst *inst, struct work *w)
{
    struct written *arg = mem_new(struct written);
    *arg = (struct written){w->account, inst};
    work_then(w, written, arg);
}

void roster_put_item(struct module_inst *inst, struct work *w, const struct contact *c)
{
    size_t len = roster_groups_len(c->groups);
    work_write(w, &roster_stmts[Q_PUT_ITEM],
               STORE_ARGS(SV_INT(w->account->owner), SV_TEXT(c->jid->s), SV_TEXT(c->name),
                          len ? SV_BLOB(c->groups, len) : SV_NULL,
                          SV_INT(next_ver(inst, w->account))));
    watch(inst, w);
}

void roster_put_state(struct module_inst *inst, struct work *w, const struct contact *c,
                      const struct stanza *request)
{
    const struct roster_conf *conf = inst->conf;
    struct strbuf bytes;
    strbuf_init(&bytes, (size_t)conf->request_bytes);
    if (request)
        stanza_write(&bytes, request);
    bool keep = request && !bytes.overflow;
    work_write(w, &roster_stmts[Q_PUT_STATE],
               STORE_ARGS(SV_INT(w->account->owner), SV_TEXT(c->jid->s), SV_INT(c->subscription),
                          SV_INT(c->ask), SV_INT(c->pending_in), SV_INT(c->approved),
                          SV_INT(c->in_roster), keep ? SV_BLOB(bytes.s, bytes.len) : SV_NULL,
                          SV_INT(next_ver(inst, w->account)), SV_INT(c->owed),
                          SV_INT(c->approved_of)));
    strbuf_free(&bytes);
    watch(inst, w);
}

void roster_delete(struct module_inst *inst, struct work *w, const struct contact *c)
{
    work_write(w, &roster_stmts[Q_REMOVE],
               STORE_ARGS(SV_INT(w->account->owner), SV_TEXT(c->jid->s),
                          SV_INT(next_ver(inst, w->account))));
    watch(inst, w);
}

/* In memory as the statements say it: of the contact is left what must be told. */
static void bury(struct contact *c)
{
    c->owed |= c->subscription;
    c->owed |= c->ask ? OWED_TO : 0;
    c->owed |= c->pending_in ? OWED_FROM : 0;
    c->subscription = 0;
    c->ask = c->pending_in = c->approved = c->in_roster = false;
    mem_free(&c->name);
    mem_free(&c->groups);
}

void roster_bury(struct module_inst *inst, struct work *w, struct contact *c)
{
    bury(c);
    if (!c->owed) {
        roster_delete(inst, w, c);
        return;
    }
    work_write(w, &roster_stmts[Q_BURY],
               STORE_ARGS(SV_INT(w->account->owner), SV_TEXT(c->jid->s),
                          SV_INT(next_ver(inst, w->account)), SV_INT(c->owed)));
    watch(inst, w);
}

void roster_bury_all(struct work *w)
{
    struct contact *c;
    work_write(w, &roster_stmts[Q_BURY_ALL], STORE_ARGS(SV_INT(w->account->owner)));
    work_write(w, &roster_stmts[Q_FORGET], STORE_ARGS(SV_INT(w->account->owner)));
    STAILQ_FOREACH (c, &w->account->contacts, link)
        bury(c);
}
