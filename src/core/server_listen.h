/* The listeners of the configuration, one socket per worker each. */
#ifndef JACKDAW_CORE_SERVER_LISTEN_H
#define JACKDAW_CORE_SERVER_LISTEN_H

#include "base/err.h"
#include "base/macros.h"

/* Opens every listener on every worker; from the main thread. 0 or -1 and `e`. */
MUST_CHECK int server_listen(struct err *e);

/* Closes those of the calling worker, and what has not yet sent its PROXY header. */
void server_unlisten(void);

/* Frees what server_listen() has made; the workers have ended. */
void server_listen_free(void);

#endif
