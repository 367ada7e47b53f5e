/* A client of the dialogue, ordinary (libstrophe) or raw (our own stream), and what it received. */
#ifndef TALK_CLIENT_H
#define TALK_CLIENT_H

#include "dialogue.h"

enum event_kind {
    EVENT_STANZA,
    EVENT_HEADER,       /* the server's stream header */
    EVENT_STREAM_ERROR, /* `el` is the <stream:error/> */
    EVENT_END,          /* </stream:stream> */
    EVENT_GONE,         /* the connection is closed */
    EVENT_BAD,          /* the server sent what is not XMPP: see `text` */
};

struct event {
    struct event *next;
    enum event_kind kind;
    const struct node *el;
    const char *text;
};

/* Ids of what "receives nothing" sends: by others to the client, by the client to its server. */
#define MARKER_OTHER "talk-marker-other-"
#define MARKER_OWN "talk-marker-own-"

struct client;

struct client_ops {
    /* Reads and writes, waiting at most `ms` for something to do; events come by client_event(). */
    void (*pump)(struct client *c, int ms);
    /* Sends bytes; all of them have left the process when it returns. */
    bool (*send)(struct client *c, const char *data, size_t len);
    /* Ends the stream in order (without waiting for the answer), or drops the connection. */
    void (*close)(struct client *c);
    void (*drop)(struct client *c);
    void (*free)(struct client *c);
};

struct client {
    struct client *next;
    struct dialogue *d;
    const struct client_ops *ops;
    void *impl;
    const char *name;
    const char *address;  /* of the account, bare JID; NULL if none was named */
    const char *resource; /* wanted; NULL: the server chooses */
    const char *full;     /* bound JID, NULL before */
    struct event *first, *last;
    struct node *ignored; /* parent of patterns of stanzas to leave out; NULL: none */
    bool shows_pings;     /* the dialogue answers the server's pings itself */
    bool gone;            /* the connection is closed: no more events will come */
};

/* A new client of this name, replacing an older one (which is dropped). `impl` is what ops->free
 * frees. */
struct client *client_add(struct dialogue *d, const char *name, const struct client_ops *ops,
                          void *impl);

/* The client of this name, or NULL after fail(). */
struct client *client_find(struct dialogue *d, const char *name);

/* Takes apart "account/resource" (an account's name or a JID) into c->address and c->resource. */
bool client_set_address(struct client *c, const char *address);

/* Remembers the bound JID and sets the variables NAME.full and NAME.resource. */
void client_set_full(struct client *c, const char *full);

/* Called by the ops: something was received. */
void client_event(struct client *c, enum event_kind kind, const struct node *el, const char *text);

/* The next event that is not ignored, waiting for it until the dialogue's patience ends: NULL after
 * fail(), which says that `wanted` did not come. */
const struct event *client_next(struct client *c, const char *wanted);

/* The next stanza; NULL after fail() if something else came. */
const struct node *client_next_stanza(struct client *c, const char *wanted);

/* Takes the first stanza that matches `pattern` out of the queue and leaves what came before it.
 * NULL after fail(). */
const struct node *client_take(struct client *c, const struct node *pattern);

/* Puts a stanza back, to be received next. */
void client_put_back(struct client *c, const struct event *e);

/* Sends bytes and notes them in the transcript; false after fail(). */
bool client_send(struct client *c, const char *data, size_t len);
bool client_sendf(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* An event in words, for failures. */
const char *event_say(struct dialogue *d, const struct event *e);

/* An element in words. */
const char *node_say(struct dialogue *d, const struct node *n);

/* Ends every client. */
void clients_free(struct dialogue *d);

/* ordinary.c: connects with libstrophe, logs in and binds. False after fail(); if `expect_failure`,
 * it is the other way round. */
bool ordinary_connect(struct client *c, bool direct_tls, const char *password, bool expect_failure);
struct client *ordinary_new(struct dialogue *d, const char *name);

#endif
