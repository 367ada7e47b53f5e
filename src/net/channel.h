/* A channel: bytes over one non-blocking socket, in clear text and later through TLS. Each call is
 * one attempt that never blocks; queues, events and when to try again are conn's. */
#ifndef JACKDAW_NET_CHANNEL_H
#define JACKDAW_NET_CHANNEL_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct channel {
    int fd;       /* the owner's, who closes it */
    SSL *ssl;     /* NULL while in clear text */
    bool drained; /* the last read took all that the kernel had */
    bool eof;     /* the peer's FIN was read */
    int error;    /* errno of the last system call, 0 if it succeeded */
};

enum channel_result {
    CHANNEL_OK,
    CHANNEL_WANT_READ,  /* try again when the socket is readable */
    CHANNEL_WANT_WRITE, /* try again when the socket is writable */
    CHANNEL_EOF,    /* the peer ended in an orderly way: FIN in clear text, close_notify in TLS */
    CHANNEL_FAILED, /* for good: see channel_why() */
};

/* Reads at most `size` bytes; *len is set on CHANNEL_OK and then not 0. */
MUST_CHECK enum channel_result channel_read(struct channel *ch, char *buf, size_t size,
                                            size_t *len);

/* Whether bytes may be had from channel_read() without the socket becoming readable: they wait in
 * the TLS object (perhaps only a part of a record). */
bool channel_pending(const struct channel *ch);

/* Writes at most `size` bytes; *len is set on CHANNEL_OK and then not 0. After a CHANNEL_WANT_ the
 * next attempt must begin with the same bytes (at whatever address) and not be shorter. */
MUST_CHECK enum channel_result channel_write(struct channel *ch, const char *bytes, size_t size,
                                             size_t *len);

/* Makes `ssl`, from now on the channel's, the server's side of TLS on this socket. `ch` must not
 * move in memory any more. */
void channel_start_tls(struct channel *ch, SSL *ssl);

/* Goes on with the handshake. On CHANNEL_FAILED an alert has been sent where TLS wants one. */
MUST_CHECK enum channel_result channel_handshake(struct channel *ch);

/* Says that nothing more will be written: close_notify if the handshake was completed, then FIN. */
MUST_CHECK enum channel_result channel_shutdown(struct channel *ch);

/* Reads from the socket and forgets at most `max` bytes, without decrypting them. CHANNEL_OK if
 * there may be more. */
MUST_CHECK enum channel_result channel_discard(struct channel *ch, size_t max);

/* Why the last call of this thread that returned CHANNEL_FAILED did: one line for a log. */
const char *channel_why(void);

/* Frees the TLS object. The socket stays open. */
void channel_clear(struct channel *ch);

#endif
