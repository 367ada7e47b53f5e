/* Unit tests of the stream parser: what is delivered, when, and what is refused. */
#include <limits.h>
#include <malloc.h>

#include "suite.h"
#include "xml/parser.h"
#include "xml/writer.h"

#define START                                                                                      \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"         \
    " to='localhost' version='1.0'>"
#define HEADER "<?xml version='1.0'?>" START

/* What the callbacks saw: each element written again, one after the other. */
static struct {
    struct strbuf out;
    char content_ns[64], to[64];
    int opened, elements, closed;
    bool stop;      /* stop after each element... */
    bool stop_open; /* ...or after the header */
} seen;
static struct xml_parser *parser;

static void on_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    ck_assert_ptr_eq(arg, &seen);
    ck_assert_str_eq(el->name, "stream");
    snprintf(seen.content_ns, sizeof(seen.content_ns), "%s", content_ns);
    snprintf(seen.to, sizeof(seen.to), "%s", xml_attr(el, A_to) ? xml_attr(el, A_to) : "");
    seen.opened++;
    if (seen.stop_open)
        xml_parser_stop(parser);
}

static void on_element(void *arg, struct arena *arena, struct xml_el *el)
{
    ck_assert_ptr_eq(arg, &seen);
    xml_write(&seen.out, el, NS_CONTENT);
    arena_free(&arena);
    seen.elements++;
    if (seen.stop)
        xml_parser_stop(parser);
}

static void on_close(void *arg)
{
    ck_assert_ptr_eq(arg, &seen);
    seen.closed++;
}

static const struct xml_sink sink = {on_open, on_element, on_close};
static const struct xml_limits limits = {
    .bytes = 262144, .elements = 1000, .depth = 64, .attrs = 32};

static void setup(void)
{
    memset(&seen, 0, sizeof(seen));
    strbuf_init(&seen.out, 1 << 24);
    parser = xml_parser_new(&sink, &seen, &limits);
}

static void teardown(void)
{
    xml_parser_free(&parser);
    ck_assert_ptr_null(parser);
    xml_parser_free(&parser);
    xml_parser_pool_clear();
    strbuf_free(&seen.out);
}

static enum xml_error feed(const char *text)
{
    return xml_parser_feed(parser, text, strlen(text));
}

static const char *stanza = "<message to='a@localhost' xml:lang='en'><body>h&lt;i &#x263a;</body>"
                            "<x xmlns='urn:y'><z/></x></message>";

START_TEST(elements_are_delivered)
{
    ck_assert_int_eq(feed(" \r\n" HEADER), XML_OK);
    ck_assert_int_eq(seen.opened, 1);
    ck_assert_str_eq(seen.content_ns, "jabber:client");
    ck_assert_str_eq(seen.to, "localhost");
    ck_assert_int_eq(feed(stanza), XML_OK);
    ck_assert_str_eq(strbuf_str(&seen.out),
                     "<message to='a@localhost' xml:lang='en'><body>h&lt;i \xe2\x98\xba</body>"
                     "<x xmlns='urn:y'><z/></x></message>");
    ck_assert_int_eq(feed("<presence/> \n</stream:stream>\n"), XML_OK);
    ck_assert_int_eq(seen.elements, 2);
    ck_assert_int_eq(seen.closed, 1);
    ck_assert_int_eq(feed("<presence/>"), XML_NOT_WELL_FORMED);
}
END_TEST

/* Expat's reparse deferral would keep a stanza back until more comes. */
START_TEST(bytes_one_by_one_are_delivered_at_the_last)
{
    for (const char *s = HEADER; *s; s++)
        ck_assert_int_eq(xml_parser_feed(parser, s, 1), XML_OK);
    ck_assert_int_eq(seen.opened, 1);
    for (int round = 1; round <= 3; round++) {
        for (const char *s = stanza; *s; s++) {
            ck_assert_int_eq(seen.elements, round - 1);
            ck_assert_int_eq(xml_parser_feed(parser, s, 1), XML_OK);
        }
        ck_assert_int_eq(seen.elements, round);
        ck_assert_uint_eq(xml_parser_pending(parser), 0);
    }
}
END_TEST

/* A start tag with `len` times `fill` in an attribute. */
static char *big_tag(size_t len, char fill)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 22);
    strbuf_puts(&b, "<message id='");
    memset(strbuf_room(&b, len), fill, len);
    strbuf_claim(&b, len);
    strbuf_puts(&b, "'><body>x</body></message>");
    return strbuf_detach(&b);
}

START_TEST(large_tags_are_delivered_at_their_last_byte)
{
    static const struct {
        size_t len, piece;
        char fill;
    } cases[] = {{100000, 1, 'x'},     {100000, 7, 'x'},     {100000, 1460, 'x'},
                 {100000, 16384, 'x'}, {100000, 50000, 'x'}, {4000, 1, '>'},
                 {100000, 1460, '>'},  {100000, 16384, '>'}, {100000, 50000, '>'}};
    ck_assert_int_eq(feed(HEADER), XML_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = big_tag(cases[i].len, cases[i].fill);
        size_t len = strlen(text);
        for (size_t at = 0; at < len; at += cases[i].piece) {
            ck_assert_int_eq(seen.elements, (int)i);
            size_t n = len - at < cases[i].piece ? len - at : cases[i].piece;
            ck_assert_int_eq(xml_parser_feed(parser, text + at, n), XML_OK);
        }
        ck_assert_int_eq(seen.elements, (int)i + 1);
        free(text);
    }
}
END_TEST

/* Parsed anew at each of these '>' it would cost over ten thousand million steps: minutes. */
START_TEST(open_tags_do_not_cost_their_square)
{
    ck_assert_int_eq(feed(HEADER), XML_OK);
    char *text = big_tag(200000, '>');
    for (const char *s = text; *s; s++)
        ck_assert_int_eq(xml_parser_feed(parser, s, 1), XML_OK);
    free(text);
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    ck_assert_int_lt(used.tv_sec, 8);
}
END_TEST

START_TEST(a_parked_parser_goes_on)
{
    ck_assert(xml_parser_park(parser));
    ck_assert_int_eq(feed(HEADER), XML_OK);
    for (int i = 1; i <= 4; i++) {
        ck_assert(xml_parser_park(parser));
        ck_assert(xml_parser_park(parser));
        ck_assert_int_eq(feed(" \n\t"), XML_OK);
        if (i % 2) /* once out of an empty pool, once not */
            xml_parser_pool_clear();
        ck_assert_int_eq(feed(stanza), XML_OK);
        ck_assert_int_eq(seen.elements, i);
    }
    ck_assert_int_eq(feed("<a"), XML_OK);
    ck_assert(!xml_parser_park(parser));
    ck_assert_uint_eq(xml_parser_pending(parser), 2);
    ck_assert_int_eq(feed("/></stream:stream>"), XML_OK);
    ck_assert_int_eq(seen.closed, 1);
    ck_assert(xml_parser_park(parser));
}
END_TEST

/* Two connections whose headers differ must not continue in one another's parser. */
START_TEST(the_pool_tells_headers_apart)
{
    struct xml_parser *other = xml_parser_new(&sink, &seen, &limits);
    const char *header =
        "<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams'"
        " xmlns:q='urn:&apos;q&amp;'>";
    ck_assert_int_eq(feed(HEADER), XML_OK);
    ck_assert_int_eq(xml_parser_feed(other, header, strlen(header)), XML_OK);
    ck_assert_str_eq(seen.content_ns, "jabber:server");
    ck_assert(xml_parser_park(other));
    ck_assert(xml_parser_park(parser)); /* the first that the pool would give */
    ck_assert_int_eq(xml_parser_feed(other, "<q:a/><b/>", 10), XML_OK);
    ck_assert_str_eq(strbuf_str(&seen.out), "<a xmlns='urn:&apos;q&amp;'/><b/>");
    ck_assert(xml_parser_park(other));
    xml_parser_pool_clear();
    ck_assert_int_eq(xml_parser_feed(other, "<q:a/><b/>", 10), XML_OK);
    ck_assert_int_eq(xml_parser_feed(other, "</s:stream>", 11), XML_OK);
    ck_assert_int_eq(feed("<q:a/>"), XML_BAD_NAMESPACE_PREFIX);
    xml_parser_free(&other);
}
END_TEST

START_TEST(content_is_one_namespace_in_every_stream)
{
    static const char *const namespaces[] = {"jabber:client", "jabber:server",
                                             "jabber:component:accept"};
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        char header[256];
        snprintf(header, sizeof(header),
                 "<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams'>"
                 "<a><b/><c xmlns='urn:c' xmlns:p='%s'><p:d/></c><e xmlns=''/></a>",
                 namespaces[i], namespaces[i]);
        strbuf_reset(&seen.out);
        xml_parser_restart(parser);
        ck_assert_int_eq(feed(header), XML_OK);
        ck_assert_str_eq(seen.content_ns, namespaces[i]);
        ck_assert_str_eq(strbuf_str(&seen.out),
                         "<a><b/><c xmlns='urn:c'><d xmlns='jabber:client'/></c>"
                         "<e xmlns=''/></a>");
    }
    strbuf_reset(&seen.out);
    xml_parser_restart(parser);
    ck_assert_int_eq(feed("<stream xmlns='urn:other'><a/><message xmlns='jabber:server'/>"),
                     XML_OK);
    ck_assert_str_eq(seen.content_ns, "urn:other");
    ck_assert_str_eq(strbuf_str(&seen.out),
                     "<a xmlns='urn:other'/><message xmlns='jabber:server'/>");
    xml_parser_restart(parser);
    ck_assert_int_eq(feed("<stream>"), XML_OK);
    ck_assert_str_eq(seen.content_ns, "");
}
END_TEST

START_TEST(what_is_restricted_is_refused)
{
    static const struct {
        const char *text;
        enum xml_error error;
    } cases[] = {
        {"<!DOCTYPE x [<!ENTITY a 'b'>]>" START, XML_RESTRICTED},
        {"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" START, XML_RESTRICTED},
        {HEADER "<!-- c -->", XML_RESTRICTED},
        {HEADER "<a><!-- c --></a>", XML_RESTRICTED},
        {HEADER "<?php ?>", XML_RESTRICTED},
        {HEADER "<a>&nbsp;</a>", XML_RESTRICTED},
        {HEADER "<a b='&nbsp;'/>", XML_RESTRICTED},
        {"<?xml version='1.0' encoding='ISO-8859-1'?>" START, XML_UNSUPPORTED_ENCODING},
        {"<?xml version='1.0' encoding='UTF-16'?>" START, XML_UNSUPPORTED_ENCODING},
        {"\xef\xbb\xbf" START, XML_NOT_WELL_FORMED}, /* no mark, but a character */
        {"\xff\xfe<", XML_UNSUPPORTED_ENCODING},
        {"x" START, XML_NOT_WELL_FORMED},
        {HEADER "<a></b>", XML_NOT_WELL_FORMED},
        {HEADER "text", XML_BAD_FORMAT},
        {HEADER HEADER, XML_NOT_WELL_FORMED},
        {HEADER START, XML_BAD_FORMAT},
        {HEADER "<a xmlns:p=''/>", XML_BAD_NAMESPACE_PREFIX},
        {HEADER "<a xmlns:xmlns='urn:1'/>", XML_BAD_NAMESPACE_PREFIX},
        {HEADER "<a b='1' b='2'/>", XML_NOT_WELL_FORMED},
        {HEADER "<a xmlns:p='urn:1' xmlns:q='urn:1' p:b='1' q:b='2'/>", XML_NOT_WELL_FORMED},
        {HEADER "<a>\xc0\xbc</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a>\xed\xa0\x80</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a>\xef\xbf\xbe</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a>&#0;</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a>&#x1;</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a>\x01</a>", XML_NOT_WELL_FORMED},
        {HEADER "<a xmlns='urn:\xff:b'/>", XML_NOT_WELL_FORMED},
        {HEADER "<p:a/>", XML_BAD_NAMESPACE_PREFIX},
        {HEADER "<a p:b='1'/>", XML_BAD_NAMESPACE_PREFIX},
        {HEADER "<a>" START "</stream:stream></a>", XML_OK}, /* deeper it is only an element */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        xml_parser_restart(parser);
        ck_assert_msg(feed(cases[i].text) == cases[i].error, "%s", cases[i].text);
        ck_assert_int_eq(feed(" "), cases[i].error);
        xml_parser_restart(parser); /* the same byte by byte */
        enum xml_error e = XML_OK;
        for (const char *s = cases[i].text; *s && !e; s++)
            e = xml_parser_feed(parser, s, 1);
        ck_assert_msg(e == cases[i].error, "byte by byte: %s", cases[i].text);
    }
    ck_assert_int_eq(seen.elements, 2);
}
END_TEST

START_TEST(utf16_is_refused)
{
    static const char little[] = {'<', 0, 's', 0}, big[] = {0, '<', 0, 's'};
    ck_assert_int_eq(xml_parser_feed(parser, little, 4), XML_UNSUPPORTED_ENCODING);
    xml_parser_restart(parser);
    ck_assert_int_eq(xml_parser_feed(parser, little, 1), XML_OK);
    ck_assert_int_eq(xml_parser_feed(parser, little + 1, 1), XML_UNSUPPORTED_ENCODING);
    xml_parser_restart(parser);
    ck_assert_int_eq(xml_parser_feed(parser, big, 4), XML_UNSUPPORTED_ENCODING);
}
END_TEST

START_TEST(bytes_are_limited)
{
    size_t len = strlen(stanza);
    struct xml_limits small = {.bytes = len, .elements = 10, .depth = 10, .attrs = 10};
    ck_assert_int_eq(feed(HEADER), XML_OK);
    xml_parser_set_limits(parser, &small);
    ck_assert_int_eq(feed(stanza), XML_OK);
    char two[1024];
    snprintf(two, sizeof(two), "%s\n%s", stanza, stanza);
    ck_assert_int_eq(feed(two), XML_OK);
    ck_assert_int_eq(seen.elements, 3);
    small.bytes = len - 1;
    xml_parser_set_limits(parser, &small);
    ck_assert_int_eq(feed(stanza), XML_TOO_BIG);
    ck_assert_int_eq(feed(stanza), XML_TOO_BIG);
    ck_assert_int_eq(seen.elements, 3);
}
END_TEST

/* Neither an attribute nor a comment that never ends gives a callback. */
START_TEST(open_tokens_are_limited)
{
    static const char *const starts[] = {"<a b='", "<!--", "<?x ", "<![CDATA[", "<", "</", "&#"};
    static char fill[4096];
    memset(fill, '1', sizeof(fill));
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        xml_parser_restart(parser);
        ck_assert_int_eq(feed(HEADER "<x>"), XML_OK);
        enum xml_error e = feed(starts[i]);
        for (size_t fed = 0; fed < 2 * limits.bytes && !e; fed += sizeof(fill))
            e = xml_parser_feed(parser, fill, sizeof(fill));
        ck_assert_int_ne(e, XML_OK);
    }
    xml_parser_restart(parser);
    enum xml_error e = feed("<stream:stream a='");
    for (size_t fed = 0; fed < 2 * limits.bytes && !e; fed += sizeof(fill))
        e = xml_parser_feed(parser, fill, sizeof(fill));
    ck_assert_int_eq(e, XML_TOO_BIG);
}
END_TEST

static enum xml_error feed_repeated(const char *before, const char *unit, unsigned count,
                                    const char *after)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 22);
    strbuf_puts(&b, before);
    for (unsigned i = 0; i < count; i++)
        strbuf_puts(&b, unit);
    strbuf_puts(&b, after);
    xml_parser_restart(parser);
    enum xml_error e = feed(HEADER);
    if (!e)
        e = xml_parser_feed(parser, strbuf_str(&b), b.len);
    strbuf_free(&b);
    return e;
}

START_TEST(elements_depth_and_attributes_are_limited)
{
    ck_assert_int_eq(feed_repeated("<x>", "<a/>", limits.elements - 1, "</x>"), XML_OK);
    ck_assert_int_eq(seen.elements, 1);
    ck_assert_int_eq(feed_repeated("<x>", "<a/>", limits.elements, "</x>"), XML_TOO_BIG);
    ck_assert_int_eq(feed_repeated("", "<a>", limits.depth, ""), XML_OK);
    ck_assert_int_eq(feed_repeated("", "<a>", limits.depth + 1, ""), XML_TOO_BIG);

    struct xml_limits deep = limits;
    deep.depth = UINT_MAX;
    xml_parser_set_limits(parser, &deep);
    ck_assert_int_eq(feed_repeated("", "<a>", XML_DEPTH_MAX, ""), XML_OK);
    ck_assert_int_eq(feed_repeated("", "<a>", XML_DEPTH_MAX + 1, ""), XML_TOO_BIG);

    char attrs[2][1024] = {"", ""};
    for (unsigned set = 0, n = 0; set < 2; set++, n = 0) {
        for (unsigned i = 0; i < limits.attrs + set; i++)
            n += (unsigned)snprintf(attrs[set] + n, sizeof(attrs[set]) - n, " %s%u='urn:1'",
                                    i % 2 ? "xmlns:a" : "a", i);
    }
    ck_assert_int_eq(feed_repeated("<a", attrs[0], 1, "/>"), XML_OK);
    ck_assert_int_eq(feed_repeated("<a", attrs[1], 1, "/>"), XML_TOO_BIG);
}
END_TEST

START_TEST(a_stop_leaves_the_rest)
{
    const char *all = HEADER "<auth/><a/>\n<b/>";
    seen.stop = true;
    ck_assert_int_eq(feed(all), XML_OK);
    ck_assert_int_eq(seen.elements, 1);
    size_t taken = xml_parser_consumed(parser);
    ck_assert_str_eq(all + taken, "<a/>\n<b/>");
    seen.stop = false;
    ck_assert_int_eq(feed(all + taken), XML_OK); /* goes on if the caller wants it */
    ck_assert_str_eq(strbuf_str(&seen.out), "<auth/><a/><b/>");
    ck_assert_uint_eq(xml_parser_consumed(parser), strlen(all + taken));

    seen.stop = true; /* and what is not fed again is forgotten */
    ck_assert_int_eq(feed("<starttls/><evil>"), XML_OK);
    ck_assert_uint_eq(xml_parser_consumed(parser), 11);
    xml_parser_restart(parser);
    ck_assert_int_eq(feed(HEADER "<c/>"), XML_OK);
    ck_assert_str_eq(strbuf_str(&seen.out), "<auth/><a/><b/><starttls/><c/>");

    xml_parser_restart(parser);
    seen.stop_open = true;
    ck_assert_int_eq(feed(HEADER "<d/>"), XML_OK);
    ck_assert_uint_eq(xml_parser_consumed(parser), strlen(HEADER));
    ck_assert_int_eq(feed("<d/>"), XML_OK);
    ck_assert_int_eq(seen.elements, 6);
}
END_TEST

START_TEST(a_stream_may_be_assumed_open)
{
    xml_parser_assume_open(parser, "jabber:server");
    ck_assert_int_eq(feed(" <a/><stream:features/>"), XML_OK);
    ck_assert_str_eq(strbuf_str(&seen.out), "<a/><stream:features/>");
    ck_assert_int_eq(seen.opened, 0);
    ck_assert_int_eq(feed("</stream:stream>"), XML_OK);
    ck_assert_int_eq(seen.closed, 1);
}
END_TEST

/* Expat keeps every name it ever saw. */
START_TEST(fresh_names_do_not_pile_up)
{
    ck_assert_int_eq(feed(HEADER), XML_OK);
    char text[128];
    int64_t memory_before = 0;
    for (int i = 0; i < 100000; i++) {
        /* never between stanzas at the end of a feed, so only replacing in their midst helps */
        snprintf(text, sizeof(text), "%s a%d='' b%d=''/>%s", i ? "" : "<a", i, i, "<a");
        ck_assert_int_eq(feed(text), XML_OK);
        if (i == 2000)
            memory_before = (int64_t)mallinfo2().uordblks;
        strbuf_reset(&seen.out);
    }
    ck_assert_int_eq(seen.elements, 100000);
    ck_assert_int_lt((int64_t)mallinfo2().uordblks, memory_before + 256 * 1024);
}
END_TEST

static void nested_element(void *arg, struct arena *arena, struct xml_el *el)
{
    struct xml_parser *inner = xml_parser_new(&sink, &seen, &limits);
    ck_assert_int_eq(xml_parser_feed(inner, HEADER, strlen(HEADER)), XML_OK);
    xml_parser_free(&inner);
    on_element(arg, arena, el);
}

/* A callback may use other parsers, which come and go. */
START_TEST(parsers_nest)
{
    static const struct xml_sink nested = {on_open, nested_element, on_close};
    struct xml_parser *outer = xml_parser_new(&nested, &seen, &limits);
    ck_assert_int_eq(xml_parser_feed(outer, HEADER, strlen(HEADER)), XML_OK);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(xml_parser_feed(outer, stanza, strlen(stanza)), XML_OK);
    char *text = big_tag(50000, 'x');
    ck_assert_int_eq(xml_parser_feed(outer, "<a/><b", 6), XML_OK);
    ck_assert_int_eq(xml_parser_feed(outer, "/>", 2), XML_OK);
    ck_assert_int_eq(xml_parser_feed(outer, text, strlen(text)), XML_OK);
    ck_assert_int_eq(seen.elements, 103);
    free(text);
    xml_parser_free(&outer);
}
END_TEST

START_TEST(errors_have_names)
{
    for (int e = XML_NOT_WELL_FORMED; e <= XML_BAD_FORMAT; e++)
        ck_assert_uint_gt(strlen(xml_error_condition((enum xml_error)e)), 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        elements_are_delivered,
        bytes_one_by_one_are_delivered_at_the_last,
        large_tags_are_delivered_at_their_last_byte,
        open_tags_do_not_cost_their_square,
        a_parked_parser_goes_on,
        the_pool_tells_headers_apart,
        content_is_one_namespace_in_every_stream,
        what_is_restricted_is_refused,
        utf16_is_refused,
        bytes_are_limited,
        open_tokens_are_limited,
        elements_depth_and_attributes_are_limited,
        a_stop_leaves_the_rest,
        a_stream_may_be_assumed_open,
        fresh_names_do_not_pile_up,
        parsers_nest,
        errors_have_names,
    };
    return suite_run("xml-parser", tests, ARRAY_LEN(tests), setup, teardown);
}
