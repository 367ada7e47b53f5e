/* Variables of a dialogue: {name} in what is sent, compared or captured in what is received. */
#ifndef TALK_VARS_H
#define TALK_VARS_H

#include "dialogue.h"

/* Sets a variable (printf format for the value); an older one of the same name is hidden. */
void var_set(struct dialogue *d, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Its value, in the arena, or NULL if nobody set it. Besides variables these names have values:
 *   id:NAME          an id that is the same for this NAME throughout the dialogue, and new in it
 *   base64:TEXT      TEXT (itself expanded) in base64
 *   repeat:N:TEXT    TEXT N times
 *   env:NAME         of the environment ("" if it is not set)
 *   lf, star, brace  a line feed, *, { */
const char *var_get(struct dialogue *d, const char *name);

enum escape { ESCAPE_NOTHING, ESCAPE_XML };

/* The text with all {names} replaced, their values escaped or not. NULL after fail() if a name has
 * no value. {x:HH...} are bytes; `len` (may be NULL) gets the length, as there may be NULs. */
char *var_expand(struct dialogue *d, const char *text, enum escape escape, size_t *len);

/* The end of the name that starts after a '{', or NULL if there is none; braces nest. */
const char *var_name_end(const char *name);

#endif
