/* Growing bytes with a maximum. Always NUL-terminated once something was added. */
#ifndef JACKDAW_BASE_STRBUF_H
#define JACKDAW_BASE_STRBUF_H

#include <stdbool.h>
#include <string.h>

#include "base/macros.h"

struct strbuf {
    char *s; /* NULL while empty and untouched */
    size_t len, cap, max;
    bool overflow; /* something did not fit: what was added after is incomplete */
};

/* Starts empty; never grows beyond `max` bytes. Nothing is allocated yet. */
void strbuf_init(struct strbuf *b, size_t max);

/* Room for `len` more bytes, to be written by the caller and claimed with strbuf_claim();
 * NULL (and overflow) beyond the maximum. */
char *strbuf_room(struct strbuf *b, size_t len);
void strbuf_claim(struct strbuf *b, size_t len);

/* Appends. What would exceed the maximum is left out whole and sets `overflow`, so that a chain of
 * additions is checked once, at its end. Inline, since stanzas are written with it piece by piece.
 */
static inline void strbuf_add(struct strbuf *b, const char *s, size_t len)
{
    if (UNLIKELY(len >= b->cap - b->len) && !strbuf_room(b, len))
        return;
    memcpy(b->s + b->len, s, len);
    b->len += len;
    b->s[b->len] = '\0';
}
static inline void strbuf_puts(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}
static inline void strbuf_putc(struct strbuf *b, char c)
{
    strbuf_add(b, &c, 1);
}
void strbuf_printf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Removes the first `len` bytes. */
void strbuf_drop(struct strbuf *b, size_t len);

/* The bytes as a string, "" if nothing was added. Valid until the next change. */
const char *strbuf_str(const struct strbuf *b);

/* Empties it but keeps the memory. */
void strbuf_reset(struct strbuf *b);

/* Gives the memory to the caller (free()), NULL if nothing was added, and starts empty. */
char *strbuf_detach(struct strbuf *b);

/* Frees the memory; the maximum stays. Accepts a zeroed struct. */
void strbuf_free(struct strbuf *b);

#endif
