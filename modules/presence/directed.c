#include "presence.h"

static struct directed *find(const struct presence_session *p, const struct jid *jid)
{
    struct directed *d;
    if (p->n_directed == 0)
        return NULL;
    STAILQ_FOREACH (d, &p->directed, link)
        if (jid_equal(d->jid, jid))
            return d;
    return NULL;
}

static void add(struct presence_session *p, const struct jid *jid)
{
    if (p->n_directed++ == 0)
        STAILQ_INIT(&p->directed);
    struct directed *d = mem_new(struct directed);
    d->jid = jid_dup(jid);
    STAILQ_INSERT_TAIL(&p->directed, d, link);
}

static void drop(struct presence_session *p, struct directed *d)
{
    STAILQ_REMOVE(&p->directed, d, directed, link);
    p->n_directed--;
    jid_free(&d->jid);
    free(d);
}

void directed_free(void *slot)
{
    struct presence_session *p = slot;
    while (p->n_directed > 0)
        drop(p, STAILQ_FIRST(&p->directed));
}

enum hook_result directed_out(struct module_inst *inst, struct work *w)
{
    const struct presence_conf *conf = inst->conf;
    struct presence_session *p = session_slot(w->session, inst);
    struct directed *d = find(p, w->to);
    if (w->st->type == TYPE_AVAILABLE && !d) {
        if (p->n_directed >= (size_t)conf->directed_max)
            return work_reject(w, SE_RESOURCE_CONSTRAINT,
                               "this session has shown itself to too many already");
        add(p, w->to);
    } else if (w->st->type == TYPE_UNAVAILABLE && d) {
        drop(p, d);
    }
    work_route(w, w->st);
    return HOOK_HANDLED;
}

void directed_end(struct module_inst *inst, struct work *w, struct stanza *unavailable, bool told)
{
    struct presence_session *p = session_slot(w->session, inst);
    while (p->n_directed > 0) {
        struct directed *d = STAILQ_FIRST(&p->directed);
        if (!told || !contact_sees(w->account, d->jid)) {
            struct stanza *st = stanza_edit(unavailable);
            stanza_set_to(st, d->jid);
            work_route(w, st);
            stanza_unref(&st);
        }
        drop(p, d);
    }
}

void directed_failed(struct module_inst *inst, struct session *s, const struct jid *from)
{
    struct presence_session *p = session_slot(s, inst);
    struct directed *d = from ? find(p, from) : NULL;
    if (d)
        drop(p, d);
}
