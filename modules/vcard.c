/* vcard: vcard-temp (XEP-0054). A card is kept and told as the bytes that it came in, whatever it
 * holds. */
#include "core/module.h"

struct vcard_conf {
    int64_t size;
};

enum { Q_VCARD_GET, Q_VCARD_SET, Q_VCARD_DELETE, VCARD_STMTS };

static const struct store_stmt vcard_stmts[VCARD_STMTS] = {
    [Q_VCARD_GET] =
        {
            .name = "vcard_get",
            .kind = STORE_READ,
            .params = "i",
            .columns = "bi",
            .sql = "SELECT data, ver FROM vcard WHERE owner = $1",
        },
    [Q_VCARD_SET] =
        {
            .name = "vcard_set",
            .kind = STORE_WRITE,
            .params = "ibi",
            .columns = "",
            .sql = "INSERT INTO vcard (owner, data, ver) VALUES ($1, $2, $3) "
                   "ON CONFLICT (owner) DO UPDATE SET data = excluded.data, ver = excluded.ver "
                   "WHERE vcard.ver < excluded.ver",
        },
    [Q_VCARD_DELETE] =
        {
            .name = "vcard_delete",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM vcard WHERE owner = $1",
        },
};

static const struct store_migration migrations[] = {
    {
        .number = 1,
        .sql = "CREATE TABLE vcard (owner {int} NOT NULL, data {blob} NOT NULL, ver {int} NOT NULL,"
               " PRIMARY KEY (owner)) {strict}",
    },
};

/* NULL and refused if the store does not answer. */
static struct store_rows *read_card(struct work *w)
{
    struct store_rows *rows;
    if (store_query(&vcard_stmts[Q_VCARD_GET], STORE_ARGS(SV_INT(w->account->owner)), &rows) == 0)
        return rows;
    work_reject(w, SE_RESOURCE_CONSTRAINT, "the store does not answer, try again later");
    return NULL;
}

/* Sections 3.1 and 3.3: to others, no card is the same as no account. */
static void get(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    struct store_rows *rows = read_card(w);
    if (!rows)
        return;
    if (store_rows_count(rows) == 0) {
        work_reject(w, w->session ? SE_ITEM_NOT_FOUND : SE_SERVICE_UNAVAILABLE, NULL);
    } else {
        struct stanza *reply = work_reply(w);
        size_t len;
        const char *card = store_blob(rows, 0, 0, &len);
        stanza_set_inner(reply, card, len);
        work_answer(w, reply);
    }
    store_rows_free(&rows);
}

/* Section 3.2. */
static void set(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    const struct vcard_conf *conf = inst->conf;
    struct strbuf card;
    strbuf_init(&card, (size_t)conf->size);
    xml_write(&card, child, NS_CONTENT);
    struct store_rows *rows = NULL;
    if (card.overflow)
        work_reject(w, SE_POLICY_VIOLATION, "the vCard is larger than this server keeps");
    else
        rows = read_card(w);
    if (rows) {
        int64_t last = store_rows_count(rows) > 0 ? store_int(rows, 0, 1) : 0, now = clock_wall();
        store_rows_free(&rows);
        work_write(w, &vcard_stmts[Q_VCARD_SET],
                   STORE_ARGS(SV_INT(w->account->owner), SV_BLOB(strbuf_str(&card), card.len),
                              SV_INT(now > last ? now : last + 1)));
        work_answer(w, work_reply(w));
    }
    strbuf_free(&card);
}

/* Section 3.2: nobody else's, whether there is such an account or not. */
static enum hook_result guard(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (w->st->type != TYPE_SET || !jid_is_bare(w->to) || !st_child(w->st, NS_VCARD, A_vCard))
        return HOOK_CONTINUE;
    return work_reject(w, SE_FORBIDDEN, NULL);
}

static void removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &vcard_stmts[Q_VCARD_DELETE], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option vcard_options[] = {
    OPTION_SIZE_AT(struct vcard_conf, size, "128KiB", 1024, STANZA_SIZE_MAX, .reloadable = true,
                   .help = "Bytes of a vCard, with its photo; a stanza may have no more than "
                           "limits.stanza_size in any case."),
    {0},
};

JACKDAW_MODULE(vcard) = {
    JACKDAW_MODULE_HEAD,
    .name = "vcard",
    .summary = "Keeps vCards, which everybody may read",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0054", "1.2", ""}, {0}},
    .options = vcard_options,
    .conf_size = sizeof(struct vcard_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(iq_in, PHASE_GUARD, guard),
            HOOK_AT(account_removed, PHASE_STORE, removed),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_VCARD, A_vCard, TYPE_GET, IQ_ACCOUNT, IQ_ANYONE, IQ_ASIDE, get},
            {NS_VCARD, A_vCard, TYPE_SET, IQ_ACCOUNT, IQ_OWN, IQ_STORES, set},
            {0},
        },
    .host_features = (const char *const[]){NS_VCARD, NULL},
    .account_features = (const char *const[]){NS_VCARD, NULL},
    .stmts = vcard_stmts,
    .n_stmts = VCARD_STMTS,
    .migrations = migrations,
    .n_migrations = ARRAY_LEN(migrations),
};
