#include "base/mem.h"

#include <errno.h>
#include <sys/random.h>

NO_RETURN static void out_of_memory(size_t size)
{
    fprintf(stderr, "jackdaw: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);
    if (UNLIKELY(!ptr))
        out_of_memory(size);
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (UNLIKELY(!ptr))
        out_of_memory(size);
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size ? size : 1);
    if (UNLIKELY(!grown))
        out_of_memory(size);
    return grown;
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void mem_clear(void *ptr, size_t len)
{
    explicit_bzero(ptr, len);
}

bool mem_equal_ct(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char diff = 0;
    for (size_t i = 0; i < len; i++)
        diff |= (unsigned char)(x[i] ^ y[i]);
    return diff == 0;
}

void mem_random(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        INVARIANT(got > 0);
        p += got;
        len -= (size_t)got;
    }
}

void mem_random_token(char *out, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    mem_random(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[(unsigned char)out[i] & 63];
    out[len] = '\0';
}

void invariant_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "jackdaw: %s:%d: this must hold but does not: %s\n", file, line, cond);
    abort();
}
