/* The presence directory: who is online, where and how, for outside readers and other nodes.
 * Written through to memcached; without a server configured, kept in the process. It may be lost at
 * any time: the homes have the truth and write it again. */
#ifndef JACKDAW_CACHE_PRESENCE_CACHE_H
#define JACKDAW_CACHE_PRESENCE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

struct crew;
struct presence_cache;

struct presence_cache_conf {
    const char *servers; /* libmemcached: "--SERVER=127.0.0.1:11211 ..."; NULL: in the process */
    const char *node;    /* this node's name, part of every entry */
    int64_t heartbeat;   /* µs between two renewals of the node's own key (5 s) */
    int64_t lease;       /* µs after which the entries of a silent node are void (30 s) */
    unsigned queue_max;  /* changes that may wait (10000); beyond, the oldest are forgotten */
};

/* One online resource. */
struct presence_entry {
    const char *resource;
    const char *show; /* "", "chat", "away", "xa", "dnd" */
    int priority;
    int64_t since; /* wall µs */
};

/* The format, for outside readers (documented in contrib/doc/presence-directory.md):
 *   key "jackdaw:node:<node>", value "<epoch>": expires after the lease, renewed by the heartbeat
 *   key "jackdaw:online:<bare JID>", value JSON {"node":..,"epoch":..,"jid":..,"resources":[
 *   {"resource":..,"show":..,"priority":..,"since":..}]}: valid only while the node's key holds the
 *   same epoch. JIDs that memcached refuses in a key are replaced by a hash. */

/* Starts the heartbeat on the crew's first worker. NULL and `e` if the settings are unusable;
 * servers that cannot be reached are no error. */
struct presence_cache *presence_cache_start(struct crew *crew,
                                            const struct presence_cache_conf *conf, struct err *e);

/* Says what `bare_jid` is from now on; n == 0: offline. Returns at once; written by the offload
 * pool in batches, a newer value of the same JID replacing one still waiting. From any worker. */
void presence_cache_set(struct presence_cache *c, const char *bare_jid,
                        const struct presence_entry *entries, size_t n);

enum { PRESENCE_CACHE_AWAY = -30 };

/* What the directory says: a JSON text (caller frees) or NULL if offline or unknown. 0, or
 * PRESENCE_CACHE_AWAY, or a wait_result below 0. From a fiber of any worker. */
MUST_CHECK int presence_cache_get(struct presence_cache *c, const char *bare_jid,
                                  char **json) MAY_YIELD;

/* `fn(arg)` is called (on the first worker) when the servers came back or were found flushed: it
 * has every online account written again. Set before the workers serve. */
void presence_cache_on_lost(struct presence_cache *c, void (*fn)(void *arg), void *arg);

struct presence_cache_stats {
    uint64_t written, dropped, failures;
    bool up;
};
/* A snapshot; from any thread. */
void presence_cache_stats(const struct presence_cache *c, struct presence_cache_stats *out);

/* Writes what waits (for a second at most), removes the node's key, frees. Before crew_stop(). */
void presence_cache_stop(struct presence_cache **c);

#endif
