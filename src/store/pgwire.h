/* Parameters and results in Postgres's binary form. */
#ifndef JACKDAW_STORE_PGWIRE_H
#define JACKDAW_STORE_PGWIRE_H

#include <libpq-fe.h>

#include "store/op.h"

#define PGWIRE_PARAMS_MAX 32

/* Queues the preparing of a statement with libpq. False if it refuses. */
MUST_CHECK bool pgwire_prepare(PGconn *pg, const struct statement *stmt);

/* Queues a statement with its parameters: of one op, or for a STORE_APPEND of `n` ops of the same
 * statement as one array per column. False if libpq refuses. */
MUST_CHECK bool pgwire_send(PGconn *pg, struct op *const *ops, unsigned n);

/* The rows of a result, as the statement declares them; NULL and `e` if they are something else. */
struct store_rows *pgwire_rows(const PGresult *r, const char *types, struct err *e);

/* Whether a column of this type may be declared as `type`. */
bool pgwire_type_fits(Oid oid, char type);

#endif
