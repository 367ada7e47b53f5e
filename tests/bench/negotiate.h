/* From a fresh connection to a bound session: what a client says and expects, step by step. */
#ifndef JACKDAW_BENCH_NEGOTIATE_H
#define JACKDAW_BENCH_NEGOTIATE_H

#include "client.h"

/* Begins on a plain connection, towards STARTTLS. */
void negotiate_plain(struct client *c);

/* Begins, or goes on, when TLS stands. */
void negotiate_secure(struct client *c);

/* Takes what the server sent: the stream's start or end, or a stanza. */
void negotiate(struct client *c, enum scan_result kind, struct slice bytes);

/* In client.c: starts TLS on the connection as it is. */
void client_start_tls(struct client *c);

/* In client.c: notes the reason if it is the first, closes the connection and tells the scenario.
 */
void client_fail(struct client *c, const char *why);

#endif
