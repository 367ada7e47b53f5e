#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <strings.h>

#include "base/mem.h"

/* In every context whose reload could not replace it. */
struct host {
    atomic_uint refs;
    char *name;
    SSL_CTX *ctx;
};

struct tls_context {
    atomic_uint refs;
    char *alpn;
    SSL_CTX *fallback; /* the first host's; every connection begins with it */
    unsigned count;
    struct host *hosts[]; /* sorted by name */
};

static const char groups[] = "X25519:P-256:P-384";
static const long ticket_seconds = 2 * 60 * 60;

#define WARN_DAYS 14 /* before a certificate expires */

/* Callbacks of a handshake */

static int by_name(const void *a, const void *b)
{
    const struct host *const *left = a, *const *right = b;
    return strcasecmp((*left)->name, (*right)->name);
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

static struct host *find_host(const struct tls_context *t, const char *name)
{
    struct host key = {.name = (char *)name}, *sought = &key;
    struct host *const *found = bsearch(&sought, t->hosts, t->count, sizeof(t->hosts[0]), by_name);
    return found ? *found : NULL;
}

/* Called in every handshake, whether it names a host or not. */
static int choose_host(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    const struct tls_context *t = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct host *host = name ? find_host(t, name) : NULL;
    if (host)
        SSL_set_SSL_CTX(ssl, host->ctx);
    follow_host(ssl, SSL_get_SSL_CTX(ssl));
    return host ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* `offer` is a list of strings that begin with their length (RFC 7301, section 3.1). */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offer, unsigned offer_len, void *arg)
{
    (void)arg;
    const struct tls_context *t = SSL_get_app_data(ssl);
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

/* Callbacks find the context in the connection: what is made here may outlive it, in a newer one.
 */
static SSL_CTX *host_context(const struct tls_host *host, const struct tls_conf *conf,
                             struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    INVARIANT(ctx);
    set_modes(ctx);
    int least = conf->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    INVARIANT(SSL_CTX_set_min_proto_version(ctx, least) == 1);
    INVARIANT(SSL_CTX_set_cipher_list(ctx, conf->ciphers ? conf->ciphers : TLS_CIPHERS) == 1);
    INVARIANT(SSL_CTX_set1_groups_list(ctx, groups) == 1);
    INVARIANT(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"jackdaw", 7) == 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_host);
    if (conf->alpn)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    if (load_files(ctx, host, e) == 0 &&
        (!host->client_ca || load_client_ca(ctx, host->client_ca, e) == 0))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static int check_ciphers(const char *ciphers, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    INVARIANT(ctx);
    bool good = SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return good ? 0 : err_set(e, "tls: ciphers: OpenSSL knows none of '%.200s'", ciphers);
}

static struct host *host_new(const struct tls_host *conf, SSL_CTX *ctx)
{
    struct host *host = mem_new(struct host);
    host->refs = 1;
    host->name = mem_strdup(conf->name);
    host->ctx = ctx;
    SSL_CTX_set_app_data(ctx, host->name); /* for net/tls_peer.h */
    return host;
}

static void host_unref(struct host *host)
{
    if (atomic_fetch_sub(&host->refs, 1) != 1)
        return;
    SSL_CTX_free(host->ctx);
    free(host->name);
    free(host);
}

/* What `old` has for this host. */
static struct host *keep(const struct tls_context *old, const char *name)
{
    struct host *host = find_host(old, name);
    INVARIANT(host);
    atomic_fetch_add(&host->refs, 1);
    return host;
}

struct tls_context *tls_server_renew(struct tls_context *old, const struct tls_host *hosts,
                                     unsigned count, const struct tls_conf *conf,
                                     tls_report_fn *refused, void *arg, struct err *e)
{
    INVARIANT(count > 0);
    if (conf->ciphers && check_ciphers(conf->ciphers, e) < 0)
        return NULL;
    struct tls_context *t = mem_zalloc(sizeof(*t) + count * sizeof(t->hosts[0]));
    t->refs = 1;
    t->alpn = conf->alpn ? mem_strdup(conf->alpn) : NULL;
    for (; t->count < count; t->count++) {
        const struct tls_host *host = &hosts[t->count];
        SSL_CTX *ctx = host_context(host, conf, e);
        if (!ctx && !old) {
            tls_unref(&t);
            return NULL;
        }
        if (!ctx)
            refused(arg, host->name, e->text);
        t->hosts[t->count] = ctx ? host_new(host, ctx) : keep(old, host->name);
    }
    t->fallback = t->hosts[0]->ctx;
    qsort(t->hosts, t->count, sizeof(t->hosts[0]), by_name);
    return t;
}

struct tls_context *tls_server_new(const struct tls_host *hosts, unsigned count,
                                   const struct tls_conf *conf, struct err *e)
{
    return tls_server_renew(NULL, hosts, count, conf, NULL, NULL, e);
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
    for (unsigned i = 0; i < t->count; i++)
        host_unref(t->hosts[i]);
    free(t->alpn);
    free(t);
}

SSL *tls_server_ssl(struct tls_context *t, const char *name)
{
    SSL *ssl = SSL_new(t->fallback); /* whose tickets serve for all hosts */
    INVARIANT(ssl);                  /* only fails without memory */
    SSL_set_app_data(ssl, t);
    const struct host *host = name ? find_host(t, name) : NULL;
    if (host)
        SSL_set_SSL_CTX(ssl, host->ctx);
    return ssl;
}

const char *tls_alpn(const struct tls_context *t)
{
    return t->alpn ? t->alpn : "";
}

/* What there is to say about certificates */

static void warn_of_dates(const char *name, const X509 *cert, tls_report_fn *warn, void *arg)
{
    int days = 0, seconds = 0;
    char text[100], when[32];
    struct tm end;
    if (ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), NULL) == 1 &&
        (days < 0 || seconds < 0))
        warn(arg, name, "its certificate is not valid yet");
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1 ||
        ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) != 1 || days >= WARN_DAYS)
        return;
    bool over = days < 0 || seconds < 0;
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &end);
    snprintf(text, sizeof(text), "its certificate %s %s", over ? "has expired:" : "expires", when);
    warn(arg, name, text);
}

void tls_inspect(const struct tls_context *t, tls_report_fn *warn, void *arg)
{
    for (unsigned i = 0; i < t->count; i++) {
        const char *name = t->hosts[i]->name;
        X509 *cert = SSL_CTX_get0_certificate(t->hosts[i]->ctx);
        warn_of_dates(name, cert, warn, arg);
        if (X509_check_host(cert, name, 0, 0, NULL) != 1)
            warn(arg, name, "its certificate is for another name: clients will not trust it");
    }
    ERR_clear_error();
}

void tls_fingerprint(const struct tls_context *t, const char *host, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const struct host *h = find_host(t, host);
    if (h)
        X509_digest(SSL_CTX_get0_certificate(h->ctx), EVP_sha256(), digest, &len);
    out[0] = '\0';
    for (unsigned i = 0; i < len && i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
