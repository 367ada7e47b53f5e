/* Items: what a mailbox holds. A stanza, an answer, or something that happened to one of the
 * entity's own sessions. Items from other homes are crossings. */
#ifndef JACKDAW_CORE_ITEM_H
#define JACKDAW_CORE_ITEM_H

#include "bus/bus.h"
#include "core/work.h"
#include "loop/mailbox.h"

struct call;
struct entity;

enum item_kind {
    ITEM_IN,      /* a stanza for this entity */
    ITEM_OUT,     /* a stanza of one of its sessions */
    ITEM_KEPT,    /* a home answered for a sent message of which we want a copy */
    ITEM_BIND,    /* a stream of ours wants to become a session */
    ITEM_CLOSED,  /* a session's stream has ended */
    ITEM_TOLD,    /* a contact's home answered for what it was told */
    ITEM_ASK_DUE, /* the time of a request to a client is up */
    ITEM_CALL,    /* a function to be run in order: an admin command */
};

struct item {
    struct crossing crossing; /* used by ITEM_IN only */
    struct mail mail;
    enum item_kind kind;
    struct stanza *st;      /* IN, OUT: a reference */
    struct jid *to;         /* IN of a fan-out: this addressee, owned; else NULL: st->to */
    struct receipt receipt; /* IN */
    uint64_t session;       /* OUT, KEPT, CLOSED, ASK_DUE: which session */
    uint64_t seq;           /* OUT, KEPT; TOLD: which flight; ASK_DUE: which request */
    bool refused;           /* TOLD, with `cond` */
    enum stanza_error cond;
    uint64_t stream;   /* BIND */
    char *resource;    /* BIND: prepared, owned; NULL: make one */
    struct call *call; /* CALL */
};

/* Zeroed but for its kind. */
struct item *item_new(enum item_kind kind);
/* Frees it with what it holds. Sets NULL. */
void item_free(struct item **item);

/* Handles one item in the entity's fiber and frees it. */
void item_handle(struct entity *e, struct item *item) MAY_YIELD;

/* Refuses an item that cannot be handled (mailbox full, account cannot be loaded): answers its
 * receipt or its sender, and frees it. */
void item_refuse(struct entity *e, struct item *item, enum stanza_error cond, const char *text);

#endif
