/* Unit tests of the load generator's parts: what it counts must be right before what it measures.
 */
#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "hist.h"
#include "sasl.h"
#include "scan.h"

static const char stream[] =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id=\"a>b\">\n"
    "<iq id='1'/> <message to='a' note='x>y'><body>1 &lt; 2</body><!-- > --></message>"
    "<a><b><c/></b><b/></a>\n</stream:stream>";

struct seen {
    enum scan_result kind;
    const char *text;
};

static const struct seen expected[] = {
    {SCAN_OPEN, "<stream:stream xmlns='jabber:client' id=\"a>b\">"},
    {SCAN_STANZA, "<iq id='1'/>"},
    {SCAN_STANZA, "<message to='a' note='x>y'><body>1 &lt; 2</body><!-- > --></message>"},
    {SCAN_STANZA, "<a><b><c/></b><b/></a>"},
    {SCAN_CLOSE, "</stream:stream>"},
};

/* Feeds the stream `step` bytes at a time, dropping what is done with, as a client does. */
static void scan_in_steps(size_t step)
{
    struct scan s = {0};
    struct strbuf in;
    struct slice out;
    size_t found = 0, len = sizeof(stream) - 1;
    strbuf_init(&in, sizeof(stream));
    for (size_t at = 0; at < len; at += step) {
        strbuf_add(&in, stream + at, at + step < len ? step : len - at);
        for (enum scan_result r; (r = scan_next(&s, in.s, in.len, &out)) != SCAN_MORE; found++) {
            ck_assert_uint_lt(found, ARRAY_LEN(expected));
            ck_assert_int_eq(r, expected[found].kind);
            ck_assert_uint_eq(out.len, strlen(expected[found].text));
            ck_assert_mem_eq(out.s, expected[found].text, out.len);
        }
        strbuf_drop(&in, scan_drop(&s));
    }
    ck_assert_uint_eq(found, ARRAY_LEN(expected));
    ck_assert_uint_eq(in.len, 0);
    strbuf_free(&in);
}

START_TEST(scan_finds_stanzas_however_they_come)
{
    for (size_t step = 1; step < sizeof(stream); step++)
        scan_in_steps(step);
}
END_TEST

static struct slice text(const char *s)
{
    return (struct slice){s, strlen(s)};
}

START_TEST(scan_reads_first_tags)
{
    struct slice v,
        m = text("<message xid='no' id = 'no' id='yes>' to=\"\"><body to='no'>t</body>");
    ck_assert(scan_attr(m, "id", &v));
    ck_assert_uint_eq(v.len, 4);
    ck_assert_mem_eq(v.s, "yes>", 4);
    ck_assert(scan_attr(m, "to", &v));
    ck_assert_uint_eq(v.len, 0);
    ck_assert(!scan_attr(m, "type", &v));
    ck_assert(scan_is(m, "message"));
    ck_assert(!scan_is(m, "mess"));
    ck_assert(!scan_is(m, "body"));
    ck_assert(!scan_text(m, &v));
    ck_assert(scan_text(text("<body to='no'>t</body>"), &v));
    ck_assert_uint_eq(v.len, 1);
    ck_assert(!scan_text(text("<body/>"), &v));
}
END_TEST

START_TEST(hist_is_right_within_three_per_cent)
{
    struct hist *h = mem_new(struct hist);
    ck_assert(hist_quantile(h, .5) == 0);
    for (uint64_t v = 1; v <= 100000; v++)
        hist_add(h, v * 1000);
    ck_assert_double_eq_tol(hist_quantile(h, .5), 50e6, 50e6 * .03);
    ck_assert_double_eq_tol(hist_quantile(h, .99), 99e6, 99e6 * .03);
    ck_assert(hist_quantile(h, 1) == 100e6);
    hist_add(h, UINT64_MAX);
    ck_assert_uint_eq(h->max, UINT64_MAX);
    mem_free(&h);
}
END_TEST

/* The exchange of RFC 7677, section 3. */
START_TEST(scram_agrees_with_the_rfc)
{
    struct sasl s = {0};
    struct sasl_keys keys = {0};
    struct strbuf out;
    strbuf_init(&out, 4096);
    ck_assert(sasl_start(&s,
                         text("<mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-256</mechanism>"),
                         NULL, "user", "pencil", &out));
    ck_assert_ptr_nonnull(strstr(out.s, "mechanism='SCRAM-SHA-256'"));
    memcpy(s.nonce, "rOprNGfwEbeRWgbNEkqO", 21);
    memcpy(s.first_bare, "n=user,r=rOprNGfwEbeRWgbNEkqO", 30);
    strbuf_reset(&out);
    /* r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096 */
    struct slice challenge =
        text("<challenge>cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJ"
             "bGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY="
             "</challenge>");
    ck_assert(sasl_step(&s, challenge, "pencil", &keys, &out));
    /* c=biws,r=...,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ= */
    ck_assert_ptr_nonnull(strstr(out.s,
                                 ">Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdX"
                                 "hGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhn"
                                 "c3FtbWl6N0FuZFZRPQ==<"));
    /* v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4= */
    ck_assert(
        sasl_finish(&s, text("<success>dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NU"
                             "c0PQ==</success>")));
    ck_assert(
        !sasl_finish(&s, text("<success>dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NE"
                              "c0PQ==</success>")));
    ck_assert(
        !sasl_step(&s, text("<challenge>cj1hLHM9VzIyWixpPTE=</challenge>"), "pencil", &keys, &out));
    strbuf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tc = tcase_create("parts");
    tcase_add_test(tc, scan_finds_stanzas_however_they_come);
    tcase_add_test(tc, scan_reads_first_tags);
    tcase_add_test(tc, hist_is_right_within_three_per_cent);
    tcase_add_test(tc, scram_agrees_with_the_rfc);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
