#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <strings.h>

#include "base/mem.h"

struct host {
    char *name;
    SSL_CTX *ctx;
};

struct tls_context {
    atomic_uint refs;
    char *alpn;
    SSL_CTX *fallback; /* the first host's; every connection begins with it */
    unsigned count;
    struct host hosts[]; /* sorted by name */
};

/* Only ciphers with forward secrecy and authenticated encryption; those of TLS 1.3 all are. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";
static const long ticket_seconds = 2 * 60 * 60;

/* Callbacks of a handshake */

static int by_name(const void *a, const void *b)
{
    const struct host *left = a, *right = b;
    return strcasecmp(left->name, right->name);
}

/* A certificate that is not valid is no error: its owner may log in otherwise. */
static int judge_later(int valid, X509_STORE_CTX *store)
{
    (void)valid, (void)store;
    return 1;
}

/* What depends on whether the host asks for certificates, and what SSL_new() has copied from the
 * fallback. Who may show a certificate gets no ticket: a resumed session would bring that of an
 * earlier handshake, verified under what was then the CA of what may have been another host. */
static void follow_host(SSL *ssl, SSL_CTX *host)
{
    bool asks = SSL_CTX_get_verify_mode(host) != SSL_VERIFY_NONE;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(host), judge_later);
    SSL_set_num_tickets(ssl, asks ? 0 : 1);
    if (asks)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    else
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
}

/* Called in every handshake, whether it names a host or not. */
static int choose_host(SSL *ssl, int *alert, void *arg)
{
    (void)alert;
    const struct tls_context *t = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct host key = {.name = (char *)name};
    const struct host *host = name ? bsearch(&key, t->hosts, t->count, sizeof(key), by_name) : NULL;
    if (host)
        SSL_set_SSL_CTX(ssl, host->ctx);
    follow_host(ssl, host ? host->ctx : t->fallback);
    return host ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* `offer` is a list of strings that begin with their length (RFC 7301, section 3.1). */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offer, unsigned offer_len, void *arg)
{
    (void)ssl;
    const struct tls_context *t = arg;
    size_t len = strlen(t->alpn);
    for (unsigned i = 0; i < offer_len; i += 1u + offer[i]) {
        if (offer[i] != len || offer_len - i - 1 < len || memcmp(offer + i + 1, t->alpn, len) != 0)
            continue;
        *out = offer + i + 1;
        *out_len = (unsigned char)len;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
}

/* A key with a pass phrase must not make the server ask the terminal for it. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return 0;
}

/* Making a context */

static int fail(struct err *e, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code))
                                                          : ERR_reason_error_string(code);
    err_set(e, "%s: %s: %s", file, what, reason ? reason : "refused");
    ERR_clear_error();
    return -1;
}

static int load_files(SSL_CTX *ctx, const struct tls_host *host, struct err *e)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, host->cert_file) != 1)
        return fail(e, "cannot use the certificate", host->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, host->key_file, SSL_FILETYPE_PEM) != 1)
        return fail(e, "cannot use the private key", host->key_file);
    return 0; /* using the key has checked that it belongs to the certificate */
}

/* From now on clients are asked for a certificate, and told whom it should be from. */
static int load_client_ca(SSL_CTX *ctx, const char *file, struct err *e)
{
    ERR_clear_error();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(ctx, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(e, "cannot use the certificates", file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, judge_later);
    return 0;
}

/* Small while idle: buffers only while they hold something, no session cache, one ticket. Reading
 * ahead costs nothing then and makes one system call of two. */
static void set_modes(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, ticket_seconds);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
}

static SSL_CTX *host_context(struct tls_context *t, const struct tls_host *host, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    INVARIANT(ctx);
    set_modes(ctx);
    INVARIANT(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    INVARIANT(SSL_CTX_set_cipher_list(ctx, ciphers) == 1);
    INVARIANT(SSL_CTX_set1_groups_list(ctx, groups) == 1);
    INVARIANT(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"jackdaw", 7) == 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_host);
    SSL_CTX_set_tlsext_servername_arg(ctx, t);
    if (t->alpn)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, t);
    if (load_files(ctx, host, e) == 0 &&
        (!host->client_ca || load_client_ca(ctx, host->client_ca, e) == 0))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

struct tls_context *tls_server_new(const struct tls_host *hosts, unsigned count, const char *alpn,
                                   struct err *e)
{
    INVARIANT(count > 0);
    struct tls_context *t = mem_zalloc(sizeof(*t) + count * sizeof(t->hosts[0]));
    t->refs = 1;
    t->alpn = alpn ? mem_strdup(alpn) : NULL;
    for (; t->count < count; t->count++) {
        struct host *host = &t->hosts[t->count];
        host->ctx = host_context(t, &hosts[t->count], e);
        if (!host->ctx) {
            tls_unref(&t);
            return NULL;
        }
        host->name = mem_strdup(hosts[t->count].name);
        SSL_CTX_set_app_data(host->ctx, host->name); /* for net/tls_peer.h */
    }
    t->fallback = t->hosts[0].ctx;
    qsort(t->hosts, t->count, sizeof(t->hosts[0]), by_name);
    return t;
}

struct tls_context *tls_ref(struct tls_context *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void tls_unref(struct tls_context **tp)
{
    struct tls_context *t = *tp;
    *tp = NULL;
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    for (unsigned i = 0; i < t->count; i++) {
        SSL_CTX_free(t->hosts[i].ctx);
        free(t->hosts[i].name);
    }
    free(t->alpn);
    free(t);
}

SSL *tls_server_ssl(struct tls_context *t)
{
    SSL *ssl = SSL_new(t->fallback);
    INVARIANT(ssl); /* only fails without memory */
    return ssl;
}

const char *tls_alpn(const struct tls_context *t)
{
    return t->alpn ? t->alpn : "";
}
