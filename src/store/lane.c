#include "store/lane.h"

#include "base/mem.h"
#include "store/internal.h"

static const struct store_conf *conf_of(const struct lane *lane)
{
    return &lane->home->store->conf;
}

static void send_batch(struct lane *lane)
{
    unsigned n =
        lane->queued < conf_of(lane)->batch_rows ? lane->queued : conf_of(lane)->batch_rows;
    struct batch *batch = mem_zalloc(sizeof(*batch) + n * sizeof(struct op *));
    batch->lane = lane;
    batch->n = n;
    for (unsigned i = 0; i < n; i++) {
        batch->ops[i] = STAILQ_FIRST(&lane->queue);
        STAILQ_REMOVE_HEAD(&lane->queue, link);
    }
    lane->queued -= n;
    lane->home->stats.queued -= n;
    lane->home->stats.batches++;
    lane->flight = batch;
    lane->send(lane, batch);
}

/* An idle lane sends at once. A busy one, whose batches find others waiting, waits a moment for
 * more: half the commits for the same work. */
static void flush(struct lane *lane)
{
    if (lane->flight || !lane->ready || lane->queued == 0)
        return;
    int64_t waited = worker_now(lane->home->worker) - STAILQ_FIRST(&lane->queue)->since;
    bool may_wait = lane->busy && !lane->home->closing;
    if (may_wait && lane->queued < conf_of(lane)->batch_rows &&
        waited < conf_of(lane)->batch_wait) {
        if (!timer_is_set(&lane->wait))
            timer_set(lane->home->worker, &lane->wait, conf_of(lane)->batch_wait - waited);
        return;
    }
    timer_clear(lane->home->worker, &lane->wait);
    send_batch(lane);
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
    if (lane->queued >= conf_of(lane)->queue_max)
        return false;
    STAILQ_INSERT_TAIL(&lane->queue, op, link);
    lane->queued++;
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
    for (unsigned i = 0; i < batch->n; i++)
        store_finish(batch->ops[i], batch->ops[i]->result);
    free(batch);
    worker_at_turn_end(lane->home->worker, &lane->flush);
}

void lane_refuse(struct lane *lane, int64_t since)
{
    struct op *op;
    while ((op = STAILQ_FIRST(&lane->queue)) && op->since <= since) {
        STAILQ_REMOVE_HEAD(&lane->queue, link);
        lane->queued--;
        lane->home->stats.queued--;
        store_finish(op, STORE_FULL);
    }
}
