/* Talking to memcached, which blocks: one round trip of everything that waits, in a thread of the
 * offload pool. One round at a time. */
#ifndef JACKDAW_CACHE_MEMCACHE_H
#define JACKDAW_CACHE_MEMCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

struct memcache;

/* NULL and `e` if libmemcached does not take this text ("--SERVER=127.0.0.1:11211"). Connects
 * later. */
struct memcache *memcache_new(const char *servers, struct err *e);
/* Accepts NULL, sets NULL. */
void memcache_free(struct memcache **m);

/* One key. For a write `value` is what to store (NULL: delete); for a read it is filled in (NULL if
 * there is none). */
struct memcache_item {
    const char *key;
    char *value;
    size_t len;
    uint32_t expires; /* seconds; 0: never */
};

/* Writes all, then reads all. 0, or negative and `e`: then some servers may have taken some of the
 * writes, and the connections are closed. Lasts a fraction of a second even if a server hangs. */
MUST_CHECK int memcache_round(struct memcache *m, const struct memcache_item *writes,
                              size_t n_writes, struct memcache_item *reads, size_t n_reads,
                              struct err *e);

/* Whether, since the last call, a server has been restarted or flushed. */
bool memcache_forgot(struct memcache *m);

#endif
