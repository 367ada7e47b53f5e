/* Addresses, networks, and the header of the PROXY protocol: whole, in pieces, and wrong. */
#include <check.h>

#include "net/proxy.h"

static const struct {
    const char *network, *address;
    bool has;
} networks[] = {
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"10.0.0.0/8", "10.255.0.1", true},
    {"10.0.0.0/8", "11.0.0.1", false},
    {"192.0.2.64/26", "192.0.2.127", true},
    {"192.0.2.64/26", "192.0.2.128", false},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "::1", false},
    {"::/0", "192.0.2.1", false},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
};

START_TEST(networks_hold_addresses)
{
    struct network n;
    union address a;
    ck_assert(network_parse(networks[_i].network, &n));
    ck_assert(address_parse(networks[_i].address, 0, &a));
    ck_assert_int_eq(network_has(&n, &a), networks[_i].has);
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
    static const char *const wrong[] = {"",
                                        "/",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.1/8",
                                        "::/129",
                                        "10.0.0.0/+8",
                                        "10.0.0.0/8 ",
                                        "example.org",
                                        "10.0.0.0/0008",
                                        "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16/1"};
    struct network n;
    ck_assert(!network_parse(wrong[_i], &n));
}
END_TEST

START_TEST(addresses_are_written)
{
    static const char *const texts[][3] = {{"192.0.2.1", "192.0.2.1", "192.0.2.1:5"},
                                           {"2001:db8::1", "2001:db8::1", "[2001:db8::1]:5"},
                                           {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:5"}};
    union address a;
    char text[ADDRESS_TEXT];
    ck_assert(address_parse(texts[_i][0], 5, &a));
    address_unmap(&a);
    address_format(&a, text);
    ck_assert_str_eq(text, texts[_i][1]);
    address_format_port(&a, text);
    ck_assert_str_eq(text, texts[_i][2]);
}
END_TEST

START_TEST(what_is_no_address_has_a_name)
{
    union address a = {0};
    char text[ADDRESS_TEXT];
    address_format_port(&a, text);
    ck_assert_str_eq(text, "local");
}
END_TEST

/* ---- headers ---- */

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define TLV                                                                                        \
    "\x04\x00\x03"                                                                                 \
    "abc"
#define IP4                                                                                        \
    "\xc0\x00\x02\x01"                                                                             \
    "\xc0\x00\x02\x02"                                                                             \
    "\x12\x67"                                                                                     \
    "\x14\x66"
#define HALF6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define IP6                                                                                        \
    HALF6 "\1" HALF6 "\2"                                                                          \
          "\x12\x67"                                                                               \
          "\x14\x66"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
#define IP46                                                                                       \
    MAPPED MAPPED "\x12\x67"                                                                       \
                  "\x14\x66"
#define HEADER(bytes, ...)                                                                         \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, ##__VA_ARGS__                                                    \
    }

static const struct {
    const char *bytes;
    size_t len;
    const char *who;
} good[] = {
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 4711 5222\r\n", "192.0.2.1:4711"),
    HEADER("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 0 5222\r\n", "192.0.2.1:0"),
    HEADER("PROXY TCP6 2001:db8::1 2001:db8::2 4711 5222\r\n", "[2001:db8::1]:4711"),
    HEADER("PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 5222\r\n", "192.0.2.1:4711"),
    HEADER("PROXY UNKNOWN\r\n", "local"),
    HEADER("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "local"),
    HEADER(V2 "\x21\x11\x00\x0c" IP4, "192.0.2.1:4711"),
    HEADER(V2 "\x21\x11\x00\x12" IP4 TLV, "192.0.2.1:4711"),
    HEADER(V2 "\x21\x21\x00\x24" IP6, "[2001:db8::1]:4711"),
    HEADER(V2 "\x21\x21\x00\x24" IP46, "192.0.2.1:4711"),
    HEADER(V2 "\x21\x00\x00\x00", "local"),
    HEADER(V2 "\x20\x00\x00\x00", "local"),
    HEADER(V2 "\x20\x11\x00\x0c" IP4, "local"), /* LOCAL: whatever it says, it is not meant */
    HEADER(V2 "\x20\xff\x00\x06" TLV, "local"),
};

START_TEST(a_header_says_who_it_is)
{
    char bytes[300], text[ADDRESS_TEXT];
    union address a;
    memcpy(bytes, good[_i].bytes, good[_i].len);
    memcpy(bytes + good[_i].len, "<?xml", 5); /* what follows is not looked at */
    ck_assert_int_eq(proxy_parse(bytes, good[_i].len + 5, &a), good[_i].len);
    address_format_port(&a, text);
    ck_assert_str_eq(text, good[_i].who);
    for (size_t part = 0; part < good[_i].len; part++)
        ck_assert_int_eq(proxy_parse(bytes, part, &a), PROXY_INCOMPLETE);
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
} wrong[] = {
    HEADER("<?xml version='1.0'?>"),
    HEADER("\x16\x03\x01\x02\x00"),
    HEADER("PROXY\r\n"),
    HEADER("PROXY \r\n"),
    HEADER("PROXY UNKNOWNX\r\n"),
    HEADER("proxy TCP4 192.0.2.1 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY UDP4 192.0.2.1 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 4711 5222\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 4711 5222 \r\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n"),
    HEADER("PROXY TCP4  192.0.2.1 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 4711 65536\r\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 04711 5222\r\n"),
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 -1 5222\r\n"),
    HEADER("PROXY TCP4 192.0.2.01 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY TCP4 2001:db8::1 2001:db8::2 4711 5222\r\n"),
    HEADER("PROXY TCP6 192.0.2.1 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY TCP6 2001:db8::1 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY TCP4 192.0.2.1\0 192.0.2.2 4711 5222\r\n"),
    HEADER("PROXY UNKNOWN 1234567890123456789012345678901234567890123456789012345678901234567890123"
           "45678901234567890123\r\n"),
    HEADER(V2 "\x31\x11\x00\x0c" IP4), /* version 3 */
    HEADER(V2 "\x22\x11\x00\x0c" IP4), /* no such command */
    HEADER(V2 "\x21\x12\x00\x0c" IP4), /* UDP */
    HEADER(V2 "\x21\x41\x00\x0c" IP4), /* no such family */
    HEADER(V2 "\x21\x11\x00\x0b" IP4), /* shorter than its addresses */
    HEADER(V2 "\x21\x21\x00\x0c" IP4),
    HEADER(V2 "\x21\x11\x0f\xf1" IP4), /* longer than we take */
    HEADER(V2 "\x21\x11\xff\xff" IP4),
};

START_TEST(what_is_no_header_is_refused)
{
    union address a;
    ck_assert_int_eq(proxy_parse(wrong[_i].bytes, wrong[_i].len, &a), PROXY_WRONG);
}
END_TEST

/* A header that never ends is refused when it has the length of the longest. */
START_TEST(a_line_has_an_end)
{
    char bytes[120];
    union address a;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "PROXY UNKNOWN ", 14);
    ck_assert_int_eq(proxy_parse(bytes, 106, &a), PROXY_INCOMPLETE);
    ck_assert_int_eq(proxy_parse(bytes, 107, &a), PROXY_WRONG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy");
    TCase *t = tcase_create("proxy");
    tcase_add_loop_test(t, networks_hold_addresses, 0, ARRAY_LEN(networks));
    tcase_add_loop_test(t, what_is_no_network_is_refused, 0, 11);
    tcase_add_loop_test(t, addresses_are_written, 0, 3);
    tcase_add_test(t, what_is_no_address_has_a_name);
    tcase_add_loop_test(t, a_header_says_who_it_is, 0, ARRAY_LEN(good));
    tcase_add_loop_test(t, what_is_no_header_is_refused, 0, ARRAY_LEN(wrong));
    tcase_add_test(t, a_line_has_an_end);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
