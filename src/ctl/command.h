/* The server's commands, as it describes them, and what was typed. */
#ifndef JACKDAW_CTL_COMMAND_H
#define JACKDAW_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* Words that were typed. */
struct words {
    char **v;
    size_t n;
};

/* The command that `w` begins with: the longest of `table` (see "commands" in
 * core/admin_protocol.h). *used is the number of its words. NULL if none. Borrowed from `table`. */
json_t *command_find(json_t *table, const struct words *w, size_t *used);

/* Why command_find() found none, with what was probably meant. */
void command_explain(json_t *table, const struct words *w, struct err *e);

/* Turns the words after the command's name into its arguments. Secrets that are missing are asked
 * for; --NAME-stdin reads one line of standard input. The caller's; NULL and `e`. */
json_t *command_args(const json_t *command, const struct words *w, struct err *e);

/* Prints "user add JID... [--password WORD]" to standard output. */
void command_usage(const json_t *command);

/* Prints help on one command, or on all if `command` is NULL. */
void command_help(json_t *table, const json_t *command);

/* Splits a line into words as a shell would: blanks, '...', "...", \x. False and `e` if a quote is
 * open. words_free() frees. */
bool words_split(const char *line, struct words *out, struct err *e);
/* Clears (there may be passwords), frees and empties. */
void words_free(struct words *w);

#endif
