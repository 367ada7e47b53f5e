/* Allocation that cannot fail, and memory that holds secrets. */
#ifndef JACKDAW_BASE_MEM_H
#define JACKDAW_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* malloc, calloc, realloc, strndup that abort when memory is out. The caller frees with free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *s, size_t len) __attribute__((malloc, returns_nonnull));

/* Allocates a zeroed object of *ptr's type. */
#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

/* Frees *ptr and sets it to NULL. */
#define mem_free(ptr)                                                                              \
    do {                                                                                           \
        free(*(ptr));                                                                              \
        *(ptr) = NULL;                                                                             \
    } while (0)

/* Overwrites `len` bytes so that the compiler may not leave it out. */
void mem_clear(void *ptr, size_t len);

/* Whether two buffers of `len` bytes are equal, in time that depends only on `len`. */
bool mem_equal_ct(const void *a, const void *b, size_t len);

/* Fills `len` bytes from the operating system's CSPRNG; aborts if it has none. */
void mem_random(void *out, size_t len);

/* A token of `len` characters from [A-Za-z0-9_-] (6 bits each, from the CSPRNG); `out` has len + 1.
 */
void mem_random_token(char *out, size_t len);

#endif
