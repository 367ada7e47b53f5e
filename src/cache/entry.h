/* What the presence directory looks like to an outside reader: keys and values. Pure.
 * (contrib/doc/presence-directory.md) */
#ifndef JACKDAW_CACHE_ENTRY_H
#define JACKDAW_CACHE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/presence_cache.h"

#define ENTRY_KEY_MAX 250  /* what memcached takes */
#define ENTRY_NODE_MAX 200 /* of a node's name */
#define ENTRY_JSON_MAX (256u << 10)

/* "jackdaw:online:<bare JID>", or a hash of the JID where memcached would refuse that. */
void entry_key(const char *bare_jid, char out[ENTRY_KEY_MAX + 1]);

/* "jackdaw:node:<node>". */
void entry_node_key(const char *node, char out[ENTRY_KEY_MAX + 1]);

/* Whether a node may be called so: 1 to ENTRY_NODE_MAX letters, digits, '.', '-', '_'. */
bool entry_node_valid(const char *node);

/* The JSON array of resources; those that do not fit any more are left out. The caller frees it. */
char *entry_resources(const struct presence_entry *entries, size_t n);

/* The whole value. The caller frees it. */
char *entry_value(const char *node, uint64_t epoch, const char *bare_jid, const char *resources);

/* Reads the node and epoch of a value, and whether it is about this JID. False if the value is not
 * one of ours: anybody may write to memcached. */
bool entry_read(const char *value, size_t len, const char *bare_jid, char node[ENTRY_NODE_MAX + 1],
                uint64_t *epoch);

#endif
