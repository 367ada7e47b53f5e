/* JIDs: RFC 7622 addresses, prepared once and then immutable. */
#ifndef JACKDAW_XMPP_JID_H
#define JACKDAW_XMPP_JID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* One string "node@domain/resource" in prepared form, and where its parts are. A bare JID has
 * len == bare_len. Equal JIDs have equal bytes. */
struct jid {
    uint64_t bare_hash; /* hash_bytes() of the bare form: in memory only, never stored */
    uint16_t node_len;  /* 0: a domain or domain/resource */
    uint16_t bare_len;  /* up to the '/' */
    uint16_t len;       /* of the whole */
    char s[];           /* NUL-terminated */
};

#define JID_MAX 3071 /* 3 * 1023 and two separators */

/* Parses and prepares (Nodeprep, UTS 46, Resourceprep; ASCII in one pass). NULL if it is not a JID.
 * The result lives in `a`. */
const struct jid *jid_parse(struct arena *a, const char *s, size_t len);

/* The same allocated with malloc: the caller frees with jid_free(). */
struct jid *jid_parse_new(const char *s, size_t len);
struct jid *jid_dup(const struct jid *j);
void jid_free(struct jid **j);

/* From parts that are already prepared / not yet prepared (`prepare`). `node` and `resource` may be
 * NULL or "". NULL if the result is not a JID. */
const struct jid *jid_make(struct arena *a, const char *node, const char *domain,
                           const char *resource, bool prepare);

/* The JID without its resource / with this (prepared) resource, in `a`. */
const struct jid *jid_bare(struct arena *a, const struct jid *j);
const struct jid *jid_with_resource(struct arena *a, const struct jid *j, const char *resource);

static inline bool jid_is_bare(const struct jid *j)
{
    return j->len == j->bare_len;
}
static inline bool jid_has_node(const struct jid *j)
{
    return j->node_len > 0;
}
/* The domain part: not NUL-terminated, `jid_domain_len` bytes. */
static inline const char *jid_domain(const struct jid *j)
{
    return j->node_len ? j->s + j->node_len + 1 : j->s;
}
static inline size_t jid_domain_len(const struct jid *j)
{
    return (size_t)(j->s + j->bare_len - jid_domain(j));
}
/* The resource, NUL-terminated, "" if none. */
static inline const char *jid_resource(const struct jid *j)
{
    return j->len > j->bare_len ? j->s + j->bare_len + 1 : "";
}

/* Same bytes / same bare JID. */
bool jid_equal(const struct jid *a, const struct jid *b);
bool jid_equal_bare(const struct jid *a, const struct jid *b);

/* Prepares one part into `out` (JID_MAX + 1 bytes), NUL-terminated. False if it is not valid. */
MUST_CHECK bool jid_prep_node(const char *s, size_t len, char *out);
MUST_CHECK bool jid_prep_domain(const char *s, size_t len, char *out);
MUST_CHECK bool jid_prep_resource(const char *s, size_t len, char *out);

/* A prepared domain in A-labels, as DNS and certificates have it (RFC 5891), into `out` (JID_MAX +
 * 1 bytes). What is no name, such as an address, stays as it is. */
void jid_domain_ascii(const char *domain, char *out);

/* Whether a prepared node is also valid under PRECIS UsernameCaseMapped (RFC 8265): what new
 * accounts and rooms must be. */
MUST_CHECK bool jid_node_is_precis(const char *node);

/* SASLprep (RFC 4013) of a password or user name; false if it holds what is prohibited. */
MUST_CHECK bool saslprep(const char *s, size_t len, char *out, size_t out_size);

#endif
