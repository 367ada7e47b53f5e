/* Internet addresses with a port, and networks of them. An IPv4 address mapped into IPv6 is taken
 * as what it is. */
#ifndef JACKDAW_NET_ADDRESS_H
#define JACKDAW_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/macros.h"

/* any.sa_family: AF_INET, AF_INET6, or AF_UNSPEC for what is no internet address. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 8) /* "[", "]:65535" and the end */

/* A literal of either family. False if `text` is none. */
MUST_CHECK bool address_parse(const char *text, unsigned port, union address *out);

/* For bind() and connect(). */
socklen_t address_len(const union address *a);

/* The other side of a connected socket. */
void address_of_peer(int fd, union address *out);

/* Makes an IPv4 address mapped into IPv6 the IPv4 address. */
void address_unmap(union address *a);

/* 0 for none. */
unsigned address_port(const union address *a);

/* "192.0.2.1", "2001:db8::1", "local" for none; the second form with the port
 * ("[2001:db8::1]:5222").
 */
void address_format(const union address *a, char out[ADDRESS_TEXT]);
void address_format_port(const union address *a, char out[ADDRESS_TEXT]);

struct network {
    union address address;
    unsigned bits;
};

/* "192.0.2.0/24", "2001:db8::/32", or one address. False if it is none, or if bits behind the
 * prefix are set (a typing error). */
MUST_CHECK bool network_parse(const char *text, struct network *out);
bool network_has(const struct network *n, const union address *a);

#endif
