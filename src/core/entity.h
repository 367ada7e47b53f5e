/* Entities: accounts (later rooms and remote links) with a home, a mailbox, a ledger and slots for
 * the modules. Only the home touches them. */
#ifndef JACKDAW_CORE_ENTITY_H
#define JACKDAW_CORE_ENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/contact.h"
#include "loop/fiber.h"
#include "loop/ledger.h"
#include "loop/mailbox.h"
#include "loop/timer.h"
#include "xmpp/jid.h"

struct host;
struct module_inst;
struct session;

enum entity_state {
    ENTITY_LOADING, /* its rows are being read; mail waits */
    ENTITY_LIVE,
    ENTITY_DRAINING, /* going: whatever still comes in makes a new one afterwards */
};

TAILQ_HEAD(session_list, session);

/* An account at its home. (Rooms will share everything but the sessions.) */
struct entity {
    struct entity *next;   /* in the home's table */
    const struct jid *jid; /* bare; owned */
    struct host *host;
    uint64_t owner; /* number in the store; 0 while loading */
    enum entity_state state;
    bool exists;    /* there is such an account */
    bool temporary; /* it exists only here and for its one session: nothing of it is stored; who
                       writes past work_write() looks here */
    bool leaving;   /* there was: its contacts are being told, its name is not free yet */
    void (*when_gone)(void *arg, int result); /* that has come to an end; NULL: nobody waits */
    void *when_gone_arg;
    int64_t revoked; /* µs, monotonic: who connected before may not bind a resource; 0: never */
    struct mailbox mailbox;
    struct ledger ledger;
    bool running;                 /* a fiber handles its mail, or is about to */
    bool waiting_for_fiber;       /* no fiber was free */
    TAILQ_ENTRY(entity) waiting;  /* in the home's queue for a fiber, or in that of the idle */
    unsigned asides;              /* reading handlers under way */
    unsigned holds;               /* open requests and the like that forbid eviction */
    struct session_list sessions; /* bound ones, in order of binding */
    unsigned n_sessions;
    struct contact_list contacts; /* see contact.h */
    struct contact_table contact_table;
    size_t n_contacts;
    struct timer idle; /* set while nothing but memory keeps it */
    void **slots;      /* per module: account_size bytes each, made at first use */
};

/* The module's own data in this account: zeroed at first use, freed with the account after
 * module.account_free(). Only at home. */
void *account_slot(struct entity *e, const struct module_inst *inst);
/* The same, but NULL if it was never used. */
void *account_slot_peek(const struct entity *e, const struct module_inst *inst);

/* The session bound to `resource` (prepared), or NULL. */
struct session *entity_session(const struct entity *e, const char *resource);

#endif
