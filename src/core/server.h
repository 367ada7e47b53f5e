/* The process: what is made once, in order, and taken down in the opposite order. */
#ifndef JACKDAW_CORE_SERVER_H
#define JACKDAW_CORE_SERVER_H

#include "base/err.h"
#include "base/macros.h"
#include "core/config.h"

struct crew;
struct host;
struct presence_cache;
struct store;
struct tls_context;

struct server {
    const struct config *config;
    struct crew *crew;
    struct store *store;
    struct presence_cache *cache;
    struct tls_context *tls; /* every host's certificate, chosen by SNI */
    struct host *const *hosts;
    unsigned n_hosts;
    struct module_inst *const *globals; /* instances of global modules (listeners) */
    unsigned n_globals;
    struct module_inst *const *insts; /* every instance, globals too; index: inst->slot */
    unsigned n_slots;                 /* slots an account or session has */
};

/* Set before any worker serves; read-only after. */
extern struct server server;

/* One open listener, for status. */
struct server_listener {
    const struct config_listen *conf;
    unsigned port;
};
unsigned server_listeners(const struct server_listener **out);

#endif
