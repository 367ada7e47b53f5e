/* One statement on its way: its parameters, and who waits for the answer. Belongs to the worker
 * that made it; a driver's thread may hold it meanwhile. */
#ifndef JACKDAW_STORE_OP_H
#define JACKDAW_STORE_OP_H

#include <sys/queue.h>

#include "loop/worker.h"
#include "store/statement.h"

struct store_worker;

STAILQ_HEAD(op_list, op);

struct op {
    STAILQ_ENTRY(op) link; /* in the one queue it is in */
    struct post post;      /* its way back from a driver's thread */
    const struct statement *stmt;
    struct store_worker *home;
    uint64_t owner;         /* of a write */
    size_t size;            /* bytes it takes in memory */
    int64_t since;          /* when it was queued (monotonic µs) */
    store_done_fn *done;    /* who waits: a callback ... */
    void *arg;              /* */
    struct promise *answer; /* ... or a fiber */
    struct op_list readers; /* of a write: reads of the same owner that wait for it */
    unsigned next_owner;    /* of a read: owners before this one have been waited for */
    unsigned losses;        /* how often its connection broke */
    bool again;             /* a read that another one's error has undone */
    int result;             /* what the driver says */
    struct store_rows *rows;
    UT_hash_handle hh; /* in the worker's table while it is its owner's last write */
    unsigned n;
    struct store_value v[]; /* the parameters; what they point to lies behind them */
};

/* Copies the arguments, which must match the declaration. */
struct op *op_new(const struct statement *stmt, struct store_args args);

/* Tells whoever waits and frees. On the home's loop stack. */
void op_answer(struct op *op, int result);

/* The value of an answered promise. */
struct op_result {
    int result;
    struct store_rows *rows;
};
/* Frees an answer that nobody took. */
void op_result_drop(void *value);

#endif
