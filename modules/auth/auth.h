/* auth: who a client is. SASL (RFC 6120 section 6) over credentials that hold no password. */
#ifndef JACKDAW_AUTH_H
#define JACKDAW_AUTH_H

#include "core/module.h"

struct auth_conf {
    int64_t iterations; /* of new credentials, and shown for users who do not exist */
    struct option_list mechanisms;
    int64_t failures_per_address, failures_per_account, failures_per_both, failures_window;
};

enum { Q_CREDENTIAL_GET, Q_CREDENTIAL_SET, Q_CREDENTIAL_DELETE, AUTH_STMTS };
extern const struct store_stmt auth_stmts[];
extern const struct admin_command auth_commands[];
extern const struct nonza_entry auth_nonzas[];

/* ---- passwords (password.c) ---- */

/* What an account has: keys for each hash, or not. Cleared by whoever fills it. */
struct auth_keys {
    struct scram_keys of[SCRAM_HASHES];
    bool found[SCRAM_HASHES];
};

/* Reads the keys of an account; `owner` 0 reads as well, and finds nothing. 0 or negative. */
MUST_CHECK int auth_read_keys(uint64_t owner, struct auth_keys *keys) MAY_YIELD;

/* Whether there are keys of any kind. */
bool auth_has_keys(const struct auth_keys *keys);

/* Keys of a password for every hash, made in the offload pool. NULL and *result, as
 * account_set_password(). */
struct derivation *auth_derive(const struct module_inst *inst, const char *password,
                               int *result) MAY_YIELD;
/* Clears and frees. */
void auth_derivation_free(void *derivation);

/* In the account's ordered handler: keeps these keys instead of all others and waits for the
 * commit. 0 or negative. */
MUST_CHECK int auth_store(struct work *w, const struct derivation *d) MAY_YIELD;

/* Whether `password` (`len` bytes, as it was sent) belongs to `keys`, found out in the offload
 * pool. 1, 0 if not, negative if that could not be done now. */
MUST_CHECK int auth_check_password(enum scram_hash hash, const struct scram_keys *keys,
                                   const char *password, size_t len) MAY_YIELD;

/* The hook. */
void auth_password_set(struct module_inst *inst, struct work *w, struct password_change *change);

/* ---- an exchange (sasl.c) ---- */

/* One exchange, kept with the stream. */
struct exchange {
    const struct mechanism *mechanism;
    struct scram *scram; /* NULL for other mechanisms */
    struct jid *account; /* bare, as the user name says; NULL if it is not known or not possible */
    bool exists;         /* there is such an account */
    struct login {       /* how its failures are counted: see login.c */
        uint64_t address, account, both;
    } login;
    char *from; /* the client's address */
};

struct mechanism {
    const char *name;
    bool (*offered)(const struct module_inst *inst, struct stream *s, const struct mechanism *m);
    /* Takes a message of the client, decoded: `len` bytes of anything, and a NUL after them. The
     * stream may have ended whenever this has waited. */
    void (*take)(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                 size_t len) MAY_YIELD;
    enum scram_hash hash;
    bool plus;
    bool no_message; /* its first message may be left out */
};

/* The only end of an exchange: <failure/> with this condition (RFC 6120 section 6.5), and for the
 * log alone why (it would help whoever guesses) ... */
void sasl_fail(struct stream *s, const char *condition);
void sasl_fail_because(struct stream *s, const char *condition, const char *why);
/* ... or <success/> with `data` (NULL: none) for x->account. */
void sasl_succeed(struct stream *s, struct exchange *x, const char *data);

/* Sends a <challenge/>. */
void sasl_challenge(struct stream *s, const char *data);

/* The bare JID that the user name stands for on the stream's host; NULL if it cannot be one. */
struct jid *sasl_account_of(struct stream *s, const char *user);

/* Whether a client may act as `authzid` ("" if it does not say): as itself alone (RFC 6120
 * section 6.3.8). */
bool sasl_may_act_as(const struct exchange *x, const char *authzid);

/* Reads what the account x->account has, or as much for nobody if that is NULL, and sets x->exists.
 * Keys that are not there are made up for `user`: as lasting as real ones, and no password fits.
 * `keys` is to be cleared. Negative: the store does not answer. */
MUST_CHECK int sasl_find_keys(const struct module_inst *inst, struct stream *s, struct exchange *x,
                              const char *user, struct auth_keys *keys) MAY_YIELD;

/* ---- mechanisms (mechanism.c) ---- */

/* The mechanism of this name if it is offered to this client, else NULL. */
const struct mechanism *mechanism_find(const struct module_inst *inst, struct stream *s,
                                       const char *name);

/* What is offered, as XEP-0474 hashes it; in `a`. */
const char *mechanism_offer(const struct module_inst *inst, struct stream *s, struct arena *a);

/* Refuses names in the option `mechanisms` that are not in the table. */
MUST_CHECK int mechanism_check(const void *auth_conf, struct err *e);

/* Offers them (hook stream_features). */
void mechanism_features(struct module_inst *inst, struct stream *s, struct xml_el *features);

/* A kind of channel binding that we know. */
struct binding {
    const char *name;
    tls_binding_fn *data;
    bool (*offered)(SSL *ssl); /* NULL: whenever there is data */
};
#define BINDINGS 3
extern const struct binding bindings[BINDINGS];

/* Each kind's `take`, and whether it is `offered`. */
void scram_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                size_t len) MAY_YIELD;
void plain_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                size_t len) MAY_YIELD;
void external_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                   size_t len) MAY_YIELD;
bool external_offered(const struct module_inst *inst, struct stream *s, const struct mechanism *m);
void anonymous_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                    size_t len) MAY_YIELD;

/* ---- failed logins (login.c) ---- */

/* Who logs in: x->account, or a name that cannot be an account. Before the other two. */
void login_begin(struct exchange *x, const char *user);
/* Why there is not to be another try for now, in words for the log; NULL if there may be. */
const char *login_blocked(const struct module_inst *inst, const struct exchange *x);
/* A wrong password or proof; one that was right. */
void login_failed(const struct module_inst *inst, const struct exchange *x);
void login_succeeded(const struct exchange *x);

#endif
