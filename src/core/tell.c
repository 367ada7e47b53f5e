#include "core/tell.h"

#ifdef FAULT_TORN
#include <stdlib.h>
#include <unistd.h>
#endif

#include "core/account_life.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/hook.h"
#include "core/host.h"
#include "core/item.h"
#include "core/module.h"
#include "core/work_life.h"

void contact_tell(struct work *w, struct contact *c, enum contact_owed about, struct stanza *st)
{
    uint64_t id = home_new_id(home_self());
    c->flight[about == OWED_FROM] = id;
    struct receipt r = {
        .account = true,
        .source = w->account->jid->bare_hash,
        .seq = id,
        .home = home_of_self(),
    };
    work_route_receipt(w, st, &r);
}

/* Whom we told this, and about what. */
static struct contact *told(const struct entity *e, uint64_t id, enum contact_owed *about)
{
    struct contact *c;
    STAILQ_FOREACH (c, &e->contacts, link) {
        for (unsigned i = 0; i < ARRAY_LEN(c->flight); i++) {
            if (c->flight[i] == id) {
                *about = i ? OWED_FROM : OWED_TO;
                return c;
            }
        }
    }
    return NULL;
}

void tell_answered(const struct receipt *r, enum receipt_outcome outcome, enum stanza_error cond)
{
    struct entity *e = entity_by_hash(home_self(), r->source);
#ifdef FAULT_TORN /* see item.c: as if the answer had not come */
    const char *file = getenv("FAULT_TORN_ANSWER");
    if (file && access(file, F_OK) == 0)
        return;
#endif
    if (!e)
        return;
    struct item *item = item_new(ITEM_TOLD);
    item->mail.keep = true; /* one for each that was sent */
    item->seq = r->seq;
    item->refused = outcome == RECEIPT_REFUSED;
    item->cond = cond;
    entity_post(e, item);
}

void tell_handle(struct entity *e, struct item *item)
{
    struct work w = {
        .account = e,
        .host = e->host,
        .rejected = item->refused,
        .error = item->cond,
    };
    w.contact = told(e, item->seq, &w.about);
    if (!w.contact) /* something newer has been told them since */
        return;
    w.entry = ledger_open(&e->ledger, w.contact->jid->bare_hash);
    w.contact->flight[w.about == OWED_FROM] = 0;
    HOST_NOTIFY(e->host, contact_told, &w);
    if (e->leaving)
        account_leave_on(&w);
    ledger_close(w.entry);
}
