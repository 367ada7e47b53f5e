/* Splits a server's stream into stanzas without parsing them: a count of angle brackets.
 * Good for a peer that is trusted to send well-formed XML; it builds no tree and copies nothing. */
#ifndef JACKDAW_BENCH_SCAN_H
#define JACKDAW_BENCH_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes inside somebody else's buffer; valid as long as that buffer is. */
struct slice {
    const char *s;
    size_t len;
};

enum scan_result {
    SCAN_MORE,   /* needs more bytes */
    SCAN_OPEN,   /* the stream's own start tag */
    SCAN_STANZA, /* a whole element below it */
    SCAN_CLOSE,  /* the stream's own end tag */
};

/* Zero-initialise; zero it again when the stream restarts. Offsets are into the caller's buffer. */
struct scan {
    unsigned depth; /* 1 between stanzas */
    size_t start;   /* where the current stanza begins */
    size_t pos;     /* everything before it has been looked at */
};

/* Goes on in `buf`, which must begin with the same bytes as at the last call (longer by now),
 * except for those that scan_drop() took away. Call until it says SCAN_MORE. */
enum scan_result scan_next(struct scan *s, const char *buf, size_t len, struct slice *out);

/* How many leading bytes are done with; forgets them, so the caller must remove them. */
size_t scan_drop(struct scan *s);

/* The value of an attribute of the element's first tag, as it stands (entities not resolved).
 * False if there is none. */
bool scan_attr(struct slice element, const char *name, struct slice *value);

/* Whether the element's first tag is named `name`. */
bool scan_is(struct slice element, const char *name);

/* The first place of `needle` in `hay`, NULL if none. */
const char *scan_find(struct slice hay, const char *needle);

/* What is between the element's first '>' and the next '<': its text if it has no child first.
 * False if it is empty. */
bool scan_text(struct slice element, struct slice *text);

#endif
