#include "net-help.h"

#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "scratch.h"

/* The crew */

struct crew *help_crew(unsigned workers)
{
    struct crew_conf conf;
    struct err e;
    crew_conf_defaults(&conf);
    conf.workers = workers;
    conf.fibers_max = 16;
    conf.fibers_reserve = 4;
    struct crew *crew = crew_start(&conf, &e);
    ck_assert_msg(crew != NULL, "%s", e.text);
    return crew;
}

struct errand {
    struct post post;
    struct turn_end turn;
    struct worker *w;
    void (*fn)(void *arg);
    bool (*test)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done;
};

static void errand_done(struct errand *e)
{
    pthread_mutex_lock(&e->lock);
    e->done = true;
    pthread_cond_signal(&e->done_cond);
    pthread_mutex_unlock(&e->lock);
}

static void errand_run(struct post *post)
{
    struct errand *e = CONTAINER_OF(post, struct errand, post);
    e->fn(e->arg);
    errand_done(e);
}

static void errand_test(struct post *post)
{
    struct errand *e = CONTAINER_OF(post, struct errand, post);
    if (e->test(e->arg))
        errand_done(e);
    else
        worker_post(e->w, &e->post);
}

static void errand_wait(struct errand *e)
{
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->done_cond, NULL);
    worker_post(e->w, &e->post);
    pthread_mutex_lock(&e->lock);
    while (!e->done)
        pthread_cond_wait(&e->done_cond, &e->lock);
    pthread_mutex_unlock(&e->lock);
    pthread_cond_destroy(&e->done_cond);
    pthread_mutex_destroy(&e->lock);
}

void help_run(struct worker *w, void (*fn)(void *arg), void *arg)
{
    struct errand e = {.post.run = errand_run, .w = w, .fn = fn, .arg = arg};
    errand_wait(&e);
}

void help_until(struct worker *w, bool (*fn)(void *arg), void *arg)
{
    struct errand e = {.post.run = errand_test, .w = w, .test = fn, .arg = arg};
    errand_wait(&e);
}

/* Sockets */

static void limit_waiting(int fd)
{
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

void help_tcp_pair(int fd[2])
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd[0], (struct sockaddr *)&sa, sizeof(sa)), 0);
    fd[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd[1], 0);
    setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    limit_waiting(fd[0]);
    close(listener);
}

void help_send(int fd, const char *bytes, size_t len)
{
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

void help_recv(int fd, char *buf, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, buf + got, len - got, 0);
        ck_assert_int_gt(n, 0);
        got += (size_t)n;
    }
}

void help_pattern(char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (char)(i % 2 ? i / 2 : i / 512);
}

/* The server's side */

static void on_data(void *arg, const char *bytes, size_t len)
{
    struct side *s = arg;
    pthread_mutex_lock(&s->lock);
    strbuf_add(&s->got, bytes, len);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->on_data)
        s->on_data(s, bytes, len);
}

static void on_event(void *arg, enum conn_event ev, const char *why)
{
    struct side *s = arg;
    pthread_mutex_lock(&s->lock);
    s->events[ev]++;
    snprintf(s->why, sizeof(s->why), "%s", why);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->on_event)
        s->on_event(s, ev);
}

static const struct conn_handler side_handler = {.data = on_data, .event = on_event};

struct call {
    struct side *s;
    const char *bytes;
    size_t len;
    struct tls_context *tls;
    int64_t linger;
    int fd;
};

static void call_new(void *arg)
{
    struct call *call = arg;
    struct side *s = call->s;
    union address peer;
    address_of_peer(call->fd, &peer);
    s->c = conn_new(s->w, call->fd, &peer, &s->conf, &side_handler, s);
}

void help_side_start(struct side *s, struct worker *w, int fd)
{
    s->w = w;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    strbuf_init(&s->got, 64 * MIB);
    if (s->conf.output_max == 0)
        s->conf.output_max = 8 * MIB;
    if (s->conf.read_budget == 0)
        s->conf.read_budget = 64 * 1024;
    help_run(w, call_new, &(struct call){.s = s, .fd = fd});
}

static void call_free(void *arg)
{
    struct call *call = arg;
    conn_free(&call->s->c);
}

void help_free(struct side *s)
{
    help_run(s->w, call_free, &(struct call){.s = s});
}

void help_side_end(struct side *s)
{
    help_free(s);
    strbuf_free(&s->got);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

void help_wait_event(struct side *s, enum conn_event ev)
{
    pthread_mutex_lock(&s->lock);
    while (s->events[ev] == 0)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

unsigned help_events(struct side *s, enum conn_event ev)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = s->events[ev];
    pthread_mutex_unlock(&s->lock);
    return count;
}

void help_wait_got(struct side *s, size_t len)
{
    pthread_mutex_lock(&s->lock);
    while (s->got.len < len)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void call_write(void *arg)
{
    struct call *call = arg;
    conn_write(call->s->c, call->bytes, call->len);
}

void help_write(struct side *s, const char *bytes, size_t len)
{
    help_run(s->w, call_write, &(struct call){.s = s, .bytes = bytes, .len = len});
}

static void call_start_tls(void *arg)
{
    struct call *call = arg;
    conn_start_tls(call->s->c, call->tls, call->s->host);
}

void help_start_tls(struct side *s, struct tls_context *tls)
{
    help_run(s->w, call_start_tls, &(struct call){.s = s, .tls = tls});
}

static void call_close(void *arg)
{
    struct call *call = arg;
    conn_close(&call->s->c, call->linger);
}

void help_close(struct side *s, int64_t linger)
{
    help_run(s->w, call_close, &(struct call){.s = s, .linger = linger});
}

void help_echo(struct side *s, const char *bytes, size_t len)
{
    conn_write(s->c, bytes, len);
}

/* Certificates */

static char dir[SCRATCH_MAX];

void help_files_start(void)
{
    scratch_make(dir);
}

void help_files_end(void)
{
    scratch_remove(dir);
}

const char *help_file(const char *name)
{
    static char ring[16][512];
    static unsigned next;
    char *path = ring[next++ % ARRAY_LEN(ring)];
    snprintf(path, sizeof(ring[0]), "%s/%s", dir, name);
    return path;
}

/* All certificates made so far, in one file that the client trusts. */
static void trust(const char *cert_file)
{
    char buf[2048];
    FILE *in = fopen(cert_file, "r"), *out = fopen(help_file("all.pem"), "a");
    ck_assert(in && out);
    size_t n = fread(buf, 1, sizeof(buf), in);
    ck_assert_uint_eq(fwrite(buf, 1, n, out), n);
    fclose(in);
    fclose(out);
}

struct tls_host help_host(const char *host)
{
    char name[100];
    struct err e;
    snprintf(name, sizeof(name), "%s.crt", host);
    const char *cert = help_file(name);
    snprintf(name, sizeof(name), "%s.key", host);
    const char *key = help_file(name);
    if (access(cert, F_OK) != 0) {
        ck_assert_msg(tls_self_signed(host, host, cert, key, &e) == 0, "%s", e.text);
        trust(cert);
    }
    return (struct tls_host){.name = host, .cert_file = cert, .key_file = key};
}

struct tls_context *help_tls(const char *alpn, const char *host, ...)
{
    struct tls_host hosts[4];
    unsigned count = 0;
    struct err e;
    va_list ap;
    va_start(ap, host);
    for (; host; host = va_arg(ap, const char *)) {
        ck_assert_uint_lt(count, ARRAY_LEN(hosts));
        hosts[count++] = help_host(host);
    }
    va_end(ap);
    struct tls_context *t = tls_server_new(hosts, count, &(struct tls_conf){.alpn = alpn}, &e);
    ck_assert_msg(t != NULL, "%s", e.text);
    return t;
}

/* The client */

SSL_CTX *help_client_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    ck_assert_ptr_nonnull(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    return ctx;
}

SSL *help_client(SSL_CTX *ctx, int fd, const char *sni)
{
    ck_assert_int_eq(SSL_CTX_load_verify_locations(ctx, help_file("all.pem"), NULL), 1);
    SSL *ssl = SSL_new(ctx);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
    if (sni)
        ck_assert_int_eq(SSL_set_tlsext_host_name(ssl, sni), 1);
    return ssl;
}

void help_client_end(SSL **ssl)
{
    close(SSL_get_fd(*ssl));
    SSL_free(*ssl);
    *ssl = NULL;
}

SSL *help_secured(struct side *s, struct worker *w, const int fd[2], SSL_CTX *ctx)
{
    struct tls_context *tls = help_tls("xmpp-client", "one.example", NULL);
    help_side_start(s, w, fd[1]);
    help_start_tls(s, tls);
    tls_unref(&tls); /* the connection has its own */
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_wait_event(s, CONN_SECURED);
    return ssl;
}

void help_ssl_write(SSL *ssl, const char *bytes, size_t len)
{
    size_t n;
    ck_assert_int_eq(SSL_write_ex(ssl, bytes, len, &n), 1);
    ck_assert_uint_eq(n, len);
}

void help_ssl_read(SSL *ssl, char *buf, size_t len)
{
    for (size_t got = 0, n; got < len; got += n)
        ck_assert_int_eq(SSL_read_ex(ssl, buf + got, len - got, &n), 1);
}
