/* Unit tests of stream errors and headers: what is written is read back by the parser. */
#include "suite.h"
#include "xmpp/stream_error.h"

static struct {
    int opened, elements;
    char condition[64], text[64];
} seen;

static void on_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    (void)arg;
    seen.opened++;
    ck_assert(xml_is(el, NS_STREAM, A_stream));
    ck_assert_str_eq(content_ns, "jabber:server");
    ck_assert_str_eq(xml_attr(el, A_id), "a'b<c");
    ck_assert_str_eq(xml_attr(el, A_from), "here");
    ck_assert_ptr_null(xml_attr(el, A_to));
    ck_assert_str_eq(xml_attr(el, A_version), "1.0");
}

static void on_element(void *arg, struct arena *arena, struct xml_el *el)
{
    (void)arg;
    seen.elements++;
    ck_assert(xml_is(el, NS_STREAM, A_error));
    struct xml_el *text = xml_child(el, NS_STREAM_ERRORS, A_text);
    snprintf(seen.condition, sizeof(seen.condition), "%s", xml_first(el)->name);
    ck_assert(atom_is(xml_first(el)->ns, NS_STREAM_ERRORS));
    snprintf(seen.text, sizeof(seen.text), "%s", text ? xml_text_of(arena, text) : "");
    arena_free(&arena);
}

static void on_close(void *arg)
{
    (void)arg;
}

START_TEST(errors_are_read_back)
{
    static const struct xml_sink sink = {on_open, on_element, on_close};
    static const struct xml_limits limits = {
        .bytes = 100000, .elements = 10, .depth = 10, .attrs = 10};
    struct xml_parser *p = xml_parser_new(&sink, NULL, &limits);
    struct strbuf b;
    strbuf_init(&b, 100000);
    stream_header_write(&b, "jabber:server", "here", NULL, "a'b<c");
    ck_assert_int_eq(xml_parser_feed(p, b.s, b.len), XML_OK);
    ck_assert_int_eq(seen.opened, 1);
    for (int e = STREAM_NO_ERROR + 1; e < STREAM_ERRORS; e++) {
        strbuf_reset(&b);
        stream_error_write(&b, (enum stream_error)e, e % 2 ? "why <not>" : NULL);
        ck_assert_int_eq(xml_parser_feed(p, b.s, b.len), XML_OK);
        ck_assert_int_eq(seen.elements, e);
        ck_assert_str_eq(seen.condition, stream_error_name((enum stream_error)e));
        ck_assert_str_eq(seen.text, e % 2 ? "why <not>" : "");
    }
    strbuf_free(&b);
    xml_parser_free(&p);
}
END_TEST

START_TEST(refusals_of_the_parser_have_their_condition)
{
    for (int e = XML_OK; e <= XML_BAD_FORMAT; e++)
        ck_assert_str_eq(stream_error_name(stream_error_of_xml((enum xml_error)e)),
                         xml_error_condition((enum xml_error)e));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {errors_are_read_back,
                                  refusals_of_the_parser_have_their_condition};
    return suite_run("stream-error", tests, ARRAY_LEN(tests), NULL, xml_parser_pool_clear);
}
