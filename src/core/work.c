#include "core/work.h"

#include "base/mem.h"
#include "core/hook.h"
#include "core/receipt.h"
#include "core/router.h"
#include "core/work_life.h"
#include "loop/ledger.h"
#include "store/store.h"

struct work work_own(struct entity *account, struct session *s)
{
    return (struct work){
        .account = account,
        .host = account->host,
        .session = s,
        .entry = ledger_open(&account->ledger, account->jid->bare_hash),
    };
}

void work_own_end(struct work *w)
{
    ledger_close(w->entry);
    stanza_unref(&w->edited);
}

int work_reject(struct work *w, enum stanza_error cond, const char *text)
{
    w->rejected = true;
    w->error = cond;
    w->error_text = text;
    return HOOK_REJECT;
}

struct stanza *work_edit(struct work *w)
{
    if (!w->edited)
        w->st = w->edited = stanza_edit(w->st);
    return w->st;
}

static void write_done(void *entry, int result)
{
    ledger_write_done(entry, result);
}

void work_write(struct work *w, const struct store_stmt *stmt, struct store_args args)
{
    INVARIANT(w->entry);
    if (UNLIKELY(w->account->temporary))
        return;
    w->kept = true;
    ledger_write_begin(w->entry);
    store_write(stmt, w->account->owner, args, write_done, w->entry);
}

/* A stanza that waits in the ledger. */
struct sending {
    struct effect effect;
    uint64_t session; /* 0: route */
    struct stanza *st;
    struct receipt receipt;
};

static void deliver(uint64_t session, struct stanza *st, const struct receipt *r)
{
    if (!session) {
        route(st, r);
        return;
    }
    struct session *s = session_find(session);
    if (s)
        session_send(s, st);
}

/* A stanza that was to be answered by another home was refused before it went there. */
static void never_sent(const struct receipt *r)
{
    struct session *s = r->source && !r->account ? session_find(r->source) : NULL;
    if (s)
        receipt_done(s, r->seq);
}

static void sending_run(struct effect *effect, int result)
{
    struct sending *d = CONTAINER_OF(effect, struct sending, effect);
    if (result == 0)
        deliver(d->session, d->st, &d->receipt);
    else
        never_sent(&d->receipt);
    stanza_unref(&d->st);
    free(d);
}

bool work_passes(struct work *w)
{
    if (!w->entry)
        return true;
    if (!ledger_may_pass(w->entry))
        return false;
    ledger_passed(w->entry);
    return true;
}

static const struct receipt no_receipt;

static void deliver_or_wait(struct work *w, uint64_t session, struct stanza *st,
                            const struct receipt *r)
{
    if (work_passes(w)) {
        deliver(session, st, r);
        return;
    }
    struct sending *d = mem_new(struct sending);
    d->effect.run = sending_run;
    d->session = session;
    d->st = stanza_ref(st);
    d->receipt = *r;
    ledger_effect(w->entry, &d->effect);
}

void work_send(struct work *w, struct session *to, struct stanza *st)
{
    deliver_or_wait(w, to->id, st, &no_receipt);
}

void work_route(struct work *w, struct stanza *st)
{
    deliver_or_wait(w, 0, st, &no_receipt);
}

void work_route_receipt(struct work *w, struct stanza *st, const struct receipt *r)
{
    deliver_or_wait(w, 0, st, r);
}

struct then {
    struct effect effect;
    void (*run)(void *arg, int result);
    void *arg;
};

static void then_run(struct effect *effect, int result)
{
    struct then *t = CONTAINER_OF(effect, struct then, effect);
    t->run(t->arg, result);
    free(t);
}

void work_then(struct work *w, void (*run)(void *arg, int result), void *arg)
{
    if (work_passes(w)) {
        run(arg, 0);
        return;
    }
    struct then *t = mem_new(struct then);
    *t = (struct then){.effect.run = then_run, .run = run, .arg = arg};
    ledger_effect(w->entry, &t->effect);
}

struct stanza *work_reply(const struct work *w)
{
    return stanza_reply(w->st);
}

void work_answer(struct work *w, struct stanza *reply)
{
    w->answered = true;
    if (w->session)
        work_send(w, w->session, reply);
    else
        work_route(w, reply);
    stanza_unref(&reply);
}

/* ---- the end of an item ---- */

static enum stanza_error refusal(int result, const char **text)
{
    if (result == STORE_FULL) {
        *text = "the store does not answer, try again later";
        return SE_RESOURCE_CONSTRAINT;
    }
    *text = "it could not be stored";
    return SE_INTERNAL_SERVER_ERROR;
}

struct finish {
    struct effect effect;
    uint64_t session, seq;
    struct stanza *st;
    struct receipt receipt;
    enum receipt_outcome outcome;
    enum stanza_error cond;
    const char *text;
};

static void finish_out_now(const struct finish *f, int result)
{
    struct session *s = session_find(f->session);
    if (!s)
        return;
    const char *text;
    if (result < 0) {
        enum stanza_error cond = refusal(result, &text);
        struct stanza *error = stanza_error(f->st, cond, text);
        if (error)
            session_send(s, error);
        stanza_unref(&error);
    }
    receipt_done(s, f->seq);
}

static void finish_out_run(struct effect *effect, int result)
{
    struct finish *f = CONTAINER_OF(effect, struct finish, effect);
    finish_out_now(f, result);
    stanza_unref(&f->st);
    free(f);
}

/* Runs the end of an item now or when its writes are committed. */
static void finish(struct work *w, const struct finish *now,
                   void (*direct)(const struct finish *, int), void (*later)(struct effect *, int))
{
    if (work_passes(w)) {
        direct(now, 0);
    } else {
        struct finish *f = mem_new(struct finish);
        *f = *now;
        f->effect.run = later;
        if (f->st)
            stanza_ref(f->st);
        ledger_effect(w->entry, &f->effect);
    }
    if (w->entry)
        ledger_close(w->entry);
    stanza_unref(&w->edited);
}

void work_finish_out(struct work *w, uint64_t seq)
{
    if (w->rejected) {
        struct stanza *error = stanza_error(w->st, w->error, w->error_text);
        if (error)
            work_send(w, w->session, error);
        stanza_unref(&error);
    }
    struct finish f = {.session = w->session->id, .seq = seq, .st = w->st};
    finish(w, &f, finish_out_now, finish_out_run);
}

static void finish_in_now(const struct finish *f, int result)
{
    enum receipt_outcome outcome = f->outcome;
    enum stanza_error cond = f->cond;
    const char *text = f->text;
    if (result < 0) {
        outcome = RECEIPT_REFUSED;
        cond = refusal(result, &text);
    }
    if (outcome == RECEIPT_REFUSED)
        route_refuse(f->st, &f->receipt, cond, text);
    else
        receipt_answer(&f->receipt, outcome, cond, text);
}

static void finish_in_run(struct effect *effect, int result)
{
    struct finish *f = CONTAINER_OF(effect, struct finish, effect);
    finish_in_now(f, result);
    stanza_unref(&f->st);
    free(f);
}

void work_finish_in(struct work *w)
{
    struct finish f = {
        .st = w->st,
        .receipt = w->receipt,
        .outcome = w->rejected ? RECEIPT_REFUSED
                   : w->kept   ? RECEIPT_KEPT
                               : RECEIPT_HANDED,
        .cond = w->error,
        .text = w->error_text,
    };
    finish(w, &f, finish_in_now, finish_in_run);
}
