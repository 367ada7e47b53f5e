#include "net/channel.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

static _Thread_local char why[160];

const char *channel_why(void)
{
    return why;
}

static enum channel_result failed(const char *text)
{
    snprintf(why, sizeof(why), "%s", text);
    return CHANNEL_FAILED;
}

static enum channel_result failed_errno(int error)
{
    char text[100];
    return failed(strerror_r(error, text, sizeof(text)));
}

/* The two system calls that everything goes through; on -1 ch->error says why. */

static ssize_t sock_read(struct channel *ch, void *buf, size_t size)
{
    ssize_t n;
    do {
        n = recv(ch->fd, buf, size, 0);
    } while (n < 0 && errno == EINTR);
    ch->drained = n < (ssize_t)size;
    ch->eof |= n == 0;
    ch->error = n < 0 ? errno : 0;
    return n;
}

static ssize_t sock_write(struct channel *ch, const void *bytes, size_t size)
{
    ssize_t n;
    do {
        n = send(ch->fd, bytes, size, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    ch->error = n < 0 ? errno : 0;
    return n;
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* The BIO between OpenSSL and the socket. OpenSSL's own would write() and so raise SIGPIPE, and
 * would not tell whether the kernel had more. */

static int bio_read(BIO *bio, char *buf, size_t size, size_t *len)
{
    struct channel *ch = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = sock_read(ch, buf, size);
    if (n > 0) {
        *len = (size_t)n;
        return 1;
    }
    if (n < 0 && would_block(ch->error))
        BIO_set_retry_read(bio);
    return 0;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *len)
{
    struct channel *ch = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = sock_write(ch, bytes, size);
    if (n > 0) {
        *len = (size_t)n;
        return 1;
    }
    if (n < 0 && would_block(ch->error))
        BIO_set_retry_write(bio);
    return 0;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void method_init(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel");
    INVARIANT(method);
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

/* TLS */

/* What an SSL call that did not succeed means. */
static enum channel_result tls_result(struct channel *ch, int ret)
{
    switch (SSL_get_error(ch->ssl, ret)) {
    case SSL_ERROR_WANT_READ: return CHANNEL_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return CHANNEL_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return CHANNEL_EOF;
    default: break;
    }
    if (ch->eof)
        return failed("closed without close_notify");
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (reason)
        return failed(reason);
    return ch->error ? failed_errno(ch->error) : failed("TLS error");
}

/* Before each SSL call: what it leaves behind shall be its own. */
static SSL *tls_begin(struct channel *ch)
{
    ERR_clear_error();
    ch->error = 0;
    return ch->ssl;
}

void channel_start_tls(struct channel *ch, SSL *ssl)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, method_init);
    BIO *bio = BIO_new(method);
    INVARIANT(bio); /* only fails without memory */
    BIO_set_data(bio, ch);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    ch->ssl = ssl;
}

enum channel_result channel_handshake(struct channel *ch)
{
    int ret = SSL_do_handshake(tls_begin(ch));
    if (ret == 1)
        return CHANNEL_OK;
    enum channel_result result = tls_result(ch, ret);
    return result == CHANNEL_EOF ? failed("closed during the handshake") : result;
}

static enum channel_result tls_read(struct channel *ch, char *buf, size_t size, size_t *len)
{
    int ret = SSL_read_ex(tls_begin(ch), buf, size, len);
    return ret == 1 ? CHANNEL_OK : tls_result(ch, ret);
}

static enum channel_result tls_write(struct channel *ch, const char *bytes, size_t size,
                                     size_t *len)
{
    int ret = SSL_write_ex(tls_begin(ch), bytes, size, len);
    return ret == 1 ? CHANNEL_OK : tls_result(ch, ret);
}

bool channel_pending(const struct channel *ch)
{
    return ch->ssl && SSL_has_pending(ch->ssl);
}

/* In clear text or TLS */

enum channel_result channel_read(struct channel *ch, char *buf, size_t size, size_t *len)
{
    if (ch->ssl)
        return tls_read(ch, buf, size, len);
    ssize_t n = sock_read(ch, buf, size);
    if (n < 0)
        return would_block(ch->error) ? CHANNEL_WANT_READ : failed_errno(ch->error);
    *len = (size_t)n;
    return n == 0 ? CHANNEL_EOF : CHANNEL_OK;
}

enum channel_result channel_write(struct channel *ch, const char *bytes, size_t size, size_t *len)
{
    if (ch->ssl)
        return tls_write(ch, bytes, size, len);
    ssize_t n = sock_write(ch, bytes, size);
    if (n < 0)
        return would_block(ch->error) ? CHANNEL_WANT_WRITE : failed_errno(ch->error);
    *len = (size_t)n;
    return CHANNEL_OK;
}

enum channel_result channel_shutdown(struct channel *ch)
{
    if (ch->ssl && SSL_is_init_finished(ch->ssl)) {
        int ret = SSL_shutdown(tls_begin(ch)); /* 0: sent, the peer's not yet seen */
        if (ret < 0) {
            enum channel_result result = tls_result(ch, ret);
            if (result != CHANNEL_EOF)
                return result;
        }
    }
    return shutdown(ch->fd, SHUT_WR) == 0 ? CHANNEL_OK : failed_errno(errno);
}

enum channel_result channel_discard(struct channel *ch, size_t max)
{
    char buf[2048];
    for (size_t got = 0; got < max;) {
        ssize_t n = sock_read(ch, buf, sizeof(buf));
        if (n < 0)
            return would_block(ch->error) ? CHANNEL_WANT_READ : failed_errno(ch->error);
        if (n == 0)
            return CHANNEL_EOF;
        got += (size_t)n;
    }
    return CHANNEL_OK;
}

void channel_clear(struct channel *ch)
{
    SSL_free(ch->ssl); /* and its BIO */
    ch->ssl = NULL;
}
