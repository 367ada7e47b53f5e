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

/* A server context for these hosts; the first is used without SNI or for an unknown name. `alpn` is
 * the protocol accepted if the client offers ALPN ("xmpp-client"), NULL for any. TLS 1.2 and later,
 * session tickets on, SSL_MODE_RELEASE_BUFFERS. NULL and `e` (naming the file) on failure. */
struct tls_context *tls_server_new(const struct tls_host *hosts, unsigned count, const char *alpn,
                                   struct err *e);

/* Another reference, the caller's; returns `t`. */
struct tls_context *tls_ref(struct tls_context *t);

/* Gives up a reference; the last one frees. Accepts NULL, sets *t to NULL. */
void tls_unref(struct tls_context **t);

/* A new SSL object of this context for one connection, the caller's (SSL_free()). The context must
 * outlive it. */
SSL *tls_server_ssl(struct tls_context *t);

/* The protocol given as `alpn`, "" if any is accepted. */
const char *tls_alpn(const struct tls_context *t);

/* Writes a self-signed ECDSA P-256 certificate and key for `host` (valid 825 days) if `cert_file`
 * does not exist: for trying it out. The key file is made with mode 0600; if there is one already,
 * the certificate is made for its key. 0 or -1 and `e`. */
MUST_CHECK int tls_self_signed(const char *host, const char *cert_file, const char *key_file,
                               struct err *e);

#endif
