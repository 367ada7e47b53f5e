/* offline: what came while nobody could take it is delivered at the next login (XEP-0160), in order
 * and with the time it came. It is no second copy: messages that nobody could take are marked in
 * the archive, and a cursor says up to which of them the account has been given. The cursor is
 * committed before they are shown, so that nobody sees one twice; whoever loses one on the way
 * finds it in the archive. */
#include "archive/codec.h"

#define DELIVER_STEP 50  /* messages read at once */
#define DELIVER_STEPS 20 /* of these at one login */

enum { Q_CURSOR, Q_PENDING, Q_ADVANCE, Q_FORGET, OFFLINE_STMTS };

static const struct store_stmt stmts[] = {
    [Q_CURSOR] =
        {
            .name = "offline_cursor",
            .kind = STORE_READ,
            .params = "i",
            .columns = "i",
            .sql = "SELECT after_id FROM offline WHERE owner = $1",
        },
    [Q_PENDING] =
        {
            .name = "offline_pending",
            .kind = STORE_READ,
            .params = "iii",
            .columns = "ittb",
            .sql = "SELECT id, peer, resource, data FROM archive "
                   "WHERE owner = $1 AND id > $2 AND offline = 1 ORDER BY id LIMIT $3",
        },
    [Q_ADVANCE] =
        {
            .name = "offline_advance",
            .kind = STORE_WRITE,
            .params = "ii",
            .columns = "",
            .sql = "INSERT INTO offline (owner, after_id) VALUES ($1, $2) "
                   "ON CONFLICT (owner) DO UPDATE SET after_id = excluded.after_id "
                   "WHERE offline.after_id < excluded.after_id",
        },
    [Q_FORGET] =
        {
            .name = "offline_forget",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM offline WHERE owner = $1",
        },
};

static const struct store_migration migrations[] = {
    {
        .number = 1,
        .sql = "CREATE TABLE offline (owner {int} NOT NULL, after_id {int} NOT NULL,"
               " PRIMARY KEY (owner)) {strict}",
    },
};

/* What is kept in an account. */
struct offline_slot {
    int64_t after_id;
};

static void cursor_loaded(struct module_inst *inst, struct entity *account, struct store_rows *rows)
{
    if (store_rows_count(rows) > 0)
        ((struct offline_slot *)account_slot(account, inst))->after_id = store_int(rows, 0, 0);
}

/* PHASE_POLICY, after the archive has judged: a message that is kept may wait for somebody to come.
 */
static enum hook_result offline_message_in(struct module_inst *inst, struct work *w)
{
    (void)inst;
    w->offline = w->storable && w->delivery == DELIVER_STORED;
    return HOOK_CONTINUE;
}

/* The message as it came, with the time it came (XEP-0203) and its id in the archive (XEP-0359). */
static struct stanza *restore(const struct work *w, const struct store_rows *rows, size_t row)
{
    size_t len;
    const void *data = store_blob(rows, row, 3, &len);
    int64_t id = store_int(rows, row, 0);
    struct stanza *st = archive_decode(data, len, ARCHIVE_IN, w->account->jid,
                                       store_str(rows, row, 1), store_str(rows, row, 2));
    if (!st) {
        log_error("offline", w->account->jid->s, "message %lld is damaged and left out",
                  (long long)id);
        return NULL;
    }
    char stamp[32];
    clock_format(id, stamp);
    struct xml_el *delay = xml_add(st->arena, st->el, NS_DELAY, A_delay);
    xml_set(st->arena, delay, A_from, w->host->name);
    xml_set(st->arena, delay, A_stamp, arena_strdup(st->arena, stamp));
    struct xml_el *sid = xml_add(st->arena, st->el, NS_SID, A_stanza_id);
    xml_set(st->arena, sid, A_by, w->account->jid->s);
    xml_set(st->arena, sid, A_id, arena_printf(st->arena, "%lld", (long long)id));
    return st;
}

/* What one login is given: as much as its connection has room for, but something. The rest comes
 * with the next one, or from the archive. */
struct login {
    size_t room; /* bytes */
    bool any, done;
};

/* The messages of these rows that there is room for, in `out`; how many rows that are. */
static size_t choose(const struct work *w, struct login *d, const struct store_rows *rows,
                     struct stanza *out[DELIVER_STEP])
{
    size_t n = store_rows_count(rows);
    d->done = n < DELIVER_STEP;
    for (size_t i = 0; i < n; i++) {
        struct stanza *st = restore(w, rows, i); /* NULL: it is passed over */
        size_t cost = st ? session_cost(st) : 0;
        if (cost > d->room && d->any) {
            stanza_unref(&st);
            d->done = true;
            return i;
        }
        out[i] = st;
        d->any |= cost > 0;
        d->room -= cost < d->room ? cost : d->room;
    }
    return n;
}

/* A cursor that was moved ahead of what has been shown, until that is committed. */
struct moved {
    struct entity *account; /* stays while its ledger is not empty */
    struct module_inst *inst;
    int64_t before;
};

static void cursor_moved(void *arg, int result)
{
    struct moved *m = arg;
    struct offline_slot *slot = account_slot(m->account, m->inst);
    if (result < 0 && m->before < slot->after_id)
        slot->after_id = m->before; /* they are given at the next login */
    free(m);
}

static void move_cursor(struct module_inst *inst, struct work *w, int64_t id)
{
    struct offline_slot *slot = account_slot(w->account, inst);
    struct moved *m = mem_new(struct moved);
    *m = (struct moved){w->account, inst, slot->after_id};
    slot->after_id = id;
    work_write(w, &stmts[Q_ADVANCE], STORE_ARGS(SV_INT(w->account->owner), SV_INT(id)));
    work_then(w, cursor_moved, m);
}

/* Gives one step of what waits to the session. False if the store does not answer. */
static bool deliver_step(struct module_inst *inst, struct work *w, struct login *d)
{
    const struct offline_slot *slot = account_slot(w->account, inst);
    struct stanza *chosen[DELIVER_STEP];
    struct store_rows *rows;
    if (store_query(
            &stmts[Q_PENDING],
            STORE_ARGS(SV_INT(w->account->owner), SV_INT(slot->after_id), SV_INT(DELIVER_STEP)),
            &rows) < 0)
        return false;
    size_t n = choose(w, d, rows, chosen);
    if (n > 0)
        move_cursor(inst, w, store_int(rows, n - 1, 0));
    for (size_t i = 0; i < n; i++) {
        if (chosen[i])
            work_send(w, w->session, chosen[i]);
        stanza_unref(&chosen[i]);
    }
    store_rows_free(&rows);
    return true;
}

static void offline_available(struct module_inst *inst, struct work *w)
{
    struct login d = {.room = session_room(w->session)};
    if (!session_wants_messages(w->session))
        return;
    for (int step = 0; !d.done && step < DELIVER_STEPS && w->session->stream; step++) {
        if (deliver_step(inst, w, &d))
            continue;
        log_warn("offline", w->session->jid->s,
                 "the store does not answer: delivery waits for the next login");
        return;
    }
}

static void offline_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &stmts[Q_FORGET], STORE_ARGS(SV_INT(w->account->owner)));
}

JACKDAW_MODULE(offline) = {
    JACKDAW_MODULE_HEAD,
    .name = "offline",
    .summary = "Delivers at login what came while nobody was there",
    .standard = true,
    .requires = (const char *const[]){"archive", NULL},
    .xeps = (const struct module_xep[]){{"0160", "1.0.1", ""}, {"0203", "2.0", ""}, {0}},
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_in, PHASE_POLICY, offline_message_in, .after = "archive"),
            HOOK_AT(session_available, PHASE_STORE, offline_available),
            HOOK_AT(account_removed, PHASE_STORE, offline_account_removed),
            HOOK_END,
        },
    .host_features = (const char *const[]){"msgoffline", NULL},
    .account_size = sizeof(struct offline_slot),
    .loads = (const struct account_load[]){{&stmts[Q_CURSOR], cursor_loaded}, {0}},
    .stmts = stmts,
    .n_stmts = OFFLINE_STMTS,
    .migrations = migrations,
    .n_migrations = ARRAY_LEN(migrations),
};
