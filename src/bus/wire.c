#include "bus/wire.h"

#define WIRE_NULL UINT32_MAX

void wire_put_u64(struct strbuf *out, uint64_t v)
{
    char b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (char)(v >> (8 * i));
    strbuf_add(out, b, sizeof(b));
}

void wire_put_u32(struct strbuf *out, uint32_t v)
{
    char b[4];
    for (int i = 0; i < 4; i++)
        b[i] = (char)(v >> (8 * i));
    strbuf_add(out, b, sizeof(b));
}

void wire_put_bytes(struct strbuf *out, const char *s, size_t len)
{
    wire_put_u32(out, s ? (uint32_t)len : WIRE_NULL);
    if (s)
        strbuf_add(out, s, len);
}

void wire_put_str(struct strbuf *out, const char *s)
{
    wire_put_bytes(out, s, s ? strlen(s) : 0);
}

static const unsigned char *take(struct wire *in, size_t n)
{
    if (in->bad || (size_t)(in->end - in->p) < n) {
        in->bad = true;
        return NULL;
    }
    const char *p = in->p;
    in->p += n;
    return (const unsigned char *)p;
}

uint64_t wire_u64(struct wire *in)
{
    const unsigned char *p = take(in, 8);
    uint64_t v = 0;
    for (int i = 0; p && i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint32_t wire_u32(struct wire *in)
{
    const unsigned char *p = take(in, 4);
    uint32_t v = 0;
    for (int i = 0; p && i < 4; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

const char *wire_bytes(struct wire *in, size_t *len)
{
    uint32_t n = wire_u32(in);
    *len = 0;
    if (in->bad || n == WIRE_NULL)
        return NULL;
    const unsigned char *p = take(in, n);
    if (p)
        *len = n;
    return (const char *)p;
}
