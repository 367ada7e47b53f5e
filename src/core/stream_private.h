/* A stream's inside, shared by stream.c (its life and its bytes), stream_input.c (what comes
 * in), stream_negotiate.c (what it says) and stream_deadline.c (how long it may take). */
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
    bool ns_right;         /* the element's namespace and the content's */
    bool name_right;       /* it is <stream/> */
    bool version_1;        /* version 1.0 or later */
    bool from_bad;         /* there is a `from`, and it is not a JID */
    struct jid *to, *from; /* NULL if absent or not a JID */
};

struct stream {
    uint64_t id;
    UT_hash_handle hh; /* in the worker's table of streams */
    enum stream_phase phase;
    bool busy;  /* a fiber or the account works on something it sent: further input waits */
    bool fiber; /* a fiber names it: not freed */
    bool dispatching;
    bool paused;     /* its connection is not read */
    bool idle;       /* bound and silent: what it does not need has been given back */
    bool asked;      /* silent for long: the client was asked whether it is there */
    bool close_seen; /* the peer's </stream:stream>, the end of its bytes or a mistake of its */
    bool header_sent;
    bool ended;
    bool temporary;            /* its account exists only for it */
    enum stream_error refusal; /* the peer's mistake, told when what came before is answered */
    const char *refusal_text;  /* a literal or NULL */
    unsigned failures;         /* of authentication */
    int64_t since;             /* µs, monotonic, of its connection */
    const struct config_listen *listen;
    struct conn *conn;
    struct xml_parser *parser;
    struct stream_opening opening;
    struct host *host;
    struct jid *claimed; /* bare: who it says it is, until authenticated; NULL if it did not say */
    struct jid *account; /* once authenticated */
    char *lang;          /* the xml:lang of its header; NULL if absent or that of our own */
    struct session *session;
    struct stanza *queue, **queue_tail; /* read, not handled */
    struct strbuf held;                 /* bytes not yet parsed */
    struct stanza *features;            /* while they are being gathered */
    struct stanza *success;             /* to be sent at home */
    void *sasl;
    void (*sasl_free)(void *sasl);
    struct timer timer; /* see stream_deadline.c */
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

/* stream_input.c: the connection's handler of bytes, the parser's of elements, the turn's end. */
void stream_input(void *stream, const char *bytes, size_t len);
extern const struct xml_sink stream_sink;
void stream_turn_end(struct turn_end *t);
void stream_input_init(struct stream *s);
/* Drops what was read and is not handled. */
void stream_forget_input(struct stream *s);

/* Goes on with what was held back: queued elements, then bytes. */
void stream_continue(struct stream *s);

/* Ends the stream without a word to the peer: its connection has gone. */
void stream_end(struct stream *s);

/* The peer's mistake in a stanza: what it sent before is answered, then the stream is closed with
 * this error; nothing after it is handled. `text` is a literal or NULL. */
void stream_refuse(struct stream *s, enum stream_error err, const char *text);

/* It took too long to close: ends now. */
void stream_give_up(struct stream *s);

/* Sets the timer for the phase that has begun (or clears it). */
void stream_set_timer(struct stream *s);
/* Sets it for the end: the peer's stream is closed, ours soon. */
void stream_set_closing_timer(struct stream *s);

/* Bytes came on a bound stream that was silent. */
void stream_heard(struct stream *s);

/* Our stream header, as the answer to the peer's if that was seen (RFC 6120 section 4.7). */
void stream_send_header(struct stream *s);

/* The fiber that named it has ended. */
void stream_fiber_ended(struct stream *s);

/* Answers the stream header in s->opening with ours and the features. */
void stream_answer_opening(struct stream *s);

/* Handles one element at depth 1, which it owns. */
void stream_handle(struct stream *s, struct stanza *st);

/* The parser expects a new stream header (after TLS and SASL). */
void stream_restart(struct stream *s);

#endif
