#include "sasl.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/mem.h"

#define TEXT_MAX 512

struct sasl_mechanism {
    const char *name, *offer;
    const EVP_MD *(*md)(void); /* NULL: PLAIN */
};

/* The best first. */
static const struct sasl_mechanism mechanisms[] = {
    {"SCRAM-SHA-256", ">SCRAM-SHA-256<", EVP_sha256},
    {"SCRAM-SHA-1", ">SCRAM-SHA-1<", EVP_sha1},
    {"PLAIN", ">PLAIN<", NULL},
};

static void put_base64(struct strbuf *out, const char *bytes, size_t len)
{
    unsigned char text[TEXT_MAX * 4 / 3 + 8];
    int n = EVP_EncodeBlock(text, (const unsigned char *)bytes, (int)len);
    strbuf_add(out, (const char *)text, (size_t)n);
}

/* Decodes into a string; false if it is too long or not base64. */
static bool get_base64(struct slice text, char out[TEXT_MAX + 4], size_t *len)
{
    if (text.len > TEXT_MAX || text.len < 4)
        return false;
    int n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text.s, (int)text.len);
    if (n < 0)
        return false;
    for (size_t i = text.len; text.s[i - 1] == '='; i--)
        n--;
    out[n] = '\0';
    *len = (size_t)n;
    return true;
}

static void put_auth(struct sasl *s, const char *message, size_t len, struct strbuf *out)
{
    strbuf_printf(out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>",
                  s->mechanism->name);
    put_base64(out, message, len);
    strbuf_puts(out, "</auth>");
}

bool sasl_start(struct sasl *s, struct slice features, const char *only, const char *user,
                const char *password, struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms) && !s->mechanism; i++)
        if ((!only || strcmp(only, mechanisms[i].name) == 0) &&
            scan_find(features, mechanisms[i].offer))
            s->mechanism = &mechanisms[i];
    if (!s->mechanism)
        return false;
    char message[TEXT_MAX];
    if (!s->mechanism->md) {
        int n = snprintf(message, sizeof(message), "%c%s%c%s", 0, user, 0, password);
        put_auth(s, message, (size_t)n, out);
        return true;
    }
    mem_random_token(s->nonce, sizeof(s->nonce) - 1);
    snprintf(s->first_bare, sizeof(s->first_bare), "n=%s,r=%s", user, s->nonce);
    int n = snprintf(message, sizeof(message), "n,,%s", s->first_bare);
    put_auth(s, message, (size_t)n, out);
    return true;
}

/* The value of "c=..." in a comma-separated list; false if there is none. */
static bool field(const char *list, char name, struct slice *value)
{
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (p[0] == name && p[1] == '=') {
            *value = (struct slice){p + 2, strcspn(p + 2, ",")};
            return true;
        }
    }
    return false;
}

static void hmac(const EVP_MD *md, const unsigned char *key, const char *text, unsigned char *out)
{
    HMAC(md, key, EVP_MD_get_size(md), (const unsigned char *)text, strlen(text), out, NULL);
}

/* Makes `keys` those of this salt and count, unless they are already. */
static bool derive(const EVP_MD *md, const char *password, struct slice salt, unsigned iterations,
                   struct sasl_keys *keys)
{
    if (keys->iterations == iterations && strlen(keys->salt) == salt.len &&
        memcmp(keys->salt, salt.s, salt.len) == 0)
        return true;
    char raw[TEXT_MAX + 4];
    unsigned char salted[SASL_HASH_MAX];
    size_t len;
    if (salt.len >= sizeof(keys->salt) || !get_base64(salt, raw, &len))
        return false;
    if (!PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (unsigned char *)raw, (int)len,
                           (int)iterations, md, EVP_MD_get_size(md), salted))
        return false;
    hmac(md, salted, "Client Key", keys->client_key);
    hmac(md, salted, "Server Key", keys->server_key);
    memcpy(keys->salt, salt.s, salt.len);
    keys->salt[salt.len] = '\0';
    keys->iterations = iterations;
    return true;
}

static void put_proof(struct sasl *s, const struct sasl_keys *keys, const char *server_first,
                      struct slice nonce, struct strbuf *out)
{
    const EVP_MD *md = s->mechanism->md();
    size_t size = (size_t)EVP_MD_get_size(md);
    char final[TEXT_MAX], auth[3 * TEXT_MAX];
    int n = snprintf(final, sizeof(final), "c=biws,r=%.*s", (int)nonce.len, nonce.s);
    snprintf(auth, sizeof(auth), "%s,%s,%s", s->first_bare, server_first, final);

    unsigned char stored[SASL_HASH_MAX], proof[SASL_HASH_MAX];
    EVP_Digest(keys->client_key, size, stored, NULL, md, NULL);
    hmac(md, stored, auth, proof);
    for (size_t i = 0; i < size; i++)
        proof[i] ^= keys->client_key[i];
    hmac(md, keys->server_key, auth, s->server_signature);

    char text[SASL_HASH_MAX * 2];
    EVP_EncodeBlock((unsigned char *)text, proof, (int)size);
    n += snprintf(final + n, sizeof(final) - (size_t)n, ",p=%s", text);
    strbuf_puts(out, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
    put_base64(out, final, (size_t)n);
    strbuf_puts(out, "</response>");
}

bool sasl_step(struct sasl *s, struct slice challenge, const char *password, struct sasl_keys *keys,
               struct strbuf *out)
{
    struct slice text, nonce, salt, count;
    char first[TEXT_MAX + 4];
    size_t len;
    if (!s->mechanism || !s->mechanism->md || !scan_text(challenge, &text) ||
        !get_base64(text, first, &len))
        return false;
    if (!field(first, 'r', &nonce) || !field(first, 's', &salt) || !field(first, 'i', &count))
        return false;
    unsigned long iterations = strtoul(count.s, NULL, 10);
    if (nonce.len > TEXT_MAX / 2 || strncmp(nonce.s, s->nonce, strlen(s->nonce)) != 0 ||
        iterations == 0 || iterations > 10000000)
        return false;
    if (!derive(s->mechanism->md(), password, salt, (unsigned)iterations, keys))
        return false;
    put_proof(s, keys, first, nonce, out);
    return true;
}

bool sasl_finish(const struct sasl *s, struct slice success)
{
    if (!s->mechanism->md)
        return true;
    struct slice text, v;
    char final[TEXT_MAX + 4], expected[SASL_HASH_MAX * 2];
    size_t len;
    if (!scan_text(success, &text) || !get_base64(text, final, &len) || !field(final, 'v', &v))
        return false;
    int n = EVP_EncodeBlock((unsigned char *)expected, s->server_signature,
                            EVP_MD_get_size(s->mechanism->md()));
    return v.len == (size_t)n && memcmp(v.s, expected, v.len) == 0;
}
