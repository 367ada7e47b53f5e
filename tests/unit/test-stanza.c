/* Unit tests of stanzas. */
#include <pthread.h>

#include "suite.h"
#include "xml/parser.h"
#include "xmpp/stanza.h"

static struct strbuf out;

static void setup(void)
{
    strbuf_init(&out, 100000);
}

static void teardown(void)
{
    strbuf_free(&out);
    xml_parser_pool_clear();
}

static struct stanza *parse(const char *s)
{
    return stanza_parse(s, strlen(s));
}

static const char *written(const struct stanza *st)
{
    strbuf_reset(&out);
    stanza_write(&out, st);
    return strbuf_str(&out);
}

static const char *chat = "<message to='a@b/c' from='x@y' type='chat' id='1'>"
                          "<body>h&amp;i</body><x xmlns='urn:y'><z/></x></message>";

START_TEST(a_compact_copy_is_equal_and_has_nothing_to_spare)
{
    static const char text[] =
        "<presence from='a@b/c' id='x'><show>away</show><status>gone</status></presence>";
    struct stanza *st = stanza_parse(text, sizeof(text) - 1);
    struct stanza *copy = stanza_compact(st);
    stanza_unref(&st); /* nothing is shared */
    st = stanza_parse(text, sizeof(text) - 1);
    ck_assert(xml_equal(copy->el, st->el));
    ck_assert(jid_equal(copy->from, st->from));
    ck_assert_int_eq(copy->type, TYPE_AVAILABLE);
    ck_assert_uint_lt(arena_size(copy->arena), arena_used(copy->arena) + 128);
    stanza_unref(&st);
    stanza_unref(&copy);
}
END_TEST

START_TEST(attributes_are_read)
{
    struct stanza *st = parse(chat);
    ck_assert_int_eq(st->kind, STANZA_MESSAGE);
    ck_assert_int_eq(st->type, TYPE_CHAT);
    ck_assert_str_eq(st->id, "1");
    ck_assert_str_eq(st->from->s, "x@y");
    ck_assert_str_eq(st->to->s, "a@b/c");
    ck_assert_str_eq(written(st), chat);
    stanza_unref(&st);
    ck_assert_ptr_null(st);
    stanza_unref(&st);

    st = parse("<presence from='@' to='a@'/>");
    ck_assert(!st->from && !st->to && !st->id);
    stanza_unref(&st);
}
END_TEST

START_TEST(malformed_addresses_are_told)
{
    bool malformed = false;
    struct arena *a = arena_new(256);
    struct xml_el *el = xml_set(a, xml_new(a, NS_CONTENT, A_iq), A_to, "a@");
    struct stanza *st = stanza_from_element(a, el, &malformed);
    ck_assert(malformed);
    stanza_unref(&st);
    a = arena_new(256);
    st = stanza_from_element(a, xml_new(a, NS_CONTENT, A_iq), &malformed);
    ck_assert(!malformed);
    stanza_unref(&st);
}
END_TEST

START_TEST(kinds_and_types_are_known)
{
    static const struct {
        const char *text;
        enum stanza_kind kind;
        enum stanza_type type;
    } cases[] = {
        {"<message/>", STANZA_MESSAGE, TYPE_NORMAL},
        {"<message type='normal'/>", STANZA_MESSAGE, TYPE_NORMAL},
        {"<message type='groupchat'/>", STANZA_MESSAGE, TYPE_GROUPCHAT},
        {"<message type='headline'/>", STANZA_MESSAGE, TYPE_HEADLINE},
        {"<message type='error'/>", STANZA_MESSAGE, TYPE_ERROR},
        {"<message type='get'/>", STANZA_MESSAGE, TYPE_NORMAL},
        {"<presence/>", STANZA_PRESENCE, TYPE_AVAILABLE},
        {"<presence type='unavailable'/>", STANZA_PRESENCE, TYPE_UNAVAILABLE},
        {"<presence type='probe'/>", STANZA_PRESENCE, TYPE_PROBE},
        {"<presence type='available'/>", STANZA_PRESENCE, TYPE_INVALID},
        {"<presence type='error'/>", STANZA_PRESENCE, TYPE_ERROR},
        {"<iq type='get'/>", STANZA_IQ, TYPE_GET},
        {"<iq type='result'/>", STANZA_IQ, TYPE_RESULT},
        {"<iq type='error'/>", STANZA_IQ, TYPE_ERROR},
        {"<iq/>", STANZA_IQ, TYPE_INVALID},
        {"<iq type='chat'/>", STANZA_IQ, TYPE_INVALID},
        {"<other type='get'/>", STANZA_NONZA, TYPE_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stanza *st = parse(cases[i].text);
        ck_assert_int_eq(st->kind, cases[i].kind);
        ck_assert_int_eq(st->type, cases[i].type);
        stanza_unref(&st);
    }
}
END_TEST

START_TEST(flaws_are_found)
{
    static const char *const good[] = {
        "<message type='whisper'/>",
        "<presence/>",
        "<presence type='error'/>",
        "<iq type='get' id='a'> <x xmlns='urn:x'><y/><z/></x> </iq>",
        "<iq type='set' id=''><x xmlns='urn:x'/></iq>",
        "<iq type='result' id='a'/>",
        "<iq type='error' id='a'><x xmlns='urn:x'/><error type='cancel'/></iq>",
    };
    static const char *const bad[] = {
        "<presence type='available'/>",
        "<iq id='a'><x xmlns='urn:x'/></iq>",
        "<iq type='subscribe' id='a'><x xmlns='urn:x'/></iq>",
        "<iq type='get'><x xmlns='urn:x'/></iq>",
        "<iq type='result'/>",
        "<iq type='get' id='a'/>",
        "<iq type='set' id='a'>text</iq>",
        "<iq type='set' id='a'><x xmlns='urn:x'/><x xmlns='urn:x'/></iq>",
    };
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        bool ok = i < ARRAY_LEN(good);
        struct stanza *st = parse(ok ? good[i] : bad[i - ARRAY_LEN(good)]);
        ck_assert_int_eq(stanza_flaw(st) == NULL, ok);
        stanza_unref(&st);
    }
}
END_TEST

START_TEST(only_one_whole_element_is_a_stanza)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "<message>",
                                      "<message/><message/>",
                                      "<message/>x",
                                      "x<message/>",
                                      "<message/><",
                                      "<message/></stream:stream>",
                                      "<a xmlns='urn:x'/>",
                                      "<stream:features/>",
                                      "<!-- --><message/>",
                                      "<?xml version='1.0'?><message/>",
                                      "<message></iq>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(parse(bad[i]) == NULL, "%s", bad[i]);
    struct stanza *st = parse(" <message/>\n");
    ck_assert_ptr_nonnull(st);
    stanza_unref(&st);
}
END_TEST

START_TEST(stanzas_are_made)
{
    struct arena *a = arena_new(256);
    const struct jid *from = jid_parse(a, "a@b/c", 5), *to = jid_parse(a, "d@e", 3);
    struct stanza *st = stanza_new(STANZA_IQ, TYPE_GET, from, to, "x1");
    arena_free(&a);
    xml_set(st->arena, st_add(st, NS_PING, A_ping), "k", "v");
    ck_assert_str_eq(written(st), "<iq type='get' id='x1' from='a@b/c' to='d@e'>"
                                  "<ping xmlns='urn:xmpp:ping' k='v'/></iq>");
    ck_assert_ptr_nonnull(st_child(st, NS_PING, A_ping));
    ck_assert_str_eq(st_attr(st, A_id), "x1");
    struct stanza *reply = stanza_reply(st);
    ck_assert_str_eq(written(reply), "<iq type='result' id='x1' from='d@e' to='a@b/c'/>");
    ck_assert_int_eq(reply->type, TYPE_RESULT);
    ck_assert_ptr_null(stanza_error(reply, SE_CONFLICT, NULL));
    stanza_unref(&reply);
    stanza_set_from(st, NULL);
    stanza_set_to(st, NULL);
    ck_assert(!st->from && !st->to);
    reply = stanza_reply(st);
    ck_assert_str_eq(written(reply), "<iq type='result' id='x1'/>");
    stanza_unref(&reply);
    stanza_unref(&st);
    st = stanza_new(STANZA_PRESENCE, TYPE_AVAILABLE, NULL, NULL, NULL);
    ck_assert_str_eq(written(st), "<presence/>");
    stanza_unref(&st);
}
END_TEST

START_TEST(errors_have_their_type)
{
    static const char *const types[] = {"auth", "cancel", "modify", "wait"};
    struct stanza *st = parse(chat);
    for (int e = 0; e < SE_COUNT; e++) {
        struct stanza *error = stanza_error(st, (enum stanza_error)e, e % 2 ? "be<cause" : NULL);
        ck_assert_int_eq(error->type, TYPE_ERROR);
        ck_assert_str_eq(error->to->s, "x@y");
        struct xml_el *el = st_child(error, NS_CONTENT, A_error);
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            known |= strcmp(xml_attr(el, A_type), types[i]) == 0;
        ck_assert(known);
        written(error);
        struct stanza *back = stanza_parse(out.s, out.len);
        ck_assert_int_eq(stanza_error_of(back), e);
        ck_assert_ptr_null(stanza_error(back, SE_CONFLICT, NULL));
        stanza_unref(&back);
        stanza_unref(&error);
    }
    ck_assert_int_eq(stanza_error_of(st), SE_UNDEFINED_CONDITION);
    struct stanza *error = stanza_error(st, SE_RESOURCE_CONSTRAINT, "later");
    ck_assert_str_eq(written(error),
                     "<message type='error' id='1' from='a@b/c' to='x@y'><error type='wait'>"
                     "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                     "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>later</text>"
                     "</error></message>");
    stanza_unref(&error);
    stanza_unref(&st);
}
END_TEST

START_TEST(frozen_bytes_are_shared)
{
    struct stanza *st = parse(chat);
    stanza_freeze(st);
    const char *inner = st->inner;
    ck_assert_str_eq(inner, "<body>h&amp;i</body><x xmlns='urn:y'><z/></x>");
    ck_assert_uint_eq(st->inner_len, strlen(inner));
    stanza_freeze(st);
    ck_assert_ptr_eq(st->inner, inner);
    ck_assert_str_eq(written(st), chat);
    strbuf_reset(&out);
    struct arena *a = arena_new(128);
    const struct jid *other = jid_parse(a, "other@b", 7);
    stanza_write_as(&out, st, NULL, other);
    ck_assert_str_eq(strbuf_str(&out), "<message from='x@y' type='chat' id='1' to='other@b'>"
                                       "<body>h&amp;i</body><x xmlns='urn:y'><z/></x></message>");
    stanza_unref(&st);
    st = parse("<presence/>");
    for (int frozen = 0; frozen < 2; frozen++) {
        strbuf_reset(&out);
        stanza_write_as(&out, st, other, NULL);
        struct stanza *back = stanza_parse(out.s, out.len);
        ck_assert_str_eq(back->from->s, "other@b");
        ck_assert_ptr_null(back->el->first);
        stanza_unref(&back);
        stanza_freeze(st);
    }
    ck_assert_str_eq(written(st), "<presence/>");
    stanza_unref(&st);
    arena_free(&a);
}
END_TEST

START_TEST(an_edit_keeps_its_original_alive)
{
    struct stanza *st = parse(chat), *edit = stanza_edit(st), *again;
    stanza_freeze(st);
    st_add(edit, NS_SID, A_stanza_id);
    xml_remove(edit->el, "urn:y", A_x);
    struct jid *from = jid_parse_new("new@y", 5);
    stanza_set_from(edit, from);
    jid_free(&from);
    ck_assert_str_eq(written(st), chat);
    stanza_unref(&st);
    again = stanza_edit(edit);
    stanza_unref(&edit);
    stanza_freeze(again);
    ck_assert_str_eq(written(again), "<message to='a@b/c' from='new@y' type='chat' id='1'>"
                                     "<body>h&amp;i</body><stanza-id xmlns='urn:xmpp:sid:0'/>"
                                     "</message>");
    ck_assert_str_eq(again->from->s, "new@y");
    ck_assert_str_eq(again->to->s, "a@b/c");
    stanza_ref(again);
    struct stanza *same = again;
    stanza_unref(&again);
    ck_assert_str_eq(same->id, "1");
    stanza_unref(&same);
}
END_TEST

/* What a fiber does with the deepest stanza that comes in, on a stack whose use is seen after. */
static void *work_on_the_deepest(void *arg)
{
    struct strbuf in, copy;
    strbuf_init(&in, 100000);
    strbuf_init(&copy, 100000);
    for (int i = 0; i < XML_DEPTH_MAX; i++)
        strbuf_puts(&in, i ? "<a b='c'>" : "<message>");
    for (int i = XML_DEPTH_MAX; i-- > 0;)
        strbuf_puts(&in, i ? "</a>" : "</message>");
    struct stanza *st = stanza_parse(in.s, in.len), *edit;
    ck_assert_ptr_nonnull(st);
    st->el = xml_copy(st->arena, st->el);
    edit = stanza_edit(st);
    stanza_freeze(edit);
    stanza_write(&copy, st);
    *(size_t *)arg = copy.len;
    stanza_unref(&st);
    stanza_unref(&edit);
    strbuf_free(&in);
    strbuf_free(&copy);
    return NULL;
}

START_TEST(the_deepest_stanza_fits_a_fiber)
{
    enum { STACK = 1 << 20, PAINT = 0x5a };
    unsigned char *stack = aligned_alloc(4096, STACK);
    memset(stack, PAINT, STACK);
    pthread_attr_t attr;
    pthread_t thread;
    size_t written_len = 0, untouched = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, STACK);
    ck_assert_int_eq(pthread_create(&thread, &attr, work_on_the_deepest, &written_len), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    free(stack);
    ck_assert_uint_gt(written_len, XML_DEPTH_MAX * 10);

    ck_assert_uint_lt(STACK - untouched, 32 * 1024); /* of 64 */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_compact_copy_is_equal_and_has_nothing_to_spare,
        attributes_are_read,
        malformed_addresses_are_told,
        kinds_and_types_are_known,
        flaws_are_found,
        only_one_whole_element_is_a_stanza,
        stanzas_are_made,
        errors_have_their_type,
        frozen_bytes_are_shared,
        an_edit_keeps_its_original_alive,
        the_deepest_stanza_fits_a_fiber,
    };
    return suite_run("stanza", tests, ARRAY_LEN(tests), setup, teardown);
}
