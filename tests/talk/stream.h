/* The server's bytes → events of a client. */
#ifndef TALK_STREAM_H
#define TALK_STREAM_H

#include "client.h"

struct stream_reader;

/* A reader whose events go to `c`. Free with stream_reader_free(). */
struct stream_reader *stream_reader_new(struct client *c);

/* Reads bytes. After <success/> of SASL a new stream header is expected (RFC 6120 section 6.4.6),
 * also within the same bytes; after <proceed/> nothing may follow in clear text. */
void stream_reader_feed(struct stream_reader *r, const char *data, size_t len);

/* Expects a new stream header. */
void stream_reader_restart(struct stream_reader *r);

/* Accepts NULL, sets NULL. */
void stream_reader_free(struct stream_reader **r);

#endif
