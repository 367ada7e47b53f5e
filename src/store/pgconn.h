/* One non-blocking connection to Postgres: its names are resolved in the offload pool, it prepares
 * its statements, and it reconnects for ever. What travels over it is its user's business. */
#ifndef JACKDAW_STORE_PGCONN_H
#define JACKDAW_STORE_PGCONN_H

#include <libpq-fe.h>

#include "base/strbuf.h"
#include "loop/io.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "store/pgtarget.h"

struct pgconn;
struct store;

/* What a connection tells its user, always on the worker's loop stack. */
struct pgconn_events {
    /* Connected and prepared. */
    void (*ready)(struct pgconn *c);
    /* A result of what was sent, in order; NULL: the current statement has no more; with the status
     * PGRES_PIPELINE_SYNC: a sync was reached. An error may also come instead of a sync
     * (pgconn_at_sync). Freed by the caller. The user may drop the connection. */
    void (*result)(struct pgconn *c, const PGresult *r);
    /* It was ready and is no more: the fate of what it was sent is not known. */
    void (*lost)(struct pgconn *c);
};

enum pgconn_kind { PGCONN_STATEMENT = 's', PGCONN_SYNC = '|' };
enum pgconn_state {
    PGCONN_DOWN,
    PGCONN_RESOLVING,
    PGCONN_CONNECTING,
    PGCONN_PREPARING,
    PGCONN_READY
};

struct pgconn {
    struct store *store;
    struct worker *worker;
    const struct pgconn_events *events;
    void *user;
    bool reads; /* it prepares the reading statements, else the writing ones */
    enum pgconn_state state;
    PGconn *pg; /* NULL while down */
    struct io *io;
    struct timer timer; /* waits to reconnect, for the connection or for an answer */
    int64_t backoff;
    struct pgtarget_job *resolving;
    struct strbuf sent; /* what has not been answered, one enum pgconn_kind each ... */
    size_t answered;    /* ... from here on */
    bool slow;          /* it was dropped because no answer came in time */
    bool counted;       /* among those that are away */
    bool closing;
    void (*closed)(struct pgconn *c);
};

/* Starts connecting. */
void pgconn_open(struct pgconn *c);

/* Closes it for good; `closed` is called at once or, if a name is being resolved, later. No `lost`
 * is called any more. */
void pgconn_close(struct pgconn *c, void (*closed)(struct pgconn *c));

/* Gives the connection up and makes a new one, after a moment. `reason` is for the log. */
void pgconn_drop(struct pgconn *c, const char *reason);

/* Tells that a statement or a sync was queued with libpq; an answer is awaited. */
void pgconn_sent(struct pgconn *c, enum pgconn_kind kind);

/* How many of them have not been answered; whether the next answer is that of a sync. */
static inline size_t pgconn_waiting(const struct pgconn *c)
{
    return c->sent.len - c->answered;
}
static inline bool pgconn_at_sync(const struct pgconn *c)
{
    return pgconn_waiting(c) > 0 && c->sent.s[c->answered] == PGCONN_SYNC;
}

/* Writes what is queued as far as the socket takes it. */
void pgconn_flush(struct pgconn *c);

/* Whether the error means that the server is going away rather than that it refuses. */
bool pgconn_error_is_loss(const PGresult *r);

#endif
