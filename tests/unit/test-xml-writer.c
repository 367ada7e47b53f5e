/* Unit tests of the writer: exact bytes, and that they are read back as they were. */
#include "suite.h"
#include "xml/parser.h"
#include "xml/writer.h"

static struct arena *a;
static struct strbuf out;

static void setup(void)
{
    a = arena_new(4096);
    strbuf_init(&out, 100000);
}

static void teardown(void)
{
    arena_free(&a);
    strbuf_free(&out);
    xml_parser_pool_clear();
}

static const char *written(const struct xml_el *el)
{
    strbuf_reset(&out);
    xml_write(&out, el, NS_CONTENT);
    return strbuf_str(&out);
}

static void on_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    (void)arg;
    (void)el;
    (void)content_ns;
}

static void on_element(void *arg, struct arena *arena, struct xml_el *el)
{
    struct xml_el **copy = arg;
    *copy = xml_copy(a, el);
    arena_free(&arena);
}

static void on_close(void *arg)
{
    (void)arg;
}

/* What is written for `el` is the same element to a parser in each kind of stream. */
static void check_read_back(const struct xml_el *el)
{
    static const struct xml_sink sink = {on_open, on_element, on_close};
    static const struct xml_limits limits = {
        .bytes = 100000, .elements = 100, .depth = 100, .attrs = 100};
    static const char *const streams[] = {NS_CONTENT, NS_SERVER, NS_COMPONENT};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct xml_el *back = NULL;
        struct xml_parser *p = xml_parser_new(&sink, &back, &limits);
        xml_parser_assume_open(p, streams[i]);
        written(el);
        ck_assert_msg(!xml_parser_feed(p, strbuf_str(&out), out.len) && back, "%s", out.s);
        ck_assert_msg(xml_equal(el, back), "%s", out.s);
        xml_parser_free(&p);
    }
}

START_TEST(namespaces_are_declared_where_they_change)
{
    struct xml_el *el = xml_new(a, NS_CONTENT, A_message);
    xml_add(a, el, NS_CONTENT, A_body);
    struct xml_el *x = xml_add(a, el, NS_FORWARD, A_forwarded);
    struct xml_el *inner = xml_add(a, x, NS_CONTENT, A_message);
    xml_add(a, inner, NS_CONTENT, A_body);
    xml_add(a, x, NS_FORWARD, A_x);
    xml_add(a, x, "", "none");
    xml_add(a, x, NS_STREAM, A_features);
    ck_assert_str_eq(written(el), "<message><body/><forwarded xmlns='urn:xmpp:forward:0'>"
                                  "<message xmlns='jabber:client'><body/></message><x/>"
                                  "<none xmlns=''/>"
                                  "<features xmlns='http://etherx.jabber.org/streams'/>"
                                  "</forwarded></message>");
    check_read_back(el);
}
END_TEST

START_TEST(the_stream_has_its_prefix_at_the_top)
{
    struct xml_el *el = xml_new(a, NS_STREAM, A_features);
    xml_add(a, xml_add(a, el, NS_TLS, A_starttls), NS_TLS, A_required);
    xml_add(a, el, NS_STREAM, A_x);
    xml_add(a, el, NS_CONTENT, "y");
    ck_assert_str_eq(written(el), "<stream:features>"
                                  "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>"
                                  "</starttls><x xmlns='http://etherx.jabber.org/streams'/><y/>"
                                  "</stream:features>");
    check_read_back(el);
}
END_TEST

START_TEST(attributes_in_namespaces_bring_a_prefix)
{
    struct xml_el *el = xml_new(a, NS_CONTENT, A_message);
    xml_set(a, el, "b", "1");
    xml_set_ns(a, el, "urn:'p'", "b", "2");
    xml_set_ns(a, el, "urn:q", "b", "3");
    xml_set_ns(a, el, NS_XML, A_lang, "en");
    ck_assert_str_eq(written(el),
                     "<message b='1' xmlns:a0='urn:&apos;p&apos;' a0:b='2' xmlns:a1='urn:q' "
                     "a1:b='3' xml:lang='en'/>");
    check_read_back(el);
    xml_add(a, el, NS_XML, "odd"); /* may be declared under no other prefix */
    check_read_back(el);
}
END_TEST

START_TEST(text_is_escaped)
{
    struct xml_el *el = xml_new(a, NS_CONTENT, A_message);
    const char *all = "a<b>&'\"]]>\t\n\r\r\n \xe2\x98\xba\xf0\x9f\x98\x80";
    xml_set(a, el, "t", all);
    xml_text(a, xml_add(a, el, NS_CONTENT, A_body), all);
    ck_assert_str_eq(written(el),
                     "<message t='a&lt;b&gt;&amp;&apos;&quot;]]&gt;&#9;&#10;&#13;&#13;&#10; "
                     "\xe2\x98\xba\xf0\x9f\x98\x80'><body>a&lt;b&gt;&amp;&apos;&quot;]]&gt;\t\n"
                     "&#13;&#13;\n \xe2\x98\xba\xf0\x9f\x98\x80</body></message>");
    check_read_back(el);
}
END_TEST

/* Our own side may hold what XML cannot; what a peer reads is well-formed all the same. */
START_TEST(control_characters_become_something_else)
{
    for (int c = 1; c < 32; c++) {
        char text[2] = {(char)c, '\0'};
        strbuf_reset(&out);
        xml_escape(&out, text, 1);
        if (c == '\t' || c == '\n')
            ck_assert_str_eq(strbuf_str(&out), text);
        else
            ck_assert_str_eq(strbuf_str(&out), c == '\r' ? "&#13;" : "\xef\xbf\xbd");
    }
    strbuf_reset(&out);
    xml_escape_attr(&out, "a\0b", 3);
    ck_assert_str_eq(strbuf_str(&out), "a\xef\xbf\xbd"
                                       "b");
}
END_TEST

START_TEST(start_tags_take_other_attributes)
{
    struct xml_el *el = xml_set(a, xml_new(a, NS_CONTENT, A_message), A_to, "old");
    xml_set(a, el, A_id, "1");
    struct xml_attr from = {.ns = "", .name = A_from, .value = "f"};
    struct xml_attr to = {.next = &from, .ns = "", .name = A_to, .value = "new"};
    xml_write_start_as(&out, el, NS_CONTENT, &to);
    ck_assert_str_eq(strbuf_str(&out), "<message id='1' to='new' from='f'");
    strbuf_reset(&out);
    xml_write_start(&out, el, "");
    xml_write_end(&out, el, "");
    ck_assert_str_eq(strbuf_str(&out), "<message xmlns='jabber:client' to='old' id='1'</message>");
    strbuf_reset(&out);
    xml_text(a, el, "x");
    xml_add(a, el, NS_CONTENT, A_body);
    xml_write_inner(&out, el);
    ck_assert_str_eq(strbuf_str(&out), "x<body/>");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        namespaces_are_declared_where_they_change, the_stream_has_its_prefix_at_the_top,
        attributes_in_namespaces_bring_a_prefix,   text_is_escaped,
        control_characters_become_something_else,  start_tags_take_other_attributes,
    };
    return suite_run("xml-writer", tests, ARRAY_LEN(tests), setup, teardown);
}
