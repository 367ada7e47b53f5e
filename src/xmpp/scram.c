#include "xmpp/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <unicode/utf8.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define NONCE_LEN 24 /* 144 bits */

static const struct {
    const char *name, *digest;
    size_t size;
} hashes[SCRAM_HASHES] = {
    [SCRAM_SHA1] = {"SCRAM-SHA-1", "SHA1", 20},
    [SCRAM_SHA256] = {"SCRAM-SHA-256", "SHA256", 32},
    [SCRAM_SHA512] = {"SCRAM-SHA-512", "SHA512", 64},
};

enum step { EXPECT_FIRST, GIVE_CHALLENGE, EXPECT_FINAL, DONE };

struct scram {
    enum step step;
    enum scram_hash hash;
    bool plus, plus_offered;
    struct arena *arena; /* nothing in it is secret */
    struct scram_binding bindings[SCRAM_BINDINGS];
    const struct scram_binding *binds; /* the one the client named, NULL if none */
    const char *gs2;                   /* the header, up to its second comma */
    const char *first_bare;            /* the first message without it */
    const char *user, *authzid;
    const char *nonce; /* the client's, then both */
    const char *server_nonce;
    const char *server_first;
    const char *offer; /* in base64, hashed; NULL if not asked for */
    struct scram_keys keys;
    char server_final[2 + BASE64_SIZE(SCRAM_KEY_MAX)];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *digests[SCRAM_HASHES]; /* looking one up each time costs more than a hash */

static void fetch_digests(void)
{
    for (int h = 0; h < SCRAM_HASHES; h++) {
        digests[h] = EVP_MD_fetch(NULL, hashes[h].digest, NULL);
        INVARIANT(digests[h]);
    }
}

static const EVP_MD *digest_of(enum scram_hash h)
{
    pthread_once(&once, fetch_digests);
    return digests[h];
}

size_t scram_hash_size(enum scram_hash h)
{
    return hashes[h].size;
}

const char *scram_hash_name(enum scram_hash h)
{
    return hashes[h].name;
}

static void hmac(enum scram_hash h, const unsigned char *key, size_t key_len, const char *text,
                 size_t len, unsigned char *out)
{
    const unsigned char *ok =
        HMAC(digest_of(h), key, (int)key_len, (const unsigned char *)text, len, out, NULL);
    INVARIANT(ok);
}

static void digest(enum scram_hash h, const unsigned char *in, size_t len, unsigned char *out)
{
    int ok = EVP_Digest(in, len, out, NULL, digest_of(h), NULL);
    INVARIANT(ok == 1);
}

/* RFC 5802 section 3. */
void scram_derive(enum scram_hash h, const char *password, const unsigned char *salt,
                  size_t salt_len, uint32_t iterations, struct scram_keys *out)
{
    unsigned char salted[SCRAM_KEY_MAX], client_key[SCRAM_KEY_MAX];
    size_t size = hashes[h].size;
    INVARIANT(salt_len > 0 && salt_len <= SCRAM_SALT_MAX && iterations > 0 &&
              iterations <= INT32_MAX);
    int ok = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)salt_len,
                               (int)iterations, digest_of(h), (int)size, salted);
    INVARIANT(ok == 1);
    memset(out, 0, sizeof(*out));
    hmac(h, salted, size, "Client Key", 10, client_key);
    digest(h, client_key, size, out->stored_key);
    hmac(h, salted, size, "Server Key", 10, out->server_key);
    memcpy(out->salt, salt, salt_len);
    out->salt_len = salt_len;
    out->iterations = iterations;
    mem_clear(salted, sizeof(salted));
    mem_clear(client_key, sizeof(client_key));
}

bool scram_check_password(enum scram_hash h, const char *password, const struct scram_keys *keys)
{
    struct scram_keys mine;
    scram_derive(h, password, keys->salt, keys->salt_len, keys->iterations, &mine);
    bool same = mem_equal_ct(mine.stored_key, keys->stored_key, hashes[h].size);
    mem_clear(&mine, sizeof(mine));
    return same;
}

/* A pseudorandom value for a name: what an attacker who lacks the secret cannot tell from the
 * random salt or the keys of an account. */
static void fake(enum scram_hash h, const char *what, const char *user,
                 const unsigned char secret[32], unsigned char out[SCRAM_KEY_MAX])
{
    struct strbuf text;
    strbuf_init(&text, SIZE_MAX / 2);
    strbuf_printf(&text, "%s %s %s", hashes[h].name, what, user);
    hmac(SCRAM_SHA512, secret, 32, text.s, text.len, out);
    strbuf_free(&text);
}

void scram_fake_keys(enum scram_hash h, const char *user, const unsigned char secret[32],
                     uint32_t iterations, struct scram_keys *out)
{
    unsigned char salt[SCRAM_KEY_MAX];
    memset(out, 0, sizeof(*out));
    fake(h, "salt", user, secret, salt);
    memcpy(out->salt, salt, SCRAM_SALT_LEN);
    out->salt_len = SCRAM_SALT_LEN;
    out->iterations = iterations;
    fake(h, "stored", user, secret, out->stored_key);
    fake(h, "server", user, secret, out->server_key);
}

static const char *hash_offer(struct scram *s, const char *offer)
{
    unsigned char hash[SCRAM_KEY_MAX];
    size_t size = hashes[s->hash].size;
    char *out = arena_alloc(s->arena, BASE64_SIZE(size));
    digest(s->hash, (const unsigned char *)offer, strlen(offer), hash);
    base64_encode(hash, size, out, BASE64_SIZE(size));
    return out;
}

struct scram *scram_new(const struct scram_conf *conf)
{
    struct scram *s = mem_new(struct scram);
    s->arena = arena_new(1024);
    s->hash = conf->hash;
    s->plus = conf->plus;
    s->plus_offered = conf->plus_offered;
    s->user = s->authzid = "";
    s->offer = conf->offer ? hash_offer(s, conf->offer) : NULL;
    for (unsigned i = 0; i < SCRAM_BINDINGS; i++) {
        s->bindings[i] = conf->bindings[i];
        if (s->bindings[i].name)
            s->bindings[i].name = arena_strdup(s->arena, s->bindings[i].name);
    }
    return s;
}

void scram_free(struct scram **sp)
{
    struct scram *s = *sp;
    if (!s)
        return;
    arena_free(&s->arena);
    mem_clear(s, sizeof(*s));
    free(s);
    *sp = NULL;
}

const char *scram_user(const struct scram *s)
{
    return s->user;
}

const char *scram_authzid(const struct scram *s)
{
    return s->authzid;
}

void scram_set_nonce_for_test(struct scram *s, const char *nonce)
{
    s->server_nonce = arena_strdup(s->arena, nonce);
}

/* UTF-8 without NUL. */
static bool is_text(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        UChar32 c;
        U8_NEXT(s, i, len, c);
        if (c <= 0)
            return false;
    }
    return true;
}

/* Takes the next comma-separated field off `*at` and returns a copy; NULL at the end. */
static char *next_field(struct arena *a, const char **at)
{
    if (!*at)
        return NULL;
    const char *comma = strchr(*at, ',');
    char *field = comma ? arena_strndup(a, *at, (size_t)(comma - *at)) : arena_strdup(a, *at);
    *at = comma ? comma + 1 : NULL;
    return field;
}

/* The value of an "x=value" field; NULL if it is not one. */
static const char *value_of(const char *field, char name)
{
    return field && field[0] == name && field[1] == '=' && field[2] ? field + 2 : NULL;
}

/* saslname: =2C and =3D in place, any other '=' is an error: NULL. */
static const char *unescape(struct arena *a, const char *in)
{
    char *out = arena_strdup(a, in), *to = out;
    for (; *in; in++) {
        if (*in != '=') {
            *to++ = *in;
            continue;
        }
        if (strncmp(in, "=2C", 3) != 0 && strncmp(in, "=3D", 3) != 0)
            return NULL;
        *to++ = in[1] == '2' ? ',' : '=';
        in += 2;
    }
    *to = '\0';
    return out;
}

/* Whether what is left are extensions: fields with a letter's name that we may ignore. */
static bool only_extensions(struct arena *a, const char *at)
{
    for (char *field; (field = next_field(a, &at));) {
        bool letter = (field[0] | 0x20) >= 'a' && (field[0] | 0x20) <= 'z';
        if (!letter || field[0] == 'm' || !value_of(field, field[0]))
            return false;
    }
    return true;
}

static bool is_nonce(const char *s)
{
    for (; s && *s; s++) {
        if (*s < 0x21 || *s > 0x7e)
            return false;
    }
    return s;
}

/* RFC 5802 section 6: what the client says about channel binding. */
static enum scram_result check_flag(struct scram *s, const char *flag)
{
    const char *name = value_of(flag, 'p');
    if ((name != NULL) != s->plus)
        return SCRAM_MALFORMED;
    if (name) {
        for (unsigned i = 0; i < SCRAM_BINDINGS; i++)
            if (s->bindings[i].name && strcmp(name, s->bindings[i].name) == 0)
                s->binds = &s->bindings[i];
        return s->binds ? SCRAM_OK : SCRAM_NOT_AUTHORIZED;
    }
    if (strcmp(flag, "n") == 0)
        return SCRAM_OK;
    if (strcmp(flag, "y") != 0)
        return SCRAM_MALFORMED;
    return s->plus_offered ? SCRAM_NOT_AUTHORIZED : SCRAM_OK; /* someone took -PLUS off our list */
}

enum scram_result scram_first(struct scram *s, const char *msg, size_t len)
{
    INVARIANT(s->step == EXPECT_FIRST);
    s->step = DONE;
    if (len > SCRAM_MESSAGE_MAX || !is_text(msg, len))
        return SCRAM_MALFORMED;
    struct arena *a = s->arena;
    const char *whole = arena_strndup(a, msg, len), *at = whole;
    const char *flag = next_field(a, &at), *authzid = next_field(a, &at);
    if (!at)
        return SCRAM_MALFORMED;
    s->gs2 = arena_strndup(a, whole, (size_t)(at - whole));
    s->first_bare = at;
    const char *user = value_of(next_field(a, &at), 'n'),
               *nonce = value_of(next_field(a, &at), 'r');
    if (!user || !is_nonce(nonce) || !only_extensions(a, at) ||
        (authzid[0] && !value_of(authzid, 'a')))
        return SCRAM_MALFORMED;
    user = unescape(a, user);
    authzid = authzid[0] ? unescape(a, authzid + 2) : "";
    if (!user || !authzid)
        return SCRAM_MALFORMED;
    enum scram_result result = check_flag(s, flag);
    if (result != SCRAM_OK)
        return result;
    s->user = user;
    s->authzid = authzid;
    s->nonce = nonce;
    s->step = GIVE_CHALLENGE;
    return SCRAM_OK;
}

const char *scram_challenge(struct scram *s, const struct scram_keys *keys)
{
    INVARIANT(s->step == GIVE_CHALLENGE && keys->salt_len <= SCRAM_SALT_MAX);
    s->step = EXPECT_FINAL;
    s->keys = *keys;
    char random[NONCE_LEN + 1], salt[BASE64_SIZE(SCRAM_SALT_MAX)];
    if (!s->server_nonce) {
        mem_random_token(random, NONCE_LEN);
        s->server_nonce = random;
    }
    s->nonce = arena_printf(s->arena, "%s%s", s->nonce, s->server_nonce);
    s->server_nonce = NULL;
    base64_encode(keys->salt, keys->salt_len, salt, sizeof(salt));
    s->server_first = arena_printf(s->arena, "r=%s,s=%s,i=%u%s%s", s->nonce, salt, keys->iterations,
                                   s->offer ? ",h=" : "", s->offer ? s->offer : "");
    return s->server_first;
}

/* What the client's c= must hold: the gs2 header, and the channel binding's data if it is bound. */
static const char *expected_binding(struct scram *s)
{
    size_t gs2_len = strlen(s->gs2), len = gs2_len + (s->binds ? s->binds->len : 0);
    char *input = arena_alloc(s->arena, len), *out = arena_alloc(s->arena, BASE64_SIZE(len));
    memcpy(input, s->gs2, gs2_len);
    if (s->binds)
        memcpy(input + gs2_len, s->binds->data, s->binds->len);
    base64_encode(input, len, out, BASE64_SIZE(len));
    return out;
}

static bool equal_ct(const char *a, const char *b)
{
    size_t len = strlen(a);
    return len == strlen(b) && mem_equal_ct(a, b, len);
}

/* Whether the proof shows that the client knows ClientKey; the server's signature either way. */
static bool check_proof(const struct scram *s, const char *auth_message, const unsigned char *proof,
                        unsigned char *server_signature)
{
    unsigned char signature[SCRAM_KEY_MAX], client_key[SCRAM_KEY_MAX], stored[SCRAM_KEY_MAX];
    size_t size = hashes[s->hash].size, len = strlen(auth_message);
    hmac(s->hash, s->keys.stored_key, size, auth_message, len, signature);
    for (size_t i = 0; i < size; i++)
        client_key[i] = signature[i] ^ proof[i];
    digest(s->hash, client_key, size, stored);
    hmac(s->hash, s->keys.server_key, size, auth_message, len, server_signature);
    mem_clear(client_key, sizeof(client_key));
    return mem_equal_ct(stored, s->keys.stored_key, size);
}

/* The fields of the client's final message. */
struct final {
    const char *without_proof, *binding, *nonce;
    unsigned char proof[SCRAM_KEY_MAX];
};

static bool parse_final(const struct scram *s, const char *msg, size_t len, struct final *f)
{
    struct arena *a = s->arena;
    if (len > SCRAM_MESSAGE_MAX || !is_text(msg, len))
        return false;
    const char *whole = arena_strndup(a, msg, len), *last = strrchr(whole, ',');
    const char *proof = last ? value_of(last + 1, 'p') : NULL;
    if (!proof)
        return false;
    unsigned char decoded[SCRAM_KEY_MAX];
    int got = base64_decode(proof, strlen(proof), decoded, sizeof(decoded));
    if (got < 0 || (size_t)got != hashes[s->hash].size)
        return false;
    memcpy(f->proof, decoded, (size_t)got);
    f->without_proof = arena_strndup(a, whole, (size_t)(last - whole));
    const char *at = f->without_proof;
    f->binding = value_of(next_field(a, &at), 'c');
    f->nonce = value_of(next_field(a, &at), 'r');
    return f->binding && f->nonce && only_extensions(a, at);
}

enum scram_result scram_final(struct scram *s, const char *msg, size_t len,
                              const char **server_final)
{
    struct final f;
    INVARIANT(s->step == EXPECT_FINAL || s->step == DONE);
    if (s->step == DONE) /* one try per challenge */
        return SCRAM_NOT_AUTHORIZED;
    s->step = DONE;
    if (!parse_final(s, msg, len, &f))
        return SCRAM_MALFORMED;
    if (!equal_ct(f.nonce, s->nonce) || !equal_ct(f.binding, expected_binding(s)))
        return SCRAM_NOT_AUTHORIZED;
    unsigned char signature[SCRAM_KEY_MAX];
    const char *auth_message =
        arena_printf(s->arena, "%s,%s,%s", s->first_bare, s->server_first, f.without_proof);
    if (!check_proof(s, auth_message, f.proof, signature))
        return SCRAM_NOT_AUTHORIZED;
    memcpy(s->server_final, "v=", 2);
    base64_encode(signature, hashes[s->hash].size, s->server_final + 2,
                  sizeof(s->server_final) - 2);
    *server_final = s->server_final;
    return SCRAM_OK;
}
