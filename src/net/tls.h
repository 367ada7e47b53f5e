/* TLS contexts: certificates by host (SNI), versions, ALPN. Immutable once made, so that all
 * workers may use one; a reload makes a new one and lets connections keep the old. */
#ifndef JACKDAW_NET_TLS_H
#define JACKDAW_NET_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/err.h"

struct tls_context; /* reference-counted, thread safe */

struct tls_host {
    const char *name;      /* the host the certificate is for (A-labels): chosen by SNI */
    const char *cert_file; /* PEM, the chain after the certificate */
    const char *key_file;  /* PEM */
    const char *client_ca; /* PEM: clients are asked for a certificate that these have signed; what
                              they show, or that they show none, does not end the handshake (see
                              net/tls_peer.h). NULL: they are not asked */
};

struct tls_conf {
    const char *alpn;    /* the protocol accepted if the client offers ALPN, NULL for any */
    const char *ciphers; /* of TLS 1.2, as OpenSSL names them; NULL: TLS_CIPHERS */
    bool only_13;        /* TLS 1.3 and later, else 1.2 and later */
};

/* Only ciphers with forward secrecy and authenticated encryption; those of TLS 1.3 all are. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* A server context for these hosts; the first is used without SNI or for an unknown name. Session
 * tickets on, SSL_MODE_RELEASE_BUFFERS. NULL and `e` (naming the file) on failure. */
struct tls_context *tls_server_new(const struct tls_host *hosts, unsigned count,
                                   const struct tls_conf *conf, struct err *e);

/* Takes something to say about one of the hosts. */
typedef void tls_report_fn(void *arg, const char *host, const char *text);

/* A new context in the place of `old`, which has the same hosts and goes on. A host whose files
 * cannot be used keeps what it has, and `refused` is told why. NULL and `e` if the rest is wrong.
 */
struct tls_context *tls_server_renew(struct tls_context *old, const struct tls_host *hosts,
                                     unsigned count, const struct tls_conf *conf,
                                     tls_report_fn *refused, void *arg, struct err *e);

/* Tells `warn` of every certificate that has expired, expires within 14 days, is not valid yet or
 * does not name its host. */
void tls_inspect(const struct tls_context *t, tls_report_fn *warn, void *arg);

/* SHA-256 of the host's certificate in hex; "" if there is no such host. */
void tls_fingerprint(const struct tls_context *t, const char *host, char out[65]);

/* Another reference, the caller's; returns `t`. */
struct tls_context *tls_ref(struct tls_context *t);

/* Gives up a reference; the last one frees. Accepts NULL, sets *t to NULL. */
void tls_unref(struct tls_context **t);

/* A new SSL object of this context for one connection, the caller's (SSL_free()). The context must
 * outlive it. A client that names no host gets the certificate of the host `name`, in A-labels; of
 * the first one if that is NULL or not there. */
SSL *tls_server_ssl(struct tls_context *t, const char *name);

/* The protocol given as `alpn`, "" if any is accepted. */
const char *tls_alpn(const struct tls_context *t);

/* Writes a self-signed ECDSA P-256 certificate and key for `host` (`dns`: the same in A-labels;
 * valid 825 days) if `cert_file` does not exist: for trying it out. The key file is made with mode
 * 0600; if there is one already, the certificate is made for its key. 0 or -1 and `e`. */
MUST_CHECK int tls_self_signed(const char *host, const char *dns, const char *cert_file,
                               const char *key_file, struct err *e);

#endif
