/* The connection to the server's control socket (core/admin_protocol.h). */
#ifndef JACKDAW_CTL_CLIENT_H
#define JACKDAW_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct client;

/* Connects. NULL and `e`, which says what to do next. */
struct client *client_connect(const char *path, struct err *e);

/* Runs a command and waits for its result. `args` may be NULL; it stays the caller's. Progress is
 * shown on standard error if that is a terminal. The result is the caller's; NULL and `e` if the
 * command failed, with *lost set if there is no connection any more (`lost` may be NULL). */
json_t *client_call(struct client *c, const char *command, json_t *args, bool *lost, struct err *e);

/* Accepts NULL, sets *c to NULL. */
void client_close(struct client **c);

#endif
