/* Pages of an archive (XEP-0313 section 4, RSM of XEP-0059): back and forth by id. */
#include <limits.h>

#include "archive.h"

/* What a page request asks for. */
struct page {
    int64_t after, before; /* exclusive bounds; 0 and INT64_MAX: none */
    int64_t max;
    bool backwards; /* the last `max` messages of the range instead of the first */
};

/* An archive id as we write it; false if it is none. */
static bool parse_id(const char *s, int64_t *id)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    *id = strtoll(s, &end, 10);
    return *end == '\0' && *id < INT64_MAX;
}

/* Reads one child of <set/>. False if it holds something unusable. */
static bool read_rsm_child(struct arena *a, const struct xml_el *el, struct page *page)
{
    const char *text = xml_text_of(a, el);
    if (atom_is(el->name, A_max))
        return parse_id(text, &page->max);
    if (atom_is(el->name, A_after))
        return parse_id(text, &page->after);
    if (atom_is(el->name, A_before)) {
        page->backwards = true;
        return !*text || parse_id(text, &page->before);
    }
    return false;
}

/* XEP-0059 section 2.2: an id that is not there is not found; anything else is a mistake. */
static void reject_rsm_child(struct work *w, const struct xml_el *el)
{
    if (atom_is(el->name, A_after) || atom_is(el->name, A_before))
        work_reject(w, SE_ITEM_NOT_FOUND, "no message of this archive has that id");
    else
        work_reject(w, SE_BAD_REQUEST, "this is not a page request (XEP-0059)");
}

static bool read_request(struct work *w, const struct xml_el *query,
                         const struct archive_conf *conf, struct page *page)
{
    *page = (struct page){.before = INT64_MAX, .max = conf->page_max};
    const struct xml_el *set = xml_child(query, NS_RSM, A_set), *el;
    if (set) {
        XML_FOREACH (el, set) {
            if (!read_rsm_child(w->st->arena, el, page)) {
                reject_rsm_child(w, el);
                return false;
            }
        }
    }
    if (page->max > conf->page_max)
        page->max = conf->page_max;
    XML_FOREACH (el, query) {
        if (!xml_is(el, NS_RSM, A_set)) {
            work_reject(w, SE_FEATURE_NOT_IMPLEMENTED, "filters are not supported yet");
            return false;
        }
    }
    return true;
}

/* One result message (XEP-0313 section 4.2), the caller's. NULL if the row is damaged: it is passed
 * over. */
static struct stanza *result_of(const struct work *w, const struct store_rows *rows, size_t row,
                                const char *queryid)
{
    size_t len;
    const void *data = store_blob(rows, row, 4, &len);
    struct stanza *kept =
        archive_decode(data, len, (enum archive_dir)store_int(rows, row, 1), w->account->jid,
                       store_str(rows, row, 2), store_str(rows, row, 3));
    if (!kept) {
        log_error("archive", w->account->jid->s, "message %lld is damaged and left out",
                  (long long)store_int(rows, row, 0));
        return NULL;
    }
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NORMAL, w->account->jid, NULL, NULL);
    struct arena *a = st->arena;
    xml_set(a, st->el, A_type, NULL);
    struct xml_el *result = xml_add(a, st->el, NS_MAM, A_result);
    if (queryid)
        xml_set(a, result, A_queryid, queryid);
    int64_t id = store_int(rows, row, 0);
    xml_set(a, result, A_id, arena_printf(a, "%lld", (long long)id));
    struct xml_el *forwarded = xml_add(a, result, NS_FORWARD, A_forwarded);
    char stamp[32];
    clock_format(id, stamp);
    xml_set(a, xml_add(a, forwarded, NS_DELAY, A_delay), A_stamp, arena_strdup(a, stamp));
    xml_append(forwarded, xml_copy(a, kept->el));
    stanza_unref(&kept);
    return st;
}

/* The results of the first rows, as many as there is room for on the connection, but one at least:
 * how many rows that are. */
static size_t results_of(const struct work *w, const struct store_rows *rows, size_t n,
                         const char *queryid, struct stanza **out)
{
    size_t room = session_room(w->session);
    for (size_t i = 0; i < n; i++) {
        out[i] = result_of(w, rows, i, queryid);
        size_t cost = out[i] ? session_cost(out[i]) : 0;
        if (cost > room && i > 0) {
            stanza_unref(&out[i]);
            return i;
        }
        room -= cost < room ? cost : room;
    }
    return n;
}

static void add_id(struct arena *a, struct xml_el *set, const char *name,
                   const struct store_rows *rows, size_t row)
{
    const char *id = arena_printf(a, "%lld", (long long)store_int(rows, row, 0));
    xml_text(a, xml_add(a, set, NS_RSM, name), id);
}

static void send_page(struct work *w, const struct xml_el *query, const struct page *page,
                      const struct store_rows *rows)
{
    size_t found = store_rows_count(rows);
    size_t n = found <= (size_t)page->max ? found : (size_t)page->max;
    struct stanza **results = mem_alloc((n + 1) * sizeof(struct stanza *));
    n = results_of(w, rows, n, xml_attr(query, A_queryid), results);
    for (size_t i = 0; i < n; i++) {
        struct stanza **st = &results[page->backwards ? n - 1 - i : i];
        if (*st)
            work_send(w, w->session, *st);
        stanza_unref(st);
    }
    free(results);
    struct stanza *reply = work_reply(w);
    struct arena *a = reply->arena;
    struct xml_el *fin = xml_add(a, reply->el, NS_MAM, A_fin);
    if (n == found) /* one more than a page was asked for */
        xml_set(a, fin, A_complete, "true");
    struct xml_el *set = xml_add(a, fin, NS_RSM, A_set);
    if (n > 0) {
        add_id(a, set, A_first, rows, page->backwards ? n - 1 : 0);
        add_id(a, set, A_last, rows, page->backwards ? 0 : n - 1);
    }
    work_answer(w, reply);
}

void archive_query(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    struct page page;
    struct store_rows *rows;
    if (!read_request(w, query, inst->conf, &page))
        return;
    const struct store_stmt *stmt = &archive_stmts[page.backwards ? Q_BEFORE : Q_AFTER];
    if (store_query(stmt,
                    STORE_ARGS(SV_INT(w->account->owner), SV_INT(page.after), SV_INT(page.before),
                               SV_INT(page.max + 1)),
                    &rows) < 0) {
        work_reject(w, SE_RESOURCE_CONSTRAINT, "the archive does not answer, try again later");
        return;
    }
    send_page(w, query, &page, rows);
    store_rows_free(&rows);
}
