/* Bytes of an XML stream → elements at depth 1. RFC 6120 section 4 and 11: no DTD, entities,
 * comments or processing instructions. Everything a peer can make large has a limit. */
#ifndef JACKDAW_XML_PARSER_H
#define JACKDAW_XML_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "xml/tree.h"

struct xml_parser;

/* No element is nested deeper than this whatever the limits say: code that walks trees by
 * recursion, on a fiber's small stack, counts on it. */
#define XML_DEPTH_MAX 128

struct xml_limits {
    size_t bytes;      /* fed since the end of the last element at depth 1 */
    unsigned elements; /* in one element at depth 1 */
    unsigned depth;    /* below the stream header */
    unsigned attrs;    /* of one element, namespace declarations included */
};

enum xml_error {
    XML_OK = 0,
    XML_NOT_WELL_FORMED,      /* not-well-formed */
    XML_RESTRICTED,           /* restricted-xml: DTD, entity, comment, processing instruction */
    XML_UNSUPPORTED_ENCODING, /* unsupported-encoding: not UTF-8 */
    XML_TOO_BIG,              /* policy-violation: a limit was passed */
    XML_BAD_NAMESPACE_PREFIX, /* bad-namespace-prefix */
    XML_BAD_FORMAT,           /* bad-format: XML, but not a stream's: text between elements */
};

/* A word for the log: "not-well-formed" and so on (RFC 6120 section 4.9.3 condition names). */
const char *xml_error_condition(enum xml_error e);

/* Callbacks, run inside xml_parser_feed(). They must not call back into the parser, except for
 * xml_parser_stop(). */
struct xml_sink {
    /* The stream header. `el` has no children and is valid during the call; `content_ns` is the
     * default namespace it declares ("" if none), as on the wire. */
    void (*open)(void *arg, const struct xml_el *el, const char *content_ns);
    /* An element at depth 1, in `arena`, which is the callee's from now on (arena_free()). */
    void (*element)(void *arg, struct arena *arena, struct xml_el *el);
    /* The stream's end tag. */
    void (*close)(void *arg);
};

/* A parser that waits for a stream header. `limits` is copied, `sink` must outlive the parser. */
struct xml_parser *xml_parser_new(const struct xml_sink *sink, void *arg,
                                  const struct xml_limits *limits);

/* Feeds bytes; not more than 16 KiB go to expat at once, and never while it is in a callback.
 * After an error every further call returns the same error. White space before the stream header
 * and between elements takes no parser. An element is delivered by the call that brings its last
 * byte, however its bytes are spread over calls. After the stream's end tag white space is ignored
 * and anything else is an error. */
MUST_CHECK enum xml_error xml_parser_feed(struct xml_parser *p, const char *data, size_t len);

/* From within a callback: ignore the rest of what is being fed (STARTTLS: what came after it in
 * clear text must not be believed; also when the connection is being closed). No callback runs
 * until the next xml_parser_feed(), which goes on after the element whose callback this was,
 * normally after xml_parser_restart(). */
void xml_parser_stop(struct xml_parser *p);

/* How many bytes of the last xml_parser_feed() were taken: all, or if a callback called
 * xml_parser_stop(), those up to the end of its element: the caller may keep the others and feed
 * them later (a client that does not wait for the answer before it goes on). */
size_t xml_parser_consumed(const struct xml_parser *p);

/* Starts over: a new stream header is expected (RFC 6120 section 4.3.3). Not from a callback. */
void xml_parser_restart(struct xml_parser *p);

/* A stream whose header needs no reading: from the next byte on elements at depth 1 are expected,
 * in a stream with this content namespace and the prefix "stream" (a WebSocket's frames, bytes out
 * of the archive). The sink's `open` is not called. Not from a callback. */
void xml_parser_assume_open(struct xml_parser *p, const char *content_ns);

/* Other limits (after authentication), in force at once. */
void xml_parser_set_limits(struct xml_parser *p, const struct xml_limits *limits);

/* Moves where callbacks go (a stream that changes hands). */
void xml_parser_set_arg(struct xml_parser *p, void *arg);

/* Gives the expat parser back to the pool of this thread, if it stands between elements at depth 1
 * and holds nothing: then true, and the struct keeps only what it needs to take one again at the
 * next byte that is not white space. The pool is keyed by the header's name and declarations. Also
 * true if there is nothing to give back. Not from a callback. */
bool xml_parser_park(struct xml_parser *p);

/* Bytes that came since the last element (or the header, or white space after it) ended: 0 between
 * elements. */
size_t xml_parser_pending(const struct xml_parser *p);

/* Frees the parser, not from a callback. Accepts NULL, sets NULL. */
void xml_parser_free(struct xml_parser **p);

/* Frees what the calling thread's pool holds. A thread that ends does so by itself. */
void xml_parser_pool_clear(void);

#endif
