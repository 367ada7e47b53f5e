/* The SASL exchange (RFC 6120 section 6) with SCRAM-SHA-256 and SCRAM-SHA-256-PLUS. */
#include "auth.h"

#define MECHANISM "SCRAM-SHA-256"
#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define MESSAGE_MAX 1536 /* bytes of one SASL message, decoded: names and nonces are short */
#define ENCODED_MAX 3072

/* One exchange, kept with the stream. */
struct exchange {
    struct scram *scram;
    struct jid *account; /* bare, as the user name says; NULL before it is known */
    bool exists;
};

static void exchange_free(void *ptr)
{
    struct exchange *x = ptr;
    scram_free(&x->scram);
    jid_free(&x->account);
    free(x);
}

/* ---- what is sent ---- */

static struct stanza *sasl_element(const char *name, const char *content)
{
    struct stanza *st = stanza_nonza(NS_SASL, name);
    if (content)
        xml_text(st->arena, st->el, content);
    return st;
}

/* As sasl_element(), with the text in base64. */
static struct stanza *sasl_data(const char *name, const char *text)
{
    char encoded[ENCODED_MAX];
    struct stanza *st = sasl_element(name, NULL);
    int len = base64_encode(text, strlen(text), encoded, sizeof(encoded));
    INVARIANT(len >= 0);
    xml_text(st->arena, st->el, arena_strndup(st->arena, encoded, (size_t)len));
    return st;
}

/* RFC 6120 section 6.5. The reason is not told: it would help whoever guesses. */
static void fail(struct stream *s, const char *condition)
{
    struct stanza *st = sasl_element(A_failure, NULL);
    xml_add(st->arena, st->el, NS_SASL, condition);
    stream_set_sasl(s, NULL, NULL);
    stream_send_el(s, st->el);
    stanza_unref(&st);
    log_info("auth", stream_label(s), "login failed: %s", condition);
    stream_auth_failed(s);
}

static void fail_scram(struct stream *s, enum scram_result result)
{
    static const char *const conditions[] = {
        [SCRAM_MALFORMED] = "malformed-request",
        [SCRAM_NOT_AUTHORIZED] = "not-authorized",
        [SCRAM_AUTHZID] = "invalid-authzid",
    };
    fail(s, conditions[result]);
}

void auth_features(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    (void)inst;
    unsigned char cb[TLS_BINDING_MAX];
    if (stream_phase(s) != STREAM_SECURE)
        return;
    struct arena *a = stream_features_arena(s);
    struct xml_el *mechanisms = xml_add(a, features, NS_SASL, A_mechanisms);
    bool plus = tls_exporter(conn_tls(stream_conn(s)), cb) > 0;
    if (plus)
        xml_text(a, xml_add(a, mechanisms, NS_SASL, A_mechanism), MECHANISM_PLUS);
    xml_text(a, xml_add(a, mechanisms, NS_SASL, A_mechanism), MECHANISM);
    if (!plus)
        return;
    struct xml_el *binding = xml_add(a, features, NS_SASL_CB, "sasl-channel-binding");
    xml_set(a, xml_add(a, binding, NS_SASL_CB, "channel-binding"), A_type, "tls-exporter");
}

/* ---- what comes ---- */

/* Decodes the element's base64 text. -1 if it is none; "=" is an empty one (RFC 6120
 * section 6.4.2). */
static int decode(struct stanza *nonza, char *out, size_t size)
{
    const char *text = xml_text_of(nonza->arena, nonza->el);
    if (strcmp(text, "=") == 0)
        return 0;
    return base64_decode(text, strlen(text), out, (int)size < 0 ? 0 : size);
}

/* The bare JID that the user name stands for on this host; NULL if it cannot be one. */
static struct jid *account_of(struct stream *s, const char *user)
{
    struct arena *a = arena_new(512);
    const struct jid *j = jid_make(a, user, stream_host(s)->name, NULL, true);
    struct jid *account = j && jid_has_node(j) ? jid_dup(j) : NULL;
    arena_free(&a);
    return account;
}

/* Only one's own bare JID may be asked for (RFC 6120 section 6.3.8). */
static bool authzid_allowed(const struct exchange *x)
{
    const char *authzid = scram_authzid(x->scram);
    if (!*authzid)
        return true;
    struct jid *j = jid_parse_new(authzid, strlen(authzid));
    bool own = j && x->account && jid_equal(j, x->account);
    jid_free(&j);
    return own;
}

/* Reads the keys; made-up ones for a user who does not exist, after just as many reads. */
static int find_keys(struct module_inst *inst, struct stream *s, struct exchange *x,
                     struct scram_keys *keys)
{
    const struct auth_conf *conf = inst->conf;
    static const char nobody[] = "nobody";
    uint64_t owner = 0;
    bool found;
    struct jid *asked = x->account ? jid_dup(x->account) : account_of(s, nobody);
    int result = account_lookup(asked, &owner);
    jid_free(&asked);
    if (result == 0)
        result = auth_read_keys(owner, SCRAM_SHA256, keys, &found);
    if (result < 0)
        return result;
    x->exists = owner != 0 && found && x->account;
    if (!x->exists)
        scram_fake_keys(SCRAM_SHA256, x->account ? x->account->s : scram_user(x->scram),
                        stream_host(s)->secret, (uint32_t)conf->iterations, keys);
    return 0;
}

static void take_first(struct module_inst *inst, struct stream *s, struct exchange *x,
                       const char *msg, size_t len)
{
    enum scram_result result = scram_first(x->scram, msg, len);
    if (result != SCRAM_OK) {
        fail_scram(s, result);
        return;
    }
    x->account = account_of(s, scram_user(x->scram));
    if (!authzid_allowed(x)) {
        fail_scram(s, SCRAM_AUTHZID);
        return;
    }
    struct scram_keys keys = {0};
    if (find_keys(inst, s, x, &keys) < 0) {
        fail(s, "temporary-auth-failure");
        return;
    }
    struct stanza *challenge = sasl_data(A_challenge, scram_challenge(x->scram, &keys));
    mem_clear(&keys, sizeof(keys));
    stream_send_el(s, challenge->el);
    stanza_unref(&challenge);
}

/* What the channel can be bound to. tls-exporter is what is advertised; tls-unique is taken from
 * clients that know nothing newer and do not look (slixmpp). */
static unsigned bindings_of(struct stream *s, struct scram_binding out[SCRAM_BINDINGS])
{
    SSL *ssl = conn_tls(stream_conn(s));
    unsigned n = 0;
    out[n].len = tls_exporter(ssl, out[n].data);
    if (out[n].len > 0)
        out[n++].name = "tls-exporter";
    out[n].len = tls_unique(ssl, out[n].data);
    if (out[n].len > 0)
        out[n++].name = "tls-unique";
    return n;
}

static struct exchange *exchange_new(struct stream *s, bool plus)
{
    struct scram_conf conf = {.hash = SCRAM_SHA256, .plus = plus};
    conf.plus_offered = bindings_of(s, conf.bindings) > 0;
    struct exchange *x = mem_new(struct exchange);
    x->scram = scram_new(&conf);
    stream_set_sasl(s, x, exchange_free);
    return x;
}

static void take_auth(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    const char *mechanism = st_attr(nonza, A_mechanism);
    bool plus = mechanism && strcmp(mechanism, MECHANISM_PLUS) == 0;
    unsigned char cb[TLS_BINDING_MAX];
    if (stream_sasl(s)) {
        fail(s, "malformed-request"); /* one exchange at a time */
        return;
    }
    if (!mechanism || (!plus && strcmp(mechanism, MECHANISM) != 0) ||
        (plus && tls_exporter(conn_tls(stream_conn(s)), cb) == 0)) {
        fail(s, "invalid-mechanism");
        return;
    }
    struct exchange *x = exchange_new(s, plus);
    char msg[MESSAGE_MAX];
    if (!*xml_text_of(nonza->arena,
                      nonza->el)) { /* the first message comes after an empty challenge */
        struct stanza *challenge = sasl_element(A_challenge, NULL);
        stream_send_el(s, challenge->el);
        stanza_unref(&challenge);
        return;
    }
    int len = decode(nonza, msg, sizeof(msg));
    if (len < 0)
        fail(s, "incorrect-encoding");
    else
        take_first(inst, s, x, msg, (size_t)len);
}

static void take_final(struct stream *s, struct exchange *x, const char *msg, size_t len)
{
    const char *server_final;
    enum scram_result result = scram_final(x->scram, msg, len, &server_final);
    if (result == SCRAM_OK && !x->exists)
        result = SCRAM_NOT_AUTHORIZED;
    if (result != SCRAM_OK) {
        fail_scram(s, result);
        return;
    }
    struct stanza *success = sasl_data(A_success, server_final);
    struct jid *account = jid_dup(x->account);
    log_info("auth", account->s, "logged in from %s", conn_peer(stream_conn(s)));
    stream_authenticated(s, account, success);
    jid_free(&account);
}

static void take_response(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    struct exchange *x = stream_sasl(s);
    char msg[MESSAGE_MAX];
    int len = decode(nonza, msg, sizeof(msg));
    if (!x)
        fail(s, "malformed-request");
    else if (len < 0)
        fail(s, "incorrect-encoding");
    else if (!*scram_user(x->scram))
        take_first(inst, s, x, msg, (size_t)len);
    else
        take_final(s, x, msg, (size_t)len);
}

static void take_abort(struct module_inst *inst, struct stream *s, struct stanza *nonza)
{
    (void)inst;
    (void)nonza;
    fail(s, "aborted");
}

const struct nonza_entry auth_nonzas[] = {
    {NS_SASL, A_auth, STREAM_SECURE, take_auth, false},
    {NS_SASL, A_response, STREAM_SECURE, take_response, false},
    {NS_SASL, A_abort, STREAM_SECURE, take_abort, false},
    {0},
};
