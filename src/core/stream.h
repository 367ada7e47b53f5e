/* A client's stream: bytes of a connection ↔ stanzas, through negotiation (RFC 6120 sections 4 to
 * 7). Lives on one worker; moves once, when its account is known. */
#ifndef JACKDAW_CORE_STREAM_H
#define JACKDAW_CORE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config.h"
#include "net/conn.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"
#include "xmpp/stream_error.h"

struct host;
struct session;
struct stream;
struct worker;

enum stream_phase {
    STREAM_OPENING,   /* waiting for a stream header */
    STREAM_INSECURE,  /* header seen, TLS required before anything else */
    STREAM_HANDSHAKE, /* TLS handshake under way */
    STREAM_SECURE,    /* TLS is on, not authenticated */
    STREAM_MOVING,    /* between two workers */
    STREAM_AUTHED,    /* authenticated, no resource yet */
    STREAM_BOUND,     /* a session */
    STREAM_CLOSING,   /* a session that we have said good-bye to: still read, not written */
    STREAM_CLOSED,    /* nothing more is read */
};

/* Takes a connected socket, whose other side is `peer`. Frees itself when done. On worker `w`. */
void stream_accept(struct worker *w, const struct config_listen *listen, int fd,
                   const union address *peer);

/* What is known of it. Without a comment: never NULL, valid as long as the stream. On the stream's
 * worker. */
enum stream_phase stream_phase(const struct stream *s);
const char *stream_phase_name(enum stream_phase p);
struct conn *stream_conn(const struct stream *s);       /* NULL once it has ended */
struct host *stream_host(const struct stream *s);       /* NULL before the header */
const char *stream_label(const struct stream *s);       /* for logs: JID or address */
struct session *stream_session(const struct stream *s); /* NULL unless a resource is bound */
int64_t stream_last_heard(const struct stream *s); /* when its last bytes came: monotonic µs */

/* In a stream_features hook: the arena for what is added. */
struct arena *stream_features_arena(const struct stream *s);

/* Sends an element (a nonza or features) or raw bytes. */
void stream_send_el(struct stream *s, const struct xml_el *el);
void stream_send(struct stream *s, const char *bytes, size_t len);
/* Sends a stanza, addressed to `to` if the stanza has no `to` of its own. */
void stream_send_stanza(struct stream *s, const struct stanza *st, const struct jid *to);

/* Reads nothing more from its client for `time` µs from now; what has been read is still handled.
 * The kernel's buffers then push back on the client. Replaces the pause that is under way. */
void stream_slow(struct stream *s, int64_t time);

/* What its client has sent makes as much work as `n` stanzas more: they count as read (hook
 * stream_input). */
void stream_charge(struct stream *s, size_t n);

/* Sends the error and </stream:stream>, then closes. `text` may be NULL. */
void stream_close(struct stream *s, enum stream_error err, const char *text);

/* SASL succeeded for this account: moves the stream to the account's home; there sends `success`
 * and expects a new header. `success` is used up. The calling fiber goes on, but the stream is not
 * its any more. */
void stream_authenticated(struct stream *s, const struct jid *bare, struct stanza *success);

/* Before stream_authenticated(): there is no such account, and it is to be a temporary one that is
 * made when the stream binds (account_make_temporary()). */
void stream_make_temporary(struct stream *s);
bool stream_is_temporary(const struct stream *s);

/* A login failed; closes the stream (policy-violation) after limits.login_failures. */
void stream_auth_failed(struct stream *s);

/* What the SASL module keeps with the stream until it is authenticated or closed. */
void stream_set_sasl(struct stream *s, void *sasl, void (*free_fn)(void *sasl));
void *stream_sasl(const struct stream *s);

#endif
