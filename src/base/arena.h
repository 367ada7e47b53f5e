/* An arena: allocations that live and die together. Not thread safe while allocating. */
#ifndef JACKDAW_BASE_ARENA_H
#define JACKDAW_BASE_ARENA_H

#include "base/macros.h"

struct arena;

/* A new arena whose first block has room for `first` bytes in the same allocation as its header.
 * Further blocks are allocated as needed. The caller owns it: arena_free(). */
struct arena *arena_new(size_t first) __attribute__((returns_nonnull));

/* `size` bytes, aligned to 8, uninitialised / zeroed, valid until the arena is freed. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));

/* A NUL-terminated copy of `len` bytes. */
char *arena_strndup(struct arena *a, const char *s, size_t len) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));

/* printf into the arena. */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3)
    __attribute__((returns_nonnull));

/* Bytes taken from the allocator so far, for limits and statistics. */
size_t arena_size(const struct arena *a);

/* Bytes given out so far, with their padding: a first block of this size would have held them all.
 */
size_t arena_used(const struct arena *a);

/* Frees every block and sets *a to NULL. Accepts NULL. */
void arena_free(struct arena **a);

#endif
