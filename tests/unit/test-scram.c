/* Unit tests of SCRAM and PLAIN: the RFCs' examples, and every way of not being one. */
#include "base/mem.h"
#include "suite.h"
#include "xmpp/plain.h"
#include "xmpp/scram.h"

#define SERVER_NONCE "server"
#define CLIENT_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE "rOprNGfwEbeRWgbNEkqO" SERVER_NONCE
#define CB_B64 "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define PLUS_PROOF "7iEjflGP6NOLE6aFheGXNONoRtpCD5J3/e1jd+z33Nc="

static const char salt_sha256[] = "W22ZaJ0SNY7soEsUEjb6gQ==";

static struct scram_keys keys_of(enum scram_hash h, const char *password, const char *salt_b64)
{
    unsigned char salt[SCRAM_SALT_MAX];
    struct scram_keys keys;
    int len = base64_decode(salt_b64, strlen(salt_b64), salt, sizeof(salt));
    ck_assert_int_gt(len, 0);
    scram_derive(h, password, salt, (size_t)len, 4096, &keys);
    return keys;
}

static enum scram_result first(struct scram *s, const char *msg)
{
    return scram_first(s, msg, strlen(msg));
}

static enum scram_result final(struct scram *s, const char *msg, const char **out)
{
    *out = NULL;
    return scram_final(s, msg, strlen(msg), out);
}

/* The examples of RFC 5802 section 5 and RFC 7677 section 3; SHA-512 and the channel binding by
 * another implementation. */
static const struct {
    enum scram_hash hash;
    const char *salt, *nonce, *first, *challenge, *last, *server;
} examples[] = {
    {SCRAM_SHA1, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {SCRAM_SHA256, salt_sha256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", CLIENT_FIRST,
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
    {SCRAM_SHA512, salt_sha256, SERVER_NONCE, CLIENT_FIRST,
     "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=" NONCE
     ",p=CZ7JApHTPokc4WrCBHou42smHcLHmUe0MLyYkfqiJYzxHYfusVjcCfh4GwP/bcmRFItExPjW8zjmBnq4FmVPZg==",
     "v=N3oCzpEcItTOw34BuFx7ZxcZouHjy+jqFtSWPqVKQDPJnQ+v+loHtxwhn3s31CT2qK34Vluv22R21LxJTH2/kQ=="},
};

START_TEST(the_examples_come_out)
{
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct scram_conf conf = {.hash = examples[i].hash};
        struct scram_keys keys = keys_of(examples[i].hash, "pencil", examples[i].salt);
        struct scram *s = scram_new(&conf);
        const char *out;
        scram_set_nonce_for_test(s, examples[i].nonce);
        ck_assert_int_eq(first(s, examples[i].first), SCRAM_OK);
        ck_assert_str_eq(scram_user(s), "user");
        ck_assert_str_eq(scram_authzid(s), "");
        ck_assert_str_eq(scram_challenge(s, &keys), examples[i].challenge);
        ck_assert_int_eq(final(s, examples[i].last, &out), SCRAM_OK);
        ck_assert_str_eq(out, examples[i].server);
        ck_assert_int_eq(final(s, examples[i].last, &out), SCRAM_NOT_AUTHORIZED); /* once */
        scram_free(&s);
        ck_assert_ptr_null(s);
        scram_free(&s);
    }
}
END_TEST

/* The example of XEP-0474 section 5.3; SHA-256 and SHA-512 by another implementation. */
START_TEST(the_offer_is_told_again)
{
    static const char *const told[SCRAM_HASHES] = {
        [SCRAM_SHA1] = ",s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=",
        [SCRAM_SHA256] =
            ",s=QSXCR+Q6sek8bf92,i=4096,h=H6VEQ+6wl/eYKuTjJn4D9/e9GTn1AcYGw/oiSJ3Yhy0=",
        [SCRAM_SHA512] =
            ",s=QSXCR+Q6sek8bf92,i=4096,h=Q1q0WwH927l2RRoYIMiDY0g7R21hTZK+bfBgkhqek9JSTfIzUlnUZQRB2A6lZL3ER7ZMWRRdQzEJKVH671Bh0g==",
    };
    for (int h = 0; h < SCRAM_HASHES; h++) {
        struct scram_conf conf = {
            .hash = (enum scram_hash)h,
            .offer = "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point",
        };
        struct scram_keys keys = keys_of(conf.hash, "pencil", "QSXCR+Q6sek8bf92");
        struct scram *s = scram_new(&conf);
        ck_assert_int_eq(first(s, CLIENT_FIRST), SCRAM_OK);
        ck_assert_str_eq(strchr(scram_challenge(s, &keys), ','), told[h]);
        scram_free(&s);
    }
}
END_TEST

/* Runs an exchange with tls-exporter data 00..1f. */
static enum scram_result bound(const struct scram_conf *base, const char *first_msg,
                               const char *last, unsigned char change)
{
    struct scram_conf conf = *base;
    struct scram_binding *cb = &conf.bindings[0];
    for (unsigned i = 0; i < 32; i++)
        cb->data[i] = (unsigned char)i;
    cb->data[31] ^= change;
    cb->len = 32;
    conf.hash = SCRAM_SHA256;
    struct scram_keys keys = keys_of(SCRAM_SHA256, "pencil", salt_sha256);
    struct scram *s = scram_new(&conf);
    memset(cb, 0, sizeof(*cb)); /* it was copied */
    scram_set_nonce_for_test(s, SERVER_NONCE);
    enum scram_result r = first(s, first_msg);
    const char *out = "";
    if (r == SCRAM_OK) {
        scram_challenge(s, &keys);
        r = final(s, last, &out);
    }
    if (r == SCRAM_OK)
        ck_assert_str_eq(out, "v=ePN0/AJ7pTboAf3eV/LQjKiebt1RIjxmUV/dZVwb5vo=");
    scram_free(&s);
    return r;
}

START_TEST(channels_are_bound)
{
    static const struct scram_conf plus = {
        .plus = true, .plus_offered = true, .bindings = {{.name = "tls-exporter"}}};
    static const struct scram_conf bare = {.plus_offered = true};
    static const struct scram_conf none = {.plus_offered = false};
    const char *first_msg = "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const char *last = "c=" CB_B64 ",r=" NONCE ",p=" PLUS_PROOF;
    const char *unbound = "c=biws,r=" NONCE ",p=" PLUS_PROOF;
    ck_assert_int_eq(bound(&plus, first_msg, last, 0), SCRAM_OK);
    ck_assert_int_eq(bound(&plus, first_msg, last, 1), SCRAM_NOT_AUTHORIZED);
    ck_assert_int_eq(bound(&plus, first_msg, unbound, 0), SCRAM_NOT_AUTHORIZED);
    ck_assert_int_eq(bound(&plus, "p=tls-unique,,n=user,r=x", last, 0), SCRAM_NOT_AUTHORIZED);
    ck_assert_int_eq(bound(&plus, "n,,n=user,r=x", last, 0), SCRAM_MALFORMED);
    ck_assert_int_eq(bound(&plus, "y,,n=user,r=x", last, 0), SCRAM_MALFORMED);
    ck_assert_int_eq(bound(&bare, first_msg, last, 0), SCRAM_MALFORMED);
    struct scram *s = scram_new(&bare);
    ck_assert_int_eq(first(s, "y,,n=user,r=x"), SCRAM_NOT_AUTHORIZED);
    scram_free(&s);
    s = scram_new(&none);
    ck_assert_int_eq(first(s, "y,,n=user,r=x"), SCRAM_OK);
    scram_free(&s);
}
END_TEST

START_TEST(first_messages_are_strict)
{
    static const struct {
        const char *msg;
        enum scram_result result;
        const char *user, *authzid;
    } cases[] = {
        {"n,,n=a=2Cb=3Dc,r=x", SCRAM_OK, "a,b=c", ""},
        {"n,a=u=2C@h,n=user,r=x", SCRAM_OK, "user", "u,@h"},
        {"n,,n=\xc3\xa9,r=x,e=1,f=a=b", SCRAM_OK, "\xc3\xa9", ""},
        {"", SCRAM_MALFORMED, "", ""},
        {"n", SCRAM_MALFORMED, "", ""},
        {"n,", SCRAM_MALFORMED, "", ""},
        {"n,,", SCRAM_MALFORMED, "", ""},
        {"n,,n=user", SCRAM_MALFORMED, "", ""},
        {"n,,n=,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=", SCRAM_MALFORMED, "", ""},
        {"n,,r=x,n=user", SCRAM_MALFORMED, "", ""},
        {"n,,n=us=er,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=user=2,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=user=2c,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=user=,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,m=ext,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=x,m=ext", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=x y", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=x\x7f", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=x,", SCRAM_MALFORMED, "", ""},
        {"n,,n=user,r=x,1=2", SCRAM_MALFORMED, "", ""},
        {"n,b=x,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"n,a=,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"n,x,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"N,,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"nn,,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"p=,,n=user,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=\xff,r=x", SCRAM_MALFORMED, "", ""},
        {"n,,n=\xc0\x80,r=x", SCRAM_MALFORMED, "", ""},
    };
    static const struct scram_conf conf = {.hash = SCRAM_SHA256};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scram *s = scram_new(&conf);
        ck_assert_msg(first(s, cases[i].msg) == cases[i].result, "%s", cases[i].msg);
        ck_assert_str_eq(scram_user(s), cases[i].user);
        ck_assert_str_eq(scram_authzid(s), cases[i].authzid);
        scram_free(&s);
    }
    struct scram *s = scram_new(&conf);
    ck_assert_int_eq(scram_first(s, "n,,n=us\0er,r=x", 14), SCRAM_MALFORMED);
    scram_free(&s);
    static char big[SCRAM_MESSAGE_MAX + 2];
    memset(big, 'x', sizeof(big));
    memcpy(big, "n,,n=user,r=", 12);
    s = scram_new(&conf);
    ck_assert_int_eq(scram_first(s, big, sizeof(big) - 1), SCRAM_MALFORMED);
    scram_free(&s);
}
END_TEST

START_TEST(final_messages_are_strict)
{
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    static const struct {
        const char *msg;
        enum scram_result result;
    } cases[] = {
        {"", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE, SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=AAAA", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=" PROOF "=", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=" PROOF ",x=y", SCRAM_MALFORMED},
        {"r=" NONCE ",c=biws,p=" PROOF, SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",m=x,p=" PROOF, SCRAM_MALFORMED},
        {"p=" PROOF, SCRAM_MALFORMED},
        {"c=biws,r=" NONCE "x,p=" PROOF, SCRAM_NOT_AUTHORIZED},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" PROOF, SCRAM_NOT_AUTHORIZED},
        {"c=eSws,r=" NONCE ",p=" PROOF, SCRAM_NOT_AUTHORIZED},
        {"c=biws,r=" NONCE ",p=" PROOF, SCRAM_NOT_AUTHORIZED}, /* of another nonce */
    };
    static const struct scram_conf conf = {.hash = SCRAM_SHA256};
    struct scram_keys keys = keys_of(SCRAM_SHA256, "pencil", salt_sha256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scram *s = scram_new(&conf);
        const char *out;
        scram_set_nonce_for_test(s, SERVER_NONCE);
        ck_assert_int_eq(first(s, CLIENT_FIRST), SCRAM_OK);
        scram_challenge(s, &keys);
        ck_assert_msg(final(s, cases[i].msg, &out) == cases[i].result, "%s", cases[i].msg);
        ck_assert_ptr_null(out);
        scram_free(&s);
    }
}
END_TEST

START_TEST(nonces_are_fresh)
{
    static const struct scram_conf conf = {.hash = SCRAM_SHA1};
    struct scram_keys keys = keys_of(SCRAM_SHA1, "pencil", "QSXCR+Q6sek8bf92");
    char seen[2][128];
    for (int i = 0; i < 2; i++) {
        struct scram *s = scram_new(&conf);
        ck_assert_int_eq(first(s, CLIENT_FIRST), SCRAM_OK);
        const char *challenge = scram_challenge(s, &keys);
        ck_assert_int_eq(strncmp(challenge, "r=rOprNGfwEbeRWgbNEkqO", 22), 0);
        ck_assert_uint_ge(strcspn(challenge, ","), 22 + 24);
        snprintf(seen[i], sizeof(seen[i]), "%s", challenge);
        scram_free(&s);
    }
    ck_assert_str_ne(seen[0], seen[1]);
}
END_TEST

START_TEST(passwords_are_checked)
{
    for (int h = 0; h < SCRAM_HASHES; h++) {
        struct scram_keys keys = keys_of((enum scram_hash)h, "pencil", salt_sha256);
        ck_assert(scram_check_password((enum scram_hash)h, "pencil", &keys));
        ck_assert(!scram_check_password((enum scram_hash)h, "pencils", &keys));
        ck_assert(!scram_check_password((enum scram_hash)h, "", &keys));
    }
    ck_assert_str_eq(scram_hash_name(SCRAM_SHA512), "SCRAM-SHA-512");
    ck_assert_uint_eq(scram_hash_size(SCRAM_SHA512), 64);
}
END_TEST

START_TEST(unknown_users_look_like_users)
{
    unsigned char secret[32] = "a secret of the host";
    struct scram_keys a, again, b, elsewhere;
    scram_fake_keys(SCRAM_SHA256, "nobody", secret, 10000, &a);
    scram_fake_keys(SCRAM_SHA256, "nobody", secret, 10000, &again);
    scram_fake_keys(SCRAM_SHA256, "someone", secret, 10000, &b);
    secret[0]++;
    scram_fake_keys(SCRAM_SHA256, "nobody", secret, 10000, &elsewhere);
    ck_assert_mem_eq(&a, &again, sizeof(a));
    ck_assert_uint_eq(a.salt_len, SCRAM_SALT_LEN);
    ck_assert_uint_eq(a.iterations, 10000);
    ck_assert_mem_ne(a.salt, b.salt, SCRAM_SALT_LEN);
    ck_assert_mem_ne(a.salt, elsewhere.salt, SCRAM_SALT_LEN);
    ck_assert_mem_ne(a.stored_key, b.stored_key, 32);
    ck_assert_mem_ne(a.stored_key, a.server_key, 32);
    ck_assert(!scram_check_password(SCRAM_SHA256, "", &a));
}
END_TEST

START_TEST(plain_messages_are_strict)
{
    static const struct {
        const char *msg;
        size_t len;
        const char *authzid, *user, *password; /* user NULL: malformed */
    } cases[] = {
        {"\0user\0secret", 12, "", "user", "secret"},
        {"me@h\0user\0secret", 16, "me@h", "user", "secret"},
        {"\0u\0\xff", 4, "", "u", "\xff"},
        {"", 0, NULL, NULL, NULL},
        {"user", 4, NULL, NULL, NULL},
        {"\0user", 5, NULL, NULL, NULL},
        {"\0user\0", 6, NULL, NULL, NULL},
        {"\0\0secret", 8, NULL, NULL, NULL},
        {"\0user\0sec\0ret", 13, NULL, NULL, NULL},
        {"\0user\0secret\0", 13, NULL, NULL, NULL},
        {"\0\0", 2, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plain p;
        ck_assert_int_eq(plain_parse(cases[i].msg, cases[i].len, &p), cases[i].user != NULL);
        if (!cases[i].user)
            continue;
        ck_assert_str_eq(p.authzid, cases[i].authzid);
        ck_assert_str_eq(p.user, cases[i].user);
        ck_assert_str_eq(p.password, cases[i].password);
        ck_assert_uint_eq(p.password_len, strlen(cases[i].password));
    }
}
END_TEST

START_TEST(base64_is_strict)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfe\xfd", "//79"}};
    char text[16];
    unsigned char bytes[16];
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        size_t len = strlen(pairs[i][0]), coded = strlen(pairs[i][1]);
        ck_assert_int_eq(base64_encode(pairs[i][0], len, text, sizeof(text)), (int)coded);
        ck_assert_str_eq(text, pairs[i][1]);
        ck_assert_int_eq(base64_encode(pairs[i][0], len, text, coded), -1);
        ck_assert_int_eq(base64_decode(pairs[i][1], coded, bytes, sizeof(bytes)), (int)len);
        ck_assert_mem_eq(bytes, pairs[i][0], len);
        if (len)
            ck_assert_int_eq(base64_decode(pairs[i][1], coded, bytes, len - 1), -1);
    }
    static const char *const bad[] = {"Z",        "Zg",   "Zg=",  "Zh==", "Zm9=",
                                      "Zg==Zg==", "=Zg=", "====", "Zg= ", "Zg=\n",
                                      "Zm9v\n",   "Z-9v", "=",    "Z==="};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(base64_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes)) == -1, "%s",
                      bad[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_examples_come_out,     the_offer_is_told_again,       channels_are_bound,
        first_messages_are_strict, final_messages_are_strict,     nonces_are_fresh,
        passwords_are_checked,     unknown_users_look_like_users, plain_messages_are_strict,
        base64_is_strict,
    };
    return suite_run("scram", tests, ARRAY_LEN(tests), NULL, NULL);
}
