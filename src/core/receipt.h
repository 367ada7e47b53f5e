/* Receipts: every stanza of a client is answered exactly once by every home it reaches; the stream
 * counts it as handled when all answers are in. */
#ifndef JACKDAW_CORE_RECEIPT_H
#define JACKDAW_CORE_RECEIPT_H

#include "bus/bus.h"
#include "core/work.h"

enum receipt_outcome {
    RECEIPT_KEPT,    /* stored, or was already */
    RECEIPT_HANDED,  /* handed over; nothing was to be stored */
    RECEIPT_REFUSED, /* the sender gets an error */
};

/* A client's stanza whose answers are outstanding. */
struct sent {
    struct stanza *st;
    size_t size;      /* bytes it holds */
    unsigned pending; /* answers awaited, the own home's included */
    bool want_copy;   /* tell message_kept */
};

/* Begins to wait for the answers to `st`, one of which is the own home's. Returns its sequence
 * number. */
uint64_t receipt_expect(struct session *s, struct stanza *st);

/* One more home will answer for this stanza. */
void receipt_expect_more(struct session *s, uint64_t seq, bool want_copy);

/* The stanza with this number while it is outstanding, else NULL. */
struct sent *receipt_sent(struct session *s, uint64_t seq);

/* One answer is in. When all are, the stanza counts as handled; then its stream may read on. May
 * free `s` if it is closed. */
void receipt_done(struct session *s, uint64_t seq);

/* Answers for a home, wherever the source is. Without a source nothing happens. `text` is a literal
 * or NULL. */
void receipt_answer(const struct receipt *r, enum receipt_outcome outcome, enum stanza_error cond,
                    const char *text);

/* A receipt as part of a crossing. */
void receipt_encode(struct strbuf *out, const struct receipt *r);
struct receipt receipt_decode(struct wire *in);

/* Declares the crossing type. */
void receipt_init(void);

#endif
