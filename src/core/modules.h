/* The module loader: finds, checks, instantiates; compiles hooks and registries per host. */
#ifndef JACKDAW_CORE_MODULES_H
#define JACKDAW_CORE_MODULES_H

#include "base/err.h"
#include "core/config.h"
#include "core/module.h"

struct modules;

struct modules *modules_new(void);

/* A module by name: linked in (--enable-static-modules) or from `module_dir` of the environment
 * variable JACKDAW_MODULE_DIR, else of the configuration, else the installed one. Checks the ABI
 * before anything else. Fits config_find_module (`arg` is the struct modules *). Never unloaded.
 * NULL and `e`. */
const struct module *modules_find(void *arg, const char *name, struct err *e);
void modules_set_dir(struct modules *m, const char *dir);

/* Makes hosts and instances for this configuration: standard modules or the listed ones, what they
 * require, the global ones that listeners name; compiles the hook lists by phase and `after`. Fills
 * `server.hosts`, `server.globals` and so on. 0 or -1 and `e`. */
MUST_CHECK int modules_instantiate(struct modules *m, const struct config *c, struct err *e);

/* Declares every module's statements and migrations to the store. */
struct store;
void modules_declare(struct modules *m, struct store *s);

/* Calls start / stop of every instance, in order / in the opposite order. */
MUST_CHECK int modules_start(struct modules *m, struct err *e);
void modules_stop(struct modules *m);

/* Every module in use, in order of loading; for the command table and `module list`. */
unsigned modules_all(const struct modules *m, const struct module *const **out);

void modules_free(struct modules **m);

#endif
