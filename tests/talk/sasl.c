#include "sasl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"

static const struct sasl_hash {
    const char *mechanism, *digest;
    size_t size;
} hashes[] = {
    {"SCRAM-SHA-1", "SHA1", 20},
    {"SCRAM-SHA-256", "SHA256", 32},
    {"SCRAM-SHA-512", "SHA512", 64},
};

/* By the name of the mechanism, with or without -PLUS; NULL if it is no SCRAM. */
static const struct sasl_hash *hash_of(const char *mechanism)
{
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        size_t len = strlen(hashes[i].mechanism);
        if (!strncmp(mechanism, hashes[i].mechanism, len) &&
            (!mechanism[len] || !strcmp(mechanism + len, "-PLUS")))
            return &hashes[i];
    }
    return NULL;
}

const char *base64_of(struct arena *a, const void *data, size_t len)
{
    unsigned char *out = arena_alloc(a, len * 4 / 3 + 8);
    EVP_EncodeBlock(out, data, (int)len);
    return (char *)out;
}

char *base64_read(struct arena *a, const char *text, size_t *len)
{
    size_t in = strlen(text);
    unsigned char *out = arena_alloc(a, in + 4);
    int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)in);
    if (n < 0)
        return NULL;
    for (size_t i = in; i > 0 && text[i - 1] == '='; i--)
        n--;
    out[n] = '\0';
    *len = (size_t)n;
    return (char *)out;
}

/* RFC 5802 section 5.1: "=" and "," in names. */
static const char *escape_name(struct arena *a, const char *name)
{
    char *out = arena_alloc(a, strlen(name) * 3 + 1), *o = out;
    for (; *name; name++) {
        if (*name == '=' || *name == ',') {
            memcpy(o, *name == '=' ? "=3D" : "=2C", 3);
            o += 3;
        } else {
            *o++ = *name;
        }
    }
    *o = '\0';
    return out;
}

/* RFC 4616: [authzid] NUL authcid NUL passwd. */
static const char *plain(struct arena *a, const struct sasl_conf *conf)
{
    const char *parts[] = {conf->authzid ? conf->authzid : "", conf->user, conf->password};
    size_t len = 0;
    char *out = arena_alloc(a, strlen(parts[0]) + strlen(parts[1]) + strlen(parts[2]) + 3);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        memcpy(out + len, parts[i], strlen(parts[i]) + 1);
        len += strlen(parts[i]) + 1;
    }
    return base64_of(a, out, len - 1);
}

static const char *scram_first_message(struct sasl *s)
{
    struct arena *a = s->arena;
    const struct sasl_conf *conf = &s->conf;
    if (!s->conf.nonce) {
        char token[25];
        mem_random_token(token, 24);
        s->conf.nonce = arena_strdup(a, token);
    }
    const char *flag = conf->gs2 ? conf->gs2 : "n";
    s->gs2_header = conf->authzid ? arena_printf(a, "%s,a=%s,", flag, escape_name(a, conf->authzid))
                                  : arena_printf(a, "%s,,", flag);
    s->first_bare = arena_printf(a, "n=%s,r=%s", escape_name(a, conf->user), s->conf.nonce);
    const char *first = arena_printf(a, "%s%s", s->gs2_header, s->first_bare);
    return base64_of(a, first, strlen(first));
}

const char *sasl_first(struct sasl *s, struct arena *a, const char *mechanism,
                       const struct sasl_conf *conf)
{
    *s = (struct sasl){.arena = a, .conf = *conf, .hash = hash_of(mechanism)};
    if (s->hash)
        return scram_first_message(s);
    if (!strcmp(mechanism, "PLAIN"))
        return plain(a, conf);
    if (!strcmp(mechanism, "EXTERNAL"))
        return conf->authzid ? base64_of(a, conf->authzid, strlen(conf->authzid)) : "=";
    return "";
}

static const EVP_MD *digest(const struct sasl *s)
{
    return EVP_get_digestbyname(s->hash->digest);
}

static void hmac(const struct sasl *s, const unsigned char *key, const char *text,
                 unsigned char out[SASL_KEY_MAX])
{
    unsigned len = SASL_KEY_MAX;
    HMAC(digest(s), key, (int)s->hash->size, (const unsigned char *)text, strlen(text), out, &len);
}

/* c=: the GS2 header, and with a -PLUS mechanism the channel binding data. */
static const char *channel_binding(struct sasl *s)
{
    size_t head = strlen(s->gs2_header);
    size_t cb = s->gs2_header[0] == 'p' ? s->conf.cb_len : 0;
    unsigned char *data = arena_alloc(s->arena, head + cb + 1);
    memcpy(data, s->gs2_header, head);
    if (cb)
        memcpy(data + head, s->conf.cb, cb);
    return base64_of(s->arena, data, head + cb);
}

/* A field of the challenge, "r=" and so on; NULL if it is not there. */
static const char *field(struct arena *a, const char *message, const char *name)
{
    const char *at = !strncmp(message, name, 2) ? message : NULL;
    if (!at) {
        at = strstr(message, arena_printf(a, ",%s", name));
        if (!at)
            return NULL;
        at++;
    }
    return arena_strndup(a, at + 2, strcspn(at + 2, ","));
}

static const char *proof(struct sasl *s)
{
    unsigned char client_key[SASL_KEY_MAX], stored_key[SASL_KEY_MAX], signature[SASL_KEY_MAX];
    hmac(s, s->salted, "Client Key", client_key);
    EVP_Digest(client_key, s->hash->size, stored_key, NULL, digest(s), NULL);
    hmac(s, stored_key, s->auth_message, signature);
    for (size_t i = 0; i < s->hash->size; i++)
        client_key[i] ^= signature[i];
    return base64_of(s->arena, client_key, s->hash->size);
}

/* Whether the challenge tells again what was offered. */
static bool offer_is_told(struct sasl *s, const char *message, struct err *e)
{
    unsigned char hash[SASL_KEY_MAX];
    const char *told = field(s->arena, message, "h=");
    if (!s->conf.offer)
        return true;
    EVP_Digest(s->conf.offer, strlen(s->conf.offer), hash, NULL, digest(s), NULL);
    if (told && !strcmp(told, base64_of(s->arena, hash, s->hash->size)))
        return true;
    err_set(e, "the challenge does not tell what was offered: %s", message);
    return false;
}

const char *sasl_final(struct sasl *s, const char *challenge, struct err *e)
{
    struct arena *a = s->arena;
    size_t len, salt_len;
    const char *message = base64_read(a, challenge, &len);
    const char *nonce = message ? field(a, message, "r=") : NULL;
    const char *salt64 = message ? field(a, message, "s=") : NULL;
    const char *count = message ? field(a, message, "i=") : NULL;
    const char *salt = salt64 ? base64_read(a, salt64, &salt_len) : NULL;
    int rounds = count ? (int)strtol(count, NULL, 10) : 0;
    s->salt = salt64;
    s->rounds = rounds;
    if (!nonce || !salt || rounds < 1) {
        err_set(e, "this is not a SCRAM challenge: %s", message ? message : challenge);
        return NULL;
    }
    if (strncmp(nonce, s->conf.nonce, strlen(s->conf.nonce)) ||
        strlen(nonce) == strlen(s->conf.nonce)) {
        err_set(e, "the server's nonce does not extend ours: %s", message);
        return NULL;
    }
    if (!offer_is_told(s, message, e))
        return NULL;
    PKCS5_PBKDF2_HMAC(s->conf.password, (int)strlen(s->conf.password), (const unsigned char *)salt,
                      (int)salt_len, rounds, digest(s), (int)s->hash->size, s->salted);
    const char *bare = arena_printf(a, "c=%s,r=%s", channel_binding(s), nonce);
    s->auth_message = arena_printf(a, "%s,%s,%s", s->first_bare, message, bare);
    const char *final = arena_printf(a, "%s,p=%s", bare, proof(s));
    return base64_of(a, final, strlen(final));
}

bool sasl_verify(struct sasl *s, const char *server_final)
{
    size_t len;
    unsigned char key[SASL_KEY_MAX], signature[SASL_KEY_MAX];
    if (!s->hash)
        return !*server_final;
    const char *message = base64_read(s->arena, server_final, &len);
    const char *claimed = message ? field(s->arena, message, "v=") : NULL;
    if (!claimed || !s->auth_message)
        return false;
    hmac(s, s->salted, "Server Key", key);
    hmac(s, key, s->auth_message, signature);
    return !strcmp(claimed, base64_of(s->arena, signature, s->hash->size));
}
