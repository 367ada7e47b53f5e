/* What a finished TLS handshake says about the two ends: channel bindings, and whose certificate
 * the client has shown. Everything takes conn_tls(). */
#ifndef JACKDAW_NET_TLS_PEER_H
#define JACKDAW_NET_TLS_PEER_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define TLS_BINDING_MAX 64 /* bytes of any channel binding below */

/* Writes the data of one type of channel binding; its length, 0 if this connection has none. `ssl`
 * may be NULL: no TLS, no binding. */
typedef size_t tls_binding_fn(SSL *ssl, unsigned char out[TLS_BINDING_MAX]);

/* tls-exporter (RFC 9266). None in TLS 1.2 without the extended master secret. */
tls_binding_fn tls_exporter;

/* tls-unique (RFC 5929 section 3): the first Finished message of the handshake. Needs the extended
 * master secret, and is not defined in TLS 1.3, where some clients use that message all the same.
 */
tls_binding_fn tls_unique;

/* tls-server-end-point (RFC 5929 section 4): a hash of our certificate. None for a certificate
 * whose signature names no hash (Ed25519), where it is not defined. */
tls_binding_fn tls_server_end_point;

/* Whether the connection uses TLS 1.3 or later. */
bool tls_is_1_3(const SSL *ssl);

/* Gives every id-on-xmppAddr (RFC 6120 section 13.7.1.4) of the client's certificate to `each`:
 * `len` bytes, which may hold anything. Only if this handshake was for `host` (in A-labels; by SNI,
 * or as the fallback) and the certificate, shown in this handshake, was found valid under this
 * host's client_ca; else there are none. `ssl` may be NULL. */
void tls_peer_addresses(SSL *ssl, const char *host,
                        void (*each)(void *arg, const char *address, size_t len), void *arg);

#endif
