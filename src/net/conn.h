/* A connection: a non-blocking socket, later with TLS on it, on one worker's loop. Bytes in, bytes
 * out; it knows nothing of XML. Freed at the end of the loop turn. */
#ifndef JACKDAW_NET_CONN_H
#define JACKDAW_NET_CONN_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

union address;
struct conn;
struct tls_context;
struct worker;

enum conn_event {
    CONN_SECURED, /* the TLS handshake is complete */
    CONN_CLOSED,  /* the peer closed in an orderly way (or half-closed): nothing more will come */
    CONN_BROKEN,  /* reset, timeout, TLS alert, or the output limit was passed */
};

/* Called on the loop stack, never from inside a conn_ function. Both may call any conn_ function on
 * the connection, conn_detach(), conn_close() and conn_free() too. */
struct conn_handler {
    /* Decrypted bytes; valid during the call. At most 16 KiB a call and `read_budget` a turn. All
     * of them are the callee's: a connection keeps nothing that it has read. */
    void (*data)(void *arg, const char *bytes, size_t len);
    /* `why` says in a few words what happened. After CONN_CLOSED output still goes out; after
     * CONN_BROKEN nothing follows and the connection waits to be freed. */
    void (*event)(void *arg, enum conn_event ev, const char *why);
};

struct conn_conf {
    size_t output_max;  /* bytes that may wait to be written, then CONN_BROKEN */
    size_t read_budget; /* bytes read per loop turn (64 KiB) */
};

/* Takes over the connected socket `fd` (sets it non-blocking, TCP_NODELAY, keep-alive). Reading
 * starts at the end of this turn. `peer` is who the other side is: what logs and limits name.
 * `conf` and `handler` are used until conn_close() or conn_free(). */
struct conn *conn_new(struct worker *w, int fd, const union address *peer,
                      const struct conn_conf *conf, const struct conn_handler *handler, void *arg);

/* Changes what the handler is given as `arg`. */
void conn_set_arg(struct conn *c, void *arg);

/* Appends to the output; written once at the end of the turn, however many calls. Never blocks,
 * never yields. After the connection broke it does nothing. */
void conn_write(struct conn *c, const char *bytes, size_t len);

/* Bytes that wait to be written (for back-pressure). */
size_t conn_queued(const struct conn *c);

/* Bytes that the peer has sent and that wait in the kernel to be read; 0 if it cannot tell. A
 * system call. */
size_t conn_waiting(const struct conn *c);

/* Stops and restarts reading (the kernel's buffer then pushes back on the peer). Nests no deeper
 * than 1. A TLS handshake goes on meanwhile; that the peer is gone is noticed on writing only. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Starts the server's side of a TLS handshake; what was written before goes out in clear text
 * first, what is written after goes out encrypted. Nothing more is read in clear text; bytes that
 * came in the same read after the request are the caller's to forget. CONN_SECURED or CONN_BROKEN
 * follows. Keeps a reference to `tls`. A client that names no host in its handshake gets the
 * certificate of the host `name`, in A-labels (NULL: of the first one). Once only. */
void conn_start_tls(struct conn *c, struct tls_context *tls, const char *name);

/* Facts for humans and for SASL. Strings live as long as the connection; those of TLS are "" until
 * CONN_SECURED. */
bool conn_is_tls(const struct conn *c);
const char *conn_peer(const struct conn *c);         /* "192.0.2.1:5678" */
const char *conn_peer_address(const struct conn *c); /* without the port: what limits count by */
const char *conn_sni(const struct conn *c);         /* server name the peer asked for, "" if none */
const char *conn_alpn(const struct conn *c);        /* "xmpp-client", "" if none */
const char *conn_tls_version(const struct conn *c); /* "TLSv1.3" */
const char *conn_tls_cipher(const struct conn *c);

/* The TLS object, for net/tls_peer.h; the connection's. NULL until CONN_SECURED. */
SSL *conn_tls(const struct conn *c);

/* Moves the connection to another worker. On the old worker: conn_detach() stops its events and
 * timers; what was read and not yet delivered stays with it. Then hand the pointer over with
 * worker_post(). On the new worker: conn_attach() goes on, delivering what is left first (at the
 * end of the turn). Output written between the two is kept. The move of a whole stream is core's.
 */
void conn_detach(struct conn *c);
void conn_attach(struct conn *c, struct worker *w);

/* Writes out what is queued, sends TLS close_notify and FIN, then waits for the peer's FIN, so that
 * the kernel does not throw away what it has not yet sent; gives up after `linger` µs (0: after one
 * attempt to write). No event follows. Accepts NULL, sets *c to NULL. */
void conn_close(struct conn **c, int64_t linger);

/* Closes at once without flushing. No event follows. Accepts NULL, sets NULL. */
void conn_free(struct conn **c);

/* How many connections of the calling worker conn_close() has not finished yet, and freeing them at
 * once: for shutting down in order. */
unsigned conn_closing(void);
void conn_abort_closing(void);

#endif
