/* Passwords and what is kept of them: keys for every SCRAM hash, never the password. What computes
 * long runs in the offload pool, whose queue is bounded. */
#include "auth.h"

/* Reads a key column; false if it does not have the size it must have. */
static bool read_key(const struct store_rows *rows, size_t row, unsigned col, unsigned char *out,
                     size_t size)
{
    size_t len;
    const void *p = store_blob(rows, row, col, &len);
    if (len != size)
        return false;
    memcpy(out, p, size);
    return true;
}

static bool read_row(const struct store_rows *rows, size_t row, enum scram_hash hash,
                     struct scram_keys *keys)
{
    const void *salt = store_blob(rows, row, 2, &keys->salt_len);
    size_t size = scram_hash_size(hash);
    keys->iterations = (uint32_t)store_int(rows, row, 1);
    if (keys->salt_len == 0 || keys->salt_len > sizeof(keys->salt))
        return false;
    memcpy(keys->salt, salt, keys->salt_len);
    return read_key(rows, row, 3, keys->stored_key, size) &&
           read_key(rows, row, 4, keys->server_key, size);
}

int auth_read_keys(uint64_t owner, struct auth_keys *keys)
{
    struct store_rows *rows;
    int result = store_query(&auth_stmts[Q_CREDENTIAL_GET], STORE_ARGS(SV_INT(owner)), &rows);
    memset(keys, 0, sizeof(*keys));
    if (result < 0)
        return result;
    for (size_t row = 0; row < store_rows_count(rows); row++) {
        int64_t hash = store_int(rows, row, 0);
        if (hash >= 0 && hash < SCRAM_HASHES)
            keys->found[hash] = read_row(rows, row, (enum scram_hash)hash, &keys->of[hash]);
    }
    store_rows_free(&rows);
    return 0;
}

bool auth_has_keys(const struct auth_keys *keys)
{
    for (int h = 0; h < SCRAM_HASHES; h++) {
        if (keys->found[h])
            return true;
    }
    return false;
}

/* ---- new passwords ---- */

/* Work for the pool; freed by whoever comes last. */
struct derivation {
    char password[PASSWORD_MAX]; /* prepared */
    uint32_t iterations;
    struct scram_keys keys[SCRAM_HASHES];
};

void auth_derivation_free(void *derivation)
{
    mem_clear(derivation, sizeof(struct derivation));
    free(derivation);
}

static void derive(void *ptr)
{
    struct derivation *d = ptr;
    for (int h = 0; h < SCRAM_HASHES; h++) {
        unsigned char salt[SCRAM_SALT_LEN];
        mem_random(salt, sizeof(salt));
        scram_derive((enum scram_hash)h, d->password, salt, sizeof(salt), d->iterations,
                     &d->keys[h]);
    }
}

/* As RFC 6120 section 6.3.4 wants it; false if it cannot be used. */
static bool prepare(const char *password, size_t len, char out[PASSWORD_MAX])
{
    return len > 0 && saslprep(password, len, out, PASSWORD_MAX) && out[0];
}

struct derivation *auth_derive(const struct module_inst *inst, const char *password, int *result)
{
    const struct auth_conf *conf = inst->conf;
    struct derivation *d = mem_new(struct derivation);
    d->iterations = (uint32_t)conf->iterations;
    *result = 1;
    if (!prepare(password, strlen(password), d->password)) {
        auth_derivation_free(d);
        return NULL;
    }
    *result = offload_run(derive, d, auth_derivation_free);
    if (*result == 0)
        return d;
    if (*result == OFFLOAD_FULL) /* not queued: still ours */
        auth_derivation_free(d);
    return NULL;
}

int auth_store(struct work *w, const struct derivation *d)
{
#define BLOBS(h)                                                                                   \
    SV_BLOB(d->keys[h].salt, d->keys[h].salt_len),                                                 \
        SV_BLOB(d->keys[h].stored_key, scram_hash_size(h)),                                        \
        SV_BLOB(d->keys[h].server_key, scram_hash_size(h))
    return store_write_wait(&auth_stmts[Q_CREDENTIAL_SET], w->account->owner,
                            STORE_ARGS(SV_INT(w->account->owner), SV_INT(d->iterations),
                                       SV_INT(clock_wall()), BLOBS(SCRAM_SHA1), BLOBS(SCRAM_SHA256),
                                       BLOBS(SCRAM_SHA512)),
                            NULL);
#undef BLOBS
}

void auth_password_set(struct module_inst *inst, struct work *w, struct password_change *change)
{
    struct derivation *d = auth_derive(inst, change->password, &change->result);
    if (!d)
        return;
    change->result = auth_store(w, d);
    auth_derivation_free(d);
}

/* ---- checking one ---- */

struct check {
    char password[PASSWORD_MAX];
    enum scram_hash hash;
    struct scram_keys keys;
    bool right;
};

static void check_free(void *ptr)
{
    mem_clear(ptr, sizeof(struct check));
    free(ptr);
}

static void check(void *ptr)
{
    struct check *c = ptr;
    c->right = scram_check_password(c->hash, c->password, &c->keys);
}

int auth_check_password(enum scram_hash hash, const struct scram_keys *keys, const char *password,
                        size_t len)
{
    struct check *c = mem_new(struct check);
    c->hash = hash;
    c->keys = *keys;
    int result = 0;
    if (prepare(password, len, c->password)) {
        result = offload_run(check, c, check_free);
        if (result == 0)
            result = c->right;
        else if (result != OFFLOAD_FULL) /* it may still run: freed when it has */
            return result;
    }
    check_free(c);
    return result;
}
