/* The configuration: one file read into an immutable snapshot. Unknown keys, wrong types and values
 * out of range are refused with file, line and, for a likely typo, the name that was meant. */
#ifndef JACKDAW_CORE_CONFIG_H
#define JACKDAW_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/option.h"

struct arena;
struct log_area_level;
struct module;
struct network;
struct strbuf;

enum { BUS_LOCAL, BUS_LOOPBACK };

/* What limits.stanza_size may be at most; how many times as large a stanza may become when it is
 * written again (a character may take six bytes: &quot;); so what a buffer for any one stanza must
 * hold. */
#define STANZA_SIZE_MAX ((int64_t)2 << 20)
#define STANZA_GROWTH 8
#define STANZA_WRITTEN_MAX ((size_t)(STANZA_GROWTH * STANZA_SIZE_MAX))

struct config_log {
    int level; /* enum log_level */
    struct option_list areas;
    const struct log_area_level *levels; /* the same, read: areas.n of them */
    int target;                          /* enum log_target */
    const char *file;
    int format; /* FORMAT_ */
};
enum { FORMAT_TEXT, FORMAT_JSON };

/* What becomes of a session whose resource another one wants. */
enum config_conflict { CONFLICT_REPLACE, CONFLICT_REFUSE, CONFLICT_RENAME };

struct config_limits {
    int64_t fibers_max;   /* per worker */
    int64_t entities_max; /* per worker: idle ones beyond are evicted, oldest first */
    int64_t entity_idle;  /* µs without work after which an entity is evicted */
    int64_t mailbox_max;  /* items of others waiting for one entity */
    int64_t mailbox_per_source;
    int64_t stream_window;   /* stanzas of one stream whose receipts are outstanding */
    int64_t stanza_deadline; /* µs */
    int64_t aside_max;       /* reading handlers at once per entity */
    int64_t connections_per_address;
    int64_t sessions_per_account;
    int64_t preauth_stanza_size, preauth_elements;
    int64_t stanza_size, stanza_elements, stanza_depth, stanza_attributes;
    int64_t output_max; /* bytes waiting for a client that does not read */
    int64_t header_timeout, tls_timeout, auth_timeout, bind_timeout; /* µs, of a stream's phases */
    int64_t close_timeout;  /* µs from our or the peer's end tag to the end of the connection */
    int64_t ping_after;     /* µs without a byte after which a session is asked; 0: never */
    int64_t ping_timeout;   /* µs for its answer */
    int resource_conflict;  /* enum config_conflict */
    int64_t parser_idle;    /* µs without bytes after which a stream's parser is parked */
    int64_t proxy_timeout;  /* µs for the header of the PROXY protocol */
    int64_t login_failures; /* per stream, then it is closed */
    int64_t stop_timeout;   /* µs for what is under way when the server is told to stop */
};

struct config_store {
    int driver; /* enum store_driver */
    const char *target;
    int64_t lanes, readers, batch_rows, batch_wait, queue_max, patience, statement_timeout;
};

struct config_cache {
    const char *servers;
    int64_t heartbeat, lease;
};

struct config_tls {
    int min_version; /* TLS_MIN_ */
    const char *ciphers;
};
enum { TLS_MIN_1_2, TLS_MIN_1_3 };

struct config_host {
    const char *name;  /* prepared domain */
    const char *ascii; /* the same in A-labels */
    const char *certificate, *key;
    const char *client_ca; /* NULL: clients are not asked for certificates */
    bool anonymous;
    struct option_list modules;
    struct option_list abuse_addresses, admin_addresses, feedback_addresses, sales_addresses,
        security_addresses, status_addresses, support_addresses; /* URIs */
};

struct config_listen {
    const char *name;   /* the section's title */
    const char *module; /* "c2s" */
    const char *address;
    int64_t port;
    int tls; /* enum listen_tls */
    struct option_list proxy_trusted;
    const struct network *proxies; /* the same, read */
    size_t n_proxies;
};
enum listen_tls { LISTEN_STARTTLS, LISTEN_DIRECT_TLS };

/* A module's options, filled in: from `module "name" { }` with the table's defaults. */
struct config_module {
    const char *name;
    void *values; /* the module's own struct (conf_size bytes) */
};

struct config {
    struct arena *arena; /* holds all that is below */
    const char *file;
    const char *data_dir, *control_socket, *node, *module_dir;
    int64_t workers;
    int bus;
    struct config_log log;
    struct config_limits limits;
    struct config_store store;
    struct config_cache cache;
    struct config_tls tls;
    struct config_host *hosts;
    size_t n_hosts;
    struct config_listen *listens;
    size_t n_listens;
    struct config_module *modules;
    size_t n_modules;
};

/* Finds a module's declaration by name, loading its object if needed: from `dir`, the
 * configuration's module_dir, unless that is NULL. NULL and `e` if there is none. */
typedef const struct module *config_find_module(void *arg, const char *dir, const char *name,
                                                struct err *e);

/* Reads `file` in two passes: first the module names, then everything strictly against their option
 * tables. NULL and `e` ("jackdaw.conf:12: unknown key 'prot' in listen \"c2s\"; did you mean
 * 'port'?"). */
struct config *config_load(const char *file, config_find_module *find, void *arg, struct err *e);

/* Sets `bus` to "local" or "loopback", whatever the file says; NULL: to that. */
void config_set_bus(struct config *c, const char *bus);

/* The filled-in options of a module, NULL if it has none or is not used. */
const void *config_module_values(const struct config *c, const char *name);

/* Frees, sets *c to NULL. Accepts NULL. */
void config_free(struct config **c);

/* Writes a sample configuration: every option of the core and of `modules` with help, unit, range
 * and default, commented out. For etc/jackdaw.conf. */
void config_sample(struct strbuf *out, const struct module *const *modules, size_t n);

/* The same tables as the source (scdoc) of the manual page jackdaw.conf(5). */
void config_manual(struct strbuf *out, const struct module *const *modules, size_t n);

#endif
