/* Unit tests of entity capabilities and data forms. */
#include "suite.h"
#include "xml/parser.h"
#include "xmpp/caps.h"
#include "xmpp/form.h"
#include "xmpp/stanza.h"

#define INFO "<query xmlns='http://jabber.org/protocol/disco#info'>"

/* The verification string of what stands in a disco#info answer. */
static const char *ver_of(const char *inside)
{
    static char ver[CAPS_VER_SIZE];
    struct strbuf b;
    strbuf_init(&b, 100000);
    strbuf_printf(&b, "<iq type='result' id='x'>" INFO "%s</query></iq>", inside);
    struct stanza *st = stanza_parse(strbuf_str(&b), b.len);
    ck_assert(st);
    caps_ver(xml_first(st->el), ver);
    stanza_unref(&st);
    strbuf_free(&b);
    return ver;
}

/* XEP-0115 section 5.2 */
START_TEST(the_simple_example)
{
    ck_assert_str_eq(ver_of("<feature var='http://jabber.org/protocol/muc'/>"
                            "<feature var='http://jabber.org/protocol/disco#info'/>"
                            "<identity category='client' type='pc' name='Exodus 0.9.1'/>"
                            "<feature var='http://jabber.org/protocol/caps'/>"
                            "<feature var='http://jabber.org/protocol/disco#items'/>"),
                     "QgayPKawpkPSDYmwT/WM94uAlu0=");
}
END_TEST

#define COMPLEX                                                                                    \
    "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"                        \
    "<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>"                   \
    "<feature var='http://jabber.org/protocol/caps'/>"                                             \
    "<feature var='http://jabber.org/protocol/disco#info'/>"                                       \
    "<feature var='http://jabber.org/protocol/disco#items'/>"                                      \
    "<feature var='http://jabber.org/protocol/muc'/>"

/* Section 5.3, with everything in another order than there. */
START_TEST(the_complex_example)
{
    ck_assert_str_eq(ver_of(COMPLEX "<x xmlns='jabber:x:data' type='result'>"
                                    "<field var='software_version'><value>0.11</value></field>"
                                    "<field var='os'><value>Mac</value></field>"
                                    "<field var='ip_version' type='text-multi'>"
                                    "<value>ipv6</value><value>ipv4</value></field>"
                                    "<field var='os_version'><value>10.5.1</value></field>"
                                    "<field var='FORM_TYPE' type='hidden'>"
                                    "<value>urn:xmpp:dataforms:softwareinfo</value></field>"
                                    "<field var='software'><value>Psi</value></field></x>"),
                     "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}
END_TEST

/* Section 5.4: a form that does not say what it is about is passed over. */
START_TEST(a_form_without_a_type_does_not_count)
{
    char without[CAPS_VER_SIZE];
    memcpy(without, ver_of(COMPLEX), sizeof(without));
    ck_assert_str_eq(ver_of(COMPLEX "<x xmlns='jabber:x:data' type='result'>"
                                    "<field var='FORM_TYPE'><value>urn:x</value></field>"
                                    "<field var='os'><value>Mac</value></field></x>"),
                     without);
    ck_assert_str_ne(ver_of(COMPLEX "<feature var='urn:x'/>"), without);
}
END_TEST

/* What lacks its attributes comes from the network too. */
START_TEST(nothing_is_a_capability_too)
{
    ck_assert_str_eq(ver_of(""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    ck_assert_str_eq(ver_of("<feature/><other/>"), ver_of(""));
    ck_assert_uint_eq(strlen(ver_of("<identity/><x xmlns='jabber:x:data'><field/></x>")), 28);
}
END_TEST

START_TEST(a_form_is_written)
{
    struct stanza *st = stanza_new(STANZA_IQ, TYPE_RESULT, NULL, NULL, "x");
    struct xml_el *form = form_add(st->arena, st->el, "result", "urn:x");
    struct xml_el *field = form_field(st->arena, form, "colours", "list-multi");
    form_value(st->arena, field, "red");
    form_value(st->arena, field, "blue");
    form_field(st->arena, form_add(st->arena, st->el, "submit", NULL), "none", NULL);
    struct strbuf out;
    strbuf_init(&out, 4096);
    stanza_write(&out, st);
    ck_assert_str_eq(strbuf_str(&out),
                     "<iq type='result' id='x'><x xmlns='jabber:x:data' type='result'>"
                     "<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>"
                     "<field var='colours' type='list-multi'><value>red</value>"
                     "<value>blue</value></field></x>"
                     "<x xmlns='jabber:x:data' type='submit'><field var='none'/></x></iq>");
    strbuf_free(&out);
    stanza_unref(&st);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_simple_example,          the_complex_example, a_form_without_a_type_does_not_count,
        nothing_is_a_capability_too, a_form_is_written,
    };
    return suite_run("caps", tests, ARRAY_LEN(tests), NULL, xml_parser_pool_clear);
}
