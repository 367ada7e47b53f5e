#include "xmpp/base64.h"

#include <limits.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const void *in, size_t len, char *out, size_t out_size)
{
    const unsigned char *p = in;
    if (len > INT_MAX / 2 || BASE64_SIZE(len) > out_size)
        return -1;
    char *to = out;
    for (; len >= 3; len -= 3, p += 3) {
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *to++ = alphabet[p[2] & 63];
    }
    if (len > 0) {
        unsigned second = len == 2 ? p[1] : 0;
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        *to++ = len == 2 ? alphabet[(second & 15) << 2] : '=';
        *to++ = '=';
    }
    *to = '\0';
    return (int)(to - out);
}

/* 0..63, or -1. */
static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *in, size_t len, void *out, size_t out_size)
{
    unsigned char *to = out;
    size_t pad = 0, n = 0;
    if (len % 4 != 0 || len > INT_MAX)
        return -1;
    while (pad < 2 && pad < len && in[len - 1 - pad] == '=')
        pad++;
    if (len / 4 * 3 - pad > out_size)
        return -1;
    uint32_t bits = 0;
    for (size_t i = 0; i < len - pad; i++) {
        int d = digit(in[i]);
        if (d < 0)
            return -1;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 > 0)
            to[n++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    /* The last digit before padding has 2 or 4 bits that belong to no byte. */
    if (pad > 0 && (bits & ((1u << (2 * pad)) - 1)) != 0)
        return -1;
    return (int)n;
}
