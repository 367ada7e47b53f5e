#include "base/arena.h"

#include <stdarg.h>

#include "base/mem.h"

#define ARENA_BLOCK_MIN 2048

struct block {
    struct block *next;
    size_t size, used;
    char data[] __attribute__((aligned(8)));
};

struct arena {
    struct block *top; /* the block that allocations come from */
    size_t total;
    struct block first; /* its data follows the arena */
};

struct arena *arena_new(size_t first)
{
    struct arena *a = mem_alloc(sizeof(*a) + first);
    a->total = sizeof(*a) + first;
    a->first = (struct block){.next = NULL, .size = first, .used = 0};
    a->top = &a->first;
    return a;
}

static void *alloc_block(struct arena *a, size_t size)
{
    size_t room = size > ARENA_BLOCK_MIN / 2 ? size : ARENA_BLOCK_MIN;
    struct block *b = mem_alloc(sizeof(*b) + room);
    *b = (struct block){.size = room, .used = size};
    a->total += sizeof(*b) + room;
    if (room == size) { /* a big one of its own: keep the block that still has room on top */
        b->next = a->top->next;
        a->top->next = b;
    } else {
        b->next = a->top;
        a->top = b;
    }
    return b->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    struct block *b = a->top;
    if (UNLIKELY(b->size - b->used < size))
        return alloc_block(a, size);
    void *ptr = b->data + b->used;
    b->used += size;
    return ptr;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    INVARIANT(len >= 0);
    char *out = arena_alloc(a, (size_t)len + 1);
    vsnprintf(out, (size_t)len + 1, fmt, again);
    va_end(again);
    return out;
}

size_t arena_size(const struct arena *a)
{
    return a->total;
}

size_t arena_used(const struct arena *a)
{
    size_t used = 0;
    for (const struct block *b = a->top; b; b = b->next)
        used += b->used;
    return used;
}

void arena_free(struct arena **ap)
{
    struct arena *a = *ap;
    if (!a)
        return;
    for (struct block *b = a->top; b;) {
        struct block *next = b->next;
        if (b != &a->first)
            free(b);
        b = next;
    }
    free(a);
    *ap = NULL;
}
