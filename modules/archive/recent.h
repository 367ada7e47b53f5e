/* The messages of an account that are remembered by what their sender called them, so that one that
 * is sent again is known. The newest `max` of them; memory grows with use. */
#ifndef JACKDAW_ARCHIVE_RECENT_H
#define JACKDAW_ARCHIVE_RECENT_H

#include <stddef.h>
#include <stdint.h>

struct recent_entry {
    int64_t origin; /* hash of peer, direction and origin-id; 0: forgotten */
    int64_t id;     /* in the archive */
    uint32_t next;  /* in its bucket: index + 1, 0 at the end */
};

struct recent {
    struct recent_entry *ring;
    uint32_t *buckets; /* index + 1 of the first entry, 0 if none; `cap` of them */
    uint32_t cap;      /* a power of two, 0 while nothing is remembered */
    uint32_t at, used; /* where the next one goes; how many there are */
};

/* Remembers; beyond `max` (a power of two) the oldest is forgotten. `origin` is not 0. */
void recent_add(struct recent *r, uint32_t max, int64_t origin, int64_t id);

/* The entry with this origin, NULL if it is not remembered. Valid until the next recent_add(). */
struct recent_entry *recent_find(const struct recent *r, int64_t origin);

/* Forgets everything and frees the memory. */
void recent_clear(struct recent *r);

#endif
