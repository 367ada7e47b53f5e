/* What a worker has as the home of entities: tables of entities, sessions and streams. Only the
 * worker itself touches it. */
#ifndef JACKDAW_CORE_HOME_H
#define JACKDAW_CORE_HOME_H

#include <stdint.h>

#include "core/entity.h"

struct session;
struct worker;

struct home {
    struct worker *worker;
    unsigned index;
    struct entity **entities; /* chains by hash */
    size_t n_entities, entity_slots;
    struct session **sessions; /* chains by id */
    size_t n_sessions, session_slots;
    uint64_t next_id; /* of sessions and streams: unique in the process */
    unsigned n_streams;
    TAILQ_HEAD(, entity) waiting; /* for a fiber */
    TAILQ_HEAD(, entity) idle;    /* evictable, oldest first */
    unsigned n_idle;
    uint64_t kicks; /* how often an entity has begun to handle its mail */
    bool stopping;
    bool over; /* the store has gone: mail is not handled any more */
    struct home *next_left;
    bool given_up; /* stopping took too long: what is under way is not waited for any more */
    void (*when_idle)(void *arg); /* NULL: nobody waits */
    void *when_idle_arg;
    struct strbuf *scratch; /* for writing a stanza before it is copied to a connection */
};

/* Makes the calling worker's home. */
void home_start(struct worker *w);

/* Frees it; every stream must have ended. On its worker. */
void home_stop(void);

/* The calling worker's home. */
struct home *home_self(void);

/* A number never used before in this process, not 0. */
uint64_t home_new_id(struct home *h);

/* Calls `fn(arg)` once when no entity has anything left to do; perhaps at once. */
void home_when_idle(struct home *h, void (*fn)(void *arg), void *arg);

/* An entity has come to rest. */
void home_rested(struct home *h);

/* The table of sessions. */
void home_add_session(struct home *h, struct session *s);
void home_remove_session(struct home *h, struct session *s);

/* Calls `fn` for every entity, which may go meanwhile. */
void home_each_entity(struct home *h, void (*fn)(struct entity *e, void *arg), void *arg);

#endif
