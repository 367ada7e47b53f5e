#include "base/atoms.h"

#include <stdint.h>

#define ATOM(id, text) const char id[sizeof(text)] = text;
#include "base/atoms.def"
#undef ATOM

static const char *const all[] = {
#define ATOM(id, text) id,
#include "base/atoms.def"
#undef ATOM
};

/* Open addressing, filled before main() and never changed: readable from every thread. */
#define ATOM_SLOTS 1024 /* a power of two, at least four times the number of atoms */
_Static_assert(ARRAY_LEN(all) * 4 <= ATOM_SLOTS, "raise ATOM_SLOTS");

static struct {
    const char *atom;
    size_t len;
} slots[ATOM_SLOTS];

/* FNV-1a. The set of names is fixed, so nobody can choose collisions. */
static uint32_t slot_of(const char *s, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h & (ATOM_SLOTS - 1);
}

__attribute__((constructor)) static void atoms_init(void)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t len = strlen(all[i]);
        uint32_t at = slot_of(all[i], len);
        while (slots[at].atom)
            at = (at + 1) & (ATOM_SLOTS - 1);
        slots[at].atom = all[i];
        slots[at].len = len;
    }
}

const char *atom_find(const char *s, size_t len)
{
    for (uint32_t at = slot_of(s, len); slots[at].atom; at = (at + 1) & (ATOM_SLOTS - 1)) {
        if (slots[at].len == len && memcmp(slots[at].atom, s, len) == 0)
            return slots[at].atom;
    }
    return NULL;
}
