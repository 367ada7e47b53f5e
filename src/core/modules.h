/* The module loader: finds, checks, instantiates; compiles hooks and registries per host. */
#ifndef JACKDAW_CORE_MODULES_H
#define JACKDAW_CORE_MODULES_H

#include "base/err.h"
#include "core/config.h"
#include "core/module.h"

struct arena;
struct modules;

/* Nothing is loaded yet. The caller's: modules_free(). */
struct modules *modules_new(void);

/* A module by name: linked in (--enable-static-modules) or NAME.so from the folder in the
 * environment variable JACKDAW_MODULE_DIR, else `dir`, else the installed one. Checks the ABI
 * before anything else. Fits config_find_module (`arg` is the struct modules *). Never unloaded.
 * NULL and `e`. */
const struct module *modules_find(void *arg, const char *dir, const char *name, struct err *e);

/* Loads every module there is, sorted by name; what cannot be loaded is logged and passed over. The
 * array belongs to `m` and is valid until the next call. */
unsigned modules_load_all(struct modules *m, const struct module *const **out);

/* The folder that is meant where modules_find() is given none; NULL: the installed one. Done by
 * modules_instantiate(), with the configuration's. */
void modules_set_dir(struct modules *m, const char *dir);

/* Makes hosts and instances for this configuration: standard modules or the listed ones, what they
 * require, the global ones that listeners name; compiles the hook lists by phase and `after`. Fills
 * `server.hosts`, `server.globals` and so on. Writes nothing. 0 or -1 and `e`. */
MUST_CHECK int modules_instantiate(struct modules *m, const struct config *c, struct err *e);

/* Declares every module's statements and migrations to the store. */
struct store;
void modules_declare(struct modules *m, struct store *s);

/* Calls start / stop of every instance, in order / in the opposite order. Before, the hosts get
 * their secrets, derived from DATA_DIR/secret (made if it is not there). */
MUST_CHECK int modules_start(struct modules *m, struct err *e);
void modules_stop(struct modules *m);

/* For a reload. Fills `values`, one for each of modules_all(), with that module's options in `c`
 * (NULL if it has none), what is not there with its default, in `a`. -1 and `e`. */
MUST_CHECK int modules_read(const struct modules *m, const struct config *c, struct arena *a,
                            const void **values, struct err *e);
/* Asks every module whether these go together. -1 and `e`. */
MUST_CHECK int modules_check(const struct modules *m, const void *const *values, struct err *e);
/* What such a module has now. */
const void *modules_values(const struct modules *m, const struct module *module);
/* Gives each of its instances these; while no worker does anything. */
void modules_change(struct modules *m, const void *const *values);

/* Every module in use, in order of loading; for the command table and `module list`. */
unsigned modules_all(const struct modules *m, const struct module *const **out);

/* Frees hosts and instances (the objects stay loaded), sets *m to NULL. Accepts NULL. */
void modules_free(struct modules **m);

#endif
