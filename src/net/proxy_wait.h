/* Accepted connections that have yet to send their PROXY header. */
#ifndef JACKDAW_NET_PROXY_WAIT_H
#define JACKDAW_NET_PROXY_WAIT_H

#include <stdint.h>

#include "net/listener.h"

/* Reads the header from the socket, and no byte more, then calls `fn` on this worker with the
 * address that it names (`peer`, the connection's own, if it names none). If it is wrong or not
 * there within `limit` µs, the socket is closed. Takes over `fd`. Own worker only. */
void proxy_wait(struct worker *w, int fd, const union address *peer, int64_t limit, listener_fn *fn,
                void *arg);

/* Closes all that wait on the calling worker. */
void proxy_wait_abort(void);

#endif
