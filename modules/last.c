/* last: Last Activity (XEP-0012): how long ago an account went, for those who may see its presence;
 * how long the server has been running. */
#include "core/module.h"

enum { Q_LAST_SEEN, LAST_STMTS };

/* What the module presence has noted. */
static const struct store_stmt last_stmts[LAST_STMTS] = {
    [Q_LAST_SEEN] =
        {
            .name = "last_seen",
            .kind = STORE_READ,
            .params = "i",
            .columns = "it",
            .sql = "SELECT seen, status FROM last_seen WHERE owner = $1",
        },
};

/* `status`: the last words, NULL for none. */
static void answer(struct work *w, int64_t age, const char *status)
{
    struct stanza *reply = work_reply(w);
    struct arena *a = reply->arena;
    struct xml_el *query = st_add(reply, NS_LAST, A_query);
    long long seconds = age > 0 ? (long long)(age / CLOCK_SEC) : 0; /* the clock may be set */
    xml_set(a, query, A_seconds, arena_printf(a, "%lld", seconds));
    if (status)
        xml_text(a, query, arena_strdup(a, status));
    work_answer(w, reply);
}

/* Section 5. */
static void of_host(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    answer(w, clock_uptime(), NULL);
}

/* Section 3. Nobody asks here who may not: see guard(). */
static void of_account(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    if (w->account->n_sessions > 0) {
        answer(w, 0, NULL);
        return;
    }
    struct store_rows *rows;
    if (store_query(&last_stmts[Q_LAST_SEEN], STORE_ARGS(SV_INT(w->account->owner)), &rows) < 0) {
        work_reject(w, SE_RESOURCE_CONSTRAINT, "the store does not answer, try again later");
        return;
    }
    if (store_rows_count(rows) == 0)
        work_reject(w, SE_ITEM_NOT_FOUND, "it has never been here");
    else
        answer(w, clock_wall() - store_int(rows, 0, 0), store_str(rows, 0, 1));
    store_rows_free(&rows);
}

/* Sections 3, 4 and 8: who may not see the account's presence is refused, also what is to a
 * resource, and whether or not there is such an account or resource. */
static enum hook_result guard(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (!st_child(w->st, NS_LAST, A_query) || contact_sees(w->account, w->st->from))
        return HOOK_CONTINUE;
    return work_reject(w, SE_FORBIDDEN, NULL);
}

JACKDAW_MODULE(last) = {
    JACKDAW_MODULE_HEAD,
    .name = "last",
    .summary = "Tells contacts when an account was last here",
    .standard = true,
    .requires = (const char *const[]){"presence", NULL},
    .xeps = (const struct module_xep[]){{"0012", "2.0", ""}, {0}},
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(iq_in, PHASE_GUARD, guard),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_LAST, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, of_host},
            {NS_LAST, A_query, TYPE_GET, IQ_ACCOUNT, IQ_ANYONE, IQ_ASIDE, of_account},
            {0},
        },
    .host_features = (const char *const[]){NS_LAST, NULL},
    .account_features = (const char *const[]){NS_LAST, NULL},
    .stmts = last_stmts,
    .n_stmts = LAST_STMTS,
};
