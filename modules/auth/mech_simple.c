/* The mechanisms of one message: PLAIN (RFC 4616), EXTERNAL (RFC 4422, XEP-0178 section 2) and
 * ANONYMOUS (RFC 4505, XEP-0175). */
#include "auth.h"

/* ---- PLAIN ---- */

/* The hash whose keys the password is checked with: what nearly all have; for those who have none
 * the same, with what is made up. */
static enum scram_hash hash_to_check(const struct auth_keys *keys)
{
    static const enum scram_hash order[] = {SCRAM_SHA256, SCRAM_SHA512, SCRAM_SHA1};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (keys->found[order[i]])
            return order[i];
    }
    return SCRAM_SHA256;
}

/* 1, 0 if it is not the user's password, negative. */
static int check_plain(const struct module_inst *inst, struct stream *s, struct exchange *x,
                       const struct plain *p)
{
    struct auth_keys keys;
    int result = sasl_find_keys(inst, s, x, p->user, &keys);
    if (result < 0)
        return result;
    enum scram_hash hash = hash_to_check(&keys);
    x->exists = x->exists && keys.found[hash];
    result = auth_check_password(hash, &keys.of[hash], p->password, p->password_len);
    mem_clear(&keys, sizeof(keys));
    return result;
}

void plain_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                size_t len)
{
    struct plain p;
    if (!plain_parse(msg, len, &p)) {
        sasl_fail(s, "malformed-request");
        return;
    }
    x->account = sasl_account_of(s, p.user);
    login_begin(x, p.user);
    if (!sasl_may_act_as(x, p.authzid)) {
        sasl_fail(s, "invalid-authzid");
        return;
    }
    const char *why = login_blocked(inst, x);
    int result = why ? -1 : check_plain(inst, s, x, &p);
    if (result < 0) {
        sasl_fail_because(s, "temporary-auth-failure",
                          why ? why : "the store does not answer, or there is too much to do");
    } else if (result == 1 && x->exists) {
        login_succeeded(x);
        sasl_succeed(s, x, NULL);
    } else {
        login_failed(inst, x);
        sasl_fail(s, "not-authorized");
    }
}

/* ---- EXTERNAL ---- */

/* The addresses on one host that a certificate gives to its owner. */
struct claims {
    const struct host *host;
    const struct jid *wanted; /* NULL: any */
    struct jid *jid;          /* the one that is wanted, or the first */
    unsigned n;
};

static void add_claim(void *arg, const char *address, size_t len)
{
    struct claims *c = arg;
    struct jid *j = jid_parse_new(address, len);
    bool ours = j && jid_has_node(j) && jid_is_bare(j) &&
                strcmp(jid_domain(j), c->host->name) == 0 &&
                (!c->wanted || jid_equal(j, c->wanted));
    c->n += ours;
    if (ours && !c->jid) {
        c->jid = j;
        return;
    }
    jid_free(&j);
}

static void read_claims(struct stream *s, struct claims *c)
{
    c->host = stream_host(s);
    tls_peer_addresses(conn_tls(stream_conn(s)), c->host->ascii, add_claim, c);
}

bool external_offered(const struct module_inst *inst, struct stream *s, const struct mechanism *m)
{
    (void)inst, (void)m;
    struct claims c = {0};
    read_claims(s, &c);
    jid_free(&c.jid);
    return c.n > 0;
}

/* The message is the authzid: which of the certificate's addresses it is to be, if there are more
 * than one. NULL if that is none of them. */
static struct jid *choose_claim(struct stream *s, const char *msg, size_t len)
{
    struct jid *wanted = len > 0 ? jid_parse_new(msg, len) : NULL;
    struct claims c = {.wanted = wanted};
    if (wanted || len == 0)
        read_claims(s, &c);
    jid_free(&wanted);
    if (len == 0 && c.n > 1)
        jid_free(&c.jid);
    return c.jid;
}

void external_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                   size_t len)
{
    uint64_t owner = 0;
    (void)inst;
    x->account = choose_claim(s, msg, len);
    if (!x->account) {
        sasl_fail(s, "invalid-authzid");
        return;
    }
    if (account_lookup(x->account, &owner) < 0)
        sasl_fail_because(s, "temporary-auth-failure", "the store does not answer");
    else if (owner == 0)
        sasl_fail(s, "not-authorized");
    else
        sasl_succeed(s, x, NULL);
}

/* ---- ANONYMOUS ---- */

/* A UUID (RFC 9562 section 5.4), as XEP-0175 recommends. */
static void random_name(char out[37])
{
    unsigned char b[16];
    mem_random(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (unsigned i = 0; i < sizeof(b); i++, out += 2) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        snprintf(out, 3, "%02x", b[i]);
    }
}

/* What the client says about itself (trace information) is nobody's business. */
void anonymous_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                    size_t len)
{
    char name[37];
    (void)inst, (void)msg, (void)len;
    random_name(name);
    x->account = sasl_account_of(s, name);
    stream_make_temporary(s);
    sasl_succeed(s, x, NULL);
}
