/* Unit tests of src/base: pure helpers. */
#include <check.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/atoms.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/quota.h"
#include "base/strbuf.h"
#include "base/throttle.h"

START_TEST(arena_keeps_what_it_gave)
{
    struct arena *a = arena_new(64);
    char *first = arena_strdup(a, "kept");
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq((uintptr_t)arena_alloc(a, (size_t)i) % 8, 0);
    char *big = arena_zalloc(a, 100000);
    ck_assert_int_eq(big[99999], 0);
    ck_assert_str_eq(arena_printf(a, "%s-%d", first, 7), "kept-7");
    ck_assert_uint_gt(arena_size(a), 100000);
    ck_assert_uint_ge(arena_used(a), 100000 + 999 * 1000 / 2);
    ck_assert_uint_lt(arena_used(a), arena_size(a));
    arena_free(&a);
    ck_assert_ptr_null(a);
    arena_free(&a);
}
END_TEST

START_TEST(strbuf_stops_at_its_maximum)
{
    struct strbuf b;
    strbuf_init(&b, 10);
    strbuf_puts(&b, "12345");
    strbuf_puts(&b, "1234567"); /* does not fit: left out whole */
    ck_assert(b.overflow);
    ck_assert_str_eq(strbuf_str(&b), "12345");
    strbuf_printf(&b, "%d", 67890);
    ck_assert_str_eq(strbuf_str(&b), "1234567890");
    strbuf_drop(&b, 9);
    ck_assert_str_eq(strbuf_str(&b), "0");
    strbuf_reset(&b);
    ck_assert(!b.overflow);
    strbuf_free(&b);
    ck_assert_str_eq(strbuf_str(&b), "");
}
END_TEST

START_TEST(atoms_are_found_by_their_bytes)
{
    ck_assert_ptr_eq(atom_find("message", 7), A_message);
    ck_assert_ptr_eq(atom_find("messagex", 7), A_message);
    ck_assert_ptr_null(atom_find("messag", 6));
    ck_assert_ptr_null(atom_find("", 0));
    ck_assert_ptr_eq(atom_find("jabber:client", 13), NS_CONTENT);
    ck_assert(atom_is("body", A_body));
}
END_TEST

START_TEST(times_survive_a_round_trip)
{
    char text[32];
    int64_t back;
    int64_t times[] = {0, 1, -1, 1795172645123456, 951782400000000 /* a 29 February */};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        clock_format(times[i], text);
        ck_assert(clock_parse(text, &back));
        ck_assert_int_eq(back, times[i]);
    }
    ck_assert(clock_parse("2026-01-31T12:00:00+01:30", &back));
    clock_format(back, text);
    ck_assert_str_eq(text, "2026-01-31T10:30:00.000000Z");
    const char *bad[] = {"", "2026", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00",
                         "2026-01-01T00:00:00Zx"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert(!clock_parse(bad[i], &back));
}
END_TEST

/* The reference vector of the SipHash paper: key 00..0f, input 00..0e. */
START_TEST(siphash_matches_its_paper)
{
    struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    unsigned char in[15];
    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)i;
    ck_assert_uint_eq(hash_keyed(&key, in, sizeof(in)), 0xa129ca6149be45e5u);
}
END_TEST

START_TEST(errors_carry_their_path)
{
    struct err e;
    ck_assert_int_eq(err_set(&e, "no file %s", "x"), -1);
    err_prefix(&e, "jackdaw.conf:%d", 3);
    ck_assert_str_eq(e.text, "jackdaw.conf:3: no file x");
    ck_assert_int_eq(err_set(NULL, "nobody listens"), -1);
}
END_TEST

START_TEST(secrets_compare_and_clear)
{
    char a[16], b[16], token[33];
    mem_random(a, sizeof(a));
    memcpy(b, a, sizeof(b));
    ck_assert(mem_equal_ct(a, b, sizeof(a)));
    b[15] ^= 1;
    ck_assert(!mem_equal_ct(a, b, sizeof(a)));
    mem_clear(a, sizeof(a));
    ck_assert_int_eq(a[0] | a[15], 0);
    mem_random_token(token, 32);
    ck_assert_uint_eq(strlen(token), 32);
}
END_TEST

START_TEST(an_ipv6_network_counts_as_one)
{
    static const char *const pairs[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:2::1", "2001:db8:1:2::"},
        {"2001:db8:1:3::1", "2001:db8:1:3::"},
        {"::1", "::"},
        {"", ""},
    };
    char network[QUOTA_NETWORK_MAX];
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        quota_network(pairs[i][0], network);
        ck_assert_str_eq(network, pairs[i][1]);
    }
}
END_TEST

START_TEST(throttles_fill_up)
{
    static const struct throttle_rate rate = {3, 1000 * CLOCK_SEC};
    uint64_t a = throttle_key("x", "a", ""), b = throttle_key("x", "", "a");
    ck_assert_uint_ne(a, b);
    ck_assert_uint_ne(a, throttle_key("y", "a", ""));
    for (int i = 0; i < 3; i++) {
        ck_assert(!throttle_full(THROTTLE_FAILURES, a, &rate));
        throttle_add(THROTTLE_FAILURES, a, &rate);
    }
    ck_assert(throttle_full(THROTTLE_FAILURES, a, &rate));
    ck_assert(!throttle_full(THROTTLE_FAILURES, b, &rate));
    ck_assert(!throttle_full(THROTTLE_SUCCESSES, a, &rate));
    throttle_forget(THROTTLE_FAILURES, a);
    ck_assert(!throttle_full(THROTTLE_FAILURES, a, &rate));
    throttle_forget(THROTTLE_FAILURES, b); /* is not there */
}
END_TEST

static void wait_until(int64_t time)
{
    while (clock_mono() < time)
        ; /* a fraction of a second, of which the test depends on no part */
}

START_TEST(throttles_forget)
{
    static const struct throttle_rate rate = {2, 20 * CLOCK_MS};
    uint64_t key = throttle_key("forget", "", "");
    throttle_add(THROTTLE_FAILURES, key, &rate);
    for (int i = 0; i < 100; i++) /* however often: it does not take longer than this */
        throttle_add(THROTTLE_FAILURES, key, &rate);
    wait_until(clock_mono() + 2 * rate.window);
    ck_assert(!throttle_full(THROTTLE_FAILURES, key, &rate));
}
END_TEST

/* Who floods the memory with names does not make it forget what counts most. */
START_TEST(throttles_keep_what_counts_most)
{
    static const struct throttle_rate rate = {10, 1000 * CLOCK_SEC};
    uint64_t key = throttle_key("victim", "", "");
    for (int i = 0; i < 10; i++)
        throttle_add(THROTTLE_FAILURES, key, &rate);
    for (int i = 0; i < 4 * THROTTLE_SETS * THROTTLE_WAYS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        throttle_add(THROTTLE_FAILURES, throttle_key("flood", name, ""), &rate);
    }
    ck_assert(throttle_full(THROTTLE_FAILURES, key, &rate));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    tcase_add_test(t, arena_keeps_what_it_gave);
    tcase_add_test(t, strbuf_stops_at_its_maximum);
    tcase_add_test(t, atoms_are_found_by_their_bytes);
    tcase_add_test(t, times_survive_a_round_trip);
    tcase_add_test(t, siphash_matches_its_paper);
    tcase_add_test(t, errors_carry_their_path);
    tcase_add_test(t, secrets_compare_and_clear);
    tcase_add_test(t, an_ipv6_network_counts_as_one);
    tcase_add_test(t, throttles_fill_up);
    tcase_add_test(t, throttles_forget);
    tcase_add_test(t, throttles_keep_what_counts_most);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
