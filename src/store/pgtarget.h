/* Where Postgres is: the connection string in parts, with host names resolved off the loop. */
#ifndef JACKDAW_STORE_PGTARGET_H
#define JACKDAW_STORE_PGTARGET_H

#include <libpq-fe.h>

#include "base/err.h"
#include "base/macros.h"
#include "loop/offload.h"

struct pgtarget {
    PQconninfoOption *options;
    const char *host, *port; /* what the options or the environment say; may be NULL */
    bool named;              /* a host is a name that must be resolved */
};

/* Reads a libpq connection string. */
MUST_CHECK int pgtarget_parse(struct pgtarget *t, const char *conninfo, struct err *e);
void pgtarget_clear(struct pgtarget *t);

/* A resolving under way: one entry per address, in libpq's lists divided by commas. */
struct pgtarget_job {
    struct job job;
    void *user;
    char *host, *port; /* the question */
    char *hosts, *addresses, *ports;
    struct err err; /* if addresses is NULL */
};
/* `done` is called on this worker; NULL if the pool is full. The caller frees it there. */
struct pgtarget_job *pgtarget_resolve(const struct pgtarget *t, struct worker *w,
                                      void (*done)(struct job *job), void *user);
void pgtarget_job_free(struct pgtarget_job **job);

/* Begins to connect without waiting; `resolved` may be NULL if no host is a name. The caller looks
 * at PQstatus() and finishes it. NULL only without memory. */
PGconn *pgtarget_connect(const struct pgtarget *t, const struct pgtarget_job *resolved,
                         int64_t timeout);

#endif
