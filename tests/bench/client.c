#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "negotiate.h"
#include "proc.h"

#define IN_MAX (1u << 20)
#define OUT_MAX (4u << 20)
#define READ_SIZE 32768
#define EVENTS_MAX 128

static void watch(struct client *c, int op)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (c->waits_to_write)
        e.events |= EPOLLOUT;
    if (epoll_ctl(c->crew->epoll, op, c->fd, &e) < 0)
        client_fail(c, strerror(errno));
}

/* Wakes up, or no longer wakes up, when there is room to write. */
static void wait_to_write(struct client *c, bool on)
{
    if (c->waits_to_write == on)
        return;
    c->waits_to_write = on;
    watch(c, EPOLL_CTL_MOD);
}

void client_close(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    if (c->ssl && c->state > CLIENT_HANDSHAKE) {
        static const char end[] = "</stream:stream>";
        ERR_clear_error();
        SSL_write(c->ssl, end, sizeof(end) - 1);
        SSL_shutdown(c->ssl);
    }
    if (c->state != CLIENT_READY)
        c->crew->busy--;
    SSL_free(c->ssl);
    close(c->fd);
    strbuf_reset(&c->in);
    strbuf_reset(&c->out);
    c->ssl = NULL;
    c->fd = -1;
    c->state = CLIENT_CLOSED;
}

void client_fail(struct client *c, const char *why)
{
    struct crew *crew = c->crew;
    if (crew->error_count++ == 0)
        snprintf(crew->error, sizeof(crew->error), "%s (in state %d): %s", c->name, (int)c->state,
                 why);
    client_close(c);
    if (crew->events.closed)
        crew->events.closed(c, why);
}

static void fail_tls(struct client *c, int n)
{
    char text[160] = "the server closed the connection";
    unsigned long e = ERR_peek_error();
    if (e)
        ERR_error_string_n(e, text, sizeof(text));
    else if (SSL_get_error(c->ssl, n) == SSL_ERROR_SYSCALL && errno)
        snprintf(text, sizeof(text), "%s", strerror(errno));
    ERR_clear_error();
    client_fail(c, text);
}

/* After a call into OpenSSL that did nothing: it wants to be called again later, or has failed. */
static void tls_again(struct client *c, int n)
{
    int e = SSL_get_error(c->ssl, n);
    if (e == SSL_ERROR_WANT_WRITE)
        wait_to_write(c, true);
    else if (e != SSL_ERROR_WANT_READ)
        fail_tls(c, n);
}

static void handshake(struct client *c)
{
    ERR_clear_error();
    int n = SSL_connect(c->ssl);
    if (n <= 0) {
        tls_again(c, n);
        return;
    }
    wait_to_write(c, false);
    snprintf(c->crew->tls_name, sizeof(c->crew->tls_name), "%s %s", SSL_get_version(c->ssl),
             SSL_get_cipher_name(c->ssl));
    negotiate_secure(c);
}

void client_start_tls(struct client *c)
{
    c->ssl = SSL_new(c->crew->tls);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, c->crew->opts->domain);
    c->state = CLIENT_HANDSHAKE;
    handshake(c);
}

void client_open(struct client *c)
{
    struct crew *crew = c->crew;
    int one = 1;
    c->fd = socket(crew->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->state = CLIENT_CONNECTING;
    c->opened_at = proc_now();
    c->scan = (struct scan){0};
    c->sasl = (struct sasl){0};
    c->waits_to_write = true;
    crew->busy++;
    if (c->fd < 0) {
        client_fail(c, strerror(errno));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&crew->address, crew->address_len) < 0 &&
        errno != EINPROGRESS) {
        client_fail(c, strerror(errno));
        return;
    }
    watch(c, EPOLL_CTL_ADD);
}

static void connected(struct client *c)
{
    int e = 0;
    socklen_t len = sizeof(e);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (e) {
        client_fail(c, strerror(e));
        return;
    }
    wait_to_write(c, false);
    if (c->crew->opts->starttls)
        negotiate_plain(c);
    else
        client_start_tls(c);
}

void client_touched(struct client *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->crew->dirty[c->crew->dirty_count++] = c;
}

void client_send(struct client *c, const char *bytes, size_t len)
{
    strbuf_add(&c->out, bytes, len);
    client_touched(c);
}

/* Writes what it can of the queue; returns how much that was. */
static int write_some(struct client *c)
{
    if (!c->ssl) {
        ssize_t n = send(c->fd, c->out.s, c->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            wait_to_write(c, true);
        else if (n < 0)
            client_fail(c, strerror(errno));
        return (int)n;
    }
    ERR_clear_error();
    int n = SSL_write(c->ssl, c->out.s, (int)c->out.len);
    if (n <= 0)
        tls_again(c, n);
    return n;
}

/* One write of everything that is queued, more only beyond a TLS record. */
static void flush(struct client *c)
{
    if (c->out.overflow)
        client_fail(c, "the server reads too slowly");
    while (c->state != CLIENT_CLOSED && c->state != CLIENT_HANDSHAKE && c->out.len > 0 &&
           !c->waits_to_write) {
        int n = write_some(c);
        if (n <= 0)
            return;
        strbuf_drop(&c->out, (size_t)n);
    }
}

static void deliver(struct client *c, enum scan_result r, struct slice bytes)
{
    if (c->state == CLIENT_READY && r == SCAN_STANZA)
        c->crew->events.stanza(c, bytes);
    else
        negotiate(c, r, bytes);
}

/* Takes the stanzas out of `buf`; returns how many bytes are done with. */
static size_t take_stanzas(struct client *c, const char *buf, size_t len)
{
    struct slice bytes;
    enum scan_result r;
    while ((r = scan_next(&c->scan, buf, len, &bytes)) != SCAN_MORE) {
        deliver(c, r, bytes);
        if (c->state == CLIENT_CLOSED || c->state == CLIENT_CONNECTING)
            return 0;
    }
    return scan_drop(&c->scan);
}

static void feed(struct client *c, const char *bytes, size_t len)
{
    if (c->in.len > 0) {
        strbuf_add(&c->in, bytes, len);
        if (c->in.overflow)
            client_fail(c, "the server's stanza is too long");
        else
            strbuf_drop(&c->in, take_stanzas(c, c->in.s, c->in.len));
        return;
    }
    size_t done = take_stanzas(c, bytes, len);
    if (done < len && c->state > CLIENT_CONNECTING)
        strbuf_add(&c->in, bytes + done, len - done);
}

static void read_plain(struct client *c)
{
    static char buf[READ_SIZE];
    ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
    if (n > 0)
        feed(c, buf, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        client_fail(c, n == 0 ? "the server closed the connection" : strerror(errno));
}

static void read_tls(struct client *c)
{
    static char buf[READ_SIZE];
    do {
        ERR_clear_error();
        int n = SSL_read(c->ssl, buf, sizeof(buf));
        if (n <= 0) {
            tls_again(c, n);
            return;
        }
        c->read_at = proc_now();
        feed(c, buf, (size_t)n);
    } while (c->state > CLIENT_HANDSHAKE && SSL_has_pending(c->ssl));
}

static void on_event(struct client *c, uint32_t events)
{
    if (c->state == CLIENT_CLOSED)
        return;
    if (c->state == CLIENT_CONNECTING) {
        connected(c);
        return;
    }
    if (c->state == CLIENT_HANDSHAKE) {
        handshake(c);
        return;
    }
    if (events & EPOLLOUT) {
        wait_to_write(c, false);
        client_touched(c);
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || c->state == CLIENT_CLOSED)
        return;
    if (c->ssl)
        read_tls(c);
    else
        read_plain(c);
}

void crew_turn(struct crew *crew, int timeout)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(crew->epoll, events, ARRAY_LEN(events), crew->dirty_count ? 0 : timeout);
    for (int i = 0; i < n; i++)
        on_event(events[i].data.ptr, events[i].events);
    for (unsigned i = 0; i < crew->dirty_count; i++) {
        crew->dirty[i]->dirty = false;
        flush(crew->dirty[i]);
    }
    crew->dirty_count = 0;
}

static void login_ready(struct client *c)
{
    ++*(unsigned *)c->crew->scenario;
}

static void login_stanza(struct client *c, struct slice stanza)
{
    client_answer_iq(c, stanza);
}

bool crew_login(struct crew *crew, unsigned n)
{
    const struct opts *o = crew->opts;
    unsigned ready = 0, opened = 0, before = 0;
    uint64_t progress = proc_now();
    crew->events = (struct crew_events){login_ready, login_stanza, NULL};
    crew->scenario = &ready;
    while (ready < n && crew->error_count == 0) {
        for (; opened < n && crew->busy < o->logins_at_once; opened++)
            client_open(&crew->clients[opened]);
        crew_turn(crew, 100);
        if (ready != before)
            progress = proc_now();
        before = ready;
        if ((double)(proc_now() - progress) > o->patience * 1e9) {
            crew->error_count++;
            snprintf(crew->error, sizeof(crew->error), "logins hang after %u of %u", ready, n);
        }
    }
    return crew->error_count == 0;
}

static SSL_CTX *make_tls(void)
{
    static const unsigned char alpn[] = "\x0bxmpp-client";
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* Without it OpenSSL reads a record in two system calls: its head, then its rest. */
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_alpn_protos(tls, alpn, sizeof(alpn) - 1);
    return tls;
}

static void resolve(struct crew *crew)
{
    const struct opts *o = crew->opts;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char port[16];
    snprintf(port, sizeof(port), "%d", o->port);
    int e = getaddrinfo(o->host, port, &hints, &found);
    if (e) {
        fprintf(stderr, "load: %s: %s\n", o->host, gai_strerror(e));
        exit(2);
    }
    memcpy(&crew->address, found->ai_addr, found->ai_addrlen);
    crew->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

void crew_init(struct crew *crew, const struct opts *opts)
{
    *crew = (struct crew){.opts = opts, .epoll = epoll_create1(EPOLL_CLOEXEC), .tls = make_tls()};
    resolve(crew);
    crew->clients = mem_zalloc(opts->connections * sizeof(*crew->clients));
    crew->keys = mem_zalloc((opts->users + 1u) * sizeof(*crew->keys));
    crew->dirty = mem_zalloc(opts->connections * sizeof(struct client *));
    for (unsigned i = 0; i < opts->connections; i++) {
        struct client *c = &crew->clients[i];
        c->crew = crew;
        c->number = i;
        c->user = i % opts->users + 1;
        c->fd = -1;
        snprintf(c->name, sizeof(c->name), "user%u", c->user);
        strbuf_init(&c->in, IN_MAX);
        strbuf_init(&c->out, OUT_MAX);
    }
}

void crew_free(struct crew *crew)
{
    for (unsigned i = 0; i < crew->opts->connections; i++) {
        client_close(&crew->clients[i]);
        strbuf_free(&crew->clients[i].in);
        strbuf_free(&crew->clients[i].out);
    }
    mem_free(&crew->clients);
    mem_free(&crew->keys);
    mem_free(&crew->dirty);
    SSL_CTX_free(crew->tls);
    close(crew->epoll);
}
