/* SASL, the client's side, written apart from the server's: SCRAM with its hashes (RFC 5802,
 * RFC 7677), PLAIN, EXTERNAL, ANONYMOUS. */
#ifndef TALK_SASL_H
#define TALK_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define SASL_KEY_MAX 64
struct sasl_hash;

/* What the client says; the members that are NULL are as they should be. */
struct sasl_conf {
    const char *user, *password;
    const char *authzid;
    const char *gs2; /* "n", "y" or "p=tls-exporter" */
    const char
        *offer; /* what the server offered, as XEP-0474 section 5.1 hashes it; NULL: unseen */
    const char *nonce;   /* the client's */
    const char *initial; /* "no": the first message only when the server asks for it */
    const unsigned char *cb;
    size_t cb_len;
};

struct sasl {
    struct arena *arena;
    struct sasl_conf conf;
    const struct sasl_hash *hash; /* of SCRAM; NULL for other mechanisms */
    const char *gs2_header, *first_bare, *auth_message;
    const char *salt; /* of the challenge, in base64 */
    int rounds;
    unsigned char salted[SASL_KEY_MAX];
};

/* The client's first message of this mechanism, in base64, in the arena; what other mechanisms say
 * is "". */
const char *sasl_first(struct sasl *s, struct arena *a, const char *mechanism,
                       const struct sasl_conf *conf);

/* The client's final message of SCRAM, in base64, for the server's challenge (base64). NULL and
 * `e`, also if the server says that it has offered something else (XEP-0474). */
const char *sasl_final(struct sasl *s, const char *challenge, struct err *e);

/* Whether the server's final message (base64) proves that it knows the keys; for mechanisms without
 * such a proof, whether there is none. */
bool sasl_verify(struct sasl *s, const char *server_final);

/* Encodes into the arena. */
const char *base64_of(struct arena *a, const void *data, size_t len);
/* Decodes into the arena, NUL-terminated; NULL if it is not base64. */
char *base64_read(struct arena *a, const char *text, size_t *len);

#endif
