/* SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, written apart from the server's. */
#ifndef TALK_SASL_H
#define TALK_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

/* What the client says; the members that are NULL are as they should be. */
struct sasl_conf {
    const char *user, *password;
    const char *authzid;
    const char *gs2;   /* "n", "y" or "p=tls-exporter" */
    const char *nonce; /* the client's */
    const unsigned char *cb;
    size_t cb_len;
};

struct sasl {
    struct arena *arena;
    struct sasl_conf conf;
    const char *gs2_header, *first_bare, *auth_message;
    const char *salt; /* of the challenge, in base64 */
    int rounds;
    unsigned char salted[32];
};

/* The client's first message, in base64, in the arena. */
const char *sasl_first(struct sasl *s, struct arena *a, const struct sasl_conf *conf);

/* The client's final message, in base64, for the server's challenge (base64). NULL and `e`. */
const char *sasl_final(struct sasl *s, const char *challenge, struct err *e);

/* Whether the server's final message (base64) proves that it knows the keys. */
bool sasl_verify(struct sasl *s, const char *server_final);

/* Encodes into the arena. */
const char *base64_of(struct arena *a, const void *data, size_t len);
/* Decodes into the arena, NUL-terminated; NULL if it is not base64. */
char *base64_read(struct arena *a, const char *text, size_t *len);

#endif
