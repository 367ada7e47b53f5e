/* The TLS context of a configuration: every host's certificate, chosen by SNI. */
#ifndef JACKDAW_CORE_SERVER_TLS_H
#define JACKDAW_CORE_SERVER_TLS_H

#include "core/config.h"
#include "net/tls.h"

/* A context for the hosts of `c`, the caller's. A host without a certificate gets a self-signed one
 * in the data directory. With `old` (a reload) a host whose files cannot be used keeps what it has,
 * and `refused` is told; else that is an error. NULL and `e`. */
struct tls_context *server_tls_new(const struct config *c, struct tls_context *old,
                                   tls_report_fn *refused, void *arg, struct err *e);

/* Logs what is wrong with certificates in use, or will soon be. */
void server_tls_warn(const struct tls_context *t);

#endif
