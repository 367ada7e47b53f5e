/* "Did you mean": the name nearest to a mistyped one. */
#ifndef JACKDAW_BASE_SUGGEST_H
#define JACKDAW_BASE_SUGGEST_H

#include <stdbool.h>

#include "base/macros.h"

struct suggest {
    const char *typo;
    const char *best; /* the nearest name offered so far that is near enough, NULL if none */
    unsigned distance;
};

/* Begins for a name that is not known; `typo` must stay valid. */
void suggest_init(struct suggest *s, const char *typo);

/* Offers one known name (kept by pointer if it is the nearest so far). */
void suggest_offer(struct suggest *s, const char *name);

/* The single edits (insert, delete, replace, swap neighbours) between two names, case ignored.
 * Names of 64 bytes and more count as infinitely far. */
unsigned suggest_distance(const char *a, const char *b);

#endif
