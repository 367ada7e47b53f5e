#include "base/throttle.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

/* One name: `until` is when the last of what has happened will be forgotten, so the distance from
 * now says how much that is. */
struct cell {
    uint64_t key; /* hashed under the process's own key: nobody can aim at another's cell */
    int64_t until;
};

static struct memory {
    pthread_mutex_t lock;
    struct cell cells[THROTTLE_SETS][THROTTLE_WAYS];
} memories[THROTTLES] = {[0 ... THROTTLES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

uint64_t throttle_key(const char *what, const char *a, const char *b)
{
    uint64_t parts[] = {hash_bytes(what, strlen(what)), hash_bytes(a, strlen(a)),
                        hash_bytes(b, strlen(b))};
    return hash_bytes(parts, sizeof(parts));
}

/* The cell of this name; or, with `make`, the one that it takes over; or NULL. */
static struct cell *find(struct memory *m, uint64_t key, bool make)
{
    struct cell *set = m->cells[key % THROTTLE_SETS], *least = set;
    for (unsigned i = 0; i < THROTTLE_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].until < least->until)
            least = &set[i];
    }
    if (!make)
        return NULL;
    *least = (struct cell){.key = key};
    return least;
}

void throttle_add(enum throttle t, uint64_t key, const struct throttle_rate *rate)
{
    int64_t now = clock_mono(), most = now + 2 * rate->window;
    pthread_mutex_lock(&memories[t].lock);
    struct cell *c = find(&memories[t], key, true);
    int64_t until = (c->until > now ? c->until : now) + rate->window / rate->max;
    c->until = until < most ? until : most;
    pthread_mutex_unlock(&memories[t].lock);
}

bool throttle_full(enum throttle t, uint64_t key, const struct throttle_rate *rate)
{
    int64_t now = clock_mono();
    pthread_mutex_lock(&memories[t].lock);
    const struct cell *c = find(&memories[t], key, false);
    bool full = c && c->until > now + rate->window - rate->window / rate->max;
    pthread_mutex_unlock(&memories[t].lock);
    return full;
}

void throttle_forget(enum throttle t, uint64_t key)
{
    pthread_mutex_lock(&memories[t].lock);
    struct cell *c = find(&memories[t], key, false);
    if (c)
        *c = (struct cell){0};
    pthread_mutex_unlock(&memories[t].lock);
}
