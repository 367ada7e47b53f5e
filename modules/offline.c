/* offline: what came while nobody could take it is given to the next who comes (XEP-0160), in order
 * and with the time it came. It is no second copy: messages that nobody could take are marked in
 * the archive, and a cursor says up to which of them clients have received them.
 *
 * They are given in batches, each followed by a ping (XEP-0199): its answer proves that the client
 * has what came before it. Only then the cursor moves and the next batch follows. What was lost on
 * the way is given again: each message at least once. While one session is being given what waits,
 * its new messages wait as well, behind the others; other sessions get them at once. */
#include "archive/codec.h"

struct offline_conf {
    int64_t batch;           /* messages */
    int64_t confirm_timeout; /* µs */
};

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
    int64_t after_id;  /* the cursor: clients have received what waited up to here */
    uint64_t receiver; /* the session that is being given what waits; 0: none */
    int64_t shown;     /* the last that it has been sent */
    int64_t asked;     /* when it was asked whether it has that: monotonic µs */
};

static void cursor_loaded(struct module_inst *inst, struct entity *account, struct store_rows *rows)
{
    if (store_rows_count(rows) > 0)
        ((struct offline_slot *)account_slot(account, inst))->after_id = store_int(rows, 0, 0);
}

/* ---- what waits ---- */

/* XEP-0160 section 3: what tells only of the moment (chat states, XEP-0085), or nothing, does not
 * wait; nor what must not be stored (XEP-0334). */
static bool may_wait(const struct stanza *st)
{
    static const char *const no_content[] = {NS_CHATSTATES, NS_HINTS, NS_SID};
    const struct xml_el *el;
    bool content = false;
    if (st->type != TYPE_CHAT && st->type != TYPE_NORMAL)
        return false;
    if (st_child(st, NS_HINTS, "no-store") || st_child(st, NS_HINTS, "no-permanent-store"))
        return false;
    XML_FOREACH (el, st->el) {
        bool worthless = xml_is(el, NS_CONTENT, A_thread);
        for (size_t i = 0; i < ARRAY_LEN(no_content); i++)
            worthless |= strcmp(el->ns, no_content[i]) == 0;
        content |= !worthless;
    }
    return content;
}

/* The session that is being given what waits, if it is still there and takes messages. */
static struct session *receiver_of(const struct offline_slot *slot)
{
    struct session *s = slot->receiver ? session_find(slot->receiver) : NULL;
    return s && session_wants_messages(s) ? s : NULL;
}

/* PHASE_POLICY, after the archive has judged: a message waits if nobody can take it, or if older
 * ones wait for its turn. */
static enum hook_result offline_message_in(struct module_inst *inst, struct work *w)
{
    struct session *receiver = receiver_of(account_slot(w->account, inst));
    bool for_receiver =
        receiver &&
        (w->delivery == DELIVER_TAKERS ||
         (w->delivery == DELIVER_RESOURCE && delivery_addressed(w->account, w->to) == receiver));
    if (w->account->temporary) /* nothing of it is stored */
        return HOOK_CONTINUE;
    if ((w->delivery == DELIVER_STORED || for_receiver) && may_wait(w->st)) {
        w->storable = w->offline = true;
        w->withheld = for_receiver ? receiver->id : 0;
    }
    return HOOK_CONTINUE;
}

/* ---- giving it ---- */

/* The message as it came, with the time it came (XEP-0203) and its id in the archive (XEP-0359). */
static struct stanza *restore(const struct work *w, const struct store_rows *rows, size_t row)
{
    size_t len;
    const void *data = store_blob(rows, row, 3, &len);
    int64_t id = store_int(rows, row, 0);
    struct stanza *st = archive_decode(data, len, ARCHIVE_IN, w->account->jid,
                                       store_str(rows, row, 1), store_str(rows, row, 2));
    if (!st) {
        log_error("offline", w->account->jid->s, "message %lld cannot be read", (long long)id);
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

static ask_fn answered;

static void ask_for_it(struct module_inst *inst, struct work *w)
{
    const struct offline_conf *conf = inst->conf;
    struct offline_slot *slot = account_slot(w->account, inst);
    struct stanza *ping = stanza_new(STANZA_IQ, TYPE_GET, NULL, NULL, NULL);
    st_add(ping, NS_PING, A_ping);
    slot->asked = clock_mono();
    work_ask(w, w->session, ping, conf->confirm_timeout, inst, answered, slot->shown);
    stanza_unref(&ping);
}

/* Sends the next of what waits to w->session: as much as its connection has room for, but
 * something. False if nothing is left, or the store does not answer. */
static bool give_batch(struct module_inst *inst, struct work *w)
{
    const struct offline_conf *conf = inst->conf;
    struct offline_slot *slot = account_slot(w->account, inst);
    struct store_rows *rows;
    if (store_query(&stmts[Q_PENDING],
                    STORE_ARGS(SV_INT(w->account->owner), SV_INT(slot->shown), SV_INT(conf->batch)),
                    &rows) < 0) {
        log_warn("offline", w->session->jid->s,
                 "the store does not answer: what waits is given at the next login");
        return false;
    }
    size_t n = store_rows_count(rows), room = session_room(w->session);
    for (size_t i = 0; i < n; i++) {
        struct stanza *st = restore(w, rows, i); /* NULL: it is passed over */
        size_t cost = st ? session_cost(st) : 0;
        bool fits = cost <= room || i == 0;
        if (fits) {
            if (st)
                work_send(w, w->session, st);
            slot->shown = store_int(rows, i, 0);
            room -= cost < room ? cost : room;
        }
        stanza_unref(&st);
        if (!fits)
            break;
    }
    store_rows_free(&rows);
    if (n > 0)
        ask_for_it(inst, w);
    return n > 0;
}

static struct session *first_taker(const struct entity *account)
{
    struct session *s;
    TAILQ_FOREACH (s, &account->sessions, link)
        if (session_wants_messages(s))
            return s;
    return NULL;
}

/* Goes on with the session that is at it; if it has gone, with another one, from the cursor. An
 * item of its own: what is sent does not hang on the cursor's being written. */
static void go_on(struct module_inst *inst, struct entity *account)
{
    struct offline_slot *slot = account_slot(account, inst);
    struct session *s = receiver_of(slot);
    if (!s) {
        s = first_taker(account);
        slot->receiver = s ? s->id : 0;
        slot->shown = slot->after_id;
    }
    if (!s)
        return;
    struct work w = work_own(account, s);
    if (!give_batch(inst, &w))
        slot->receiver = 0;
    work_own_end(&w);
}

static void move_cursor(struct module_inst *inst, struct work *w)
{
    struct offline_slot *slot = account_slot(w->account, inst);
    slot->after_id = slot->shown;
    work_write(w, &stmts[Q_ADVANCE], STORE_ARGS(SV_INT(w->account->owner), SV_INT(slot->after_id)));
}

/* Who is heard, but does not answer as RFC 6120 section 8.2.3 demands, has had time enough to read;
 * who is not heard any more is not there. */
static bool has_received(const struct offline_slot *slot, const struct work *w,
                         enum ask_outcome outcome)
{
    const struct stream *stream = w->session->stream;
    return outcome == ASK_ANSWERED ||
           (outcome == ASK_TIMEOUT && stream && stream_last_heard(stream) > slot->asked);
}

static void answered(struct module_inst *inst, struct work *w, enum ask_outcome outcome,
                     int64_t shown)
{
    struct offline_slot *slot = account_slot(w->account, inst);
    if (w->session->id != slot->receiver || shown != slot->shown)
        return; /* others have been at it since, or it has been given more */
    if (has_received(slot, w, outcome))
        move_cursor(inst, w);
    else if (outcome == ASK_TIMEOUT && w->session->stream)
        stream_close(w->session->stream, STREAM_CONNECTION_TIMEOUT, "a ping was not answered");
    go_on(inst, w->account);
}

static void offline_takes_messages(struct module_inst *inst, struct work *w)
{
    struct offline_slot *slot = account_slot(w->account, inst);
    if (!receiver_of(slot))
        go_on(inst, w->account);
}

static void offline_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &stmts[Q_FORGET], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option offline_options[] = {
    OPTION_INT_AT(struct offline_conf, batch, "50", 1, 1000, .reloadable = true,
                  .help = "Messages that are given at once; the next follow when the client has "
                          "answered that it has received them"),
    OPTION_DURATION_AT(struct offline_conf, confirm_timeout, "1m", CLOCK_SEC, 86400 * CLOCK_SEC,
                       .reloadable = true,
                       .help =
                           "How long the answer is waited for. A client that is heard but does "
                           "not answer is given more; one that is not heard at all is taken for "
                           "dead: its connection is closed, and the messages wait for the next"),
    {0},
};

JACKDAW_MODULE(offline) = {
    JACKDAW_MODULE_HEAD,
    .name = "offline",
    .summary = "Delivers at login what came while nobody was there",
    .standard = true,
    .requires = (const char *const[]){"archive", NULL},
    .xeps = (const struct module_xep[]){{"0160", "1.0.1", ""},
                                        {"0199", "2.0.1", "asks whether messages were received"},
                                        {"0203", "2.0", ""},
                                        {0}},
    .options = offline_options,
    .conf_size = sizeof(struct offline_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_in, PHASE_POLICY, offline_message_in, .after = "archive"),
            HOOK_AT(session_takes_messages, PHASE_DELIVER, offline_takes_messages),
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
