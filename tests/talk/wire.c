#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

struct wire {
    int fd;
    SSL *ssl;                /* NULL: plain */
    const char *certificate; /* NULL: none */
};

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

struct wire *wire_connect(const char *port, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(env("XMPP_HOST"), port, &hints, &found);
    if (rc) {
        err_set(e, "%s port %s: %s", env("XMPP_HOST"), port, gai_strerror(rc));
        return NULL;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -1 : connect(fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (rc) {
        err_set(e, "no connection to %s port %s: %s", env("XMPP_HOST"), port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct wire *w = mem_new(struct wire);
    w->fd = fd;
    return w;
}

/* Waits for what TLS asked for; false when `until` has come. */
static bool wait_io(struct wire *w, bool write, int64_t until)
{
    int64_t left = (until - clock_mono()) / CLOCK_MS;
    struct pollfd p = {.fd = w->fd, .events = write ? POLLOUT : POLLIN};
    return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* Trusts what XMPP_CA_FILE holds, and the certificate that the server made for another domain. */
static SSL_CTX *tls_context(const char *domain, int version, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char own[512];
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (version)
        SSL_CTX_set_max_proto_version(ctx, version);
    snprintf(own, sizeof(own), "%s/%s.crt", env("XMPP_DIR"), domain);
    if (!access(own, R_OK))
        SSL_CTX_load_verify_locations(ctx, own, NULL);
    if (SSL_CTX_load_verify_locations(ctx, env("XMPP_CA_FILE"), NULL) == 1)
        return ctx;
    err_set(e, "cannot read the certificate %s", env("XMPP_CA_FILE"));
    SSL_CTX_free(ctx);
    return NULL;
}

static bool handshake(struct wire *w, int64_t until, struct err *e)
{
    for (;;) {
        ERR_clear_error();
        int rc = SSL_connect(w->ssl);
        if (rc == 1)
            return true;
        int why = SSL_get_error(w->ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            const char *reason = ERR_reason_error_string(ERR_get_error());
            err_set(e, "the TLS handshake failed: %s", reason ? reason : "connection closed");
            return false;
        }
        if (!wait_io(w, why == SSL_ERROR_WANT_WRITE, until)) {
            err_set(e, "the TLS handshake did not end in time");
            return false;
        }
    }
}

void wire_certificate(struct wire *w, const char *file)
{
    w->certificate = file;
}

static bool show_certificate(struct wire *w, struct err *e)
{
    if (!w->certificate ||
        (SSL_use_certificate_file(w->ssl, w->certificate, SSL_FILETYPE_PEM) == 1 &&
         SSL_use_PrivateKey_file(w->ssl, w->certificate, SSL_FILETYPE_PEM) == 1))
        return true;
    err_set(e, "cannot use the certificate %s", w->certificate);
    return false;
}

bool wire_tls(struct wire *w, const char *domain, const char *alpn, int version, int64_t patience,
              struct err *e)
{
    SSL_CTX *ctx = tls_context(domain, version, e);
    if (!ctx)
        return false;
    w->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(w->ssl, w->fd);
    SSL_set_tlsext_host_name(w->ssl, domain);
    SSL_set1_host(w->ssl, domain);
    if (alpn)
        SSL_set_alpn_protos(w->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    return show_certificate(w, e) && handshake(w, clock_mono() + patience, e);
}

bool wire_is_tls(const struct wire *w)
{
    return w->ssl != NULL;
}

const char *wire_alpn(const struct wire *w, char buf[32])
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    if (w->ssl)
        SSL_get0_alpn_selected(w->ssl, &name, &len);
    snprintf(buf, 32, "%.*s", (int)len, name ? (const char *)name : "");
    return buf;
}

static size_t exporter(SSL *ssl, unsigned char *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    return SSL_export_keying_material(ssl, out, 32, label, sizeof(label) - 1,
                                      (const unsigned char *)"", 0, 1) == 1
               ? 32
               : 0;
}

static size_t unique(SSL *ssl, unsigned char *out)
{
    return SSL_get_finished(ssl, out, WIRE_BINDING_MAX);
}

/* The server's certificates are signed with SHA-256, as those it makes itself are. */
static size_t end_point(SSL *ssl, unsigned char *out)
{
    unsigned len = 0;
    X509_digest(SSL_get0_peer_certificate(ssl), EVP_sha256(), out, &len);
    return len;
}

size_t wire_binding(const struct wire *w, const char *type, unsigned char out[WIRE_BINDING_MAX])
{
    static const struct {
        const char *type;
        size_t (*data)(SSL *ssl, unsigned char *out);
    } types[] = {
        {"tls-exporter", exporter},
        {"tls-unique", unique},
        {"tls-server-end-point", end_point},
    };
    for (size_t i = 0; w->ssl && i < ARRAY_LEN(types); i++) {
        if (!strcmp(types[i].type, type))
            return types[i].data(w->ssl, out);
    }
    return 0;
}

/* One write; bytes taken, 0 to try again, -1 at the end. *want_write: what to wait for. */
static ssize_t write_some(struct wire *w, const char *data, size_t len, bool *want_write)
{
    *want_write = true;
    if (!w->ssl) {
        ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL);
        return n < 0 && errno == EAGAIN ? 0 : n;
    }
    size_t taken;
    ERR_clear_error();
    int rc = SSL_write_ex(w->ssl, data, len, &taken);
    if (rc == 1)
        return (ssize_t)taken;
    int why = SSL_get_error(w->ssl, rc);
    *want_write = why == SSL_ERROR_WANT_WRITE;
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool wire_write(struct wire *w, const char *data, size_t len, size_t piece, int64_t patience)
{
    int64_t until = clock_mono() + patience;
    while (len > 0) {
        bool want_write;
        ssize_t n = write_some(w, data, piece && piece < len ? piece : len, &want_write);
        if (n < 0 || (n == 0 && !wait_io(w, want_write, until)))
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

int wire_read(struct wire *w, char *buf, size_t size, int ms)
{
    if (!w->ssl || SSL_pending(w->ssl) == 0)
        wait_io(w, false, clock_mono() + ms * CLOCK_MS);
    if (!w->ssl) {
        ssize_t n = recv(w->fd, buf, size, 0);
        return n > 0 ? (int)n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int n = SSL_read(w->ssl, buf, (int)size);
    if (n > 0)
        return n;
    int why = SSL_get_error(w->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

void wire_close(struct wire **w, bool reset)
{
    if (!*w)
        return;
    if (reset) {
        struct linger none = {.l_onoff = 1};
        setsockopt((*w)->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    SSL_free((*w)->ssl);
    close((*w)->fd);
    mem_free(w);
}
