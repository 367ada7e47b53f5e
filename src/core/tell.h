/* What an account tells a contact about their subscriptions, and the answer of the contact's home
 * that it has dealt with it: "stored there as well". Until then the contact's row says that this is
 * owed, so that whatever a crash swallows is told again (RFC 6121 section 3). */
#ifndef JACKDAW_CORE_TELL_H
#define JACKDAW_CORE_TELL_H

#include "core/receipt.h"

struct item;

/* An answer is in, on the account's home: makes an item of it, which calls contact_told. Who is not
 * loaded any more has it in the store that something is owed. */
void tell_answered(const struct receipt *r, enum receipt_outcome outcome, enum stanza_error cond);

/* Handles that item. */
void tell_handle(struct entity *e, struct item *item) MAY_YIELD;

#endif
