/* roster: contacts and subscriptions (RFC 6121 sections 2 and 3, appendix A). In memory they stand
 * in the account (core/contact.h), changed as soon as an item is handled; what others see of a
 * change waits for its write. */
#ifndef JACKDAW_ROSTER_H
#define JACKDAW_ROSTER_H

#include "core/module.h"

struct roster_conf {
    int64_t contacts_max;  /* in one roster */
    int64_t requests_max;  /* unanswered ones of strangers that are kept for one account */
    int64_t request_bytes; /* a larger request is kept without what it carries */
    int64_t name_max;      /* bytes of a contact's name, and of a group's */
    int64_t groups_max;    /* of one contact */
};

enum {
    Q_LOAD,
    Q_REQUESTS,
    Q_PUT_ITEM,
    Q_PUT_STATE,
    Q_REMOVE,
    Q_BURY,
    Q_BURY_ALL,
    Q_FORGET,
    ROSTER_STMTS,
};
extern const struct store_stmt roster_stmts[];
enum { ROSTER_MIGRATIONS = 3 };
extern const struct store_migration roster_migrations[ROSTER_MIGRATIONS];

/* What the module keeps in an account besides its contacts. */
struct roster_slot {
    int64_t ver; /* the highest version among the rows */
    bool stale;  /* a write was refused: what stands in memory is not what is stored */
};

/* ---- store.c: memory and store in step ---- */

/* The rows of Q_LOAD become the account's contacts. */
void roster_loaded(struct module_inst *inst, struct entity *account, struct store_rows *rows);

/* Reads the roster again if a write was refused. False if the store does not answer: the item was
 * rejected then. To be called before anything is decided by a contact. */
MUST_CHECK bool roster_fresh(struct module_inst *inst, struct work *w) MAY_YIELD;

/* Whether it must be read again: then nothing in memory is sure. */
bool roster_is_stale(const struct module_inst *inst, const struct entity *account);

/* Begins to write what the user says about a contact (name, groups) / how the subscriptions stand.
 * `request`: the contact's request, to be shown to those who come later; NULL keeps what is there
 * for as long as it is pending. */
void roster_put_item(struct module_inst *inst, struct work *w, const struct contact *c);
void roster_put_state(struct module_inst *inst, struct work *w, const struct contact *c,
                      const struct stanza *request);

/* Begins to delete a contact's row. In memory it stays, for the caller to remove. */
void roster_delete(struct module_inst *inst, struct work *w, const struct contact *c);

/* The bytes of a contact's groups (see struct contact) with the empty name that ends them; 0 for
 * none. */
size_t roster_groups_len(const char *groups);

/* Takes everything from the contact but what it must be told (`owed`), and begins to write that.
 * All: those of an account that goes. Rows of whom nothing is left are deleted; in memory they
 * stay. */
void roster_bury(struct module_inst *inst, struct work *w, struct contact *c);
void roster_bury_all(struct work *w);

/* How many contacts the user sees / requests of strangers are kept; whether there is no room for
 * one more contact. */
size_t roster_count(const struct entity *account, bool in_roster);
bool roster_full(const struct roster_conf *conf, const struct entity *account);

/* ---- push.c: items as XML ---- */

#define ROSTER_VERSION 17 /* characters of a version, with the NUL */

/* The version of the roster as it stands (section 2.6): a fingerprint of what the user sees of it,
 * so that it outlives restarts and says "unchanged" only where nothing has changed. */
void roster_version(const struct entity *account, char out[ROSTER_VERSION]);

/* Adds the contact's <item/> to a roster query that lives in `st`. */
void roster_add_item(struct stanza *st, struct xml_el *query, const struct contact *c);

/* Sends a roster push to every interested session (RFC 6121 section 2.1.6): how the contact stands
 * now, or that it has been removed. */
void roster_push(struct work *w, const struct contact *c);

/* ---- states.c: appendix A ---- */

/* How the subscriptions between the user and a contact stand (A.1). Out: the user has asked, In:
 * the contact has asked, and nobody has answered yet. The tables may also say: */
enum roster_state {
    NONE,
    NONE_OUT,
    NONE_IN,
    NONE_OUT_IN,
    TO,
    TO_IN,
    FROM,
    FROM_OUT,
    BOTH,
    STATES,
    STAY = STATES, /* passed on, nothing changes */
    STOP,          /* neither passed on nor a change */
};

/* The state of a contact; of NULL: None. And the opposite. */
enum roster_state roster_state(const struct contact *c);
void roster_set_state(struct contact *c, enum roster_state s);

/* What the user's / the contact's stanza of this type makes of the state, or STAY or STOP. */
enum roster_state roster_outbound(enum stanza_type type, enum roster_state state);
enum roster_state roster_inbound(enum stanza_type type, enum roster_state state);

/* ---- subscription.c: section 3 ---- */

/* Hooks. */
enum hook_result roster_presence_out(struct module_inst *inst, struct work *w) MAY_YIELD;
enum hook_result roster_presence_in(struct module_inst *inst, struct work *w) MAY_YIELD;
void roster_session_available(struct module_inst *inst, struct work *w) MAY_YIELD;

/* Begins to write how the subscriptions stand, or to delete the row if nothing is left to say of
 * the contact. Then, when everything else has been done with it: forgets such a contact. */
void roster_write(struct module_inst *inst, struct work *w, const struct contact *c,
                  const struct stanza *request);
void roster_forget_if_empty(struct work *w, struct contact *c);

/* Section 3.1.5: whoever may see our presence from now on gets it, as it is when the permission has
 * been stored: what changes meanwhile is told them like everyone else. / Sections 3.2.2, 3.3.3: who
 * may not see it any more sees us leave. */
void roster_greet(struct work *w, const struct jid *contact);
void roster_take_leave(struct work *w, const struct jid *contact);

/* ---- owed.c ---- */

/* What a subscription stanza that we send is about. */
enum contact_owed roster_about(enum stanza_type type);

/* Says to the contact (again) how we want it about this / all that is owed. Effects only. */
void roster_say(struct work *w, struct contact *c, enum contact_owed about);
void roster_say_owed(struct work *w, struct contact *c);

/* A login: says again whatever is owed and is not on its way. */
void roster_say_again(struct work *w);

/* Hooks. */
void roster_contact_told(struct module_inst *inst, struct work *w);
enum hook_result roster_check_broadcast(struct module_inst *inst, struct work *w);

#endif
