/* What the core does with streams besides what modules see. */
#ifndef JACKDAW_CORE_STREAM_LIFE_H
#define JACKDAW_CORE_STREAM_LIFE_H

#include "core/stream.h"

struct jid;
struct session;
struct stanza;

/* Before any worker serves. */
void streams_init(void);

/* A number that names the stream on its worker; the stream with it, or NULL if it has gone. */
uint64_t stream_id(const struct stream *s);
struct stream *stream_find(uint64_t id);

/* The account it is authenticated for (bare). */
const struct jid *stream_account(const struct stream *s);

/* When its client connected (monotonic µs). */
int64_t stream_since(const struct stream *s);

/* The longest that a client may take from connecting to a bound resource (µs). */
int64_t stream_login_time(void);

/* Bytes that may be sent to it before it is too much for a client that does not read; half of what
 * there is room for, so that the other half is left for what cannot wait. */
size_t stream_room(const struct stream *s);

/* The session's unanswered stanzas have become fewer. */
void stream_window_moved(struct stream *s);

/* Answers to bind_request(). */
void stream_bound(struct stream *s, struct session *session, struct stanza *iq);
void stream_bind_failed(struct stream *s, struct stanza *iq, enum stanza_error cond,
                        const char *text);

/* Closes every stream of the calling worker with this error (orderly stop). Sessions' streams are
 * still read until their clients have closed them too, or for close_timeout, or until the second
 * call: what is under way from them is handled (RFC 6120 section 4.4). */
void streams_close_all(enum stream_error err);

#endif
