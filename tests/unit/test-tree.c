/* Unit tests of element trees. */
#include "suite.h"
#include "xml/tree.h"
#include "xml/writer.h"

static struct arena *a;

static void setup(void)
{
    a = arena_new(4096);
}

static void teardown(void)
{
    arena_free(&a);
}

static const char *written(const struct xml_el *el)
{
    struct strbuf b;
    strbuf_init(&b, 10000);
    xml_write(&b, el, NS_CONTENT);
    const char *s = arena_strdup(a, strbuf_str(&b));
    strbuf_free(&b);
    return s;
}

static struct xml_el *sample(void)
{
    struct xml_el *el = xml_set(a, xml_new(a, NS_CONTENT, A_message), A_type, "chat");
    xml_text(a, xml_add(a, el, NS_CONTENT, A_body), "one");
    xml_text(a, el, "between");
    xml_add(a, el, NS_DELAY, A_delay);
    xml_text(a, xml_add(a, el, NS_CONTENT, A_body), "two");
    return el;
}

START_TEST(children_are_found)
{
    struct xml_el *el = sample(), *child;
    ck_assert_str_eq(xml_text_of(a, xml_child(el, NS_CONTENT, A_body)), "one");
    ck_assert_str_eq(xml_child(el, NULL, A_delay)->ns, NS_DELAY);
    ck_assert_str_eq(xml_child(el, NS_DELAY, NULL)->name, "delay");
    ck_assert_ptr_eq(xml_child(el, NULL, NULL), xml_first(el));
    ck_assert_ptr_null(xml_child(el, NS_DELAY, A_body));
    int count = 0;
    XML_FOREACH (child, el)
        count++;
    ck_assert_int_eq(count, 3);
    ck_assert_ptr_null(xml_first(xml_new(a, "", "empty")));
}
END_TEST

START_TEST(attributes_are_set_replaced_and_removed)
{
    struct xml_el *el = xml_new(a, "", "x");
    xml_set(a, xml_set(a, xml_set(a, el, "a", "1"), "b", "2"), "c", "3");
    xml_set_ns(a, el, NS_XML, A_lang, "en");
    xml_set(a, el, "b", "new");
    ck_assert_str_eq(xml_attr(el, "b"), "new");
    ck_assert_ptr_null(xml_attr(el, A_lang));
    ck_assert_str_eq(xml_attr_ns(el, NS_XML, A_lang), "en");
    xml_set(a, xml_set(a, el, "a", NULL), "none", NULL);
    ck_assert_ptr_null(xml_attr(el, "a"));
    ck_assert_str_eq(written(el), "<x xmlns='' b='new' c='3' xml:lang='en'/>");
}
END_TEST

START_TEST(text_is_joined)
{
    struct xml_el *el = xml_new(a, "", "x");
    ck_assert_str_eq(xml_text_of(a, el), "");
    xml_text(a, el, "a");
    ck_assert_ptr_eq(xml_text_of(a, el), el->first->text);
    xml_add(a, el, "", "y");
    xml_text(a, el, "b");
    ck_assert_str_eq(xml_text_of(a, el), "ab");
}
END_TEST

START_TEST(children_are_removed)
{
    struct xml_el *el = sample();
    ck_assert_uint_eq(xml_remove(el, NS_CONTENT, A_body), 2);
    ck_assert_uint_eq(xml_remove(el, NS_CONTENT, A_body), 0);
    xml_add(a, el, NS_CONTENT, A_x); /* the end of the list is right */
    ck_assert_str_eq(written(el),
                     "<message type='chat'>between<delay xmlns='urn:xmpp:delay'/><x/></message>");
    ck_assert_uint_eq(xml_remove(el, NULL, NULL), 2);
    xml_append(el, xml_new(a, NS_CONTENT, A_subject));
    ck_assert_str_eq(written(el), "<message type='chat'>between<subject/></message>");
}
END_TEST

START_TEST(copies_stand_alone)
{
    struct arena *own = arena_new(64);
    struct xml_el *el = xml_copy(own, sample());
    struct xml_el *orig = sample();
    ck_assert(xml_equal(el, orig));
    ck_assert_ptr_eq(el->name, A_message);
    arena_free(&a);
    a = arena_new(4096);
    ck_assert_str_eq(written(el), "<message type='chat'><body>one</body>between"
                                  "<delay xmlns='urn:xmpp:delay'/><body>two</body></message>");
    arena_free(&own);
}
END_TEST

START_TEST(an_edited_top_leaves_the_original)
{
    struct xml_el *orig = sample();
    const char *before = written(orig);
    struct xml_el *copy = xml_copy_top(a, orig);
    ck_assert(xml_equal(copy, orig));
    ck_assert_ptr_eq(xml_first(copy)->first, xml_first(orig)->first); /* shared below */
    xml_set(a, xml_set(a, copy, A_type, "normal"), A_id, "1");
    xml_add(a, copy, NS_SID, A_stanza_id);
    xml_remove(copy, NS_DELAY, A_delay);
    ck_assert_str_eq(written(orig), before);
    ck_assert_str_eq(written(copy),
                     "<message type='normal' id='1'><body>one</body>between"
                     "<body>two</body><stanza-id xmlns='urn:xmpp:sid:0'/></message>");
    xml_add(a, orig, NS_CONTENT, A_subject);
    ck_assert_ptr_null(xml_child(copy, NS_CONTENT, A_subject));
}
END_TEST

START_TEST(equality_is_deep)
{
    struct xml_el *x = xml_set(a, xml_set(a, xml_new(a, "n", "x"), "a", "1"), "b", "2");
    struct xml_el *y = xml_set(a, xml_set(a, xml_new(a, "n", "x"), "b", "2"), "a", "1");
    ck_assert(xml_equal(x, y));
    xml_text(a, xml_text(a, x, "on"), "e");
    xml_text(a, xml_text(a, xml_text(a, y, "o"), ""), "ne");
    ck_assert(xml_equal(x, y) && xml_equal(y, x));
    xml_text(a, y, "!");
    ck_assert(!xml_equal(x, y) && !xml_equal(y, x));
    xml_text(a, x, "!");
    xml_add(a, x, "n", "y");
    ck_assert(!xml_equal(x, y) && !xml_equal(y, x));
    xml_set(a, xml_add(a, y, "n", "y"), "c", "3");
    ck_assert(!xml_equal(x, y) && !xml_equal(y, x));
    ck_assert(!xml_equal(xml_new(a, "n", "x"), xml_new(a, "m", "x")));
    ck_assert(!xml_equal(xml_new(a, "n", "x"), xml_new(a, "n", "y")));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        children_are_found, attributes_are_set_replaced_and_removed,
        text_is_joined,     children_are_removed,
        copies_stand_alone, an_edited_top_leaves_the_original,
        equality_is_deep,
    };
    return suite_run("tree", tests, ARRAY_LEN(tests), setup, teardown);
}
