/* SCRAM and its -PLUS variants (RFC 5802, 7677, 9266, XEP-0474) over the arithmetic in
 * xmpp/scram.h. */
#include "auth.h"

static void fail(struct stream *s, enum scram_result result)
{
    static const char *const conditions[] = {
        [SCRAM_MALFORMED] = "malformed-request",
        [SCRAM_NOT_AUTHORIZED] = "not-authorized",
        [SCRAM_AUTHZID] = "invalid-authzid",
    };
    sasl_fail(s, conditions[result]);
}

static struct scram *begin(const struct module_inst *inst, struct stream *s,
                           const struct mechanism *m)
{
    struct scram_conf conf = {.hash = m->hash, .plus = m->plus};
    struct arena *a = arena_new(512);
    conf.offer = mechanism_offer(inst, s, a);
    conf.plus_offered = strchr(conf.offer, '\x1f') != NULL;
    for (unsigned i = 0; i < BINDINGS; i++) {
        struct scram_binding *b = &conf.bindings[i];
        b->len = bindings[i].data(conn_tls(stream_conn(s)), b->data);
        b->name = b->len > 0 ? bindings[i].name : NULL;
    }
    struct scram *scram = scram_new(&conf);
    arena_free(&a);
    return scram;
}

static void take_first(struct module_inst *inst, struct stream *s, struct exchange *x,
                       const char *msg, size_t len)
{
    enum scram_hash hash = x->mechanism->hash;
    struct auth_keys keys;
    const char *blocked;
    x->scram = begin(inst, s, x->mechanism);
    enum scram_result result = scram_first(x->scram, msg, len);
    if (result != SCRAM_OK) {
        fail(s, result);
        return;
    }
    const char *user = scram_user(x->scram);
    x->account = sasl_account_of(s, user);
    login_begin(x, user);
    if (!sasl_may_act_as(x, scram_authzid(x->scram)))
        fail(s, SCRAM_AUTHZID);
    else if ((blocked = login_blocked(inst, x)))
        sasl_fail_because(s, "temporary-auth-failure", blocked);
    else if (sasl_find_keys(inst, s, x, user, &keys) < 0)
        sasl_fail_because(s, "temporary-auth-failure", "the store does not answer");
    else {
        x->exists = x->exists && keys.found[hash];
        sasl_challenge(s, scram_challenge(x->scram, &keys.of[hash]));
        mem_clear(&keys, sizeof(keys));
    }
}

static void take_final(struct module_inst *inst, struct stream *s, struct exchange *x,
                       const char *msg, size_t len)
{
    const char *server_final, *blocked = login_blocked(inst, x);
    if (blocked) { /* by what has been tried since the first message */
        sasl_fail_because(s, "temporary-auth-failure", blocked);
        return;
    }
    enum scram_result result = scram_final(x->scram, msg, len, &server_final);
    if (result == SCRAM_OK && !x->exists)
        result = SCRAM_NOT_AUTHORIZED;
    if (result == SCRAM_NOT_AUTHORIZED)
        login_failed(inst, x);
    if (result != SCRAM_OK) {
        fail(s, result);
        return;
    }
    login_succeeded(x);
    sasl_succeed(s, x, server_final);
}

void scram_take(struct module_inst *inst, struct stream *s, struct exchange *x, const char *msg,
                size_t len)
{
    if (x->scram)
        take_final(inst, s, x, msg, len);
    else
        take_first(inst, s, x, msg, len);
}
