/* Phrases for raw clients. */
#include <openssl/ssl.h>

#include "match.h"
#include "raw.h"
#include "vars.h"

#define ALPN_XMPP_CLIENT "\013xmpp-client"

/* The raw client that a phrase speaks of. */
static struct client *find(struct dialogue *d, const char *name)
{
    struct client *c = client_find(d, name);
    return c && raw_of(c) ? c : NULL;
}

static bool connect_plain(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return raw_connect(d, args[0], "XMPP_PORT") != NULL;
}

static bool connect_tls(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = raw_connect(d, args[0], "XMPP_PORT_TLS");
    return c && raw_tls(c, ALPN_XMPP_CLIENT, 0);
}

static bool connect_port(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return raw_connect(d, args[0], args[1]) != NULL;
}

static bool byte_by_byte(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    if (!c)
        return false;
    raw_of(c)->piece = 1;
    return true;
}

static bool normally(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    if (!c)
        return false;
    raw_of(c)->piece = 0;
    return true;
}

static bool gather(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    if (!c)
        return false;
    raw_of(c)->gathering = true;
    return true;
}

static bool flush(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_flush(c);
}

static bool open_stream(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_open(c, NULL);
}

static bool open_stream_to(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    const char *domain = var_expand(d, args[1], ESCAPE_XML, NULL);
    return c && domain && raw_open(c, domain);
}

static bool receive_header(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = find(d, args[0]);
    struct err e;
    const struct node *all = node_parse(d->arena, body, &e);
    if (!all || !all->first || all->first->text)
        return fail(d, "%s", all ? "one element is wanted" : e.text);
    const struct node *header = c ? raw_header(c) : NULL;
    if (!header)
        return false;
    return match_node(d, all->first, header)
               ? true
               : fail(d, "%s received the header\n    %s\n  expected\n    %s", c->name,
                      node_say(d, header), node_say(d, all->first));
}

static bool receive_any_header(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_header(c);
}

static bool receive_any_features(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_features(c);
}

static bool starttls(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_starttls(c);
}

static bool shake_hands(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_tls(c, NULL, 0);
}

static bool shake_hands_alpn(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    char got[32];
    if (!c)
        return false;
    const char *alpn = arena_printf(d->arena, "%c%s", (int)strlen(args[1]), args[1]);
    if (!raw_tls(c, alpn, 0))
        return false;
    return strcmp(wire_alpn(raw_of(c)->wire, got), args[1])
               ? fail(d, "the server agreed to \"%s\" by ALPN, not to %s", got, args[1])
               : true;
}

static bool shake_hands_1_2(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_tls(c, NULL, TLS1_2_VERSION);
}

/* Options of SASL: name=value, several, apart by spaces. */
static bool sasl_options(struct client *c, char *text, struct sasl_conf *conf)
{
    const struct {
        const char *name;
        const char **value;
    } table[] = {
        {"user", &conf->user}, {"password", &conf->password}, {"authzid", &conf->authzid},
        {"gs2", &conf->gs2},   {"nonce", &conf->nonce},       {"initial", &conf->initial},
    };
    for (char *save = NULL, *word = strtok_r(text, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        size_t i = 0, len = strcspn(word, "=");
        if (!strcmp(word, "cb=wrong")) {
            conf->cb = (const unsigned char *)"this is another connection's cb";
            conf->cb_len = 32;
            continue;
        }
        while (i < ARRAY_LEN(table) &&
               (strncmp(table[i].name, word, len) || table[i].name[len] || word[len] != '='))
            i++;
        if (i == ARRAY_LEN(table))
            return fail(c->d, "what is \"%s\"?", word);
        *table[i].value = var_expand(c->d, word + len + 1, ESCAPE_NOTHING, NULL);
        if (!*table[i].value)
            return false;
    }
    return true;
}

static struct client *begin(struct dialogue *d, char *const *args, bool options)
{
    struct client *c = find(d, args[0]);
    struct sasl_conf conf = {0};
    if (!c || !client_set_address(c, args[2]))
        return NULL;
    if (options && !sasl_options(c, args[3], &conf))
        return NULL;
    return raw_auth(c, args[1], &conf) ? c : NULL;
}

static bool begin_sasl(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return begin(d, args, false) != NULL;
}

static bool begin_unnamed(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    struct sasl_conf conf = {.user = "", .password = ""};
    return c && raw_auth(c, args[1], &conf);
}

static bool begin_sasl_with(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return begin(d, args, true) != NULL;
}

static bool answer(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_answer(c);
}

static bool success(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_success(c);
}

static bool failure(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    const struct node *n = c ? client_next_stanza(c, "<failure/> of SASL") : NULL;
    if (!n)
        return false;
    if (node_is(n, NS_SASL, "failure") && node_child_of(d->arena, n, NS_SASL, args[1]))
        return true;
    return fail(d, "%s should fail with %s\n  but received %s", c->name, args[1], node_say(d, n));
}

static bool authenticate(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = begin(d, args, false);
    return c && (!raw_of(c)->sasl.hash || raw_answer(c)) && raw_success(c);
}

static bool has_certificate(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    const char *file = c ? var_expand(d, args[1], ESCAPE_NOTHING, NULL) : NULL;
    if (file)
        wire_certificate(raw_of(c)->wire, file);
    return file != NULL;
}

static bool send_bind(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_send_bind(c, args[1]);
}

static bool take_bind(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = find(d, args[0]);
    return c && raw_take_bind(c);
}

static bool bind(struct dialogue *d, char *const *args, const char *body)
{
    return send_bind(d, args, body) && take_bind(d, args, body);
}

static bool new_stream(struct client *c)
{
    return raw_open(c, NULL) && raw_header(c) && raw_features(c);
}

static bool secure(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = raw_connect(d, args[0], "XMPP_PORT");
    return c && new_stream(c) && raw_starttls(c) && new_stream(c);
}

/* From nothing to a bound resource. */
static bool bound(struct dialogue *d, char *const *args, const char *body)
{
    struct sasl_conf conf = {0};
    if (!secure(d, args, body))
        return false;
    struct client *c = find(d, args[0]);
    return client_set_address(c, args[1]) && raw_auth(c, "SCRAM-SHA-256", &conf) && raw_answer(c) &&
           raw_success(c) && new_stream(c) && raw_send_bind(c, c->resource) && raw_take_bind(c);
}

const struct phrase phrases_raw[] = {
    {"raw NAME connects", connect_plain, "plain TCP to the port for clients"},
    {"raw NAME connects over tls", connect_tls, "to the port for direct TLS"},
    {"raw NAME connects to VARIABLE", connect_port,
     "plain TCP to the port that this environment variable names"},
    {"raw NAME is secure", secure, "connects, STARTTLS, has opened a stream and seen its features"},
    {"raw NAME is bound as ADDRESS", bound, "secure, authenticated (SCRAM-SHA-256), bound"},
    {"NAME writes byte by byte", byte_by_byte, "every byte in a write and TLS record of its own"},
    {"NAME writes normally", normally, NULL},
    {"NAME gathers", gather, "what is sent from now on ..."},
    {"NAME writes it all", flush, "... leaves in one write"},
    {"NAME opens a stream", open_stream, "sends a stream header"},
    {"NAME opens a stream to DOMAIN", open_stream_to, NULL},
    {"NAME receives a header", receive_any_header, NULL},
    {"NAME receives the header:", receive_header, "a pattern of <stream:stream/>"},
    {"NAME receives features", receive_any_features, NULL},
    {"NAME starts tls", starttls, "<starttls/>, <proceed/>, handshake"},
    {"NAME has the certificate FILE", has_certificate,
     "shows it in the handshake if the server asks; the key is in the same file (PEM)"},
    {"NAME shakes hands", shake_hands, "the TLS handshake alone"},
    {"NAME shakes hands for PROTOCOL", shake_hands_alpn, "it must be agreed on by ALPN"},
    {"NAME shakes hands in tls 1.2", shake_hands_1_2, NULL},
    {"NAME begins MECHANISM as ADDRESS", begin_sasl, "sends <auth/>"},
    {"NAME begins MECHANISM without a name", begin_unnamed,
     "EXTERNAL or ANONYMOUS: the server knows the name"},
    {"NAME begins MECHANISM as ADDRESS with ...", begin_sasl_with,
     "user= password= authzid= gs2= nonce= initial=no cb=wrong"},
    {"NAME answers the challenge", answer,
     "waits for <challenge/> of SCRAM, sends <response/>; {NAME.salt} {NAME.iterations}"},
    {"NAME succeeds", success, "waits for <success/>, checks the server's proof"},
    {"NAME fails with CONDITION", failure, "waits for <failure/> with this, or one of A|B"},
    {"NAME authenticates by MECHANISM as ADDRESS", authenticate,
     "all of SASL: SCRAM-SHA-1, -256, -512, with -PLUS, PLAIN, EXTERNAL, ANONYMOUS"},
    {"NAME asks for a resource", send_bind, "sends <bind/>"},
    {"NAME asks for resource RESOURCE", send_bind, NULL},
    {"NAME is given a resource", take_bind, "receives the answer to <bind/>"},
    {"NAME binds", bind, "both"},
    {"NAME binds RESOURCE", bind, "both"},
    {NULL, NULL, NULL},
};
