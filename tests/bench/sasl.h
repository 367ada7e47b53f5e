/* The client's side of SASL: PLAIN, SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677). ASCII names and
 * passwords only, so nothing is prepared. */
#ifndef JACKDAW_BENCH_SASL_H
#define JACKDAW_BENCH_SASL_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "scan.h"

#define SASL_SALT_MAX 128
#define SASL_HASH_MAX 32

/* What a password derives to; kept from one login to the next, as clients do, so that a generator
 * does not spend its time on PBKDF2. Zero-initialise. */
struct sasl_keys {
    char salt[SASL_SALT_MAX]; /* in base64, as it came */
    unsigned iterations;
    unsigned char client_key[SASL_HASH_MAX], server_key[SASL_HASH_MAX];
};

struct sasl_mechanism;

/* One exchange. Zero-initialise. */
struct sasl {
    const struct sasl_mechanism *mechanism;
    char nonce[25];
    char first_bare[256];
    unsigned char server_signature[SASL_HASH_MAX];
};

/* Chooses the best mechanism that <stream:features/> offers, or the one named `only` if that is not
 * NULL, and writes <auth/>. False if none fits. */
bool sasl_start(struct sasl *s, struct slice features, const char *only, const char *user,
                const char *password, struct strbuf *out);

/* Answers a <challenge/>. False if it makes no sense. */
bool sasl_step(struct sasl *s, struct slice challenge, const char *password, struct sasl_keys *keys,
               struct strbuf *out);

/* Whether the server has proved in its <success/> that it knows the password too. */
bool sasl_finish(const struct sasl *s, struct slice success);

#endif
