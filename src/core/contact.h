/* Contacts: the roster as it stands in memory, at the account's home (RFC 6121 section 2). The
 * roster module keeps it and the store in step; others read it. */
#ifndef JACKDAW_CORE_CONTACT_H
#define JACKDAW_CORE_CONTACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/macros.h"

struct entity;
struct jid;
struct stanza;
struct work;

enum {
    SUBSCRIBED_TO = 1,   /* we see their presence */
    SUBSCRIBED_FROM = 2, /* they see ours */
};

/* What the contact has not confirmed to have heard: the last we said about our seeing their
 * presence (subscribe, unsubscribe) / their seeing ours (subscribed, unsubscribed). Which of the
 * two it was, follows from how the subscription stands. */
enum contact_owed {
    OWED_TO = SUBSCRIBED_TO,
    OWED_FROM = SUBSCRIBED_FROM,
};

struct contact {
    STAILQ_ENTRY(contact) link;
    struct contact *next;  /* in the account's table */
    struct jid *jid;       /* bare */
    char *name;            /* NULL if none */
    char *groups;          /* names with a NUL after each, an empty one ends; NULL if none */
    unsigned subscription; /* SUBSCRIBED_TO and SUBSCRIBED_FROM */
    bool ask;              /* we have asked to see their presence */
    bool pending_in;       /* they have asked to see ours */
    bool approved;         /* pre-approved: their asking will be granted */
    int64_t approved_of;   /* number of the account that had this name then; 0: whoever has it */
    bool in_roster; /* shown to the client; a mere pending_in is not (RFC 6121 appendix A.2.1) */
    unsigned owed;  /* enum contact_owed, or'ed */
    uint64_t flight[2]; /* numbers of what is on its way about TO / FROM; 0: nothing */
};

STAILQ_HEAD(contact_list, contact);

/* The same by JID: chains by hash. */
struct contact_table {
    struct contact **slots; /* NULL while there are none */
    size_t n_slots;
};

/* The contact with this bare JID, NULL if there is none. */
struct contact *contact_find(const struct entity *account, const struct jid *jid);

/* Whether `jid` (bare or full; NULL: nobody) may see the account's presence: by a subscription, or
 * because it is the account itself. */
bool contact_sees(const struct entity *account, const struct jid *jid);

/* The contact, made at the end of the list if it is not there. */
struct contact *contact_make(struct entity *account, const struct jid *jid);

/* Takes it out and frees it. Sets *c to NULL. */
void contact_remove(struct entity *account, struct contact **c);

/* Frees every contact of an account that goes. */
void contacts_clear(struct entity *account);

/* The bare JIDs of all contacts with every one of these subscription bits, in an array of *n that
 * the caller frees (free()); the JIDs stay the contacts'. */
const struct jid **contacts_with(const struct entity *account, unsigned subscription, size_t *n);

/* Sends `st`, a subscription stanza, to the contact once the item's writes are committed. When the
 * contact's home has dealt with it, or refused it, the hook contact_told is called. */
void contact_tell(struct work *w, struct contact *c, enum contact_owed about, struct stanza *st);

#endif
