/* Finds the objects that modules live in: linked in, or NAME.so in a folder. */
#ifndef JACKDAW_CORE_LOADER_H
#define JACKDAW_CORE_LOADER_H

#include "base/err.h"

struct loader;
struct module;

/* Nothing is loaded yet. The caller's: loader_free(). */
struct loader *loader_new(void);
/* Forgets what was loaded; the objects stay (they are never unloaded). Sets *l to NULL. */
void loader_free(struct loader **l);

/* A module by name: linked in, or NAME.so from the folder in the environment variable
 * JACKDAW_MODULE_DIR, else from `dir`, else (NULL) from where modules are installed. Its ABI is
 * checked before anything else is read. NULL and `e`, with the name that was probably meant. */
const struct module *loader_find(struct loader *l, const char *dir, const char *name,
                                 struct err *e);

/* Every module there is, sorted by name (what is linked in first); what cannot be loaded is logged
 * and passed over. The array is valid until the next call. */
unsigned loader_all(struct loader *l, const char *dir, const struct module *const **out);

#endif
