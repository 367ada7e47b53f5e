/* The table of every admin command, and calling one of them. */
#ifndef JACKDAW_CORE_ADMIN_CALL_H
#define JACKDAW_CORE_ADMIN_CALL_H

#include <jansson.h>

#include "core/admin.h"

struct admin_table;
struct modules;

/* Gathers the core's commands and those of every module in use; a module's commands are called with
 * its first instance. The caller's: admin_table_free(). */
struct admin_table *admin_table_new(const struct modules *m);
/* Sets *t to NULL. Accepts NULL. */
void admin_table_free(struct admin_table **t);

/* The table in which the commands are looked up, for "commands" itself. As described in
 * core/admin_protocol.h; the caller's. */
json_t *admin_table_json(const struct admin_table *t);

/* Takes one line of an answer, which stays the caller's. Must not yield. */
typedef void admin_reply_fn(void *arg, const json_t *line);

/* Runs a request and gives every line of its answer to `reply`. Secrets in `request` are cleared;
 * it stays the caller's otherwise. In a control fiber. */
void admin_call_run(const struct admin_table *t, json_t *request, admin_reply_fn *reply,
                    void *arg) MAY_YIELD;

#endif
