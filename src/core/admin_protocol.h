/* How jackdawctl and the server talk: one JSON object a line, both ways, over a Unix socket that
 * only root and the server's own user may use.
 *
 * A request names a command and its arguments; `id` comes back in every line of the answer:
 *     {"id": 1, "command": "user add", "args": {"jid": ["romeo@example.org"], "--password": "..."}}
 * An argument is a string, an array of strings (one that takes many words) or true (a flag).
 * Any number of progress lines may come first, then exactly one result or error:
 *     {"id": 1, "progress": {"what": "purged", "done": 10, "total": 200}}
 *     {"id": 1, "result": ...}
 *     {"id": 1, "error": "there is no account romeo@example.org"}
 * Commands of one connection run one after the other. The command "commands" lists all of them with
 * their arguments: clients need no list of their own.
 *     [{"name": "user add", "help": "...", "module": "auth", "columns": ["jid"],
 *       "args": [{"name": "jid", "help": "...", "required": true, "many": true, ...}]}, ...] */
#ifndef JACKDAW_CORE_ADMIN_PROTOCOL_H
#define JACKDAW_CORE_ADMIN_PROTOCOL_H

/* A request's longest line, in bytes without the newline. */
#define ADMIN_REQUEST_MAX (256 * 1024)

/* The most bytes of answers that wait for one client. */
#define ADMIN_REPLY_MAX (64 * 1024 * 1024)

/* Clients connected at once; further ones get an error line and are closed. */
#define ADMIN_CLIENTS_MAX 32

/* A client that takes nothing of a waiting answer for so long is closed. */
#define ADMIN_PATIENCE_SECONDS 30

#endif
