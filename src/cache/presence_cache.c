/* The directory's worker side. Everything lives on the crew's first worker: changes and questions
 * are posted there, gathered, and go to memcached in one round at a time in the offload pool. So
 * there is no lock, and a server that hangs holds up one thread of the pool, for a moment. */
#include "cache/presence_cache.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/entry.h"
#include "cache/memcache.h"
#include "loop/fiber.h"
#include "loop/offload.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define ROUND_MAX 1000             /* changes in one round */
#define RETRY_MIN (250 * CLOCK_MS) /* after a failure nothing is tried for so long, */
#define RETRY_MAX (4 * CLOCK_SEC)  /* doubled up to so long */
#define STOP_WITHIN (1 * CLOCK_SEC)

/* What somebody is from now on. */
struct change {
    struct post post;
    struct presence_cache *cache;
    char *jid, *resources; /* resources NULL: offline */
    UT_hash_handle hh;     /* by jid, oldest first */
};

/* What somebody wants to know. */
struct question {
    struct post post; /* to the first worker and back */
    STAILQ_ENTRY(question) link;
    struct presence_cache *cache;
    struct worker *asker;
    struct promise *promise;
    char *jid, *json;
    int result;
};
STAILQ_HEAD(question_list, question);

/* What goes to memcached at once. Built on the first worker, then the pool's, then back. */
struct round {
    struct job job;
    struct presence_cache *cache;
    struct change **changes;
    size_t n_changes;
    struct question_list questions;
    size_t n_questions;
    bool goodbye; /* the last one: removes the node's key */
    bool forgot;
    int result;
    struct err err;
};

struct presence_cache {
    struct worker *home; /* the first worker */
    char *node;
    int64_t heartbeat, lease;
    unsigned queue_max;
    struct memcache *servers; /* NULL: in the process. In a round it is the round's */
    uint64_t epoch;
    struct change *changes; /* waiting; in the process: everybody who is online */
    struct question_list questions;
    bool in_round;
    bool outdated; /* changes were forgotten: old entries must become void */
    struct timer beat, retry, stop;
    int64_t backoff; /* 0 while the servers answer */
    bool beat_due;
    void (*on_lost)(void *arg);
    void *on_lost_arg;
    bool stopping;
    bool over; /* stopping has lasted long enough */
    sem_t stopped;
    struct post start_post, stop_post;
    atomic_uint_fast64_t written, dropped, failures;
    atomic_bool up;
};

static void begin_round(struct presence_cache *c);

/* ---- changes ---- */

static void change_free(struct change *ch)
{
    free(ch->jid);
    free(ch->resources);
    free(ch);
}

static struct change *find_change(struct presence_cache *c, const char *jid)
{
    struct change *ch;
    HASH_FIND_STR(c->changes, jid, ch);
    return ch;
}

/* Takes over what `ch` says; it may replace one that waits. */
static void keep_change(struct presence_cache *c, struct change *ch)
{
    struct change *old = find_change(c, ch->jid);
    if (old) {
        free(old->resources);
        old->resources = ch->resources;
        ch->resources = NULL;
        change_free(ch);
        return;
    }
    HASH_ADD_KEYPTR(hh, c->changes, ch->jid, strlen(ch->jid), ch);
    if (c->servers && HASH_COUNT(c->changes) > c->queue_max) {
        struct change *oldest = c->changes;
        HASH_DEL(c->changes, oldest);
        change_free(oldest);
        c->outdated = true;
        atomic_fetch_add(&c->dropped, 1);
    }
}

/* Without servers the table of changes is the directory: it forgets who is offline. */
static void keep_local(struct presence_cache *c, struct change *ch)
{
    struct change *old = find_change(c, ch->jid);
    atomic_fetch_add(&c->written, 1);
    if (old) {
        HASH_DEL(c->changes, old);
        change_free(old);
    }
    if (ch->resources)
        HASH_ADD_KEYPTR(hh, c->changes, ch->jid, strlen(ch->jid), ch);
    else
        change_free(ch);
}

static void change_arrived(struct post *post)
{
    struct change *ch = CONTAINER_OF(post, struct change, post);
    struct presence_cache *c = ch->cache;
    if (!c->servers) {
        keep_local(c, ch);
        return;
    }
    keep_change(c, ch);
    begin_round(c);
}

void presence_cache_set(struct presence_cache *c, const char *bare_jid,
                        const struct presence_entry *entries, size_t n)
{
    struct change *ch = mem_new(struct change);
    ch->cache = c;
    ch->jid = mem_strdup(bare_jid);
    ch->resources = n > 0 ? entry_resources(entries, n) : NULL;
    ch->post.run = change_arrived;
    worker_post(c->home, &ch->post);
}

/* ---- questions ---- */

static void question_free(void *value)
{
    struct question *q = value;
    free(q->jid);
    free(q->json);
    free(q);
}

static void question_back(struct post *post)
{
    struct question *q = CONTAINER_OF(post, struct question, post);
    promise_answer(&q->promise, q);
}

static void answer(struct question *q, int result)
{
    q->result = result;
    q->post.run = question_back;
    worker_post(q->asker, &q->post);
}

static void question_arrived(struct post *post)
{
    struct question *q = CONTAINER_OF(post, struct question, post);
    struct presence_cache *c = q->cache;
    if (!c->servers) {
        struct change *ch = find_change(c, q->jid);
        if (ch)
            q->json = entry_value(c->node, c->epoch, ch->jid, ch->resources);
        answer(q, 0);
    } else if (c->backoff > 0 || c->stopping) {
        answer(q, PRESENCE_CACHE_AWAY);
    } else {
        STAILQ_INSERT_TAIL(&c->questions, q, link);
        begin_round(c);
    }
}

int presence_cache_get(struct presence_cache *c, const char *bare_jid, char **json)
{
    fiber_assert_may_yield(__func__);
    struct question *q = mem_new(struct question);
    struct promise *p = q->promise = promise_new(question_free);
    void *value;
    q->cache = c;
    q->asker = worker_self();
    q->jid = mem_strdup(bare_jid);
    q->post.run = question_arrived;
    worker_post(c->home, &q->post);
    *json = NULL;
    int waited = promise_wait(&p, &value);
    if (waited != WAIT_OK)
        return waited;
    q = value;
    int result = q->result;
    *json = q->json;
    q->json = NULL;
    question_free(q);
    return result;
}

/* ---- a round, in the pool ---- */

static struct memcache_item *make_writes(const struct round *r, size_t *n)
{
    const struct presence_cache *c = r->cache;
    struct memcache_item *items = mem_zalloc((r->n_changes + 1) * sizeof(*items));
    char key[ENTRY_KEY_MAX + 1], epoch[32];
    for (size_t i = 0; i < r->n_changes; i++) {
        const struct change *ch = r->changes[i];
        entry_key(ch->jid, key);
        items[i].key = mem_strdup(key);
        if (ch->resources)
            items[i].value = entry_value(c->node, c->epoch, ch->jid, ch->resources);
        items[i].len = items[i].value ? strlen(items[i].value) : 0;
    }
    entry_node_key(c->node, key);
    struct memcache_item *node = &items[r->n_changes];
    node->key = mem_strdup(key);
    snprintf(epoch, sizeof(epoch), "%" PRIu64, c->epoch);
    node->value = r->goodbye ? NULL : mem_strdup(epoch);
    node->len = strlen(epoch);
    node->expires = (uint32_t)((c->lease + CLOCK_SEC - 1) / CLOCK_SEC);
    *n = r->n_changes + 1;
    return items;
}

static void free_items(struct memcache_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)items[i].key);
        free(items[i].value);
    }
    free(items);
}

/* The second half of a read: an entry counts only while its node's key holds its epoch. */
static int check_nodes(struct round *r, struct memcache_item *entries)
{
    struct memcache_item *nodes = mem_zalloc(r->n_questions * sizeof(*nodes));
    uint64_t *epochs = mem_zalloc(r->n_questions * sizeof(*epochs));
    char node[ENTRY_NODE_MAX + 1], key[ENTRY_KEY_MAX + 1];
    size_t i = 0;
    struct question *q;
    STAILQ_FOREACH (q, &r->questions, link) {
        struct memcache_item *it = &entries[i];
        if (!it->value || !entry_read(it->value, it->len, q->jid, node, &epochs[i]))
            snprintf(node, sizeof(node), "-");
        entry_node_key(node, key);
        nodes[i++].key = mem_strdup(key);
    }
    int result = memcache_round(r->cache->servers, NULL, 0, nodes, r->n_questions, &r->err);
    i = 0;
    STAILQ_FOREACH (q, &r->questions, link) {
        if (result == 0 && epochs[i] && nodes[i].value &&
            strtoull(nodes[i].value, NULL, 10) == epochs[i]) {
            q->json = entries[i].value;
            entries[i].value = NULL;
        }
        i++;
    }
    free_items(nodes, r->n_questions);
    free(epochs);
    return result;
}

static void round_work(struct job *job)
{
    struct round *r = CONTAINER_OF(job, struct round, job);
    struct memcache *m = r->cache->servers;
    size_t n_writes, i = 0;
    struct memcache_item *writes = make_writes(r, &n_writes);
    struct memcache_item *reads = mem_zalloc((r->n_questions + 1) * sizeof(*reads));
    char key[ENTRY_KEY_MAX + 1];
    struct question *q;
    STAILQ_FOREACH (q, &r->questions, link) {
        entry_key(q->jid, key);
        reads[i++].key = mem_strdup(key);
    }
    r->result = memcache_round(m, writes, n_writes, reads, r->n_questions, &r->err);
    if (r->result == 0 && r->n_questions > 0)
        r->result = check_nodes(r, reads);
    r->forgot = memcache_forgot(m);
    free_items(reads, r->n_questions);
    free_items(writes, n_writes);
}

/* ---- around a round, on the first worker ---- */

static void take_changes(struct presence_cache *c, struct round *r)
{
    size_t n = HASH_COUNT(c->changes);
    n = n < ROUND_MAX ? n : ROUND_MAX;
    r->changes = mem_zalloc((n + 1) * sizeof(struct change *));
    while (r->n_changes < n) {
        struct change *ch = c->changes;
        HASH_DEL(c->changes, ch);
        r->changes[r->n_changes++] = ch;
    }
}

/* What was not written waits on, unless something newer waits already. */
static void put_back(struct presence_cache *c, struct round *r)
{
    for (size_t i = 0; i < r->n_changes; i++) {
        if (find_change(c, r->changes[i]->jid))
            change_free(r->changes[i]);
        else
            keep_change(c, r->changes[i]);
    }
}

static void answer_all(struct question_list *questions, int result)
{
    struct question *q;
    while ((q = STAILQ_FIRST(questions))) {
        STAILQ_REMOVE_HEAD(questions, link);
        answer(q, result);
    }
}

static void stop_now(struct presence_cache *c)
{
    timer_clear(c->home, &c->beat);
    timer_clear(c->home, &c->retry);
    timer_clear(c->home, &c->stop);
    answer_all(&c->questions, PRESENCE_CACHE_AWAY);
    sem_post(&c->stopped);
}

static void round_failed(struct presence_cache *c, struct round *r)
{
    if (c->backoff == 0)
        log_error(
            "cache", NULL,
            "memcached is away: %s; chat goes on, and the directory of who is online is written "
            "anew when it is back",
            r->err.text);
    atomic_fetch_add(&c->failures, 1);
    atomic_store(&c->up, false);
    c->backoff = c->backoff == 0 ? RETRY_MIN : c->backoff * 2;
    c->backoff = c->backoff < RETRY_MAX ? c->backoff : RETRY_MAX;
    c->beat_due = true; /* the next round happens even if nothing has changed */
    timer_set(c->home, &c->retry, c->backoff);
    put_back(c, r);
    answer_all(&c->questions, PRESENCE_CACHE_AWAY);
}

static void round_succeeded(struct presence_cache *c, struct round *r)
{
    bool back = c->backoff > 0;
    for (size_t i = 0; i < r->n_changes; i++)
        change_free(r->changes[i]);
    atomic_fetch_add(&c->written, r->n_changes);
    atomic_store(&c->up, true);
    c->backoff = 0;
    if (back)
        log_info("cache", NULL, "memcached is back");
    else if (r->forgot)
        log_warn("cache", NULL, "memcached has forgotten the directory: it is written again");
    if (c->outdated) { /* somebody's going offline may be among what was dropped */
        c->outdated = false;
        c->epoch++;
        c->beat_due = true;
    }
    if ((back || r->forgot) && c->on_lost && !c->stopping)
        c->on_lost(c->on_lost_arg);
}

static void round_done(struct job *job)
{
    struct round *r = CONTAINER_OF(job, struct round, job);
    struct presence_cache *c = r->cache;
    bool ended = r->goodbye;
    c->in_round = false;
    if (r->result < 0)
        round_failed(c, r);
    else
        round_succeeded(c, r);
    answer_all(&r->questions, r->result < 0 ? PRESENCE_CACHE_AWAY : 0);
    free(r->changes);
    free(r);
    if (ended || c->over)
        stop_now(c);
    else
        begin_round(c);
}

static bool round_is_due(const struct presence_cache *c)
{
    bool work = c->changes || c->beat_due || c->stopping || !STAILQ_EMPTY(&c->questions);
    return c->servers && !c->in_round && !timer_is_set(&c->retry) && work;
}

static void begin_round(struct presence_cache *c)
{
    if (!round_is_due(c))
        return;
    struct round *r = mem_new(struct round);
    r->cache = c;
    r->job.work = round_work;
    r->job.done = round_done;
    STAILQ_INIT(&r->questions);
    take_changes(c, r);
    struct question *q;
    STAILQ_FOREACH (q, &c->questions, link)
        r->n_questions++;
    STAILQ_CONCAT(&r->questions, &c->questions);
    r->goodbye = c->stopping && !c->changes;
    c->beat_due = false;
    c->in_round = true;
    if (!offload_submit(c->home, &r->job)) {
        r->result = err_set(&r->err, "the offload pool is full");
        round_done(&r->job);
    }
}

static void beat(struct timer *t)
{
    struct presence_cache *c = CONTAINER_OF(t, struct presence_cache, beat);
    timer_set(c->home, t, c->heartbeat);
    c->beat_due = true;
    begin_round(c);
}

static void retry(struct timer *t)
{
    begin_round(CONTAINER_OF(t, struct presence_cache, retry));
}

/* ---- life ---- */

static void start_on_home(struct post *post)
{
    struct presence_cache *c = CONTAINER_OF(post, struct presence_cache, start_post);
    timer_set(c->home, &c->beat, c->heartbeat);
    c->beat_due = true;
    begin_round(c);
}

struct presence_cache *presence_cache_start(struct crew *crew,
                                            const struct presence_cache_conf *conf, struct err *e)
{
    if (!conf->node || !entry_node_valid(conf->node) || conf->heartbeat <= 0 ||
        conf->lease < conf->heartbeat) {
        err_set(e, "a node is called by letters, digits, '.', '-' and '_', and its lease lasts "
                   "longer than a heartbeat");
        return NULL;
    }
    struct memcache *servers = conf->servers ? memcache_new(conf->servers, e) : NULL;
    if (conf->servers && !servers)
        return NULL;
    struct presence_cache *c = mem_new(struct presence_cache);
    c->home = crew_worker(crew, 0);
    c->node = mem_strdup(conf->node);
    c->heartbeat = conf->heartbeat;
    c->lease = conf->lease;
    c->queue_max = conf->queue_max > 0 ? conf->queue_max : 1;
    c->servers = servers;
    c->epoch = (uint64_t)clock_wall();
    STAILQ_INIT(&c->questions);
    c->beat.fn = beat;
    c->retry.fn = retry;
    sem_init(&c->stopped, 0, 0);
    atomic_init(&c->up, !servers);
    c->start_post.run = start_on_home;
    if (servers)
        worker_post(c->home, &c->start_post);
    return c;
}

void presence_cache_on_lost(struct presence_cache *c, void (*fn)(void *arg), void *arg)
{
    c->on_lost = fn;
    c->on_lost_arg = arg;
}

void presence_cache_stats(const struct presence_cache *c, struct presence_cache_stats *out)
{
    *out = (struct presence_cache_stats){atomic_load(&c->written), atomic_load(&c->dropped),
                                         atomic_load(&c->failures), atomic_load(&c->up)};
}

/* A round under way still has the servers: it ends by itself soon. */
static void stop_timed_out(struct timer *t)
{
    struct presence_cache *c = CONTAINER_OF(t, struct presence_cache, stop);
    c->over = true;
    if (!c->in_round)
        stop_now(c);
}

static void stop_on_home(struct post *post)
{
    struct presence_cache *c = CONTAINER_OF(post, struct presence_cache, stop_post);
    c->stopping = true;
    if (!c->servers) {
        stop_now(c);
        return;
    }
    c->stop.fn = stop_timed_out;
    timer_set(c->home, &c->stop, STOP_WITHIN);
    begin_round(c);
}

void presence_cache_stop(struct presence_cache **cache)
{
    struct presence_cache *c = *cache;
    *cache = NULL;
    if (!c)
        return;
    c->stop_post.run = stop_on_home;
    worker_post(c->home, &c->stop_post);
    while (sem_wait(&c->stopped) < 0)
        ;
    struct change *ch, *next;
    HASH_ITER (hh, c->changes, ch, next) {
        HASH_DEL(c->changes, ch);
        change_free(ch);
    }
    memcache_free(&c->servers);
    sem_destroy(&c->stopped);
    free(c->node);
    free(c);
}
