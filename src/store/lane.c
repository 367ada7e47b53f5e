#include "store/lane.h"

#include "base/mem.h"
#include "store/internal.h"

#define BATCH_BYTES (4u << 20)  /* a batch is also full with so much */
#define QUEUE_BYTES (64u << 20) /* and so is a lane's queue */
#define TIMER_WORTH 500         /* µs: less is not worth a timer of 1 ms */

static const struct store_conf *conf_of(const struct lane *lane)
{
    return &lane->home->store->conf;
}

static struct op *take_first(struct lane *lane)
{
    struct op *op = STAILQ_FIRST(&lane->queue);
    STAILQ_REMOVE_HEAD(&lane->queue, link);
    lane->queued--;
    lane->bytes -= op->size;
    lane->home->stats.queued--;
    return op;
}

/* As many as a batch may have; at least one. */
static unsigned count_batch(const struct lane *lane)
{
    unsigned n = 0;
    size_t bytes = 0;
    struct op *op;
    STAILQ_FOREACH (op, &lane->queue, link) {
        bytes += op->size;
        if (n > 0 && (n == conf_of(lane)->batch_rows || bytes > BATCH_BYTES))
            break;
        n++;
    }
    return n;
}

static void send_batch(struct lane *lane)
{
    unsigned n = count_batch(lane);
    struct batch *batch = mem_zalloc(sizeof(*batch) + n * sizeof(struct op *));
    batch->lane = lane;
    batch->n = n;
    for (unsigned i = 0; i < n; i++)
        batch->ops[i] = take_first(lane);
    lane->home->stats.batches++;
    lane->flight = batch;
    lane->sent = worker_now(lane->home->worker);
    lane->send(lane, batch);
}

/* How long the oldest may wait for others yet, µs. An idle lane sends at once. A busy one, whose
 * batches find others waiting, waits as long as a commit takes: half the commits for the same
 * work, where a commit is dear. */
static int64_t may_wait(const struct lane *lane)
{
    const struct store_conf *conf = conf_of(lane);
    if (!lane->busy || lane->home->closing || lane->queued >= conf->batch_rows)
        return 0;
    int64_t most = lane->took < conf->batch_wait ? lane->took : conf->batch_wait;
    int64_t left = most - (worker_now(lane->home->worker) - STAILQ_FIRST(&lane->queue)->since);
    return left < TIMER_WORTH ? 0 : left;
}

static void flush(struct lane *lane)
{
    if (lane->flight || !lane->ready || lane->queued == 0)
        return;
    int64_t wait = may_wait(lane);
    if (wait == 0) {
        timer_clear(lane->home->worker, &lane->wait);
        send_batch(lane);
    } else if (!timer_is_set(&lane->wait)) {
        timer_set(lane->home->worker, &lane->wait, wait);
    }
}

static void flush_at_turn_end(struct turn_end *t)
{
    flush(CONTAINER_OF(t, struct lane, flush));
}

static void flush_after_wait(struct timer *t)
{
    struct lane *lane = CONTAINER_OF(t, struct lane, wait);
    lane->busy = false;
    flush(lane);
}

void lane_init(struct lane *lane, struct store_worker *home)
{
    lane->home = home;
    STAILQ_INIT(&lane->queue);
    lane->flush.run = flush_at_turn_end;
    lane->wait.fn = flush_after_wait;
}

bool lane_put(struct lane *lane, struct op *op)
{
    if (lane->queued >= conf_of(lane)->queue_max || lane->bytes + op->size > QUEUE_BYTES)
        return false;
    STAILQ_INSERT_TAIL(&lane->queue, op, link);
    lane->queued++;
    lane->bytes += op->size;
    lane->home->stats.queued++;
    worker_at_turn_end(lane->home->worker, &lane->flush);
    store_sweep_later(lane->home);
    return true;
}

void lane_set_ready(struct lane *lane, bool ready)
{
    lane->ready = ready;
    if (ready)
        flush(lane);
}

void lane_batch_done(struct lane *lane)
{
    struct batch *batch = lane->flight;
    lane->flight = NULL;
    lane->busy = lane->queued > 0;
    lane->took = worker_now(lane->home->worker) - lane->sent;
    for (unsigned i = 0; i < batch->n; i++)
        store_finish(batch->ops[i], batch->ops[i]->result);
    free(batch);
    worker_at_turn_end(lane->home->worker, &lane->flush);
}

void lane_refuse(struct lane *lane, int64_t since)
{
    struct op *op;
    while ((op = STAILQ_FIRST(&lane->queue)) && op->since <= since)
        store_finish(take_first(lane), STORE_FULL);
}
