#include "xmpp/jid.h"

#include <arpa/inet.h>

#include "base/hash.h"
#include "base/mem.h"
#include "xmpp/jid_prep.h"

#define PART_MAX 1023
#define LABEL_MAX 63

/* Which ASCII characters a part may hold as they are (A-Z in node and domain: in lower case). */
enum { IN_NODE = 1, IN_DOMAIN = 2, IN_RESOURCE = 4 };

static unsigned char ascii_class[256];

__attribute__((constructor)) static void jid_init(void)
{
    for (int c = ' '; c <= '~'; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        ascii_class[c] = IN_RESOURCE;
        if (c != ' ' && !strchr("\"&'/:<>@", c)) /* RFC 6122 appendix A.5 */
            ascii_class[c] |= IN_NODE;
        if (letter || digit || c == '-' || c == '.' || c == '_')
            ascii_class[c] |= IN_DOMAIN;
    }
}

static inline char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Each returns the length of the prepared part in `out` (PART_MAX + 1 bytes), 0 if it is not valid;
 * the ascii_ ones also if they cannot tell. */

static size_t ascii_part(const char *s, size_t len, unsigned char class, bool lower, char *out)
{
    if (len > PART_MAX)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (UNLIKELY(!(ascii_class[(unsigned char)s[i]] & class)))
            return 0;
        out[i] = lower ? to_lower(s[i]) : s[i];
    }
    out[len] = '\0';
    return len;
}

static size_t prep_node(const char *s, size_t len, char *out)
{
    size_t n = ascii_part(s, len, IN_NODE, true, out);
    return n ? n : prep_string(PREP_NODE, s, len, out, PART_MAX + 1);
}

static size_t prep_resource(const char *s, size_t len, char *out)
{
    size_t n = ascii_part(s, len, IN_RESOURCE, false, out);
    if (n == 0)
        n = prep_string(PREP_RESOURCE, s, len, out, PART_MAX + 1);
    return n && out[0] != ' ' ? n : 0; /* RFC 7622 section 3.5, example 18 */
}

/* Whether these are labels of letters, digits, hyphens inside and underscores (which names inside
 * private networks have), or of anything beyond ASCII. A-labels are for ICU to look into unless it
 * was it that left them. */
static bool labels_valid(const char *s, size_t len, bool seen_by_icu)
{
    size_t label = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && s[i] != '.') {
            bool ascii = (unsigned char)s[i] < 0x80;
            if (ascii && !(ascii_class[(unsigned char)s[i]] & IN_DOMAIN))
                return false;
            label++;
            continue;
        }
        const char *start = s + i - label;
        if (label == 0 || start[0] == '-' || start[label - 1] == '-')
            return false;
        if (!seen_by_icu && (label > LABEL_MAX || (label >= 4 && memcmp(start, "xn--", 4) == 0)))
            return false;
        label = 0;
    }
    return true;
}

/* "[IPv6]", in the one form that inet_ntop() gives each address. */
static size_t prep_ipv6(const char *s, size_t len, char *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    if (len < 4 || s[len - 1] != ']' || len - 2 >= sizeof(text))
        return 0;
    memcpy(text, s + 1, len - 2);
    text[len - 2] = '\0';
    if (strlen(text) != len - 2 || inet_pton(AF_INET6, text, &addr) != 1)
        return 0;
    inet_ntop(AF_INET6, &addr, text, sizeof(text));
    return (size_t)snprintf(out, PART_MAX + 1, "[%s]", text);
}

static size_t prep_domain(const char *s, size_t len, char *out)
{
    if (len > 0 && s[0] == '[')
        return prep_ipv6(s, len, out);
    size_t stripped = len > 0 && s[len - 1] == '.' ? len - 1 : len;
    size_t n = ascii_part(s, stripped, IN_DOMAIN, true, out);
    if (n && labels_valid(out, n, false))
        return n;
    n = prep_domain_name(s, len, out, PART_MAX + 1);
    return n && labels_valid(out, n, true) ? n : 0;
}

bool jid_prep_node(const char *s, size_t len, char *out)
{
    return prep_node(s, len, out) > 0;
}

bool jid_prep_domain(const char *s, size_t len, char *out)
{
    return prep_domain(s, len, out) > 0;
}

bool jid_prep_resource(const char *s, size_t len, char *out)
{
    return prep_resource(s, len, out) > 0;
}

void jid_domain_ascii(const char *domain, char *out)
{
    if (!prep_domain_ascii(domain, strlen(domain), out, JID_MAX + 1))
        snprintf(out, JID_MAX + 1, "%s", domain);
}

bool saslprep(const char *s, size_t len, char *out, size_t out_size)
{
    size_t i = 0;
    while (i < len && (ascii_class[(unsigned char)s[i]] & IN_RESOURCE))
        i++;
    if (i < len || len == 0)
        return prep_string(PREP_SASL, s, len, out, out_size) > 0;
    if (len >= out_size)
        return false;
    memcpy(out, s, len);
    out[len] = '\0';
    return true;
}

/* A JID on its way: the whole text and where its parts end. */
struct draft {
    size_t node_len, bare_len, len;
    char s[JID_MAX + 1];
};

static bool draft_parse(struct draft *d, const char *s, size_t len)
{
    const char *end = s + len;
    const char *slash = memchr(s, '/', len), *bare_end = slash ? slash : end;
    const char *at = memchr(s, '@', (size_t)(bare_end - s)), *domain = at ? at + 1 : s;
    d->node_len = d->bare_len = 0;
    if (at) {
        d->node_len = prep_node(s, (size_t)(at - s), d->s);
        if (d->node_len == 0)
            return false;
        d->s[d->node_len] = '@';
        d->bare_len = d->node_len + 1;
    }
    size_t n = prep_domain(domain, (size_t)(bare_end - domain), d->s + d->bare_len);
    if (n == 0)
        return false;
    d->len = d->bare_len += n;
    if (slash) {
        n = prep_resource(slash + 1, (size_t)(end - slash - 1), d->s + d->len + 1);
        if (n == 0)
            return false;
        d->s[d->len] = '/';
        d->len += n + 1;
    }
    return true;
}

/* The memory for a JID of this length: in `a`, or the caller's to free if that is NULL. */
static struct jid *jid_alloc(struct arena *a, size_t len)
{
    size_t size = offsetof(struct jid, s) + len + 1;
    return a ? arena_alloc(a, size) : mem_alloc(size);
}

static struct jid *jid_build(struct arena *a, const char *s, size_t node_len, size_t bare_len,
                             size_t len)
{
    struct jid *j = jid_alloc(a, len);
    j->bare_hash = hash_bytes(s, bare_len);
    j->node_len = (uint16_t)node_len;
    j->bare_len = (uint16_t)bare_len;
    j->len = (uint16_t)len;
    memcpy(j->s, s, len);
    j->s[len] = '\0';
    return j;
}

static struct jid *parse(struct arena *a, const char *s, size_t len)
{
    struct draft d;
    if (!draft_parse(&d, s, len))
        return NULL;
    return jid_build(a, d.s, d.node_len, d.bare_len, d.len);
}

const struct jid *jid_parse(struct arena *a, const char *s, size_t len)
{
    return parse(a, s, len);
}

struct jid *jid_parse_new(const char *s, size_t len)
{
    return parse(NULL, s, len);
}

struct jid *jid_dup(const struct jid *j)
{
    size_t size = offsetof(struct jid, s) + j->len + 1u;
    return memcpy(mem_alloc(size), j, size);
}

void jid_free(struct jid **j)
{
    mem_free(j);
}

/* Appends a part after `before` ('\0': nothing). False if it is empty or too long. */
static bool draft_add(struct draft *d, char before, const char *part, size_t len)
{
    if (len == 0 || len > PART_MAX)
        return false;
    if (before)
        d->s[d->len++] = before;
    memcpy(d->s + d->len, part, len);
    d->len += len;
    return true;
}

/* From prepared parts. */
static const struct jid *make(struct arena *a, const char *node, const char *domain,
                              const char *resource)
{
    struct draft d = {.len = 0};
    bool has_node = node && node[0];
    if (has_node && !draft_add(&d, '\0', node, strlen(node)))
        return NULL;
    d.node_len = d.len;
    if (!draft_add(&d, has_node ? '@' : '\0', domain, strlen(domain)))
        return NULL;
    d.bare_len = d.len;
    if (resource && resource[0] && !draft_add(&d, '/', resource, strlen(resource)))
        return NULL;
    return jid_build(a, d.s, d.node_len, d.bare_len, d.len);
}

const struct jid *jid_make(struct arena *a, const char *node, const char *domain,
                           const char *resource, bool prepare)
{
    if (!prepare)
        return make(a, node, domain, resource);
    char prepared[3][PART_MAX + 1] = {"", "", ""};
    if (node && node[0] && !prep_node(node, strlen(node), prepared[0]))
        return NULL;
    if (!prep_domain(domain, strlen(domain), prepared[1]))
        return NULL;
    if (resource && resource[0] && !prep_resource(resource, strlen(resource), prepared[2]))
        return NULL;
    return make(a, prepared[0], prepared[1], prepared[2]);
}

const struct jid *jid_bare(struct arena *a, const struct jid *j)
{
    return jid_build(a, j->s, j->node_len, j->bare_len, j->bare_len);
}

const struct jid *jid_with_resource(struct arena *a, const struct jid *j, const char *resource)
{
    size_t len = resource ? strlen(resource) : 0;
    if (len == 0)
        return jid_bare(a, j);
    if (len > PART_MAX)
        return NULL;
    struct jid *full = jid_alloc(a, j->bare_len + 1 + len);
    *full = (struct jid){.bare_hash = j->bare_hash,
                         .node_len = j->node_len,
                         .bare_len = j->bare_len,
                         .len = (uint16_t)(j->bare_len + 1 + len)};
    memcpy(full->s, j->s, j->bare_len);
    full->s[j->bare_len] = '/';
    memcpy(full->s + j->bare_len + 1, resource, len + 1);
    return full;
}

bool jid_equal(const struct jid *a, const struct jid *b)
{
    return a->len == b->len && a->bare_hash == b->bare_hash && memcmp(a->s, b->s, a->len) == 0;
}

bool jid_equal_bare(const struct jid *a, const struct jid *b)
{
    return a->bare_len == b->bare_len && a->bare_hash == b->bare_hash &&
           memcmp(a->s, b->s, a->bare_len) == 0;
}
