/* SCRAM, the server's side (RFC 5802, 7677, 9266, XEP-0474). Pure: no I/O, no store. */
#ifndef JACKDAW_XMPP_SCRAM_H
#define JACKDAW_XMPP_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "xmpp/base64.h"

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256, SCRAM_SHA512, SCRAM_HASHES };
#define SCRAM_KEY_MAX 64 /* bytes of a SHA-512 */
#define SCRAM_SALT_MAX 64
#define SCRAM_SALT_LEN 16 /* of new keys, and of those that scram_fake_keys() makes */
#define SCRAM_MESSAGE_MAX 4096

/* What is stored of a password, per hash. Never the password. */
struct scram_keys {
    uint32_t iterations;
    unsigned char salt[SCRAM_SALT_MAX];
    size_t salt_len;
    unsigned char stored_key[SCRAM_KEY_MAX], server_key[SCRAM_KEY_MAX];
};

/* Bytes of a key of this kind, and the name of the mechanism. */
size_t scram_hash_size(enum scram_hash h);
const char *scram_hash_name(enum scram_hash h); /* "SCRAM-SHA-256" */

/* Derives keys from a password (already SASLprepped). Slow by design: offload it. */
void scram_derive(enum scram_hash h, const char *password, const unsigned char *salt,
                  size_t salt_len, uint32_t iterations, struct scram_keys *out);

/* Whether `password` (SASLprepped) has these keys; constant time in the comparison. Slow. */
bool scram_check_password(enum scram_hash h, const char *password, const struct scram_keys *keys);

/* Keys for a user who does not exist: the same for a name (prepared) each time, indistinguishable
 * from a real user's; `secret` is the host's. No password matches them. */
void scram_fake_keys(enum scram_hash h, const char *user, const unsigned char secret[32],
                     uint32_t iterations, struct scram_keys *out);

/* One exchange: scram_new, _first, _challenge, _final, _free. */
struct scram;
#define SCRAM_BINDINGS 3
#define SCRAM_BINDING_MAX 64
/* A channel binding: what both ends of the TLS connection know and nobody between them. */
struct scram_binding {
    const char *name; /* "tls-exporter"; NULL: none */
    unsigned char data[SCRAM_BINDING_MAX];
    size_t len;
};
struct scram_conf {
    enum scram_hash hash;
    bool plus;         /* the -PLUS mechanism was chosen */
    bool plus_offered; /* we advertised a -PLUS mechanism: gs2 flag "y" is then a downgrade */
    struct scram_binding bindings[SCRAM_BINDINGS]; /* of which the client names one */
    const char *offer; /* what was offered, as XEP-0474 section 5.1 hashes it; NULL: no hash */
};
/* Everything in `conf` is copied. */
struct scram *scram_new(const struct scram_conf *conf);
/* Clears the keys it holds. Accepts NULL, sets NULL. */
void scram_free(struct scram **s);

enum scram_result {
    SCRAM_OK = 0,
    SCRAM_MALFORMED,      /* malformed-request */
    SCRAM_NOT_AUTHORIZED, /* not-authorized: wrong proof, channel binding, nonce */
    SCRAM_AUTHZID,        /* invalid-authzid: an authzid other than the user's own */
};

/* Takes the client's first message (decoded from base64, `len` bytes, may hold anything). On
 * SCRAM_OK the user name is in scram_user() and the authzid, if any, in scram_authzid(): the caller
 * answers SCRAM_AUTHZID if that is not the user's own bare JID. A gs2 flag that does not fit the
 * mechanism is malformed; a channel binding that we do not have, or a client that believes we have
 * none, is not authorized (RFC 5802 section 6). */
MUST_CHECK enum scram_result scram_first(struct scram *s, const char *msg, size_t len);
const char *scram_user(const struct scram *s);    /* unescaped, not prepared */
const char *scram_authzid(const struct scram *s); /* "" if none */

/* The challenge for these keys, NUL-terminated, valid until the next call. */
const char *scram_challenge(struct scram *s, const struct scram_keys *keys);

/* Checks the client's final message, once; on SCRAM_OK *server_final is "v=..." valid until
 * scram_free(). */
MUST_CHECK enum scram_result scram_final(struct scram *s, const char *msg, size_t len,
                                         const char **server_final);

/* For tests only: the server's part of the nonce, so that the RFCs' examples come out. Before
 * scram_challenge(). */
void scram_set_nonce_for_test(struct scram *s, const char *nonce);

#endif
