/* Elements as the runner sees them: read by its own parser, so that no bug of the server's parser
 * is on both sides. Everything lives in an arena. */
#ifndef TALK_NODE_H
#define TALK_NODE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"

#define NS_CLIENT "jabber:client"
#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_SASL_CB "urn:xmpp:sasl-cb:0"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_PING "urn:xmpp:ping"
#define NS_TALK "urn:jackdaw:talk" /* prefix t: in patterns */

struct attr {
    struct attr *next;
    const char *ns, *name, *value;
};

/* An element, or character data where `text` is not NULL. */
struct node {
    struct node *next;
    const char *text;
    const char *ns, *name;
    struct attr *attrs;
    struct node *first, *last;
};

/* A new element with this name; a new attribute at the end; a new last child. Strings are kept as
 * they are. */
struct node *node_new(struct arena *a, const char *ns, const char *name);
void node_set(struct arena *a, struct node *n, const char *ns, const char *name, const char *value);
void node_append(struct node *parent, struct node *child);
void node_add_text(struct arena *a, struct node *parent, const char *text, size_t len);

/* Value of the attribute, or NULL; the child element (ns NULL: any), or NULL. */
const char *node_attr(const struct node *n, const char *ns, const char *name);
const struct node *node_child(const struct node *n, const char *ns, const char *name);

/* The first child whose name is one of "a|b|c", or NULL. */
const struct node *node_child_of(struct arena *a, const struct node *n, const char *ns,
                                 const char *names);

/* Whether it is an element of this name (ns NULL: of any namespace). False for NULL. */
bool node_is(const struct node *n, const char *ns, const char *name);

/* All direct character data, in the arena. */
const char *node_text(struct arena *a, const struct node *n);

/* Writes it as XML; the default namespace around it is `ns`. Prefixes are t and stream only. */
void node_write(struct strbuf *out, const struct node *n, const char *ns);

/* Appends `s` with the five characters of XML escaped. */
void node_escape(struct strbuf *out, const char *s);

/* Reads elements (several beside each other) whose default namespace is jabber:client. The result
 * is the parent of them; NULL and `e` if the text is not well-formed. */
struct node *node_parse(struct arena *a, const char *text, struct err *e);

/* A name as expat gives it with namespaces, "ns\1name", in two parts. */
void node_split_name(struct arena *a, const char *joined, const char **ns, const char **name);

#endif
