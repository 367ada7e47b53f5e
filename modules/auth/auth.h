/* auth: who a client is. SASL with SCRAM over credentials that hold no password. */
#ifndef JACKDAW_AUTH_H
#define JACKDAW_AUTH_H

#include "core/module.h"

struct auth_conf {
    int64_t iterations; /* of new credentials, and shown for users who do not exist */
};

enum { Q_CREDENTIAL_GET, Q_CREDENTIAL_SET, Q_CREDENTIAL_DELETE, AUTH_STMTS };
extern const struct store_stmt auth_stmts[];
extern const struct admin_command auth_commands[];
extern const struct nonza_entry auth_nonzas[];

/* Reads the keys of this account; `owner` 0 reads as well, and finds nothing. 0 and *found, or
 * negative. */
MUST_CHECK int auth_read_keys(uint64_t owner, enum scram_hash hash, struct scram_keys *keys,
                              bool *found) MAY_YIELD;

/* Offers the mechanisms (hook stream_features). */
void auth_features(struct module_inst *inst, struct stream *s, struct xml_el *features);

#endif
