/* The interactive shell: commands line by line, with history and completion. */
#ifndef JACKDAW_CTL_SHELL_H
#define JACKDAW_CTL_SHELL_H

#include <jansson.h>

#include "ctl/command.h"

/* Runs one command; its exit status. */
typedef int shell_run_fn(void *arg, const struct words *w);

/* Reads lines until "exit" or the end: with libedit on a terminal, else plainly. `table` is
 * completed from. The exit status of the last command. */
int shell(json_t *table, shell_run_fn *run, void *arg);

#endif
