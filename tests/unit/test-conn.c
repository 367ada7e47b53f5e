/* Connections over real sockets: bytes in clear text and TLS, STARTTLS, limits. The other side is
 * a blocking socket or OpenSSL's client. */
#include <check.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/timer.h"
#include "net-help.h"
#include "net/tls_peer.h"

static struct crew *crew;
static struct worker *worker;
static int fd[2];

static void setup(void)
{
    crew = help_crew(1);
    worker = crew_worker(crew, 0);
    help_tcp_pair(fd);
}

static void teardown(void)
{
    crew_stop(&crew);
}

static SSL *secured(struct side *s, SSL_CTX *ctx)
{
    return help_secured(s, worker, fd, ctx);
}

/* Echo */

START_TEST(plain_text_comes_back)
{
    struct side s = {.on_data = help_echo};
    char *sent = mem_alloc(MIB), *back = mem_alloc(MIB);
    help_pattern(sent, MIB);
    help_side_start(&s, worker, fd[1]);
    for (unsigned i = 0; i < 500; i++) {
        help_send(fd[0], sent + i, 1);
        help_recv(fd[0], back + i, 1);
    }
    help_send(fd[0], sent + 500, MIB - 500);
    help_recv(fd[0], back + 500, MIB - 500);
    ck_assert(memcmp(sent, back, MIB) == 0);
    ck_assert_uint_eq(s.got.len, MIB);
    close(fd[0]);
    help_wait_event(&s, CONN_CLOSED);
    help_side_end(&s);
    free(sent);
    free(back);
}
END_TEST

static void check_facts(void *arg)
{
    struct side *s = arg;
    ck_assert(conn_is_tls(s->c));
    ck_assert_str_eq(conn_sni(s->c), "one.example");
    ck_assert_str_eq(conn_alpn(s->c), "");
    ck_assert_str_eq(conn_tls_version(s->c), "TLSv1.3");
    ck_assert_str_eq(conn_peer_address(s->c), "127.0.0.1");
    ck_assert_int_eq(strncmp(conn_peer(s->c), "127.0.0.1:", 10), 0);
    ck_assert_uint_gt(strlen(conn_tls_cipher(s->c)), 5);
}

START_TEST(tls_text_comes_back)
{
    struct side s = {.on_data = help_echo};
    char *sent = mem_alloc(MIB), *back = mem_alloc(MIB);
    SSL_CTX *ctx = help_client_ctx();
    SSL *ssl = secured(&s, ctx);
    help_pattern(sent, MIB);
    help_run(worker, check_facts, &s);
    for (unsigned i = 0; i < 500; i++) {
        help_ssl_write(ssl, sent + i, 1);
        help_ssl_read(ssl, back + i, 1);
    }
    help_ssl_write(ssl, sent + 500, MIB - 500);
    help_ssl_read(ssl, back + 500, MIB - 500);
    ck_assert(memcmp(sent, back, MIB) == 0);
    ck_assert_uint_eq(help_events(&s, CONN_CLOSED) + help_events(&s, CONN_BROKEN), 0);
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
    free(sent);
    free(back);
}
END_TEST

/* Every byte of the handshake and of what follows in a segment of its own: records come in parts.
 */
START_TEST(records_may_come_byte_by_byte)
{
    struct side s = {.on_data = help_echo};
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    SSL_CTX *ctx = help_client_ctx();
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char buf[2048];
    unsigned got = 0, wrote = 0;
    help_side_start(&s, worker, fd[1]);
    help_start_tls(&s, tls);
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    while (got < 5) {
        if (SSL_do_handshake(ssl) == 1 && wrote++ == 0)
            help_ssl_write(ssl, "hello", 5);
        int n;
        while ((n = BIO_read(out, buf, sizeof(buf))) > 0) {
            for (int i = 0; i < n; i++)
                help_send(fd[0], buf + i, 1);
        }
        if (wrote > 0 && (n = SSL_read(ssl, buf, sizeof(buf))) > 0) {
            ck_assert(memcmp(buf, &"hello"[got], (size_t)n) == 0);
            got += (unsigned)n;
            continue;
        }
        ssize_t m = recv(fd[0], buf, sizeof(buf), 0);
        ck_assert_int_gt(m, 0);
        BIO_write(in, buf, (int)m);
    }
    SSL_free(ssl);
    close(fd[0]);
    help_side_end(&s);
    SSL_CTX_free(ctx);
    tls_unref(&tls);
}
END_TEST

/* Limits */

static void check_queue(void *arg)
{
    struct side *s = arg;
    ck_assert_uint_gt(conn_queued(s->c), 0);
}

static bool queue_is_empty(void *arg)
{
    struct side *s = arg;
    return conn_queued(s->c) == 0;
}

/* 7 MiB to a client that does not read until all is queued, then in small pieces. */
START_TEST(a_slow_reader_gets_everything)
{
    const size_t total = 7 * MIB;
    struct side s = {0};
    SSL_CTX *ctx = help_client_ctx();
    SSL *ssl = _i ? secured(&s, ctx) : NULL;
    if (!ssl)
        help_side_start(&s, worker, fd[1]);
    char *sent = mem_alloc(total), piece[2000];
    help_pattern(sent, total);
    for (size_t off = 0; off < total; off += MIB)
        help_write(&s, sent + off, MIB);
    help_run(worker, check_queue, &s);
    for (size_t off = 0, n; off < total; off += n) {
        n = total - off < sizeof(piece) ? total - off : sizeof(piece);
        if (ssl)
            help_ssl_read(ssl, piece, n);
        else
            help_recv(fd[0], piece, n);
        ck_assert(memcmp(sent + off, piece, n) == 0);
    }
    help_until(worker, queue_is_empty, &s);
    ck_assert_uint_eq(help_events(&s, CONN_BROKEN), 0);
    help_side_end(&s);
    if (ssl)
        help_client_end(&ssl);
    else
        close(fd[0]);
    SSL_CTX_free(ctx);
    free(sent);
}
END_TEST

static void write_too_much(void *arg)
{
    struct side *s = arg;
    char *bytes = mem_zalloc(MIB);
    for (unsigned i = 0; i < 9; i++)
        conn_write(s->c, bytes, MIB); /* the ninth is too much */
    free(bytes);
    ck_assert_uint_eq(help_events(s, CONN_BROKEN), 0); /* not from inside the call */
}

START_TEST(too_much_output_breaks_the_connection)
{
    struct side s = {0};
    help_side_start(&s, worker, fd[1]);
    help_run(worker, write_too_much, &s);
    help_wait_event(&s, CONN_BROKEN);
    ck_assert_str_eq(s.why, "too much output waits for the peer");
    help_write(&s, "x", 1); /* does nothing */
    help_until(worker, queue_is_empty, &s);
    ck_assert_uint_eq(help_events(&s, CONN_BROKEN), 1);
    help_side_end(&s);
    close(fd[0]);
}
END_TEST

static void pause_at_first(struct side *s, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    conn_pause(s->c);
}

static void resume(void *arg)
{
    struct side *s = arg;
    conn_resume(s->c);
}

static bool none_waits(void *arg)
{
    struct side *s = arg;
    return conn_waiting(s->c) == 0;
}

static bool four_wait(void *arg)
{
    struct side *s = arg;
    return conn_waiting(s->c) == 4;
}

START_TEST(what_is_not_read_waits)
{
    struct side s = {.on_data = pause_at_first};
    help_side_start(&s, worker, fd[1]);
    help_send(fd[0], "1", 1);
    help_wait_got(&s, 1);
    help_until(worker, none_waits, &s);
    help_send(fd[0], "2345", 4);
    help_until(worker, four_wait, &s);
    ck_assert_uint_eq(s.got.len, 1);
    help_run(worker, resume, &s);
    help_wait_got(&s, 5);
    close(fd[0]);
    help_side_end(&s);
}
END_TEST

/* Five records in one segment: when the first is delivered the others are in the TLS object, and
 * the socket will never say so. */
START_TEST(a_pause_holds_what_tls_has_read)
{
    struct side s = {.on_data = pause_at_first};
    SSL_CTX *ctx = help_client_ctx();
    SSL *ssl = secured(&s, ctx);
    BIO *out = BIO_new(BIO_s_mem());
    char buf[1024];
    SSL_set0_wbio(ssl, out);
    for (unsigned i = 0; i < 5; i++)
        help_ssl_write(ssl, &"12345"[i], 1);
    int n = BIO_read(out, buf, sizeof(buf));
    help_send(fd[0], buf, (size_t)n);
    for (unsigned i = 1; i <= 5; i++) {
        help_wait_got(&s, i);
        ck_assert_uint_eq(s.got.len, i);
        help_run(worker, resume, &s);
    }
    ck_assert_str_eq(strbuf_str(&s.got), "12345");
    SSL_free(ssl);
    close(fd[0]);
    help_side_end(&s);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_small_budget_loses_nothing)
{
    struct side s = {.on_data = help_echo, .conf.read_budget = 100};
    SSL_CTX *ctx = help_client_ctx();
    SSL *ssl = secured(&s, ctx);
    static char sent[60000], back[sizeof(sent)];
    help_pattern(sent, sizeof(sent));
    help_ssl_write(ssl, sent, sizeof(sent));
    help_ssl_read(ssl, back, sizeof(back));
    ck_assert(memcmp(sent, back, sizeof(sent)) == 0);
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
}
END_TEST

/* STARTTLS */

static void answer_starttls(struct side *s, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    if (conn_is_tls(s->c))
        return;
    pthread_mutex_lock(&s->lock);
    ck_assert_int_eq(strncmp(strbuf_str(&s->got), "<starttls/>", 11), 0);
    strbuf_reset(&s->got); /* the rest of this read is forgotten */
    pthread_mutex_unlock(&s->lock);
    conn_write(s->c, "<proceed/>", 10);
    conn_start_tls(s->c, s->extra, NULL);
    conn_write(s->c, "<features/>", 11); /* encrypted already */
}

START_TEST(starttls_forgets_injected_text)
{
    struct side s = {.on_data = answer_starttls};
    s.extra = help_tls("xmpp-client", "one.example", NULL);
    SSL_CTX *ctx = help_client_ctx();
    char buf[64] = "";
    help_side_start(&s, worker, fd[1]);
    help_send(fd[0], "<starttls/><injected/>", 22);
    help_recv(fd[0], buf, 10);
    ck_assert_str_eq(buf, "<proceed/>");
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_ssl_write(ssl, "after", 5);
    help_wait_got(&s, 5);
    ck_assert_str_eq(strbuf_str(&s.got), "after");
    help_ssl_read(ssl, buf, 11);
    ck_assert_str_eq(buf, "<features/>");
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
    struct tls_context *tls = s.extra;
    tls_unref(&tls);
}
END_TEST

START_TEST(text_injected_later_breaks_the_handshake)
{
    struct side s = {.on_data = answer_starttls};
    s.extra = help_tls("xmpp-client", "one.example", NULL);
    char buf[16] = "";
    help_side_start(&s, worker, fd[1]);
    help_send(fd[0], "<starttls/>", 11);
    help_recv(fd[0], buf, 10);
    help_send(fd[0], "<injected/><injected/>", 22);
    help_wait_event(&s, CONN_BROKEN);
    ck_assert_uint_eq(s.got.len, 0);
    ck_assert_uint_eq(help_events(&s, CONN_SECURED), 0);
    help_side_end(&s);
    struct tls_context *tls = s.extra;
    tls_unref(&tls);
    close(fd[0]);
}
END_TEST

/* More clear text than the sockets hold must be out before the first byte of TLS. */
START_TEST(clear_text_goes_out_before_tls)
{
    struct side s = {0};
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    SSL_CTX *ctx = help_client_ctx();
    char *sent = mem_alloc(7 * MIB), *back = mem_alloc(7 * MIB);
    help_pattern(sent, 7 * MIB);
    help_side_start(&s, worker, fd[1]);
    help_write(&s, sent, 7 * MIB);
    help_start_tls(&s, tls);
    help_write(&s, "secret", 6);
    help_recv(fd[0], back, 7 * MIB);
    ck_assert(memcmp(sent, back, 7 * MIB) == 0);
    SSL *ssl = help_client(ctx, fd[0], NULL);
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_ssl_read(ssl, back, 6);
    ck_assert_int_eq(memcmp(back, "secret", 6), 0);
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
    tls_unref(&tls);
    free(sent);
    free(back);
}
END_TEST

/* Channel binding */

struct binding {
    struct side *s;
    tls_binding_fn *fn;
    size_t len;
    unsigned char bytes[TLS_BINDING_MAX];
};

static void take_binding(void *arg)
{
    struct binding *b = arg;
    b->len = b->fn(conn_tls(b->s->c), b->bytes);
}

/* The client's side, written apart. */
static size_t my_exporter(SSL *ssl, unsigned char *out)
{
    ck_assert_int_eq(SSL_export_keying_material(ssl, out, 32, "EXPORTER-Channel-Binding", 24,
                                                (const unsigned char *)"", 0, 1),
                     1);
    return 32;
}

static size_t my_unique(SSL *ssl, unsigned char *out)
{
    return SSL_get_finished(ssl, out, TLS_BINDING_MAX);
}

static size_t my_end_point(SSL *ssl, unsigned char *out)
{
    unsigned len;
    ck_assert_int_eq(X509_digest(SSL_get0_peer_certificate(ssl), EVP_sha256(), out, &len), 1);
    return len;
}

static const struct {
    tls_binding_fn *server;
    size_t (*client)(SSL *ssl, unsigned char *out);
    int version;
} bindings[] = {
    {tls_exporter, my_exporter, TLS1_2_VERSION},
    {tls_exporter, my_exporter, TLS1_3_VERSION},
    {tls_unique, my_unique, TLS1_2_VERSION},
    {tls_unique, my_unique, TLS1_3_VERSION},
    {tls_server_end_point, my_end_point, TLS1_2_VERSION},
    {tls_server_end_point, my_end_point, TLS1_3_VERSION},
};

START_TEST(both_sides_have_the_same_binding)
{
    struct side s = {0};
    struct binding b = {.s = &s, .fn = bindings[_i].server};
    unsigned char mine[TLS_BINDING_MAX];
    SSL_CTX *ctx = help_client_ctx();
    SSL_CTX_set_max_proto_version(ctx, bindings[_i].version);
    SSL *ssl = secured(&s, ctx);
    help_run(worker, take_binding, &b);
    ck_assert_uint_gt(b.len, 0);
    ck_assert_uint_eq(b.len, bindings[_i].client(ssl, mine));
    ck_assert_mem_eq(mine, b.bytes, b.len);
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(no_binding_without_unique_secrets)
{
    struct side s = {0};
    struct binding b = {.s = &s, .fn = _i ? tls_unique : tls_exporter};
    SSL_CTX *ctx = help_client_ctx();
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    SSL *ssl = secured(&s, ctx);
    help_run(worker, take_binding, &b);
    ck_assert_uint_eq(b.len, 0);
    help_client_end(&ssl);
    help_side_end(&s);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(no_binding_in_clear_text)
{
    struct side s = {0};
    struct binding b = {.s = &s, .fn = bindings[_i].server, .len = 1};
    help_side_start(&s, worker, fd[1]);
    help_run(worker, take_binding, &b);
    ck_assert_uint_eq(b.len, 0);
    help_side_end(&s);
    close(fd[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *t = tcase_create("conn");
    signal(SIGPIPE, SIG_IGN); /* the client's */
    help_files_start();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, plain_text_comes_back);
    tcase_add_test(t, tls_text_comes_back);
    tcase_add_test(t, records_may_come_byte_by_byte);
    tcase_add_loop_test(t, a_slow_reader_gets_everything, 0, 2);
    tcase_add_test(t, too_much_output_breaks_the_connection);
    tcase_add_test(t, what_is_not_read_waits);
    tcase_add_test(t, a_pause_holds_what_tls_has_read);
    tcase_add_test(t, a_small_budget_loses_nothing);
    tcase_add_test(t, starttls_forgets_injected_text);
    tcase_add_test(t, text_injected_later_breaks_the_handshake);
    tcase_add_test(t, clear_text_goes_out_before_tls);
    tcase_add_loop_test(t, both_sides_have_the_same_binding, 0, ARRAY_LEN(bindings));
    tcase_add_loop_test(t, no_binding_without_unique_secrets, 0, 2);
    tcase_add_loop_test(t, no_binding_in_clear_text, 0, ARRAY_LEN(bindings));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}
