/* Reloading: a new configuration and new certificates for the running server, all of it or, where
 * something is wrong, what can be used; connections stay. */
#ifndef JACKDAW_CORE_RELOAD_H
#define JACKDAW_CORE_RELOAD_H

#include "base/err.h"
#include "base/macros.h"
#include "core/admin.h"
#include "core/config.h"

struct modules;

/* Begins with what the server has started with; `boot` stays the caller's and must last until
 * reload_end(). `bus` as in struct server_args. */
void reload_begin(struct modules *m, const struct config *boot, const char *bus);

/* Frees every configuration that a reload has made. The workers have ended. */
void reload_end(void);

/* Reads the configuration and certificates again and changes over to them; says in the log what has
 * become of each difference, and tells whoever waits in reload_command(). If the configuration is
 * wrong, everything stays as it is. On the main thread. */
void reload_now(void);

/* Writes lines as `c` says: log_configure(). */
MUST_CHECK int reload_log(const struct config *c, struct err *e);

/* The admin command "reload". */
admin_fn reload_command;

#endif
