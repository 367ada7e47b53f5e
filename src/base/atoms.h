/* Atoms: names known at compile time, each one static string. Known names that arrive from the
 * network are turned into their atom, so that comparing two known names compares pointers.
 * Unknown names are ordinary strings: nothing a peer sends is ever added. */
#ifndef JACKDAW_BASE_ATOMS_H
#define JACKDAW_BASE_ATOMS_H

#include <stdbool.h>

#include "base/macros.h"

#define ATOM(id, text) extern const char id[sizeof(text)];
#include "base/atoms.def"
#undef ATOM

/* The atom with these `len` bytes, or NULL if it is not a known name. */
const char *atom_find(const char *s, size_t len);

/* Whether `s` (an atom or any string) is the name `atom`. */
static inline bool atom_is(const char *s, const char *atom)
{
    return s == atom || strcmp(s, atom) == 0;
}

#endif
