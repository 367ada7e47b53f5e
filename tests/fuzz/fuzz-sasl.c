/* Fuzzer: messages of SCRAM and PLAIN, and base64. The first byte chooses the mechanism; the rest
 * is the client's first message, a newline, and its final message. */
#include <stdint.h>

#include "base/mem.h"
#include "xmpp/plain.h"
#include "xmpp/scram.h"

#define PASSWORD "pencil"

static void check_base64(const char *s, size_t len)
{
    size_t room = len + 1;
    unsigned char *bytes = mem_alloc(room);
    char *text = mem_alloc(BASE64_SIZE(room));
    int n = base64_decode(s, len, bytes, room);
    if (n >= 0) { /* there is one encoding of anything */
        INVARIANT(base64_encode(bytes, (size_t)n, text, BASE64_SIZE(room)) == (int)len);
        INVARIANT(memcmp(text, s, len) == 0);
    }
    int coded = base64_encode(s, len, text, BASE64_SIZE(room));
    INVARIANT(coded == (int)BASE64_SIZE(len) - 1);
    INVARIANT(base64_decode(text, (size_t)coded, bytes, room) == (int)len);
    INVARIANT(memcmp(bytes, s, len) == 0);
    free(bytes);
    free(text);
}

/* What PLAIN gives points into the message and, put together again, is the message. */
static void check_plain(const char *s, size_t len)
{
    struct plain p;
    char *msg = mem_zalloc(len + 1);
    memcpy(msg, s, len);
    if (plain_parse(msg, len, &p)) {
        INVARIANT(p.authzid == msg && p.user == p.authzid + strlen(p.authzid) + 1);
        INVARIANT(p.user[0] && p.password == p.user + strlen(p.user) + 1);
        INVARIANT(p.password_len > 0 && strlen(p.password) == p.password_len);
        INVARIANT(p.password + p.password_len == msg + len);
    }
    free(msg);
}

/* Who gets in knew the password: the only right proof for this exchange has these keys. */
static void check_exchange(const struct scram_conf *conf, const char *first, size_t first_len,
                           const char *last, size_t last_len)
{
    static const unsigned char salt[SCRAM_SALT_LEN] = "0123456789abcde";
    static struct scram_keys keys[SCRAM_HASHES];
    if (!keys[conf->hash].iterations)
        scram_derive(conf->hash, PASSWORD, salt, sizeof(salt), 1, &keys[conf->hash]);
    struct scram *s = scram_new(conf);
    scram_set_nonce_for_test(s, "server");
    if (scram_first(s, first, first_len) == SCRAM_OK) {
        INVARIANT(scram_user(s)[0] != '\0');
        const char *challenge = scram_challenge(s, &keys[conf->hash]), *out = NULL;
        INVARIANT(strncmp(challenge, "r=", 2) == 0);
        INVARIANT((strstr(challenge, ",h=") != NULL) >= (conf->offer != NULL));
        enum scram_result r = scram_final(s, last, last_len, &out);
        INVARIANT((r == SCRAM_OK) == (out != NULL));
        INVARIANT(!out || strlen(out) == 1 + BASE64_SIZE(scram_hash_size(conf->hash)));
        INVARIANT(scram_final(s, last, last_len, &out) == SCRAM_NOT_AUTHORIZED);
    }
    scram_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct scram_binding exporter = {
        .name = "tls-exporter", .data = "what the TLS exporter has given", .len = 32};
    static const struct scram_binding end_point = {
        .name = "tls-server-end-point", .data = "a hash of the certificate", .len = 64};
    if (size < 1)
        return 0;
    const char *s = (const char *)data + 1;
    size--;
    struct scram_conf conf = {.hash = (enum scram_hash)(data[0] % SCRAM_HASHES),
                              .plus = data[0] & 16,
                              .plus_offered = data[0] & 32,
                              .offer = data[0] & 128 ? "SCRAM-SHA-1\x1fX" : NULL};
    if (data[0] & 64) {
        conf.bindings[0] = end_point;
        conf.bindings[SCRAM_BINDINGS - 1] = exporter;
    }
    const char *newline = memchr(s, '\n', size);
    size_t first_len = newline ? (size_t)(newline - s) : size;
    check_base64(s, first_len);
    check_plain(s, size);
    check_exchange(&conf, s, first_len, newline ? newline + 1 : "",
                   newline ? size - first_len - 1 : 0);
    return 0;
}
