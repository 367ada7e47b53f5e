/* "probe": logs in through the front door as a user would, sends itself a message and waits for it.
 */
#ifndef JACKDAW_CTL_PROBE_H
#define JACKDAW_CTL_PROBE_H

#include <jansson.h>

#include "base/err.h"

struct client;

/* The command as "commands" would describe it. The caller's. */
json_t *probe_command(void);

/* Runs it with arguments from command_args(). Where to connect, and which certificate to expect, is
 * asked of the server over `c`; it may be NULL if --host says where. The caller's; NULL and `e`.
 * Gives {"jid", "address", "login_ms", "message_ms"}. */
json_t *probe_run(struct client *c, const json_t *args, struct err *e);

#endif
