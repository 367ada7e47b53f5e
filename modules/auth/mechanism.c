/* The mechanisms and channel bindings there are, and which of them a client is offered. That
 * depends only on its connection and on options that do not change while the server runs, so that
 * what was advertised can be told again (XEP-0474). */
#include <stdlib.h>

#include "auth.h"

/* ---- channel bindings (XEP-0440) ---- */

/* tls-unique is not defined in TLS 1.3, so it is not offered there. It is taken all the same from
 * clients that know nothing newer and do not look (slixmpp): what they send is the Finished
 * message, which binds there just as well. */
static bool unique_offered(SSL *ssl)
{
    return !tls_is_1_3(ssl);
}

const struct binding bindings[BINDINGS] = {
    {"tls-exporter", tls_exporter, NULL},
    {"tls-server-end-point", tls_server_end_point, NULL},
    {"tls-unique", tls_unique, unique_offered},
};

static bool binding_offered(const struct binding *b, SSL *ssl)
{
    unsigned char data[TLS_BINDING_MAX];
    return b->data(ssl, data) > 0 && (!b->offered || b->offered(ssl));
}

static bool any_binding(struct stream *s)
{
    SSL *ssl = conn_tls(stream_conn(s));
    for (unsigned i = 0; i < BINDINGS; i++) {
        if (binding_offered(&bindings[i], ssl))
            return true;
    }
    return false;
}

/* ---- mechanisms ---- */

static bool always(const struct module_inst *inst, struct stream *s, const struct mechanism *m)
{
    (void)inst;
    return !m->plus || any_binding(s);
}

static bool if_anonymous(const struct module_inst *inst, struct stream *s,
                         const struct mechanism *m)
{
    (void)s, (void)m;
    return inst->host->conf->anonymous;
}

/* The strongest first, which is the order in which they are offered. All of them need TLS: before
 * it there is no authentication. */
static const struct mechanism mechanisms[] = {
    {"EXTERNAL", external_offered, external_take, 0, false, false},
    {"SCRAM-SHA-512-PLUS", always, scram_take, SCRAM_SHA512, true, false},
    {"SCRAM-SHA-256-PLUS", always, scram_take, SCRAM_SHA256, true, false},
    {"SCRAM-SHA-1-PLUS", always, scram_take, SCRAM_SHA1, true, false},
    {"SCRAM-SHA-512", always, scram_take, SCRAM_SHA512, false, false},
    {"SCRAM-SHA-256", always, scram_take, SCRAM_SHA256, false, false},
    {"SCRAM-SHA-1", always, scram_take, SCRAM_SHA1, false, false},
    {"PLAIN", always, plain_take, 0, false, false},
    {"ANONYMOUS", if_anonymous, anonymous_take, 0, false, true},
};

/* Whether the option names it: a -PLUS mechanism by the name without. */
static bool is_named(const struct mechanism *m, const char *name)
{
    size_t len = strlen(m->name) - (m->plus ? strlen("-PLUS") : 0);
    return strlen(name) == len && memcmp(m->name, name, len) == 0;
}

static bool is_enabled(const struct auth_conf *conf, const struct mechanism *m)
{
    for (size_t i = 0; i < conf->mechanisms.n; i++) {
        if (is_named(m, conf->mechanisms.items[i]))
            return true;
    }
    return conf->mechanisms.n == 0;
}

static bool is_offered(const struct module_inst *inst, struct stream *s, const struct mechanism *m)
{
    return is_enabled(inst->conf, m) && m->offered(inst, s, m);
}

int mechanism_check(const void *auth_conf, struct err *e)
{
    const struct auth_conf *conf = auth_conf;
    for (size_t i = 0; i < conf->mechanisms.n; i++) {
        size_t m = 0;
        while (m < ARRAY_LEN(mechanisms) && !is_named(&mechanisms[m], conf->mechanisms.items[i]))
            m++;
        if (m == ARRAY_LEN(mechanisms))
            return err_set(e, "mechanisms: there is no mechanism \"%s\"",
                           conf->mechanisms.items[i]);
    }
    return 0;
}

const struct mechanism *mechanism_find(const struct module_inst *inst, struct stream *s,
                                       const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (strcmp(mechanisms[i].name, name) == 0)
            return is_offered(inst, s, &mechanisms[i]) ? &mechanisms[i] : NULL;
    }
    return NULL;
}

/* ---- telling ---- */

void mechanism_features(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    if (stream_phase(s) != STREAM_SECURE)
        return;
    struct arena *a = stream_features_arena(s);
    struct xml_el *list = xml_add(a, features, NS_SASL, A_mechanisms);
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (is_offered(inst, s, &mechanisms[i]))
            xml_text(a, xml_add(a, list, NS_SASL, A_mechanism), mechanisms[i].name);
    }
    if (!any_binding(s))
        return;
    list = xml_add(a, features, NS_SASL_CB, "sasl-channel-binding");
    for (unsigned i = 0; i < BINDINGS; i++) {
        if (binding_offered(&bindings[i], conn_tls(stream_conn(s))))
            xml_set(a, xml_add(a, list, NS_SASL_CB, "channel-binding"), A_type, bindings[i].name);
    }
}

static int by_octets(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *join_sorted(struct arena *a, const char **names, size_t n)
{
    const char *joined = "";
    qsort(names, n, sizeof(*names), by_octets);
    for (size_t i = 0; i < n; i++)
        joined = arena_printf(a, "%s%s%s", joined, i > 0 ? "\x1e" : "", names[i]);
    return joined;
}

/* XEP-0474 section 5.1. */
const char *mechanism_offer(const struct module_inst *inst, struct stream *s, struct arena *a)
{
    const char *names[ARRAY_LEN(mechanisms)], *types[BINDINGS];
    size_t n_names = 0, n_types = 0;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (is_offered(inst, s, &mechanisms[i]))
            names[n_names++] = mechanisms[i].name;
    }
    for (unsigned i = 0; i < BINDINGS; i++) {
        if (binding_offered(&bindings[i], conn_tls(stream_conn(s))))
            types[n_types++] = bindings[i].name;
    }
    return arena_printf(a, "%s%s%s", join_sorted(a, names, n_names), n_types > 0 ? "\x1f" : "",
                        join_sorted(a, types, n_types));
}
