/* The control socket: takes commands of jackdawctl, runs them in control fibers. */
#ifndef JACKDAW_CORE_ADMIN_SERVER_H
#define JACKDAW_CORE_ADMIN_SERVER_H

#include "base/err.h"
#include "core/admin.h"

struct admin_server;
struct modules;

/* Listens on config.control_socket (mode 0600; a stale socket of a dead server is replaced, a live
 * one refused) on the crew's first worker, with the core's commands and every module's. NULL and
 * `e`. */
struct admin_server *admin_server_start(struct modules *m, struct err *e);
/* Ends every connection and removes the socket; on the main thread, before the crew stops. Commands
 * under way are cancelled. Sets *a to NULL. Accepts NULL. */
void admin_server_stop(struct admin_server **a);

/* The core's own commands: status, session list, module list, module hooks, help. */
extern const struct admin_command admin_core_commands[];

#endif
