/* The ends of connections, in every order: who closes first, how rudely, and from where. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net-help.h"

#define PATIENT (30 * CLOCK_SEC)

static struct crew *crew;
static struct worker *worker;
static int fd[2];
static struct side side;
static SSL_CTX *ctx;

static void setup(void)
{
    crew = help_crew(1);
    worker = crew_worker(crew, 0);
    help_tcp_pair(fd);
    side = (struct side){0};
    ctx = help_client_ctx();
}

static void teardown(void)
{
    help_side_end(&side);
    SSL_CTX_free(ctx);
    crew_stop(&crew);
}

static SSL *secure(void)
{
    return help_secured(&side, worker, fd, ctx);
}

/* Clear text, or TLS if `tls`: then the client is returned. */
static SSL *begin(bool tls)
{
    if (tls)
        return secure();
    help_side_start(&side, worker, fd[1]);
    return NULL;
}

static void receive(SSL *ssl, char *buf, size_t len)
{
    if (ssl)
        help_ssl_read(ssl, buf, len);
    else
        help_recv(fd[0], buf, len);
}

/* The client sees an orderly end: close_notify if TLS, then FIN. */
static void expect_end(SSL *ssl)
{
    char byte;
    if (ssl) {
        int n = SSL_read(ssl, &byte, 1);
        ck_assert_int_eq(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    }
    ck_assert_int_eq(recv(fd[0], &byte, 1, 0), 0);
}

static void end(SSL **ssl)
{
    if (*ssl)
        help_client_end(ssl);
    else
        close(fd[0]);
}

static bool none_closing(void *arg)
{
    (void)arg;
    return conn_closing() == 0;
}

/* Resets the connection instead of closing it. */
static void reset(void)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd[0]);
}

/* The peer first */

START_TEST(after_the_peers_end_output_still_goes_out)
{
    char buf[8] = "";
    SSL *ssl = begin(_i);
    if (ssl)
        ck_assert_int_eq(SSL_shutdown(ssl), 0);
    else
        shutdown(fd[0], SHUT_WR);
    help_wait_event(&side, CONN_CLOSED);
    help_write(&side, "goodbye", 7);
    receive(ssl, buf, 7);
    ck_assert_str_eq(buf, "goodbye");
    help_close(&side, PATIENT);
    help_until(worker, none_closing, NULL);
    expect_end(ssl);
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED), 1);
    ck_assert_uint_eq(help_events(&side, CONN_BROKEN), 0);
    end(&ssl);
}
END_TEST

START_TEST(an_end_without_close_notify_is_none)
{
    SSL *ssl = secure();
    shutdown(fd[0], SHUT_WR);
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_str_eq(side.why, "closed without close_notify");
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED), 0);
    help_client_end(&ssl);
}
END_TEST

START_TEST(an_end_during_the_handshake_is_none)
{
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    help_side_start(&side, worker, fd[1]);
    help_start_tls(&side, tls);
    help_send(fd[0], "\x16\x03\x01", 3);
    close(fd[0]);
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED) + help_events(&side, CONN_SECURED), 0);
    tls_unref(&tls);
}
END_TEST

START_TEST(a_reset_breaks)
{
    SSL *ssl = begin(_i);
    reset();
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_str_eq(side.why, "Connection reset by peer");
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED), 0);
    SSL_free(ssl);
}
END_TEST

static void call_pause(void *arg)
{
    struct side *s = arg;
    conn_pause(s->c);
}

/* SIGPIPE would end this process: the second write to a peer who has closed raises it. */
START_TEST(writing_to_nobody_breaks)
{
    bool by_reset = _i >= 2;
    SSL *ssl = begin(_i % 2);
    char byte;
    signal(SIGPIPE, SIG_DFL);
    help_run(worker, call_pause, &side); /* so that writing finds out */
    if (ssl) {
        help_write(&side, "x", 1);
        help_ssl_read(ssl, &byte, 1); /* and the ticket: closing with it unread is a reset */
    }
    by_reset ? reset() : (void)close(fd[0]);
    help_write(&side, "x", 1);
    help_write(&side, "x", 1);
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_str_eq(side.why, by_reset ? "Connection reset by peer" : "Broken pipe");
    SSL_free(ssl);
}
END_TEST

START_TEST(garbage_is_answered_with_an_alert)
{
    unsigned char alert[7];
    SSL *ssl = secure();
    help_send(fd[0], "\x17\x03\x03\x00\x20garbagegarbagegarbagegarbage1234", 37);
    help_wait_event(&side, CONN_BROKEN);
    help_recv(fd[0], (char *)alert, sizeof(alert)); /* the ticket or the alert: a record */
    ck_assert_int_eq(alert[1], 3);
    help_client_end(&ssl);
}
END_TEST

/* We first */

START_TEST(closing_writes_what_is_queued)
{
    const size_t total = 7 * MIB;
    char *sent = mem_alloc(total), *back = mem_alloc(total);
    SSL *ssl = begin(_i);
    help_pattern(sent, total);
    help_write(&side, sent, total);
    help_close(&side, PATIENT);
    ck_assert_ptr_null(side.c);
    receive(ssl, back, total);
    ck_assert(memcmp(sent, back, total) == 0);
    expect_end(ssl);
    end(&ssl);
    help_until(worker, none_closing, NULL);
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED) + help_events(&side, CONN_BROKEN), 0);
    free(sent);
    free(back);
}
END_TEST

/* close() with unread input would reset the connection and so destroy the last words. */
START_TEST(last_words_reach_a_peer_who_talks_on)
{
    char words[12] = "", *talk = mem_zalloc(MIB);
    SSL *ssl = begin(_i);
    help_run(worker, call_pause, &side);
    if (ssl)
        help_ssl_write(ssl, talk, 100000);
    else
        help_send(fd[0], talk, 100000);
    help_write(&side, "last words", 10);
    help_close(&side, PATIENT);
    for (unsigned i = 0; i < 5; i++)
        help_send(fd[0], talk, MIB); /* nobody decrypts it */
    receive(ssl, words, 10);
    ck_assert_str_eq(words, "last words");
    expect_end(ssl);
    end(&ssl);
    help_until(worker, none_closing, NULL);
    ck_assert_uint_eq(side.got.len, 0);
    free(talk);
}
END_TEST

START_TEST(lingering_ends)
{
    char *bytes = mem_zalloc(7 * MIB);
    SSL *ssl = begin(_i);
    help_write(&side, bytes, 7 * MIB); /* more than the sockets hold; the client reads nothing */
    help_close(&side, 50 * CLOCK_MS);
    help_until(worker, none_closing, NULL);
    end(&ssl);
    free(bytes);
}
END_TEST

START_TEST(lingering_ends_for_a_silent_peer)
{
    SSL *ssl = begin(_i);
    help_close(&side, 50 * CLOCK_MS); /* the client gets the end and sends none */
    expect_end(ssl);
    help_until(worker, none_closing, NULL);
    end(&ssl);
}
END_TEST

static void write_and_close(void *arg)
{
    struct side *s = arg;
    conn_write(s->c, "now", 3);
    conn_close(&s->c, 0);
    ck_assert_uint_eq(conn_closing(), 1);
}

START_TEST(without_lingering_one_attempt_is_made)
{
    char buf[4] = "";
    SSL *ssl = begin(_i);
    help_run(worker, write_and_close, &side);
    help_until(worker, none_closing, NULL);
    receive(ssl, buf, 3);
    ck_assert_str_eq(buf, "now");
    expect_end(ssl);
    end(&ssl);
}
END_TEST

START_TEST(closing_during_the_handshake_sends_no_secrets)
{
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    char *clear = mem_alloc(7 * MIB), *back = mem_alloc(7 * MIB);
    help_pattern(clear, 7 * MIB);
    help_side_start(&side, worker, fd[1]);
    if (_i) /* the clear text is still on its way */
        help_write(&side, clear, 7 * MIB);
    help_start_tls(&side, tls);
    help_write(&side, "secret", 6);
    help_close(&side, PATIENT);
    if (_i)
        help_recv(fd[0], back, 7 * MIB);
    if (_i)
        ck_assert(memcmp(clear, back, 7 * MIB) == 0);
    expect_end(NULL);
    close(fd[0]);
    help_until(worker, none_closing, NULL);
    tls_unref(&tls);
    free(clear);
    free(back);
}
END_TEST

static void abort_closing(void *arg)
{
    (void)arg;
    ck_assert_uint_eq(conn_closing(), 1);
    conn_abort_closing();
    ck_assert_uint_eq(conn_closing(), 0);
}

START_TEST(closing_can_be_cut_short)
{
    SSL *ssl = begin(_i);
    help_close(&side, PATIENT);
    help_run(worker, abort_closing, NULL);
    end(&ssl);
}
END_TEST

/* From inside callbacks */

static void free_on_data(struct side *s, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    conn_write(s->c, "lost", 4);
    conn_free(&s->c);
}

static void close_on_data(struct side *s, const char *bytes, size_t len)
{
    conn_write(s->c, bytes, len);
    conn_close(&s->c, PATIENT);
}

static void free_on_event(struct side *s, enum conn_event ev)
{
    (void)ev;
    conn_free(&s->c);
}

static void send_two(SSL *ssl)
{
    for (unsigned i = 0; i < 2; i++) {
        if (ssl)
            help_ssl_write(ssl, "ab", 2);
        else
            help_send(fd[0], "ab", 2);
    }
}

static void check_freed(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(side.c);
    ck_assert_uint_ge(side.got.len, 2);
    ck_assert_uint_eq(help_events(&side, CONN_CLOSED) + help_events(&side, CONN_BROKEN), 0);
}

START_TEST(freed_while_data_is_delivered)
{
    char byte;
    side.on_data = free_on_data;
    SSL *ssl = begin(_i);
    send_two(ssl);
    help_wait_got(&side, 2);
    while (recv(fd[0], &byte, 1, 0) > 0) /* the ticket, if TLS */
        ck_assert_ptr_nonnull(ssl);
    end(&ssl);
    help_run(worker, check_freed, NULL);
}
END_TEST

START_TEST(closed_while_data_is_delivered)
{
    char buf[3] = "";
    side.on_data = close_on_data;
    SSL *ssl = begin(_i);
    if (ssl)
        help_ssl_write(ssl, "ab", 2);
    else
        help_send(fd[0], "ab", 2);
    receive(ssl, buf, 2);
    ck_assert_str_eq(buf, "ab");
    expect_end(ssl);
    end(&ssl);
    help_until(worker, none_closing, NULL);
}
END_TEST

START_TEST(freed_when_told_of_the_end)
{
    SSL *ssl = NULL;
    side.on_event = free_on_event;
    if (_i == 2) {
        ssl = secure(); /* told of the handshake's end */
        end(&ssl);
        return;
    }
    begin(false);
    if (_i == 0)
        close(fd[0]);
    else
        reset();
    help_wait_event(&side, _i == 0 ? CONN_CLOSED : CONN_BROKEN);
}
END_TEST

static void overflow(void *arg)
{
    struct side *s = arg;
    char *bytes = mem_zalloc(9 * MIB);
    conn_write(s->c, bytes, 9 * MIB);
    free(bytes);
}

START_TEST(freed_when_told_of_too_much_output)
{
    side.on_event = free_on_event;
    begin(false);
    help_run(worker, overflow, &side);
    help_wait_event(&side, CONN_BROKEN);
    close(fd[0]);
}
END_TEST

static void free_at_once(void *arg)
{
    struct side *s = arg;
    conn_write(s->c, "x", 1);
    conn_detach(s->c);
    conn_write(s->c, "y", 1);
    conn_free(&s->c);
}

START_TEST(freed_while_detached)
{
    SSL *ssl = begin(_i);
    help_run(worker, free_at_once, &side);
    end(&ssl);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn-close");
    TCase *t = tcase_create("close");
    signal(SIGPIPE, SIG_IGN); /* the client's */
    help_files_start();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    /* In clear text (0) and TLS (1). */
    tcase_add_loop_test(t, after_the_peers_end_output_still_goes_out, 0, 2);
    tcase_add_test(t, an_end_without_close_notify_is_none);
    tcase_add_test(t, an_end_during_the_handshake_is_none);
    tcase_add_loop_test(t, a_reset_breaks, 0, 2);
    tcase_add_loop_test(t, writing_to_nobody_breaks, 0, 4);
    tcase_add_test(t, garbage_is_answered_with_an_alert);
    tcase_add_loop_test(t, closing_writes_what_is_queued, 0, 2);
    tcase_add_loop_test(t, last_words_reach_a_peer_who_talks_on, 0, 2);
    tcase_add_loop_test(t, lingering_ends, 0, 2);
    tcase_add_loop_test(t, lingering_ends_for_a_silent_peer, 0, 2);
    tcase_add_loop_test(t, without_lingering_one_attempt_is_made, 0, 2);
    tcase_add_loop_test(t, closing_during_the_handshake_sends_no_secrets, 0, 2);
    tcase_add_loop_test(t, closing_can_be_cut_short, 0, 2);
    tcase_add_loop_test(t, freed_while_data_is_delivered, 0, 2);
    tcase_add_loop_test(t, closed_while_data_is_delivered, 0, 2);
    tcase_add_loop_test(t, freed_when_told_of_the_end, 0, 3);
    tcase_add_test(t, freed_when_told_of_too_much_output);
    tcase_add_loop_test(t, freed_while_detached, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}
