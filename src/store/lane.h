/* A lane: writes on their way into one connection, in order. What queues up while a batch is in
 * flight becomes the next batch; a batch is one transaction. Shared by the drivers. */
#ifndef JACKDAW_STORE_LANE_H
#define JACKDAW_STORE_LANE_H

#include "loop/timer.h"
#include "loop/worker.h"
#include "store/op.h"

struct batch {
    struct post post;         /* for a driver with threads: its way back */
    STAILQ_ENTRY(batch) link; /* for a driver with a queue of batches */
    struct lane *lane;
    unsigned n;
    struct op *ops[]; /* the driver sets each one's result */
};

struct lane {
    struct store_worker *home;
    void *conn; /* the driver's */
    void (*send)(struct lane *lane, struct batch *batch);
    struct op_list queue; /* not sent, oldest first */
    unsigned queued;
    size_t bytes;         /* of these */
    struct batch *flight; /* sent, its fate not known */
    int64_t sent, took;   /* when that was; how long the batch before took */
    bool ready;           /* the driver takes a batch */
    bool busy;            /* the last batch found others waiting when it came back */
    struct turn_end flush;
    struct timer wait;
};

/* An empty lane of this worker; the driver sets `conn` and `send`. */
void lane_init(struct lane *lane, struct store_worker *home);

/* Appends a write. False if too much waits: it stays the caller's. */
MUST_CHECK bool lane_put(struct lane *lane, struct op *op);

/* From the driver: the connection takes a batch from now on, or no more. One in flight stays. */
void lane_set_ready(struct lane *lane, bool ready);

/* From the driver: every op of the batch in flight has its result. Answers them and goes on. */
void lane_batch_done(struct lane *lane);

/* Refuses what has waited unsent since `since` or longer. */
void lane_refuse(struct lane *lane, int64_t since);

static inline bool lane_idle(const struct lane *lane)
{
    return !lane->flight && lane->queued == 0;
}

#endif
