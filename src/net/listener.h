/* Listeners: one socket per worker and address (SO_REUSEPORT), so that the kernel spreads
 * connections. */
#ifndef JACKDAW_NET_LISTENER_H
#define JACKDAW_NET_LISTENER_H

#include "base/err.h"
#include "net/address.h"

struct listener;
struct worker;

/* Called on the worker, on the loop stack, for each accepted socket (non-blocking), which is the
 * callee's; `peer` is valid during the call. It may call listener_close(). */
typedef void listener_fn(void *arg, struct worker *w, int fd, const union address *peer);

/* Binds `address` (IPv4 or IPv6 literal, "*" for both) and `port` (0: any, the same for all
 * workers) for one worker; the first call with port 0 fixes the port, which *port then holds. From
 * any thread; accepting starts when the worker gets to it. The listener of worker 0 must be opened
 * first: there it is checked that no other process has the port. NULL and `e` ("port 5222 is in use
 * by another process") on failure. Out of file descriptors: a reserve descriptor lets it accept and
 * close, once a turn, and it logs once. */
struct listener *listener_open(struct worker *w, const char *address, unsigned *port,
                               listener_fn *fn, void *arg, struct err *e);

/* Stops accepting and frees. On its worker. Accepts NULL, sets *l to NULL. */
void listener_close(struct listener **l);

#endif
