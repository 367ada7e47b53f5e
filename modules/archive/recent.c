#include "recent.h"

#include "core/module.h"

#define CAP_FIRST 16

static uint32_t *bucket_of(const struct recent *r, int64_t origin)
{
    return &r->buckets[(uint64_t)origin & (r->cap - 1)]; /* it is a hash already */
}

static void link_entry(struct recent *r, uint32_t at)
{
    uint32_t *bucket = bucket_of(r, r->ring[at].origin);
    r->ring[at].next = *bucket;
    *bucket = at + 1;
}

static void unlink_entry(struct recent *r, uint32_t at)
{
    uint32_t *link = bucket_of(r, r->ring[at].origin);
    while (*link != at + 1)
        link = &r->ring[*link - 1].next;
    *link = r->ring[at].next;
}

static void grow(struct recent *r, uint32_t max)
{
    uint32_t cap = r->cap ? r->cap * 2 : CAP_FIRST;
    if (cap > max)
        cap = max;
    r->ring = mem_realloc(r->ring, cap * sizeof(*r->ring));
    free(r->buckets);
    r->buckets = mem_zalloc(cap * sizeof(*r->buckets));
    r->cap = cap;
    for (uint32_t i = 0; i < r->used; i++)
        link_entry(r, i);
    r->at = r->used;
}

void recent_add(struct recent *r, uint32_t max, int64_t origin, int64_t id)
{
    if (r->used == r->cap && r->cap < max)
        grow(r, max);
    uint32_t at = r->at;
    if (r->used == r->cap)
        unlink_entry(r, at);
    else
        r->used++;
    r->ring[at] = (struct recent_entry){.origin = origin, .id = id};
    link_entry(r, at);
    r->at = (at + 1) & (r->cap - 1);
}

struct recent_entry *recent_find(const struct recent *r, int64_t origin)
{
    if (!r->cap)
        return NULL;
    for (uint32_t at = *bucket_of(r, origin); at; at = r->ring[at - 1].next)
        if (r->ring[at - 1].origin == origin)
            return &r->ring[at - 1];
    return NULL;
}

void recent_clear(struct recent *r)
{
    free(r->ring);
    free(r->buckets);
    *r = (struct recent){0};
}
