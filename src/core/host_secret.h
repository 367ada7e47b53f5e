/* A secret per host, the same at every start: for answers about names that do not exist, which must
 * be stable and not to be guessed. */
#ifndef JACKDAW_CORE_HOST_SECRET_H
#define JACKDAW_CORE_HOST_SECRET_H

#include "base/err.h"

#define HOST_SECRET_LEN 32

/* Reads the server's own secret from DATA_DIR/secret, which is made (mode 0600) if it is not there.
 * -1 and `e`. */
MUST_CHECK int host_secret_load(const char *data_dir, unsigned char out[HOST_SECRET_LEN],
                                struct err *e);

/* The secret of one host: HMAC-SHA-256 of its name under the server's. */
void host_secret_derive(const unsigned char master[HOST_SECRET_LEN], const char *host,
                        unsigned char out[HOST_SECRET_LEN]);

#endif
