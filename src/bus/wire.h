/* Numbers and bytes on the bus: fixed-size little endian, lengths before bytes. */
#ifndef JACKDAW_BUS_WIRE_H
#define JACKDAW_BUS_WIRE_H

#include <stdint.h>

#include "base/strbuf.h"

/* A reader over borrowed bytes. After something was missing, `bad` is set and everything reads as
 * zero. */
struct wire {
    const char *p, *end;
    bool bad;
};

/* Appends. */
void wire_put_u64(struct strbuf *out, uint64_t v);
void wire_put_u32(struct strbuf *out, uint32_t v);
/* NULL is kept apart from empty. */
void wire_put_bytes(struct strbuf *out, const char *s, size_t len);
void wire_put_str(struct strbuf *out, const char *s);

/* Reads what was put; 0 and `bad` if it is not there. */
uint64_t wire_u64(struct wire *in);
uint32_t wire_u32(struct wire *in);
/* Points into the buffer, not NUL-terminated; NULL for NULL and when bad. */
const char *wire_bytes(struct wire *in, size_t *len);

#endif
