/* Stanzas: reference-counted, immutable once routed. */
#ifndef JACKDAW_XMPP_STANZA_H
#define JACKDAW_XMPP_STANZA_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/strbuf.h"
#include "xml/tree.h"
#include "xmpp/jid.h"

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ, STANZA_NONZA };

enum stanza_type {
    TYPE_INVALID, /* a type the RFC does not know (a message's is read as normal) */
    /* message */
    TYPE_NORMAL,
    TYPE_CHAT,
    TYPE_GROUPCHAT,
    TYPE_HEADLINE,
    /* presence */
    TYPE_AVAILABLE,
    TYPE_UNAVAILABLE,
    TYPE_SUBSCRIBE,
    TYPE_SUBSCRIBED,
    TYPE_UNSUBSCRIBE,
    TYPE_UNSUBSCRIBED,
    TYPE_PROBE,
    /* iq */
    TYPE_GET,
    TYPE_SET,
    TYPE_RESULT,
    /* all three */
    TYPE_ERROR,
};

/* Conditions of RFC 6120 section 8.3.3, in the order of the text. */
enum stanza_error {
    SE_BAD_REQUEST,
    SE_CONFLICT,
    SE_FEATURE_NOT_IMPLEMENTED,
    SE_FORBIDDEN,
    SE_GONE,
    SE_INTERNAL_SERVER_ERROR,
    SE_ITEM_NOT_FOUND,
    SE_JID_MALFORMED,
    SE_NOT_ACCEPTABLE,
    SE_NOT_ALLOWED,
    SE_NOT_AUTHORIZED,
    SE_POLICY_VIOLATION,
    SE_RECIPIENT_UNAVAILABLE,
    SE_REDIRECT,
    SE_REGISTRATION_REQUIRED,
    SE_REMOTE_SERVER_NOT_FOUND,
    SE_REMOTE_SERVER_TIMEOUT,
    SE_RESOURCE_CONSTRAINT,
    SE_SERVICE_UNAVAILABLE,
    SE_SUBSCRIPTION_REQUIRED,
    SE_UNDEFINED_CONDITION,
    SE_UNEXPECTED_REQUEST,
    SE_COUNT
};

struct stanza {
    atomic_uint refs;
    enum stanza_kind kind;
    enum stanza_type type;
    struct arena *arena;
    struct xml_el *el;      /* edit only before routing */
    const struct jid *from; /* NULL if absent; stanza_set_from() keeps the attribute in step */
    const struct jid *to;   /* NULL if absent */
    const char *id;         /* NULL if absent */
    const char *inner;      /* the content as bytes once frozen, else NULL */
    size_t inner_len;
    const char *stored; /* the content as archives keep it, if that has been made; in the arena */
    size_t stored_len;
    struct stanza *next;   /* in the queue of the stream that read it, before it is routed */
    struct stanza *shared; /* holds the children that an edited copy shares; NULL */
};

/* Wraps an element; takes `arena` (which holds it, and will hold the stanza). Kind, type, id, from
 * and to are read from the attributes. A malformed `from` is ignored (it will be stamped). Returns
 * the stanza; *to_malformed is set if `to` is present but not a JID (NULL: do not care). One
 * reference, the caller's. */
struct stanza *stanza_from_element(struct arena *arena, struct xml_el *el, bool *to_malformed);

/* A new, empty stanza in an arena of its own. `type` decides the type attribute. `from`, `to`, `id`
 * may be NULL and are copied. */
struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type, const struct jid *from,
                          const struct jid *to, const char *id);

/* A new element that is no stanza (SASL, features), empty, in an arena of its own. */
struct stanza *stanza_nonza(const char *ns, const char *name);

/* The answer to `st`: addresses swapped, same id; an iq becomes a result, others keep their type.
 */
struct stanza *stanza_reply(const struct stanza *st);

/* The error answer with RFC 6120's type for this condition; `text` (English) may be NULL. NULL if
 * `st` must not be answered (an error itself, or an iq result). */
struct stanza *stanza_error(const struct stanza *st, enum stanza_error cond, const char *text);

/* A copy whose top element may be edited: attributes set, children added and removed (`st` stays as
 * it is). What the children hold is shared and kept alive: to change inside a child, put an
 * xml_copy() of it in its place. Takes its own reference to `st`. */
struct stanza *stanza_edit(struct stanza *st);

/* A copy in an arena just as large as it needs: for a stanza that is kept for long. */
struct stanza *stanza_compact(const struct stanza *st);

/* One more reference, for whoever keeps it. Returns `st`. Any thread. */
struct stanza *stanza_ref(struct stanza *st);
/* Drops a reference, sets *st to NULL. Accepts NULL. Any thread. */
void stanza_unref(struct stanza **st);

/* Sets an address, the attribute with it. `j` is copied into the stanza's arena; NULL removes it.
 */
void stanza_set_from(struct stanza *st, const struct jid *j);
void stanza_set_to(struct stanza *st, const struct jid *j);

/* Serialises the content once into the arena, so that threads share nothing lazy. Called by the
 * router before a stanza leaves its home; calling it again does nothing. From then on the element's
 * children must stay as they are. */
void stanza_freeze(struct stanza *st);

/* Gives a new stanza its whole content, as bytes that xml_write() has made once (with parent
 * NS_CONTENT); copied. It is frozen then. */
void stanza_set_inner(struct stanza *st, const char *bytes, size_t len);

/* Writes the stanza for a stream (top element in the content namespace), using frozen content if
 * there is. */
void stanza_write(struct strbuf *out, const struct stanza *st);

/* The same, with other addresses in the start tag (NULL keeps the stanza's own): fan-out. */
void stanza_write_as(struct strbuf *out, const struct stanza *st, const struct jid *from,
                     const struct jid *to);

/* Names. */
const char *stanza_type_name(enum stanza_type type); /* NULL: no attribute (available) */
const char *stanza_error_name(enum stanza_error cond);
const char *stanza_error_type(enum stanza_error cond); /* "cancel", "wait", ... */
/* The condition in an error stanza, SE_UNDEFINED_CONDITION if none is found. */
enum stanza_error stanza_error_of(const struct stanza *st);

/* The rule of RFC 6120 section 8 or RFC 6121 section 4.7.1 that a stanza breaks, as a text for its
 * bad-request: an iq or presence of no known type, an iq without an id, a request without exactly
 * one child. NULL if none. */
const char *stanza_flaw(const struct stanza *st);

/* Shorthands on st->el. */
struct xml_el *st_child(const struct stanza *st, const char *ns, const char *name);
struct xml_el *st_add(struct stanza *st, const char *ns, const char *name);
const char *st_attr(const struct stanza *st, const char *name);

/* A stanza as bytes (as stanza_write() makes them) → stanza, as the archive and the bus need it.
 * NULL if they are not exactly one element of the content namespace. */
struct stanza *stanza_parse(const char *bytes, size_t len);

#endif
