/* What a module includes: the one header that gathers others. A module is one declarative struct;
 * whatever it declares belongs to its instance (one per host that enables it) and goes with it. */
#ifndef JACKDAW_CORE_MODULE_H
#define JACKDAW_CORE_MODULE_H

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quota.h"
#include "base/throttle.h"
#include "core/account.h"
#include "core/admin.h"
#include "core/ask.h"
#include "core/contact.h"
#include "core/delivery.h"
#include "core/directory.h"
#include "core/hook.h"
#include "core/host.h"
#include "core/option.h"
#include "core/router.h"
#include "core/session.h"
#include "core/stream.h"
#include "core/work.h"
#include "loop/offload.h"
#include "net/tls_peer.h"
#include "xml/writer.h"
#include "xmpp/caps.h"
#include "xmpp/form.h"
#include "xmpp/plain.h"
#include "xmpp/scram.h"
#include "xmpp/stanza.h"

union address;
struct module;

/* A module at work on one host. */
struct module_inst {
    const struct module *module;
    struct host *host;
    const void *conf; /* the module's option struct, filled in; NULL if it has no options. A reload
                         replaces it: what was read here is valid for this handler, not longer */
    void *state;      /* the module's own: immutable after start, or atomic, or per worker */
    unsigned slot;    /* index of its account and session slots */
};

/* Who answers an IQ with this child element. */
enum iq_scope {
    IQ_ACCOUNT = 1, /* to the account's bare JID (or no `to`) */
    IQ_HOST = 2,    /* to the host's JID */
};
enum iq_access {
    IQ_OWN,    /* from the account itself only; others get service-unavailable */
    IQ_ANYONE, /* the handler decides: w->session is NULL for others' requests */
};
enum iq_mode {
    IQ_ORDERED, /* may change state; may wait only for the store and the offload pool */
    IQ_STORES,  /* the same, to keep something for good: refused to temporary accounts */
    IQ_ASIDE,   /* in a fiber of its own; changes nothing */
};
/* Answers with work_answer() or work_reject(); doing neither is a bug that answers
 * internal-server-error. */
typedef void iq_fn(struct module_inst *inst, struct work *w, struct xml_el *child) MAY_YIELD;
struct iq_entry {
    const char *ns, *name;
    enum stanza_type type; /* TYPE_GET or TYPE_SET */
    unsigned scope;        /* enum iq_scope, or'ed */
    enum iq_access access;
    enum iq_mode mode;
    iq_fn *fn;
};

/* Elements at depth 1 that are no stanzas, per stream state: SASL, later SM; and what may be asked
 * with an iq before a session is there (XEP-0077). Handled in a fiber of the stream's worker while
 * further input waits. */
typedef void nonza_fn(struct module_inst *inst, struct stream *s, struct stanza *nonza) MAY_YIELD;
struct nonza_entry {
    const char *ns, *name;
    enum stream_phase phase; /* in which phase of the stream it may come */
    nonza_fn *fn;
    bool in_iq; /* not by itself but as the first child of an iq; in phase STREAM_SECURE only */
};

/* A read that is made when an account is loaded; all modules' reads travel together. The statement
 * takes the owner as its only parameter. `apply` runs at home before the first item is handled;
 * must not yield. */
struct account_load {
    const struct store_stmt *stmt;
    void (*apply)(struct module_inst *inst, struct entity *account, struct store_rows *rows);
};

struct module_xep {
    const char *number, *version, *note; /* "0199", "2.0.1", "" */
};

/* All tables end with a zeroed entry and may be NULL. */
struct module {
    const char *abi; /* by JACKDAW_MODULE_HEAD; stays first for ever, so that it can be checked
                        before anything else is read */
    const char *name;
    const char *summary; /* one sentence */
    const struct module_xep *xeps;
    const char *const *requires; /* modules that are enabled with this one */
    bool standard;               /* enabled on every host unless the host lists its modules */
    bool global;                 /* one instance for the process (listeners), inst->host is NULL */
    const struct option *options;
    size_t conf_size;
    const struct hook_entry *hooks;
    const struct iq_entry *iqs;
    const struct nonza_entry *nonzas;
    const char *const *host_features, *const *account_features; /* disco#info */
    size_t account_size, session_size;
    void (*account_free)(void *slot); /* frees what the slot holds, not the slot */
    void (*session_free)(void *slot);
    const struct account_load *loads;
    const struct store_stmt *stmts;
    size_t n_stmts;
    const struct store_migration *migrations;
    size_t n_migrations;
    const struct store_partitioned *partitioned;
    const struct admin_command *commands;
    /* Whether these options go together: main thread, at start and before a reload. */
    int (*check)(const void *conf, struct err *e);
    int (*start)(struct module_inst *inst,
                 struct err *e);            /* main thread, before the workers serve */
    void (*stop)(struct module_inst *inst); /* main thread, after they have stopped */
    /* Listener modules: a connection was accepted on this worker; `fd` is the module's. `peer` is
     * who it comes from, through a load balancer too. */
    void (*accepted)(struct module_inst *inst, struct worker *w, const struct config_listen *listen,
                     int fd, const union address *peer);
};

/* The interface a module is built against: a hash over these headers. In the tree it comes from
 * config.h, outside from `pkg-config --cflags jackdaw`. */
#if !defined(JACKDAW_ABI) && defined(HAVE_CONFIG_H)
#include <config.h>
#endif
#define JACKDAW_ABI_TEXT_(abi) #abi
#define JACKDAW_ABI_TEXT(abi) JACKDAW_ABI_TEXT_(abi)
#define JACKDAW_MODULE_ABI JACKDAW_ABI_TEXT(JACKDAW_ABI)
#define JACKDAW_MODULE_HEAD .abi = JACKDAW_MODULE_ABI

/* Defines the module: JACKDAW_MODULE(ping) = { JACKDAW_MODULE_HEAD, .name = "ping", ... }; */
#define JACKDAW_MODULE(name)                                                                       \
    extern const struct module jackdaw_module_##name;                                              \
    const struct module jackdaw_module_##name

/* The instance of module `name` on this host, NULL if it is not enabled there. */
struct module_inst *host_module(const struct host *h, const char *name);

#endif
