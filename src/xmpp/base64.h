/* Base64 (RFC 4648 section 4), strict: padding required, no white space, unused bits zero. */
#ifndef JACKDAW_XMPP_BASE64_H
#define JACKDAW_XMPP_BASE64_H

#include "base/macros.h"

/* Room for the encoding of `len` bytes with its NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* Writes the encoding and a NUL. Returns its length without NUL, -1 if it does not fit. */
int base64_encode(const void *in, size_t len, char *out, size_t out_size);

/* Returns the decoded length; -1 if it does not fit or is not base64. No NUL is added. */
int base64_decode(const char *in, size_t len, void *out, size_t out_size);

#endif
