/* The SASL exchange (RFC 6120 section 6): what comes between the mechanisms and the stream. */
#include "auth.h"

static void exchange_free(void *ptr)
{
    struct exchange *x = ptr;
    scram_free(&x->scram);
    jid_free(&x->account);
    free(x->from);
    free(x);
}

static struct exchange *exchange_new(struct stream *s, const struct mechanism *m)
{
    struct exchange *x = mem_new(struct exchange);
    x->mechanism = m;
    x->from = mem_strdup(conn_peer_address(stream_conn(s)));
    stream_set_sasl(s, x, exchange_free);
    return x;
}

/* ---- what is sent ---- */

/* The element with the text in base64; empty for NULL, "=" for "" (RFC 6120 section 6.4.2). */
static struct stanza *sasl_element(const char *name, const char *data)
{
    struct stanza *st = stanza_nonza(NS_SASL, name);
    if (!data)
        return st;
    size_t len = strlen(data), size = BASE64_SIZE(len);
    char *encoded = arena_alloc(st->arena, size);
    INVARIANT(base64_encode(data, len, encoded, size) >= 0);
    xml_text(st->arena, st->el, len > 0 ? encoded : "=");
    return st;
}

void sasl_challenge(struct stream *s, const char *data)
{
    struct stanza *st = sasl_element(A_challenge, data);
    stream_send_el(s, st->el);
    stanza_unref(&st);
}

void sasl_fail(struct stream *s, const char *condition)
{
    sasl_fail_because(s, condition, NULL);
}

void sasl_fail_because(struct stream *s, const char *condition, const char *why)
{
    const struct exchange *x = stream_sasl(s);
    struct stanza *st = sasl_element(A_failure, NULL);
    xml_add(st->arena, st->el, NS_SASL, condition);
    stream_send_el(s, st->el);
    stanza_unref(&st);
    log_info("auth", stream_label(s), "login as %s failed: %s%s%s",
             x && x->account ? x->account->s : "nobody known", condition, why ? ": " : "",
             why ? why : "");
    stream_set_sasl(s, NULL, NULL);
    stream_auth_failed(s);
}

void sasl_succeed(struct stream *s, struct exchange *x, const char *data)
{
    struct stanza *success = sasl_element(A_success, data);
    struct jid *account = jid_dup(x->account);
    log_info("auth", account->s, "logged in from %s by %s", x->from, x->mechanism->name);
    stream_authenticated(s, account, success);
    jid_free(&account);
}

/* ---- who it is ---- */

struct jid *sasl_account_of(struct stream *s, const char *user)
{
    struct arena *a = arena_new(512);
    const struct jid *j = jid_make(a, user, stream_host(s)->name, NULL, true);
    struct jid *account = j && jid_has_node(j) ? jid_dup(j) : NULL;
    arena_free(&a);
    return account;
}

bool sasl_may_act_as(const struct exchange *x, const char *authzid)
{
    if (!*authzid)
        return true;
    struct jid *j = jid_parse_new(authzid, strlen(authzid));
    bool own = j && x->account && jid_equal(j, x->account);
    jid_free(&j);
    return own;
}

int sasl_find_keys(const struct module_inst *inst, struct stream *s, struct exchange *x,
                   const char *user, struct auth_keys *keys)
{
    const struct auth_conf *conf = inst->conf;
    const struct host *host = stream_host(s);
    struct jid *asked = x->account ? jid_dup(x->account) : sasl_account_of(s, "nobody");
    uint64_t owner = 0;
    int result = account_lookup(asked, &owner);
    jid_free(&asked);
    if (result == 0)
        result = auth_read_keys(x->account ? owner : 0, keys);
    if (result < 0)
        return result;
    x->exists = x->account && owner != 0;
    for (int h = 0; h < SCRAM_HASHES; h++) { /* made for all, so that it takes as long for all */
        struct scram_keys fake;
        scram_fake_keys((enum scram_hash)h, x->account ? x->account->s : user, host->secret,
                        (uint32_t)conf->iterations, &fake);
        if (!keys->found[h])
            keys->of[h] = fake;
    }
    return 0;
}

/* ---- what comes ---- */

/* Decodes the element's base64 text, "=" for an empty one (RFC 6120 section 6.4.2), and gives it to
 * the mechanism. What may have been a password is cleared. */
static void take(struct module_inst *inst, struct stream *s, struct exchange *x,
                 struct stanza *nonza)
{
    const char *text = xml_text_of(nonza->arena, nonza->el);
    size_t size = strlen(text);
    char *msg = arena_zalloc(nonza->arena, size + 1);
    int len = strcmp(text, "=") == 0 ? 0 : base64_decode(text, size, msg, size);
    mem_clear((char *)(uintptr_t)text, size); /* the stanza's, and nobody reads it again */
    if (len < 0)
        sasl_fail(s, "incorrect-encoding");
    else
        x->mechanism->take(inst, s, x, msg, (size_t)len);
    mem_clear(msg, size);
}

static void take_auth(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    const char *name = st_attr(nonza, A_mechanism);
    if (stream_sasl(s)) {
        sasl_fail(s, "malformed-request"); /* one exchange at a time */
        return;
    }
    const struct mechanism *m = name ? mechanism_find(inst, s, name) : NULL;
    if (!m) {
        sasl_fail(s, "invalid-mechanism");
        return;
    }
    struct exchange *x = exchange_new(s, m);
    if (m->no_message || *xml_text_of(nonza->arena, nonza->el))
        take(inst, s, x, nonza);
    else
        sasl_challenge(s, NULL); /* the client's first message is yet to come */
}

static void take_response(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    struct exchange *x = stream_sasl(s);
    if (x)
        take(inst, s, x, nonza);
    else
        sasl_fail(s, "malformed-request");
}

static void take_abort(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    (void)inst;
    (void)nonza;
    sasl_fail(s, "aborted");
}

const struct nonza_entry auth_nonzas[] = {
    {NS_SASL, A_auth, STREAM_SECURE, take_auth, false},
    {NS_SASL, A_response, STREAM_SECURE, take_response, false},
    {NS_SASL, A_abort, STREAM_SECURE, take_abort, false},
    {0},
};
