/* The admin command table: what jackdawctl (and later ad-hoc commands and the HTTP API) can do. The
 * protocol is one JSON object a line over a Unix socket; core/admin_protocol.h describes it. */
#ifndef JACKDAW_CORE_ADMIN_H
#define JACKDAW_CORE_ADMIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

struct module_inst;

struct admin_arg {
    const char *name; /* "jid"; a leading "--" marks an option: "--password" */
    const char *help;
    bool required;
    bool many;   /* takes all remaining words; last */
    bool secret; /* asked for without echo or read with --NAME-stdin, never logged */
    bool flag;   /* an option without a value */
};

/* A call under way. Runs in a control fiber of the first worker. */
struct admin_call {
    json_t *args;     /* object: name → string, array of strings or true */
    json_t *result;   /* set by the handler: object or array, printed by jackdawctl */
    struct err error; /* set when the handler returns negative */
    void *reply;      /* internal */
};

/* 0, or negative with call->error ("no account romeo@example.org; see 'jackdawctl user list'"). */
typedef int admin_fn(struct module_inst *inst, struct admin_call *call) MAY_YIELD;

struct admin_command {
    const char *name;             /* "user add" */
    const char *help;             /* one sentence */
    const struct admin_arg *args; /* ends with a zeroed entry; NULL: none */
    admin_fn *fn;
    const char *const
        *columns; /* for a table: keys of the result's objects, NULL-terminated; or NULL */
};

/* Sends a progress line to the caller ("purged", done, total). */
void admin_progress(struct admin_call *call, const char *what, int64_t done, int64_t total);

/* A string argument, NULL if absent. */
const char *admin_arg_str(const struct admin_call *call, const char *name);
bool admin_arg_flag(const struct admin_call *call, const char *name);

#endif
