/* Counters that belong to nobody: connections per address and the like. Together with the log, the
 * only mutable memory that threads share above the loop. Thread safe. */
#ifndef JACKDAW_BASE_QUOTA_H
#define JACKDAW_BASE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* Takes one of at most `max` places under `name` ("conn 192.0.2.1"). False if all are taken. */
MUST_CHECK bool quota_take(const char *name, int64_t max);

/* Gives it back. */
void quota_give(const char *name);

/* How many are taken. */
int64_t quota_taken(const char *name);

#endif
