/* The PROXY protocol, versions 1 and 2: the header that a load balancer puts before everything else
 * a client sends, TLS too, to say who the client is. Pure. */
#ifndef JACKDAW_NET_PROXY_H
#define JACKDAW_NET_PROXY_H

#include <stddef.h>

#include "base/macros.h"
#include "net/address.h"

#define PROXY_HEADER_MAX 4096 /* version 2 with its extensions; version 1 has 107 bytes at most */

enum { PROXY_INCOMPLETE = 0, PROXY_WRONG = -1 };

/* Reads the header at the beginning of `bytes`. Returns its length, PROXY_INCOMPLETE if more bytes
 * are needed, PROXY_WRONG if these are not the beginning of one, or not of one for TCP. `source`,
 * set with the length, is the client's address and port; AF_UNSPEC if the balancer speaks for
 * itself (LOCAL, a health check) or does not tell (UNKNOWN): then the connection's own address
 * counts. What version 2 adds behind the addresses (TLVs) is passed over. */
MUST_CHECK int proxy_parse(const char *bytes, size_t len, union address *source);

#endif
