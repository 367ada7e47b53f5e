#include "archive.h"

#include <openssl/evp.h>

const struct store_stmt archive_stmts[] = {
    [Q_APPEND] =
        {
            .name = "archive_append",
            .kind = STORE_APPEND,
            .params = "iiittibi",
            .columns = "",
            .sql = "owner, id, dir, peer, resource, origin, data, offline",
            .table = "archive",
        },
    [Q_HAS] =
        {
            .name = "archive_has",
            .kind = STORE_READ,
            .params = "ii",
            .columns = "i",
            .sql = "SELECT id FROM archive WHERE owner = $1 AND id = $2",
        },
    [Q_RECENT] =
        {
            .name = "archive_recent",
            .kind = STORE_READ,
            .params = "ii",
            .columns = "ii",
            .sql = "SELECT origin, id FROM archive WHERE owner = $1 ORDER BY id DESC LIMIT $2",
        },
    [Q_AFTER] =
        {
            .name = "archive_after",
            .kind = STORE_READ,
            .params = "iiii",
            .columns = "iittb",
            .sql = "SELECT id, dir, peer, resource, data FROM archive "
                   "WHERE owner = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4",
        },
    [Q_BEFORE] =
        {
            .name = "archive_before",
            .kind = STORE_READ,
            .params = "iiii",
            .columns = "iittb",
            .sql = "SELECT id, dir, peer, resource, data FROM archive "
                   "WHERE owner = $1 AND id > $2 AND id < $3 ORDER BY id DESC LIMIT $4",
        },
    [Q_REMOVE] =
        {
            .name = "archive_remove",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM archive WHERE owner = $1",
        },
};

/* `origin` is a number of our own making; 0 where the sender gave no origin-id. `offline` rows are
 * those that nobody could take when they came: few, so the index that finds them is partial. */
#define COLUMNS                                                                                    \
    " owner {int} NOT NULL, id {int} NOT NULL, dir {int} NOT NULL, peer {text} NOT NULL,"          \
    " resource {text} NOT NULL, origin {int} NOT NULL, data {blob} NOT NULL,"                      \
    " offline {int} NOT NULL, PRIMARY KEY (owner, id)"
#define OFFLINE_INDEX "; CREATE INDEX archive_offline ON archive (owner, id) WHERE offline = 1"

static const struct store_migration migrations[] = {
    {
        .number = 1,
        .sql_postgres = "CREATE TABLE archive (" COLUMNS ") PARTITION BY RANGE (id)" OFFLINE_INDEX,
        .sql_sqlite = "CREATE TABLE archive (" COLUMNS ") {strict}" OFFLINE_INDEX,
    },
};

static const struct store_partitioned partitioned[] = {{.table = "archive", .months = 3}, {0}};

/* ---- which messages, and what they are called ---- */

/* XEP-0313 section 6.1.1 and XEP-0334: what a person would want to read again. */
static bool is_storable(const struct stanza *st)
{
    return (st->type == TYPE_CHAT || st->type == TYPE_NORMAL) && st_child(st, NS_CONTENT, A_body) &&
           !st_child(st, NS_HINTS, "no-store") && !st_child(st, NS_HINTS, "no-permanent-store");
}

/* The same for the same peer, direction and origin-id on every node and after every restart. 0: no
 * origin-id. */
static int64_t origin_of(const struct stanza *st, enum archive_dir dir, const struct jid *peer)
{
    struct xml_el *el = st_child(st, NS_SID, A_origin_id);
    const char *id = el ? xml_attr(el, A_id) : NULL;
    if (!id || !*id)
        return 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct strbuf text;
    strbuf_init(&text, JID_MAX + strlen(id) + 16);
    strbuf_printf(&text, "%d %.*s ", (int)dir, (int)peer->bare_len, peer->s);
    strbuf_puts(&text, id);
    EVP_Q_digest(NULL, "SHA256", NULL, text.s, text.len, digest, NULL);
    strbuf_free(&text);
    int64_t origin;
    memcpy(&origin, digest, sizeof(origin));
    return origin ? origin : 1;
}

/* ---- what is remembered ---- */

static void slot_free(void *ptr)
{
    struct archive_slot *slot = ptr;
    recent_clear(&slot->recent);
}

static void remember(struct archive_slot *slot, const struct archive_conf *conf, int64_t origin,
                     int64_t id)
{
    if (id > slot->last_id)
        slot->last_id = id;
    if (origin)
        recent_add(&slot->recent, (uint32_t)conf->dedupe_window, origin, id);
}

/* Reads the last id and the recent origins once. False if the store does not answer. */
static bool ensure_loaded(struct module_inst *inst, struct entity *account,
                          struct archive_slot *slot)
{
    const struct archive_conf *conf = inst->conf;
    struct store_rows *rows;
    if (slot->loaded)
        return true;
    if (store_query(&archive_stmts[Q_RECENT],
                    STORE_ARGS(SV_INT(account->owner), SV_INT(conf->dedupe_window)), &rows) < 0)
        return false;
    for (size_t i = store_rows_count(rows); i-- > 0;)
        remember(slot, conf, store_int(rows, i, 0), store_int(rows, i, 1));
    store_rows_free(&rows);
    slot->loaded = true;
    return true;
}

enum known { IS_NEW, IS_KNOWN, CANNOT_TELL };

/* Whether this message is stored already. What is remembered may have been refused by the store
 * since, so the store is asked: its answer waits for writes in flight. */
static enum known is_known(struct entity *account, struct archive_slot *slot, int64_t origin)
{
#ifdef FAULT_NO_DEDUPE /* a build that must fail the crash test */
    return IS_NEW;
#endif
    struct recent_entry *r = origin ? recent_find(&slot->recent, origin) : NULL;
    struct store_rows *rows;
    if (!r)
        return IS_NEW;
    if (store_query(&archive_stmts[Q_HAS], STORE_ARGS(SV_INT(account->owner), SV_INT(r->id)),
                    &rows) < 0)
        return CANNOT_TELL;
    bool stored = store_rows_count(rows) > 0;
    store_rows_free(&rows);
    return stored ? IS_KNOWN : IS_NEW;
}

/* ---- appending ---- */

static void append(struct work *w, int64_t id, enum archive_dir dir, const struct jid *peer,
                   int64_t origin)
{
    struct strbuf data;
    archive_encode(w->st, dir, &data);
    char bare[JID_MAX + 1];
    memcpy(bare, peer->s, peer->bare_len);
    bare[peer->bare_len] = '\0';
    w->archive_id = (uint64_t)id;
    work_write(w, &archive_stmts[Q_APPEND],
               STORE_ARGS(SV_INT(w->account->owner), SV_INT(id), SV_INT(dir), SV_TEXT(bare),
                          SV_TEXT(jid_resource(peer)), SV_INT(origin), SV_BLOB(data.s, data.len),
                          SV_INT(dir == ARCHIVE_IN && w->offline)));
    strbuf_free(&data);
}

/* Removes every stanza-id that claims to be ours (XEP-0359 section 4). */
static void strip_forged_ids(struct work *w)
{
    struct xml_el *el;
    bool forged = false;
    XML_FOREACH (el, w->st->el) {
        const char *by = xml_is(el, NS_SID, A_stanza_id) ? xml_attr(el, A_by) : NULL;
        forged |= by && strcmp(by, w->account->jid->s) == 0;
    }
    if (!forged)
        return;
    struct stanza *st = work_edit(w);
    struct xml_el *old = st->el;
    struct xml_node *node = old->first;
    old->first = old->last = NULL;
    for (; node; node = node->next) {
        el = node->text ? NULL : (struct xml_el *)node;
        const char *by = el && xml_is(el, NS_SID, A_stanza_id) ? xml_attr(el, A_by) : NULL;
        if (by && strcmp(by, w->account->jid->s) == 0)
            continue;
        if (el)
            xml_append(old, xml_copy(st->arena, el));
        else
            xml_text(st->arena, old, node->text);
    }
}

static void add_stanza_id(struct work *w, int64_t id)
{
    struct stanza *st = work_edit(w);
    struct xml_el *el = xml_new(st->arena, NS_SID, A_stanza_id);
    xml_set(st->arena, el, A_by, w->account->jid->s);
    xml_set(st->arena, el, A_id, arena_printf(st->arena, "%lld", (long long)id));
    xml_prepend(st->el, el);
}

static int64_t next_id(const struct archive_slot *slot)
{
    int64_t now = clock_wall();
    return now > slot->last_id ? now : slot->last_id + 1;
}

/* Stores w->st as a new message unless it is known. HOOK_CONTINUE: it is on its way to the store;
 * HANDLED: it is there already; REJECT: it cannot be. */
static enum hook_result keep(struct module_inst *inst, struct work *w, enum archive_dir dir,
                             const struct jid *peer)
{
    struct archive_slot *slot = account_slot(w->account, inst);
    int64_t origin = origin_of(w->st, dir, peer);
    enum known known = CANNOT_TELL;
    if (ensure_loaded(inst, w->account, slot))
        known = is_known(w->account, slot, origin);
    if (known == CANNOT_TELL)
        return work_reject(w, SE_RESOURCE_CONSTRAINT,
                           "the archive does not answer, try again later");
    if (known == IS_KNOWN) {
        w->kept = true;
        return HOOK_HANDLED;
    }
    int64_t id = next_id(slot);
    remember(slot, inst->conf, origin, id);
    append(w, id, dir, peer, origin);
    return HOOK_CONTINUE;
}

/* ---- hooks ---- */

static enum hook_result archive_judge_out(struct module_inst *inst, struct work *w)
{
    (void)inst;
    w->storable = is_storable(w->st) && !w->account->temporary;
    /* To oneself: the received copy is the only one. */
    w->want_copy = w->storable && !jid_equal_bare(w->to, w->account->jid);
    return HOOK_CONTINUE;
}

/* PHASE_LAST: nobody edits it any more. */
static enum hook_result archive_message_out(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (w->storable)
        archive_prepare(w->st);
    return HOOK_CONTINUE;
}

static enum hook_result archive_judge_in(struct module_inst *inst, struct work *w)
{
    (void)inst;
    strip_forged_ids(w);
    w->storable = is_storable(w->st) && !w->account->temporary;
    return HOOK_CONTINUE;
}

static enum hook_result archive_message_in(struct module_inst *inst, struct work *w)
{
    if (!w->storable || !w->st->from)
        return HOOK_CONTINUE;
    enum hook_result result = keep(inst, w, ARCHIVE_IN, w->st->from);
    if (result == HOOK_CONTINUE)
        add_stanza_id(w, (int64_t)w->archive_id);
    return result;
}

static void archive_message_kept(struct module_inst *inst, struct work *w)
{
    enum hook_result result = keep(inst, w, ARCHIVE_OUT, w->to);
    (void)result; /* a refusal stands in `w` */
}

static void archive_account_removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &archive_stmts[Q_REMOVE], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option archive_options[] = {
    OPTION_INT_AT(struct archive_conf, page_max, "100", 1, 1000, .reloadable = true,
                  .help = "Messages of one page at most"),
    OPTION_INT_AT(struct archive_conf, dedupe_window, "1024", 16, 65536,
                  .help = "Messages of an account among which one that is sent again is found; "
                          "a power of two"),
    {0},
};

static int archive_check(const void *values, struct err *e)
{
    const struct archive_conf *conf = values;
    if (conf->dedupe_window & (conf->dedupe_window - 1))
        return err_set(e, "dedupe_window is a power of two: 1024, 2048 ...");
    return 0;
}

JACKDAW_MODULE(archive) = {
    JACKDAW_MODULE_HEAD,
    .name = "archive",
    .summary = "Keeps every message and serves pages of them",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0313", "1.1.3", "paging by id only, not yet advertised"},
                                        {"0359", "0.7.0", "stanza-id of received messages"},
                                        {0}},
    .options = archive_options,
    .conf_size = sizeof(struct archive_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_out, PHASE_POLICY, archive_judge_out),
            HOOK_AT(message_out, PHASE_LAST, archive_message_out),
            HOOK_AT(message_in, PHASE_POLICY, archive_judge_in),
            HOOK_AT(message_in, PHASE_STORE, archive_message_in),
            HOOK_AT(message_kept, PHASE_STORE, archive_message_kept),
            HOOK_AT(account_removed, PHASE_STORE, archive_account_removed),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_MAM, A_query, TYPE_SET, IQ_ACCOUNT, IQ_OWN, IQ_ASIDE, archive_query},
            {0},
        },
    .account_size = sizeof(struct archive_slot),
    .account_free = slot_free,
    .stmts = archive_stmts,
    .n_stmts = ARCHIVE_STMTS,
    .migrations = migrations,
    .n_migrations = ARRAY_LEN(migrations),
    .partitioned = partitioned,
    .check = archive_check,
};
