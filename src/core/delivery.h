/* Where stanzas go: RFC 6121 section 8 and RFC 6120 section 10 as tables. The effects belong to
 * those who have them: messages to the module chat, presence to presence and roster, IQs to the
 * core. */
#ifndef JACKDAW_CORE_DELIVERY_H
#define JACKDAW_CORE_DELIVERY_H

#include <stdbool.h>

struct entity;
struct jid;
struct session;
struct stanza;
struct work;

/* What becomes of a stanza for an account. */
enum delivery {
    DELIVER_NOWHERE, /* it is silently ignored */
    DELIVER_REFUSED, /* its sender gets service-unavailable */
    DELIVER_STORED,  /* it waits for somebody to come; what is not worth it is refused or ignored */
    DELIVER_RESOURCE,  /* to the resource that is addressed */
    DELIVER_TAKERS,    /* to every available resource with a priority that is not negative */
    DELIVER_AVAILABLE, /* to every available resource */
    DELIVER_ACCOUNT,   /* dealt with on the account's behalf: subscriptions, probes, IQ requests */
};

/* At the account's home: what becomes of `st`, which is for `to` (the account or a resource). */
enum delivery delivery_for(const struct stanza *st, const struct entity *account,
                           const struct jid *to);

/* The same for a stanza to a host of ours that nobody there has answered. */
enum delivery delivery_to_host(const struct stanza *st);

/* What becomes of a client's own stanza at its account's home. */
enum submission {
    SUBMIT_ROUTED,  /* goes to its addressee */
    SUBMIT_SELF,    /* goes to the sender's own account as if it had been addressed to it */
    SUBMIT_ACCOUNT, /* its own account deals with it */
    SUBMIT_HOST,    /* a host deals with it */
    SUBMIT_ANSWER,  /* answers a request of this server, or nothing */
    SUBMIT_REFUSED, /* gets service-unavailable */
};
enum submission submission_of(const struct work *w);

/* The connected session that `to` names, NULL if there is none or `to` is bare. */
struct session *delivery_addressed(const struct entity *account, const struct jid *to);

#endif
