/* Building a result: what a driver's thread fills before the worker's fiber reads it (store.h). */
#ifndef JACKDAW_STORE_ROWS_H
#define JACKDAW_STORE_ROWS_H

#include "store/store.h"

#define ROWS_MAX_BYTES (64u << 20) /* of a result; statements have a LIMIT well below */

/* An empty result with these column types (which must outlive it). The caller frees it. */
struct store_rows *rows_new(const char *types);

/* Adds a row of NULLs; the rows_set functions fill the last row. False if the result is too big:
 * then the statement has failed. */
MUST_CHECK bool rows_add(struct store_rows *rows);
void rows_set_int(struct store_rows *rows, unsigned col, int64_t value);
MUST_CHECK bool rows_set_bytes(struct store_rows *rows, unsigned col, const void *p, size_t len);

#endif
