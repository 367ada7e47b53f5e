/* A session: one bound resource of an account, at the account's home. */
#ifndef JACKDAW_CORE_SESSION_H
#define JACKDAW_CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "xmpp/stanza.h"

struct ask;
struct entity;
struct module_inst;
struct stream;

struct session {
    uint64_t id; /* unique in this process, never used again */
    struct entity *account;
    uint64_t owner;          /* the account's number when it was bound */
    const struct jid *jid;   /* full; owned */
    struct stream *stream;   /* NULL once its connection has gone */
    int64_t since;           /* wall µs of binding */
    struct stanza *presence; /* last available presence, NULL while unavailable */
    int priority;            /* of that presence, -128..127 */
    bool interested;         /* asked for the roster: gets pushes */
    bool closed;             /* its stream has ended; only receipts are still awaited */
    bool leaving;   /* its stream is being closed: it gets answers to what it sent, nothing new */
    bool announced; /* session_available is due after the item in hand */
    struct sent *sent; /* ring of stanzas whose receipts are outstanding; NULL while none */
    unsigned sent_cap;
    size_t sent_size;      /* bytes these stanzas hold */
    struct ask *asks;      /* requests that its client has not answered */
    unsigned holds;        /* aside handlers that name it */
    uint64_t seq, handled; /* received from the client / of these, answered by everyone concerned */
    TAILQ_ENTRY(session) link;
    struct session *next_by_id;
    void **slots;
};

/* Sends to the session's client now. `st` stays the caller's. Without a stream nothing happens. The
 * address in `to` is written as the session's full JID if `st` has none. */
void session_send(struct session *s, struct stanza *st);

/* Bytes that its client may be given now, for what could be more than its connection can hold. */
size_t session_room(const struct session *s);

/* How many bytes `st` (frozen here) takes of that. */
size_t session_cost(struct stanza *st);

/* Whether its client is still connected. If not, the account will hear of it with an item: until
 * then the session is there, but what is sent to it is lost. */
static inline bool session_connected(const struct session *s)
{
    return s->stream != NULL && !s->leaving;
}

/* Whether it has announced itself; whether it takes messages to the bare JID: connected, and with a
 * priority that says so. */
static inline bool session_available(const struct session *s)
{
    return s->presence != NULL;
}
static inline bool session_wants_messages(const struct session *s)
{
    return session_connected(s) && s->presence != NULL && s->priority >= 0;
}

/* In the handler of its first available presence: once that has been dealt with, and before
 * anything else of the account, the hook session_available is called. */
static inline void session_announce(struct session *s)
{
    s->announced = true;
}

/* The session with this id on the calling worker, or NULL if it has gone. */
struct session *session_find(uint64_t id);

/* The module's data in this session, as account_slot(). */
void *session_slot(struct session *s, const struct module_inst *inst);

#endif
