/* private: Private XML Storage (XEP-0049): elements that an account's clients keep here, each found
 * by its name and namespace, kept and told as the bytes that it came in. */
#include "core/module.h"

struct private_conf {
    int64_t elements, size;
};

enum { Q_PRIVATE_GET, Q_PRIVATE_SET, Q_PRIVATE_DELETE, Q_PRIVATE_FORGET, PRIVATE_STMTS };

static const struct store_stmt private_stmts[PRIVATE_STMTS] = {
    [Q_PRIVATE_GET] =
        {
            .name = "private_get",
            .kind = STORE_READ,
            .params = "i",
            .columns = "ttbi",
            .sql = "SELECT ns, name, data, ver FROM private WHERE owner = $1",
        },
    [Q_PRIVATE_SET] =
        {
            .name = "private_set",
            .kind = STORE_WRITE,
            .params = "ittbi",
            .columns = "",
            .sql = "INSERT INTO private (owner, ns, name, data, ver) VALUES ($1, $2, $3, $4, $5) "
                   "ON CONFLICT (owner, ns, name) DO UPDATE SET data = excluded.data,"
                   " ver = excluded.ver WHERE private.ver < excluded.ver",
        },
    [Q_PRIVATE_DELETE] =
        {
            .name = "private_delete",
            .kind = STORE_WRITE,
            .params = "itti",
            .columns = "",
            .sql = "DELETE FROM private "
                   "WHERE owner = $1 AND ns = $2 AND name = $3 AND ver < $4",
        },
    [Q_PRIVATE_FORGET] =
        {
            .name = "private_forget",
            .kind = STORE_WRITE,
            .params = "i",
            .columns = "",
            .sql = "DELETE FROM private WHERE owner = $1",
        },
};

static const struct store_migration migrations[] = {
    {
        .number = 1,
        .sql = "CREATE TABLE private (owner {int} NOT NULL, ns {text} NOT NULL,"
               " name {text} NOT NULL, data {blob} NOT NULL, ver {int} NOT NULL,"
               " PRIMARY KEY (owner, ns, name)) {strict}",
    },
};

/* ---- what is asked ---- */

/* Section 2.3: what the protocol itself uses. An element without a namespace of its own is in that
 * of the query. */
static bool is_reserved(const char *ns)
{
    static const char *const prefixes[] = {"jabber:", "http://jabber.org/"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(ns, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return !*ns || strcmp(ns, NS_VCARD) == 0;
}

static bool is_twice(const struct xml_el *query, const struct xml_el *el)
{
    const struct xml_el *other;
    XML_FOREACH (other, query) {
        if (other == el)
            return false;
        if (xml_is(other, el->ns, el->name))
            return true;
    }
    return false;
}

/* Whether these elements may be asked for or kept; else refused. */
static bool check(const struct private_conf *conf, struct work *w, const struct xml_el *query)
{
    const struct xml_el *el;
    int64_t n = 0;
    XML_FOREACH (el, query) {
        if (++n > conf->elements)
            work_reject(w, SE_POLICY_VIOLATION, "too many elements");
        else if (is_reserved(el->ns))
            work_reject(w, SE_NOT_ACCEPTABLE, "this namespace is reserved");
        else if (is_twice(query, el))
            work_reject(w, SE_BAD_REQUEST, "the same element twice");
        if (w->rejected)
            return false;
    }
    return true;
}

/* What is told of an element that is not there: it need not be stored. */
static bool is_empty(const struct xml_el *el)
{
    return !el->first && !el->attrs;
}

/* ---- what is stored ---- */

/* NULL and refused if the store does not answer. */
static struct store_rows *read_all(struct work *w)
{
    struct store_rows *rows;
    if (store_query(&private_stmts[Q_PRIVATE_GET], STORE_ARGS(SV_INT(w->account->owner)), &rows) ==
        0)
        return rows;
    work_reject(w, SE_RESOURCE_CONSTRAINT, "the store does not answer, try again later");
    return NULL;
}

/* The row of this element; the number of rows if there is none. */
static size_t find(const struct store_rows *rows, const struct xml_el *el)
{
    size_t i = 0;
    while (i < store_rows_count(rows) && !xml_is(el, store_str(rows, i, 0), store_str(rows, i, 1)))
        i++;
    return i;
}

static size_t size_of(const struct store_rows *rows, size_t row)
{
    size_t len = 0;
    if (row < store_rows_count(rows))
        (void)store_blob(rows, row, 2, &len);
    return len;
}

/* ---- the requests ---- */

static void get(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    const struct private_conf *conf = inst->conf;
    struct store_rows *rows;
    if (!xml_first(query)) {
        work_reject(w, SE_BAD_REQUEST, "what is asked for?");
        return;
    }
    if (!check(conf, w, query) || !(rows = read_all(w)))
        return;
    struct strbuf out;
    strbuf_init(&out, STANZA_WRITTEN_MAX);
    struct stanza *reply = work_reply(w);
    const struct xml_el *el;
    struct xml_el *top = xml_new(reply->arena, NS_PRIVATE, A_query);
    xml_write_start(&out, top, NS_CONTENT);
    strbuf_putc(&out, '>');
    XML_FOREACH (el, query) {
        size_t len, row = find(rows, el);
        if (row == store_rows_count(rows)) {
            xml_write(&out, el, NS_PRIVATE);
        } else {
            const char *data = store_blob(rows, row, 2, &len);
            strbuf_add(&out, data, len);
        }
    }
    xml_write_end(&out, top, NS_CONTENT);
    store_rows_free(&rows);
    stanza_set_inner(reply, strbuf_str(&out), out.len);
    strbuf_free(&out);
    work_answer(w, reply);
}

/* Whether all is within the limits when `query` has been stored; else refused. */
static bool fits(const struct private_conf *conf, struct work *w, const struct store_rows *rows,
                 const struct xml_el *query)
{
    int64_t n = (int64_t)store_rows_count(rows), size = 0;
    const struct xml_el *el;
    struct strbuf out;
    for (size_t i = 0; i < store_rows_count(rows); i++)
        size += (int64_t)size_of(rows, i);
    strbuf_init(&out, (size_t)conf->size);
    XML_FOREACH (el, query) {
        size_t row = find(rows, el);
        bool there = row < store_rows_count(rows);
        n += !is_empty(el) - there;
        size -= (int64_t)size_of(rows, row);
        if (!is_empty(el))
            xml_write(&out, el, NS_PRIVATE);
    }
    size += (int64_t)out.len;
    bool ok = !out.overflow && n <= conf->elements && size <= conf->size;
    strbuf_free(&out);
    if (!ok)
        work_reject(w, SE_POLICY_VIOLATION, "more than this server keeps for an account");
    return ok;
}

static void write_one(struct work *w, const struct store_rows *rows, const struct xml_el *el)
{
    size_t row = find(rows, el);
    int64_t last = row < store_rows_count(rows) ? store_int(rows, row, 3) : 0, now = clock_wall();
    int64_t ver = now > last ? now : last + 1;
    uint64_t owner = w->account->owner;
    if (is_empty(el)) {
        work_write(w, &private_stmts[Q_PRIVATE_DELETE],
                   STORE_ARGS(SV_INT(owner), SV_TEXT(el->ns), SV_TEXT(el->name), SV_INT(ver)));
        return;
    }
    struct strbuf data;
    strbuf_init(&data, STANZA_WRITTEN_MAX);
    xml_write(&data, el, NS_PRIVATE);
    work_write(w, &private_stmts[Q_PRIVATE_SET],
               STORE_ARGS(SV_INT(owner), SV_TEXT(el->ns), SV_TEXT(el->name),
                          SV_BLOB(strbuf_str(&data), data.len), SV_INT(ver)));
    strbuf_free(&data);
}

static void set(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    const struct private_conf *conf = inst->conf;
    struct store_rows *rows;
    const struct xml_el *el;
    if (!xml_first(query)) {
        work_reject(w, SE_NOT_ACCEPTABLE, "what is to be kept?");
        return;
    }
    if (!check(conf, w, query) || !(rows = read_all(w)))
        return;
    if (fits(conf, w, rows, query)) {
        XML_FOREACH (el, query)
            write_one(w, rows, el);
        work_answer(w, work_reply(w));
    }
    store_rows_free(&rows);
}

static void removed(struct module_inst *inst, struct work *w)
{
    (void)inst;
    work_write(w, &private_stmts[Q_PRIVATE_FORGET], STORE_ARGS(SV_INT(w->account->owner)));
}

static const struct option private_options[] = {
    OPTION_INT_AT(struct private_conf, elements, "100", 1, 1000, .reloadable = true,
                  .help = "Elements that are kept for one account."),
    OPTION_SIZE_AT(struct private_conf, size, "128KiB", 1024, STANZA_SIZE_MAX, .reloadable = true,
                   .help = "Bytes that these have together."),
    {0},
};

JACKDAW_MODULE(private) = {
    JACKDAW_MODULE_HEAD,
    .name = "private",
    .summary = "Keeps what clients want to find again",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0049", "1.2", ""}, {0}},
    .options = private_options,
    .conf_size = sizeof(struct private_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(account_removed, PHASE_STORE, removed),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_PRIVATE, A_query, TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ASIDE, get},
            {NS_PRIVATE, A_query, TYPE_SET, IQ_ACCOUNT, IQ_OWN, IQ_STORES, set},
            {0},
        },
    .account_features = (const char *const[]){NS_PRIVATE, NULL},
    .stmts = private_stmts,
    .n_stmts = PRIVATE_STMTS,
    .migrations = migrations,
    .n_migrations = ARRAY_LEN(migrations),
};
