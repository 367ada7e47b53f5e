#include "base/mem.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/work_life.h"
#include "loop/fiber.h"

/* A reading handler under way in a fiber of its own. */
struct aside {
    struct work work;
    struct stanza *request; /* what the work began with: the handler may edit */
    const struct iq_entry *entry;
    struct module_inst *inst;
    struct xml_el *child;
    bool out;
    uint64_t seq;
    int64_t deadline;
};

static void run_entry(const struct iq_entry *entry, struct module_inst *inst, struct work *w,
                      struct xml_el *child)
{
    entry->fn(inst, w, child);
    if (!w->answered && !w->rejected)
        work_reject(w, SE_INTERNAL_SERVER_ERROR, "the request was not answered");
}

static void aside_run(void *arg)
{
    struct aside *a = arg;
    struct work *w = &a->work;
    fiber_set_deadline(a->deadline);
    run_entry(a->entry, a->inst, w, a->child);
    if (a->out)
        work_finish_out(w, a->seq);
    else
        work_finish_in(w);
    struct entity *account = w->account;
    if (w->session)
        session_release(w->session);
    stanza_unref(&a->request);
    free(a);
    account->asides--;
    entity_rest(account);
}

/* Whether one more may be under way. What others ask leaves room for the account's own. */
static bool has_room(const struct work *w)
{
    int64_t max = server.config->limits.aside_max;
    return (int64_t)w->account->asides < (w->session ? max : (max + 1) / 2);
}

/* Begins the handler in a fiber of its own; false (and refused) if there are too many. */
static bool aside_start(struct work *w, const struct iq_entry *entry, struct module_inst *inst,
                        struct xml_el *child, bool out, uint64_t seq)
{
    struct aside *a = mem_new(struct aside);
    *a = (struct aside){.work = *w,
                        .entry = entry,
                        .inst = inst,
                        .child = child,
                        .out = out,
                        .seq = seq,
                        .deadline = fiber_deadline()};
    a->work.entry = NULL;
    if (!has_room(w) || !fiber_spawn(home_self()->worker, FIBER_NORMAL, aside_run, a)) {
        free(a);
        work_reject(w, SE_RESOURCE_CONSTRAINT, "too many requests at once, try again later");
        return false;
    }
    /* The fiber starts at the end of this turn, since this is one. */
    a->request = stanza_ref(w->st);
    if (w->session)
        session_hold(w->session);
    w->account->asides++;
    ledger_close(w->entry);
    return true;
}

bool work_iq(struct work *w, unsigned scope, bool out, uint64_t seq)
{
    struct xml_el *child = xml_first(w->st->el);
    struct module_inst *inst;
    if (!child || xml_next(child)) {
        work_reject(w, SE_BAD_REQUEST, "an iq request has exactly one child element");
        return false;
    }
    const struct iq_entry *entry =
        host_iq(w->host, child->ns, child->name, w->st->type, scope, &inst);
    if (!entry || (entry->access == IQ_OWN && !w->session)) {
        work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
        return false;
    }
    if (entry->mode == IQ_STORES && w->account->temporary) {
        work_reject(w, SE_NOT_ALLOWED, "nothing is stored for an anonymous user");
        return false;
    }
    if (entry->mode == IQ_ASIDE)
        return aside_start(w, entry, inst, child, out, seq);
    run_entry(entry, inst, w, child);
    return false;
}
