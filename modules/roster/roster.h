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

enum { Q_LOAD, Q_REQUESTS, Q_PUT_ITEM, Q_PUT_STATE, Q_REMOVE, Q_FORGET, ROSTER_STMTS };
extern const struct store_stmt roster_stmts[];
enum { ROSTER_MIGRATIONS = 1 };
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

/* Begins to write what the user says about a contact (name, groups) / how the subscriptions stand.
 * `request`: the contact's request, to be shown to those who come later; NULL keeps what is there
 * for as long as it is pending. */
void roster_put_item(struct module_inst *inst, struct work *w, const struct contact *c);
void roster_put_state(struct module_inst *inst, struct work *w, const struct contact *c,
                      const struct stanza *request);

/* Begins to delete a contact's row. In memory it stays, for the caller to remove. */
void roster_delete(struct module_inst *inst, struct work *w, const struct contact *c);

/* How many contacts the user sees / requests of strangers are kept. */
size_t roster_count(const struct entity *account, bool in_roster);

/* ---- push.c: items as XML ---- */

/* Adds the contact's <item/> to a roster query that lives in `st`. */
void roster_add_item(struct stanza *st, struct xml_el *query, const struct contact *c);

/* Sends a roster push to every interested session (RFC 6121 section 2.1.6): how the contact stands
 * now / that it was removed. */
void roster_push(struct work *w, const struct contact *c);
void roster_push_removed(struct work *w, const struct jid *contact);

/* ---- subscription.c: section 3 ---- */

/* Hooks. */
enum hook_result roster_presence_out(struct module_inst *inst, struct work *w) MAY_YIELD;
enum hook_result roster_presence_in(struct module_inst *inst, struct work *w) MAY_YIELD;
void roster_session_available(struct module_inst *inst, struct work *w) MAY_YIELD;

/* Cancels the subscriptions with a contact that is about to go, in both directions (section 2.5.2):
 * effects only. */
void roster_cancel(struct work *w, const struct contact *contact);

#endif
