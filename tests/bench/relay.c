/* The floor under every XMPP server: TLS, expat, and nothing else. A client names itself in its
 * first line, opens a stream, and each stanza it then sends goes, byte for byte, to the connection
 * that its `to' names. One read and one write per connection and wake-up.
 *
 * Usage: relay CERTIFICATE KEY [PORT [FAULT]]; prints "READY PORT" when it serves (on 127.0.0.1).
 * FAULT is "drop", "double" or "swap": what to do to every hundredth stanza, to prove that the load
 * generator sees it. */
#include <arpa/inet.h>
#include <errno.h>
#include <expat.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "config.h"

#define NAME_MAX_LEN 127
#define IN_MAX (1u << 20)
#define OUT_MAX (4u << 20)
#define READ_SIZE 32768
#define EVENTS_MAX 128

static const char stream_header[] =
    "<stream:stream from='relay' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";

struct peer {
    int fd;
    SSL *ssl;
    XML_Parser parser; /* NULL until it is named */
    unsigned depth;
    bool handshaken, dirty, waits_to_write, gone;
    struct peer *to;     /* where the stanza at hand goes, NULL: nowhere */
    struct strbuf in;    /* from the beginning of a stanza (or of the name) that is not whole yet */
    uint64_t in_at;      /* the stream offset of in.s, or of the bytes being parsed */
    const char *parsing; /* the bytes that in_at is the offset of */
    uint64_t stanza_at;  /* the stream offset of the stanza at hand */
    uint64_t done_at;    /* and of what follows the last one */
    struct strbuf out, held; /* held: a stanza that the next one is to overtake */
    char name[NAME_MAX_LEN + 1];
    UT_hash_handle hh;
};

enum fault { FAULT_NONE, FAULT_DROP, FAULT_DOUBLE, FAULT_SWAP };

#define FAULT_EVERY 100

static const char *const fault_names[] = {"none", "drop", "double", "swap"};

/* One relay a process: everything hangs here. */
static struct {
    int epoll, listener;
    SSL_CTX *tls;
    struct peer *by_name;
    struct peer **dirty, **gone;
    unsigned dirty_count, gone_count, peers_max;
    enum fault fault;
    unsigned long stanzas;
} relay;

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* Nothing of it is freed before the turn's end, since others may hold it until then. */
static void hang_up(struct peer *p)
{
    if (p->gone)
        return;
    p->gone = true;
    if (p->name[0])
        HASH_DEL(relay.by_name, p);
    relay.gone[relay.gone_count++] = p;
}

static void peer_free(struct peer *p)
{
    if (p->parser)
        XML_ParserFree(p->parser);
    SSL_free(p->ssl);
    close(p->fd);
    strbuf_free(&p->in);
    strbuf_free(&p->out);
    strbuf_free(&p->held);
    free(p);
}

static void touch(struct peer *p)
{
    if (p->dirty || p->gone)
        return;
    p->dirty = true;
    relay.dirty[relay.dirty_count++] = p;
}

static void wait_to_write(struct peer *p, bool on)
{
    struct epoll_event e = {.events = EPOLLIN | (on ? EPOLLOUT : 0u), .data.ptr = p};
    if (p->waits_to_write != on)
        epoll_ctl(relay.epoll, EPOLL_CTL_MOD, p->fd, &e);
    p->waits_to_write = on;
}

static void tls_again(struct peer *p, int n)
{
    int e = SSL_get_error(p->ssl, n);
    if (e == SSL_ERROR_WANT_WRITE)
        wait_to_write(p, true);
    else if (e != SSL_ERROR_WANT_READ)
        hang_up(p);
}

/* The stream offset behind what expat is reporting. */
static uint64_t event_end(const struct peer *p)
{
    return (uint64_t)XML_GetCurrentByteIndex(p->parser) +
           (uint64_t)XML_GetCurrentByteCount(p->parser);
}

/* The connection named by the bare part of `jid`. */
static struct peer *find(const char *jid)
{
    struct peer *p;
    HASH_FIND(hh, relay.by_name, jid, strcspn(jid, "/"), p);
    return p;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **attrs)
{
    struct peer *p = data;
    (void)name;
    if (p->depth++ == 0) {
        p->done_at = event_end(p);
        strbuf_puts(&p->out, stream_header);
        touch(p);
    } else if (p->depth == 2) {
        p->stanza_at = (uint64_t)XML_GetCurrentByteIndex(p->parser);
        p->to = NULL;
        for (; attrs[0]; attrs += 2)
            if (strcmp(attrs[0], "to") == 0)
                p->to = find(attrs[1]);
    }
}

/* Does what a broken server might. */
static void forward_wrongly(struct peer *to, const char *stanza, size_t len)
{
    if (relay.fault == FAULT_DOUBLE) {
        strbuf_add(&to->out, stanza, len);
        strbuf_add(&to->out, stanza, len);
    } else if (relay.fault == FAULT_SWAP && to->held.len == 0) {
        strbuf_add(&to->held, stanza, len);
    }
}

static void forward(struct peer *to, const char *stanza, size_t len)
{
    if (relay.fault && ++relay.stanzas % FAULT_EVERY == 0) {
        forward_wrongly(to, stanza, len);
    } else {
        strbuf_add(&to->out, stanza, len);
        if (to->held.len > 0) {
            strbuf_add(&to->out, to->held.s, to->held.len);
            strbuf_reset(&to->held);
        }
    }
    touch(to);
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
    struct peer *p = data;
    (void)name;
    if (--p->depth == 0)
        hang_up(p);
    if (p->depth != 1)
        return;
    p->done_at = event_end(p);
    if (!p->to || p->to->gone)
        return;
    forward(p->to, p->parsing + (p->stanza_at - p->in_at), (size_t)(p->done_at - p->stanza_at));
}

/* Parses `len` new bytes, which stand at the end of `have` bytes that begin at in_at. */
static void parse(struct peer *p, const char *bytes, size_t have, size_t len)
{
    p->parsing = bytes;
    if (XML_Parse(p->parser, bytes + have - len, (int)len, 0) != XML_STATUS_OK) {
        hang_up(p);
        return;
    }
    uint64_t end = p->in_at + have, keep = p->done_at;
    size_t left = (size_t)(end - keep);
    if (bytes == p->in.s)
        strbuf_drop(&p->in, have - left);
    else if (left > 0)
        strbuf_add(&p->in, bytes + have - left, left);
    p->in_at = keep;
}

/* Takes the line with the name, once it is whole. */
static void take_name(struct peer *p)
{
    char *end = memchr(p->in.s, '\n', p->in.len);
    if (!end && p->in.len <= NAME_MAX_LEN)
        return;
    size_t len = end ? (size_t)(end - p->in.s) : p->in.len;
    if (len == 0 || len > NAME_MAX_LEN) {
        hang_up(p);
        return;
    }
    memcpy(p->name, p->in.s, len);
    struct peer *before = find(p->name);
    if (before)
        hang_up(before);
    HASH_ADD_KEYPTR(hh, relay.by_name, p->name, len, p);
    strbuf_drop(&p->in, len + 1);
    p->parser = XML_ParserCreate(NULL);
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, on_start, on_end);
#if HAVE_DECL_XML_SETREPARSEDEFERRALENABLED
    XML_SetReparseDeferralEnabled(p->parser, XML_FALSE);
#endif
    if (p->in.len > 0)
        parse(p, p->in.s, p->in.len, p->in.len);
}

static void take(struct peer *p, const char *bytes, size_t len)
{
    if (p->parser && p->in.len == 0) {
        parse(p, bytes, len, len);
        return;
    }
    strbuf_add(&p->in, bytes, len);
    if (p->in.overflow)
        hang_up(p);
    else if (p->parser)
        parse(p, p->in.s, p->in.len, len);
    else
        take_name(p);
}

static void read_from(struct peer *p)
{
    static char buf[READ_SIZE];
    do {
        ERR_clear_error();
        int n = SSL_read(p->ssl, buf, sizeof(buf));
        if (n <= 0) {
            tls_again(p, n);
            return;
        }
        take(p, buf, (size_t)n);
    } while (!p->gone && SSL_has_pending(p->ssl));
}

static void flush(struct peer *p)
{
    if (p->out.overflow)
        hang_up(p);
    while (!p->gone && p->out.len > 0 && !p->waits_to_write) {
        ERR_clear_error();
        int n = SSL_write(p->ssl, p->out.s, (int)p->out.len);
        if (n <= 0) {
            tls_again(p, n);
            return;
        }
        strbuf_drop(&p->out, (size_t)n);
    }
}

static void accept_one(void)
{
    int one = 1, fd = accept4(relay.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct peer *p = mem_new(struct peer);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    p->fd = fd;
    p->ssl = SSL_new(relay.tls);
    SSL_set_fd(p->ssl, fd);
    SSL_set_accept_state(p->ssl);
    strbuf_init(&p->in, IN_MAX);
    strbuf_init(&p->out, OUT_MAX);
    strbuf_init(&p->held, OUT_MAX);
    epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &e);
}

static void on_event(struct peer *p, uint32_t events)
{
    if (!p) {
        accept_one();
        return;
    }
    if (p->gone)
        return;
    if (events & EPOLLOUT) {
        wait_to_write(p, false);
        touch(p);
    }
    if (!p->handshaken) {
        ERR_clear_error();
        int n = SSL_do_handshake(p->ssl);
        p->handshaken = n > 0;
        if (n <= 0)
            tls_again(p, n);
        else if (SSL_has_pending(p->ssl))
            read_from(p);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_from(p);
    }
}

static void turn(void)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(relay.epoll, events, EVENTS_MAX, -1);
    for (int i = 0; i < n; i++)
        on_event(events[i].data.ptr, events[i].events);
    for (unsigned i = 0; i < relay.dirty_count; i++) {
        relay.dirty[i]->dirty = false;
        flush(relay.dirty[i]);
    }
    relay.dirty_count = 0;
    for (unsigned i = 0; i < relay.gone_count; i++)
        peer_free(relay.gone[i]);
    relay.gone_count = 0;
}

static void make_tls(const char *certificate, const char *key)
{
    relay.tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(relay.tls, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(relay.tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(relay.tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(relay.tls, 1);
    if (SSL_CTX_use_certificate_chain_file(relay.tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(relay.tls, key, SSL_FILETYPE_PEM) != 1)
        die(certificate);
}

/* Listens on 127.0.0.1; returns the port. */
static int listen_on(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(a);
    int one = 1;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(relay.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(relay.listener, (struct sockaddr *)&a, len) < 0 || listen(relay.listener, 1024) < 0 ||
        getsockname(relay.listener, (struct sockaddr *)&a, &len) < 0)
        die("listen");
    return ntohs(a.sin_port);
}

static enum fault fault_named(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(fault_names); i++)
        if (strcmp(name, fault_names[i]) == 0)
            return i;
    fprintf(stderr, "relay: there is no fault '%s'\n", name);
    exit(2);
}

/* Room for as many peers as there may be files. */
static void make_room(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    relay.peers_max = (unsigned)l.rlim_max;
    relay.dirty = mem_zalloc(relay.peers_max * sizeof(struct peer *));
    relay.gone = mem_zalloc(relay.peers_max * sizeof(struct peer *));
}

int main(int argc, char **argv)
{
    struct epoll_event e = {.events = EPOLLIN};
    if (argc < 3) {
        fprintf(stderr, "usage: relay CERTIFICATE KEY [PORT [FAULT]]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    relay.fault = argc > 4 ? fault_named(argv[4]) : FAULT_NONE;
    make_room();
    make_tls(argv[1], argv[2]);
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    int port = listen_on(argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0);
    epoll_ctl(relay.epoll, EPOLL_CTL_ADD, relay.listener, &e);
    printf("READY %d\n", port);
    fflush(stdout);
    for (;;)
        turn();
}
