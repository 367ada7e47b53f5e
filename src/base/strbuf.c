#include "base/strbuf.h"

#include <stdarg.h>

#include "base/mem.h"

#define STRBUF_FIRST 128

void strbuf_init(struct strbuf *b, size_t max)
{
    *b = (struct strbuf){.max = max};
}

char *strbuf_room(struct strbuf *b, size_t len)
{
    if (UNLIKELY(len > b->max || b->len > b->max - len)) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : STRBUF_FIRST;
        while (cap < need)
            cap *= 2;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->s = mem_realloc(b->s, cap);
        b->cap = cap;
    }
    return b->s + b->len;
}

void strbuf_claim(struct strbuf *b, size_t len)
{
    INVARIANT(b->len + len < b->cap);
    b->len += len;
    b->s[b->len] = '\0';
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    INVARIANT(len >= 0);
    char *room = strbuf_room(b, (size_t)len);
    if (room) {
        vsnprintf(room, (size_t)len + 1, fmt, again);
        strbuf_claim(b, (size_t)len);
    }
    va_end(again);
}

void strbuf_drop(struct strbuf *b, size_t len)
{
    INVARIANT(len <= b->len);
    if (len == 0)
        return;
    memmove(b->s, b->s + len, b->len - len + 1);
    b->len -= len;
}

const char *strbuf_str(const struct strbuf *b)
{
    return b->s ? b->s : "";
}

void strbuf_reset(struct strbuf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->s)
        b->s[0] = '\0';
}

char *strbuf_detach(struct strbuf *b)
{
    char *s = b->s;
    strbuf_init(b, b->max);
    return s;
}

void strbuf_free(struct strbuf *b)
{
    free(b->s);
    strbuf_init(b, b->max);
}
