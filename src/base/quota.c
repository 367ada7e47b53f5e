#include "base/quota.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <uthash.h>

#include "base/hash.h"
#include "base/mem.h"

#define SHARDS 16

struct count {
    UT_hash_handle hh;
    int64_t taken;
    char name[];
};

static struct shard {
    pthread_mutex_t lock;
    struct count *counts;
} shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* Locks the shard of `name` and finds its count; the caller unlocks. */
static struct shard *find(const char *name, struct count **c)
{
    struct shard *s = &shards[hash_bytes(name, strlen(name)) % SHARDS];
    pthread_mutex_lock(&s->lock);
    HASH_FIND_STR(s->counts, name, *c);
    return s;
}

void quota_network(const char *address, char out[QUOTA_NETWORK_MAX])
{
    struct in6_addr a;
    if (inet_pton(AF_INET6, address, &a) == 1) {
        memset(a.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &a, out, QUOTA_NETWORK_MAX);
    } else {
        snprintf(out, QUOTA_NETWORK_MAX, "%s", address);
    }
}

bool quota_take(const char *name, int64_t max)
{
    struct count *c;
    struct shard *s = find(name, &c);
    bool ok = (c ? c->taken : 0) < max;
    if (ok && !c) {
        size_t len = strlen(name);
        c = mem_zalloc(sizeof(*c) + len + 1);
        memcpy(c->name, name, len + 1);
        HASH_ADD_KEYPTR(hh, s->counts, c->name, len, c);
    }
    if (ok)
        c->taken++;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

void quota_give(const char *name)
{
    struct count *c;
    struct shard *s = find(name, &c);
    INVARIANT(c && c->taken > 0);
    if (--c->taken == 0) {
        HASH_DEL(s->counts, c);
        free(c);
    }
    pthread_mutex_unlock(&s->lock);
}

int64_t quota_taken(const char *name)
{
    struct count *c;
    struct shard *s = find(name, &c);
    int64_t taken = c ? c->taken : 0;
    pthread_mutex_unlock(&s->lock);
    return taken;
}
