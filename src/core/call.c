#include "core/call.h"

#include "base/mem.h"
#include "core/account_life.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/item.h"
#include "core/router.h"
#include "core/server.h"
#include "core/work.h"
#include "loop/worker.h"

/* A call on its way to an account's home and back. This is control inside one process: no crossing.
 */
struct call {
    struct post post;
    struct jid *account;
    account_fn *fn;
    void *arg;
    int result;
    struct worker *caller;
    struct promise *promise; /* the answerer's reference, used on the caller's worker */
};

static void call_returned(struct post *post)
{
    struct call *c = CONTAINER_OF(post, struct call, post);
    promise_answer(&c->promise, c);
}

static void call_return(struct call *c, int result)
{
    c->result = result;
    c->post.run = call_returned;
    worker_post(c->caller, &c->post);
}

static void call_arrived(struct post *post)
{
    struct call *c = CONTAINER_OF(post, struct call, post);
    struct item *item = item_new(ITEM_CALL);
    item->mail.keep = true; /* admins are few */
    item->call = c;
    entity_post(entity_wake(home_self(), c->account), item);
}

static void released(void *arg, int result)
{
    struct call *c = arg;
    call_return(c, result < 0 ? result : c->result);
}

void call_handle(struct entity *e, struct item *item)
{
    struct call *c = item->call;
    struct work w = work_own(e, NULL);
    c->result = c->fn(&w, c->arg);
    account_when_gone(&w, released, c);
    work_own_end(&w);
}

void call_refuse(struct item *item)
{
    call_return(item->call, STORE_FULL);
}

static void call_free(struct call *c)
{
    jid_free(&c->account);
    free(c);
}

int account_do(const struct jid *bare, account_fn *fn, void *arg)
{
    struct call *c = mem_new(struct call);
    *c = (struct call){.post.run = call_arrived,
                       .account = jid_dup(bare),
                       .fn = fn,
                       .arg = arg,
                       .caller = worker_self(),
                       .promise = promise_new(NULL)};
    struct promise *mine = c->promise;
    worker_post(crew_worker(server.crew, home_of(bare->bare_hash)), &c->post);
    int64_t deadline = fiber_deadline();
    fiber_set_deadline(0); /* the call itself has one */
    void *value;
    int waited = promise_wait(&mine, &value);
    fiber_set_deadline(deadline);
    if (waited != WAIT_OK)
        return waited;
    int result = c->result;
    call_free(c);
    return result;
}

/* ---- one after the other on every worker ---- */

struct round {
    struct post post;
    void (*fn)(void *arg);
    void *arg;
    struct worker *caller;
    struct promise *promise;
};

static void round_back(struct post *post)
{
    struct round *r = CONTAINER_OF(post, struct round, post);
    promise_answer(&r->promise, r);
}

static void round_there(struct post *post)
{
    struct round *r = CONTAINER_OF(post, struct round, post);
    r->fn(r->arg);
    r->post.run = round_back;
    worker_post(r->caller, &r->post);
}

void workers_do(void (*fn)(void *arg), void *arg)
{
    for (unsigned i = 0; i < crew_size(server.crew); i++) {
        struct round *r = mem_new(struct round);
        *r = (struct round){.post.run = round_there,
                            .fn = fn,
                            .arg = arg,
                            .caller = worker_self(),
                            .promise = promise_new(NULL)};
        struct promise *mine = r->promise;
        worker_post(crew_worker(server.crew, i), &r->post);
        void *value;
        if (promise_wait(&mine, &value) != WAIT_OK)
            return;
        free(r);
    }
}
