/* Readiness of file descriptors on a worker's loop. */
#ifndef JACKDAW_LOOP_IO_H
#define JACKDAW_LOOP_IO_H

#include "base/macros.h"

struct io;
struct worker;

enum { IO_READ = 1, IO_WRITE = 2 };

/* Called on the loop stack (never in a fiber) while the descriptor is ready; `ready` has IO_READ
 * and/or IO_WRITE. It may call io_free() on its own io. */
typedef void io_fn(void *arg, int ready);

/* Watches `fd` (which stays the caller's) on the calling worker; nothing is wanted yet. */
struct io *io_new(struct worker *w, int fd, io_fn *fn, void *arg);

/* What to wait for from now on: IO_READ and/or IO_WRITE or 0. Level-triggered. Cheap if unchanged.
 */
void io_want(struct io *io, int events);
int io_wanted(const struct io *io);

/* Stops watching (does not close the descriptor), frees, sets *io to NULL. Accepts NULL. */
void io_free(struct io **io);

#endif
