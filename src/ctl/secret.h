/* Passwords: asked for on the terminal without echo, or read from standard input. */
#ifndef JACKDAW_CTL_SECRET_H
#define JACKDAW_CTL_SECRET_H

#include <stdbool.h>

#include "base/err.h"

/* Asks on the terminal; `twice` asks again and compares. The caller clears and frees. NULL and `e`
 * if there is no terminal or nothing was typed; `name` ("--password") is for the messages. */
char *secret_ask(const char *name, bool twice, struct err *e);

/* One line of standard input, without its newline. Likewise. */
char *secret_from_stdin(const char *name, struct err *e);

/* Clears and frees; accepts NULL, sets NULL. */
void secret_free(char **secret);

#endif
