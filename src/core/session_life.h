/* How sessions begin and end; for the core only. */
#ifndef JACKDAW_CORE_SESSION_LIFE_H
#define JACKDAW_CORE_SESSION_LIFE_H

#include "core/session.h"

struct stream;

/* Binds `resource` (prepared, not in use) of a live account to a stream. */
struct session *session_new(struct entity *account, struct stream *stream, const char *resource);

/* A client's stanza: stamped and put into its account's mailbox. Owns `st`. On the session's
 * worker. */
void session_receive(struct session *s, struct stanza *st);

/* Whether so many stanzas are unanswered that its stream should not be read. */
bool session_window_full(const struct session *s);

/* Whether everything that its client sent has been answered by everyone concerned. */
static inline bool session_settled(const struct session *s)
{
    return s->handled == s->seq;
}

/* Whether a stanza says that it is from this session or its account, or says nothing. */
bool session_is_sender(const struct session *s, const struct stanza *st);

/* `handled` has moved: the stream may read on; a closed session without anything outstanding is
 * freed. */
void session_window_moved(struct session *s);

/* Its stream has ended: an item tells the account. Later calls do nothing. */
void session_stream_ended(struct session *s);

/* In the account's fiber: it is no longer one of the account's sessions. Freed when nothing names
 * it. */
void session_close(struct session *s);

/* In the account's fiber: tells the modules (session_closed), then session_close(). */
void session_end(struct entity *e, struct session *s) MAY_YIELD;

/* An aside handler holds it / lets it go. */
void session_hold(struct session *s);
void session_release(struct session *s);

/* Nothing has come for a while: gives back what an idle session does not need. */
void session_idle(struct session *s);

#endif
