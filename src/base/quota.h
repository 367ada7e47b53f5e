/* Counters that belong to nobody: connections per address and the like. Together with the log, the
 * only mutable memory that threads share above the loop. Thread safe. */
#ifndef JACKDAW_BASE_QUOTA_H
#define JACKDAW_BASE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define QUOTA_NETWORK_MAX 64
/* Whom an address counts for: itself, or the network of an IPv6 address, since whoever has one of
 * these has all 2^64 of it. What is no address is copied. */
void quota_network(const char *address, char out[QUOTA_NETWORK_MAX]);

/* Takes one of at most `max` places under `name` ("conn 192.0.2.1"). False if all are taken. */
MUST_CHECK bool quota_take(const char *name, int64_t max);

/* Gives it back. */
void quota_give(const char *name);

/* How many are taken. */
int64_t quota_taken(const char *name);

#endif
