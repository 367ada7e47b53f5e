/* The message of SASL PLAIN (RFC 4616). */
#ifndef JACKDAW_XMPP_PLAIN_H
#define JACKDAW_XMPP_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* Points into the message; neither prepared nor checked for UTF-8. */
struct plain {
    const char *authzid; /* "" if none */
    const char *user;
    const char *password;
    size_t password_len;
};

/* Takes the message apart: `len` bytes of anything, followed by a NUL. False if it is not two names
 * and a password, of which the last two are not empty. */
MUST_CHECK bool plain_parse(const char *msg, size_t len, struct plain *out);

#endif
