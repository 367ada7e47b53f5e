/* A stream's inside, shared by stream.c (its life and its bytes) and stream_negotiate.c (what it
 * says). */
#ifndef JACKDAW_CORE_STREAM_PRIVATE_H
#define JACKDAW_CORE_STREAM_PRIVATE_H

#include <uthash.h>

#include "base/strbuf.h"
#include "core/stream_life.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "xml/parser.h"

#define STREAM_ID_LEN 16 /* characters of 6 bits in the stream's id attribute */

/* What the peer's last stream header said, until it is answered. */
struct stream_opening {
    bool seen;
    bool is_stream; /* the element is <stream:stream/> in its namespace */
    bool is_client; /* the content namespace is jabber:client */
    bool version_1; /* version 1.0 or a later 1.x */
    struct jid *to; /* NULL if absent or not a JID */
};

struct stream {
    uint64_t id;
    UT_hash_handle hh; /* in the worker's table of streams */
    enum stream_phase phase;
    bool busy;  /* a fiber or the account works on something it sent: further input waits */
    bool fiber; /* a fiber names it: not freed */
    bool dispatching;
    bool paused;              /* its connection is not read */
    bool close_seen;          /* the peer's </stream:stream>, or the end of its bytes */
    enum xml_error xml_error; /* why, if it ends with a mistake of the peer's */
    bool header_sent;
    bool ended;
    unsigned failures; /* of authentication */
    int64_t since;     /* µs, monotonic, of its connection */
    const struct config_listen *listen;
    struct conn *conn;
    struct xml_parser *parser;
    struct stream_opening opening;
    struct host *host;
    struct jid *account; /* once authenticated */
    struct session *session;
    struct stanza *queue, **queue_tail; /* read, not handled */
    struct strbuf held;                 /* bytes not yet parsed */
    struct stanza *features;            /* while they are being gathered */
    struct stanza *success;             /* to be sent at home */
    void *sasl;
    void (*sasl_free)(void *sasl);
    struct timer timer; /* until bound: the time to log in; then: when the parser is parked */
    int64_t last_data;
    struct timer slow; /* set: its client is slowed down until then (stream_slow) */
    unsigned elements; /* read and not yet told (hook stream_input) */
    struct turn_end turn;
    struct post post; /* for the move */
    char *label;
    char *quota; /* under which it is counted; NULL if not */
};

/* The one place where the phase changes. */
void stream_set_phase(struct stream *s, enum stream_phase phase);

/* Goes on with what was held back: queued elements, then bytes. */
void stream_continue(struct stream *s);

/* Ends the stream without a word to the peer: its connection has gone. */
void stream_end(struct stream *s);

/* The fiber that named it has ended. */
void stream_fiber_ended(struct stream *s);

/* Answers the stream header in s->opening with ours and the features. */
void stream_answer_opening(struct stream *s);

/* Handles one element at depth 1, which it owns. */
void stream_handle(struct stream *s, struct stanza *st);

/* The parser expects a new stream header (after TLS and SASL). */
void stream_restart(struct stream *s);

#endif
