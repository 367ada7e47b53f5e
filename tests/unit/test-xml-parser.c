/* Unit tests of the stream parser: what is delivered, when, and what is refused. */
#include <check.h>
#include <limits.h>

#include "base/clock.h"
#include "xml/parser.h"
#include "xml/writer.h"

#define HEADER                                                                                     \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                                   \
    "xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"

/* What the callbacks saw: each element written again, one after the other. */
static struct {
    struct strbuf out;
    char content_ns[64], to[64];
    int opened, elements, closed;
    bool stop;
} seen;
static struct xml_parser *parser;

static void on_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    ck_assert_ptr_eq(arg, &seen);
    ck_assert(xml_is(el, NS_STREAM, A_stream));
    snprintf(seen.content_ns, sizeof(seen.content_ns), "%s", content_ns);
    snprintf(seen.to, sizeof(seen.to), "%s", xml_attr(el, A_to) ? xml_attr(el, A_to) : "");
    seen.opened++;
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
    ck_assert_int_eq(feed(HEADER), XML_OK);
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
    ck_assert_int_eq(feed(HEADER), XML_OK);
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

START_TEST(a_parked_parser_goes_on)
{
    ck_assert_int_eq(feed(HEADER), XML_OK);
    for (int i = 1; i <= 3; i++) {
        ck_assert(xml_parser_park(parser));
        ck_assert(xml_parser_park(parser));
        ck_assert_int_eq(feed(" \n\t"), XML_OK);
        ck_assert_int_eq(feed(stanza), XML_OK);
        ck_assert_int_eq(seen.elements, i);
        xml_parser_pool_clear(); /* every second one from an empty pool */
    }
    ck_assert_int_eq(feed("<a"), XML_OK);
    ck_assert(!xml_parser_park(parser));
    ck_assert_uint_eq(xml_parser_pending(parser), 2);
    ck_assert_int_eq(feed("/></stream:stream>"), XML_OK);
    ck_assert_int_eq(seen.closed, 1);
    ck_assert(xml_parser_park(parser));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("xml-parser");
    TCase *t = tcase_create("parser");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, elements_are_delivered);
    tcase_add_test(t, bytes_one_by_one_are_delivered_at_the_last);
    tcase_add_test(t, a_parked_parser_goes_on);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
