/* Keyed hashing: SipHash-2-4. With a key from the CSPRNG, peers cannot choose collisions. */
#ifndef JACKDAW_BASE_HASH_H
#define JACKDAW_BASE_HASH_H

#include <stdint.h>

#include "base/macros.h"

struct hash_key {
    uint64_t k0, k1;
};

/* SipHash-2-4 of `len` bytes. */
uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t len);

/* The same under this process's own random key: for tables in memory, never for what is stored. */
uint64_t hash_bytes(const void *data, size_t len);

#endif
