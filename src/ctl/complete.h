/* Completion: of the shell that runs jackdawctl, and of jackdawctl's own. */
#ifndef JACKDAW_CTL_COMPLETE_H
#define JACKDAW_CTL_COMPLETE_H

#include <jansson.h>

#include "ctl/command.h"

/* Calls `offer` with every word that may stand where the last of `w` (perhaps "") stands: parts of
 * commands' names and options. */
void complete_words(json_t *table, const struct words *w,
                    void (*offer)(void *arg, const char *word), void *arg);

#endif
