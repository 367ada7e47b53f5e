/* Fuzzer: a prepared address is its own preparation, its parts are within their limits, and put
 * together they are the address again. */
#include <stdint.h>

#include "xmpp/jid.h"

typedef bool prep_fn(const char *s, size_t len, char *out);

static void check_part(prep_fn *prep, const char *s, size_t len)
{
    static char once[JID_MAX + 1], twice[JID_MAX + 1];
    if (!prep(s, len, once))
        return;
    size_t n = strlen(once);
    INVARIANT(n > 0 && n <= 1023);
    INVARIANT(prep(once, n, twice) && strcmp(once, twice) == 0);
}

static bool prep_password(const char *s, size_t len, char *out)
{
    return saslprep(s, len, out, 1024);
}

static void check_jid(struct arena *a, const struct jid *j)
{
    const struct jid *again = jid_parse(a, j->s, j->len);
    INVARIANT(again && jid_equal(j, again) && j->node_len == again->node_len);
    INVARIANT(strlen(j->s) == j->len && j->len <= JID_MAX && j->bare_len <= j->len);
    INVARIANT(j->node_len <= 1023 && strlen(jid_resource(j)) <= 1023);
    INVARIANT(jid_domain_len(j) > 0 && jid_domain_len(j) <= 1023);

    const char *node = arena_strndup(a, j->s, j->node_len);
    const char *domain = arena_strndup(a, jid_domain(j), jid_domain_len(j));
    for (int prepare = 0; prepare < 2; prepare++) {
        const struct jid *made = jid_make(a, node, domain, jid_resource(j), prepare);
        INVARIANT(made && jid_equal(made, j) && made->bare_hash == j->bare_hash);
    }
    const struct jid *bare = jid_bare(a, j);
    INVARIANT(jid_is_bare(bare) && jid_equal_bare(bare, j));
    INVARIANT(jid_equal(jid_with_resource(a, bare, jid_resource(j)), j));
    /* what PRECIS lets through is what Nodeprep made of it */
    static char out[JID_MAX + 1];
    if (j->node_len && jid_node_is_precis(node))
        INVARIANT(jid_prep_node(node, j->node_len, out) && strcmp(out, node) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data;
    struct arena *a = arena_new(16384);
    const struct jid *j = jid_parse(a, s, size);
    if (j)
        check_jid(a, j);
    check_part(jid_prep_node, s, size);
    check_part(jid_prep_domain, s, size);
    check_part(jid_prep_resource, s, size);
    check_part(prep_password, s, size);
    arena_free(&a);
    return 0;
}
