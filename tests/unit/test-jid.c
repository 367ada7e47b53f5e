/* Unit tests of addresses: preparation, parts, and what is none. */
#include "base/strbuf.h"
#include "suite.h"
#include "xmpp/jid.h"

static struct arena *a;

static void setup(void)
{
    a = arena_new(4096);
}

static void teardown(void)
{
    arena_free(&a);
}

static const struct jid *parse(const char *s)
{
    return jid_parse(a, s, strlen(s));
}

START_TEST(addresses_are_prepared)
{
    static const char *const pairs[][2] = {
        {"Juliet@Example.COM./Balcony ", "juliet@example.com/Balcony "},
        {"example.com", "example.com"},
        {"example.com/a@b/c", "example.com/a@b/c"},
        {"a@b/@/", "a@b/@/"},
        {"_a_b.c-d--e", "_a_b.c-d--e"},
        {"!#$%()*+,-.;=?[\\]^_`{|}~@x", "!#$%()*+,-.;=?[\\]^_`{|}~@x"},
        {"\xc3\x84@B\xc3\x9c\x63her.example/\xc3\x9f",
         "\xc3\xa4@b\xc3\xbc\x63her.example/\xc3\x9f"},
        {"a@xn--bcher-kva.example", "a@b\xc3\xbc\x63her.example"},
        {"a@XN--BCHER-KVA.example", "a@b\xc3\xbc\x63her.example"},
        {"a@x\xe3\x80\x82y\xe3\x80\x82", "a@x.y"},            /* ideographic full stops */
        {"\xef\xbd\x81@b", "a@b"},                            /* full width a */
        {"fu\xc3\x9fi@fa\xc3\x9f.de", "fussi@fa\xc3\x9f.de"}, /* UTS 46, not IDNA 2003 */
        {"a@b/\xf0\x9f\x98\x80", "a@b/\xf0\x9f\x98\x80"},     /* unassigned in Unicode 3.2 */
        {"a@b/\xef\xac\x81", "a@b/fi"},                       /* a ligature */
        {"[::1]", "[::1]"},
        {"a@[2001:DB8:0::0001]/x", "a@[2001:db8::1]/x"},
        {"127.0.0.1/x", "127.0.0.1/x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct jid *j = parse(pairs[i][0]);
        ck_assert_msg(j != NULL, "%s", pairs[i][0]);
        ck_assert_str_eq(j->s, pairs[i][1]);
        ck_assert_uint_eq(j->len, strlen(j->s));
        ck_assert(jid_equal(j, parse(j->s)));
    }
}
END_TEST

static const char *const refused[] = {
    "",
    "@",
    "/",
    "@b",
    "a@",
    "a@/x",
    "b/",
    "a@b/",
    "a@b/ x",
    "a@b/\xe3\x80\x80x", /* an ideographic space becomes one */
    "/x",
    "a@b@c",
    "a b@c",
    "a\tb@c",
    "a&b@c",
    "a'b@c",
    "a\"b@c",
    "a:b@c",
    "<a@c",
    "a>@c",
    "b c",
    "b:c",
    "b\\c",
    "b&c",
    ".",
    "..",
    "a..b",
    ".a",
    "a..",
    "-a",
    "a-",
    "a.-b.c",
    "a-.b",
    "[",
    "[]",
    "[::1",
    "[::g]",
    "[1.2.3.4]",
    "[::1%lo]",
    "[::1]x",
    "::1",
    "\xff@b",
    "a@\xff",
    "a@b/\xff",
    "a\xc0\x80@b",
    "a@b/\xed\xa0\x80",
    "a@b/\x01",
    "a@b/\x7f",
    "\xc2\xad@b",          /* nothing is left of a soft hyphen */
    "a\xef\xbc\xa0@b",     /* a full width @ becomes an @ */
    "a@b\xef\xbc\x8f\x63", /* a full width / */
    "a@xn--a",
    "a@xn--bcher-kva-.de",
    "a\xe2\x80\x8f@b",
    "a@b\xe2\x80\xae",
    "a\xc2\xa0\x62@c",
};

START_TEST(what_is_no_address_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        ck_assert_msg(parse(refused[i]) == NULL, "%s became %s", refused[i], parse(refused[i])->s);
    ck_assert_ptr_null(jid_parse(a, "a\0b@c", 5));
    ck_assert_ptr_null(jid_parse(a, "a@b\0c", 5));
    ck_assert_ptr_null(jid_parse(a, "a@b/\0", 5));
    ck_assert_ptr_null(jid_parse(a, "[::1\0]", 6));
}
END_TEST

/* `n` bytes that make a part; a domain in labels of 50. */
static char *part(size_t n, bool domain)
{
    char *s = arena_zalloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = domain && i % 51 == 50 && i + 1 < n ? '.' : 'x';
    return s;
}

START_TEST(parts_may_have_1023_bytes)
{
    const char *s =
        arena_printf(a, "%s@%s/%s", part(1023, false), part(1023, true), part(1023, false));
    const struct jid *j = parse(s);
    ck_assert_ptr_nonnull(j);
    ck_assert_uint_eq(j->len, JID_MAX);
    ck_assert_uint_eq(strlen(jid_resource(j)), 1023);
    ck_assert_ptr_null(parse(arena_printf(a, "%s@b", part(1024, false))));
    ck_assert_ptr_null(parse(part(1024, true)));
    ck_assert_ptr_null(parse(arena_printf(a, "a@b/%s", part(1024, false))));
    ck_assert_ptr_null(parse(part(64, false))); /* a label */
    ck_assert_ptr_nonnull(parse(part(63, false)));
    /* counted after preparation: 600 ligatures are 1200 bytes, 400 are 800 */
    struct strbuf b;
    strbuf_init(&b, 10000);
    strbuf_puts(&b, "a@b/");
    for (int i = 0; i < 400; i++)
        strbuf_puts(&b, "\xef\xac\x81");
    ck_assert_uint_eq(parse(b.s)->len, 804);
    for (int i = 0; i < 200; i++)
        strbuf_puts(&b, "\xef\xac\x81");
    ck_assert_ptr_null(parse(b.s));
    strbuf_free(&b);
    char *huge = part(200000, false);
    ck_assert_ptr_null(parse(huge));
    huge[0] = (char)0xc3;
    huge[1] = (char)0xa9;
    ck_assert_ptr_null(parse(huge));
}
END_TEST

START_TEST(parts_are_found)
{
    const struct jid *j = parse("node@domain/res");
    ck_assert(jid_has_node(j) && !jid_is_bare(j));
    ck_assert_int_eq(strncmp(jid_domain(j), "domain", jid_domain_len(j)), 0);
    ck_assert_uint_eq(jid_domain_len(j), 6);
    ck_assert_str_eq(jid_resource(j), "res");
    const struct jid *bare = jid_bare(a, j);
    ck_assert_str_eq(bare->s, "node@domain");
    ck_assert(jid_is_bare(bare) && jid_equal_bare(bare, j) && !jid_equal(bare, j));
    ck_assert_uint_eq(bare->bare_hash, j->bare_hash);
    ck_assert_str_eq(jid_resource(bare), "");
    const struct jid *other = jid_with_resource(a, bare, "res");
    ck_assert(jid_equal(other, j));
    ck_assert_uint_eq(other->bare_hash, j->bare_hash);
    ck_assert(jid_equal(jid_with_resource(a, j, ""), bare));
    ck_assert_ptr_null(jid_with_resource(a, j, part(1024, false)));
    const struct jid *d = parse("domain");
    ck_assert(!jid_has_node(d) && jid_is_bare(d) && !jid_equal_bare(d, j));
    ck_assert_uint_eq(jid_domain_len(d), 6);
}
END_TEST

START_TEST(parts_are_put_together)
{
    ck_assert_str_eq(jid_make(a, "n", "d", "r", false)->s, "n@d/r");
    ck_assert(jid_equal(jid_make(a, "N", "D.", "R", true), parse("n@d/R")));
    ck_assert_str_eq(jid_make(a, NULL, "d", "", true)->s, "d");
    ck_assert_ptr_null(jid_make(a, "n", "", NULL, true));
    ck_assert_ptr_null(jid_make(a, "n", "", NULL, false));
    ck_assert_ptr_null(jid_make(a, "n@", "d", NULL, true));
    ck_assert_ptr_null(jid_make(a, part(1024, false), "d", NULL, false));
    struct jid *own = jid_parse_new("a@b/c", 5), *dup = jid_dup(own);
    ck_assert(jid_equal(own, dup));
    jid_free(&own);
    jid_free(&own);
    ck_assert_str_eq(dup->s, "a@b/c");
    jid_free(&dup);
    ck_assert_ptr_null(jid_parse_new("a@", 2));
}
END_TEST

START_TEST(single_parts_are_prepared)
{
    char out[JID_MAX + 1];
    ck_assert(jid_prep_node("Jos\xc3\x89", 5, out));
    ck_assert_str_eq(out, "jos\xc3\xa9");
    ck_assert(jid_prep_domain("EXAMPLE.", 8, out));
    ck_assert_str_eq(out, "example");
    ck_assert(jid_prep_resource("R es", 4, out));
    ck_assert_str_eq(out, "R es");
    ck_assert(!jid_prep_node("", 0, out));
    ck_assert(!jid_prep_domain("", 0, out));
    ck_assert(!jid_prep_resource("", 0, out));
}
END_TEST

START_TEST(new_names_are_precis)
{
    static const char *const good[] = {"juliet",       "!a~",
                                       "h\xc3\xa9",    "\xcf\x82" /* final sigma */,
                                       "\xc3\x9f",     "\xd7\x90\xd7\x91",
                                       "\xd7\x90\x31", "\xe4\xb8\xad\xe6\x96\x87"};
    static const char *const bad[] = {
        "",
        "\xe2\x99\x9a",         /* a chess king */
        "\xef\xac\x81",         /* a ligature */
        "A",                    /* not in lower case */
        "e\xcc\x81",            /* not in NFC */
        "\xd7\x90\xd7\x91\x61", /* right to left, then left to right */
        "a\xd7\x90",
        "\xd7\x90!\xd9\xa0\x31", /* two kinds of digits */
        "\xd9\xa0\xdb\xb0",      /* two kinds of Arabic digits */
        "a\xc2\xb7\x62",         /* a middle dot */
        "a b",
        "\xc2\xa0",
        "\xe2\x80\x8d",
        "\xf3\xa0\x80\x81",
        "\xef\xbf\xbf",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(jid_node_is_precis(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!jid_node_is_precis(bad[i]), "%s", bad[i]);
}
END_TEST

/* RFC 4013 section 3. */
START_TEST(saslprep_has_its_examples)
{
    char out[64];
    ck_assert(saslprep("I\xc2\xadX", 4, out, sizeof(out)));
    ck_assert_str_eq(out, "IX");
    ck_assert(saslprep("USER", 4, out, sizeof(out)));
    ck_assert_str_eq(out, "USER");
    ck_assert(saslprep("\xc2\xaa", 2, out, sizeof(out)));
    ck_assert_str_eq(out, "a");
    ck_assert(saslprep("\xe2\x85\xa8", 3, out, sizeof(out)));
    ck_assert_str_eq(out, "IX");
    ck_assert(!saslprep("\x07", 1, out, sizeof(out)));
    ck_assert(!saslprep("\xd8\xa7\x31", 3, out, sizeof(out)));
    ck_assert(!saslprep("", 0, out, sizeof(out)));
    ck_assert(!saslprep("a\0b", 3, out, sizeof(out)));
    ck_assert(!saslprep("abcd", 4, out, 4));
    ck_assert(!saslprep("\xc3\xa9\xc3\xa9", 4, out, 4));
    ck_assert(saslprep("\xf0\x9f\x98\x80", 4, out, sizeof(out)));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        addresses_are_prepared, what_is_no_address_is_refused, parts_may_have_1023_bytes,
        parts_are_found,        parts_are_put_together,        single_parts_are_prepared,
        new_names_are_precis,   saslprep_has_its_examples,
    };
    return suite_run("jid", tests, ARRAY_LEN(tests), setup, teardown);
}
