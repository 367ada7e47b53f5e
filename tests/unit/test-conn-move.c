/* Connections that move between two workers while data flows both ways: nothing may be lost,
 * doubled, reordered or told on the wrong worker. */
#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net-help.h"

static struct crew *crew;
static int fd[2];
static SSL_CTX *ctx;

/* The connection that moves. It is always either at side.w or on its way there. */
struct mover {
    struct side side;
    struct post post;
    atomic_uint moves;
    bool roaming;       /* goes on to the other worker by itself, a turn after it came */
    atomic_bool stop;   /* ... no more */
    atomic_bool stayed; /* it has stopped */
};
static struct mover mover;

static void setup(void)
{
    crew = help_crew(2);
    help_tcp_pair(fd);
    ctx = help_client_ctx();
    memset(&mover, 0, sizeof(mover));
}

static void teardown(void)
{
    help_side_end(&mover.side);
    SSL_CTX_free(ctx);
    crew_stop(&crew);
}

static SSL *begin(bool tls)
{
    if (tls)
        return help_secured(&mover.side, crew_worker(crew, 0), fd, ctx);
    help_side_start(&mover.side, crew_worker(crew, 0), fd[1]);
    return NULL;
}

static void end(SSL **ssl)
{
    if (*ssl)
        help_client_end(ssl);
    else
        close(fd[0]);
}

static void arrive(struct post *post);

static void leave(struct mover *m)
{
    struct worker *here = worker_self(), *there = crew_worker(crew, !worker_index(here));
    conn_detach(m->side.c);
    m->moves++;
    m->side.w = there;
    m->post.run = arrive;
    worker_post(there, &m->post);
    /* From here on it is the other's: touching it would be a race that TSan reports. */
}

static void depart(struct post *post)
{
    struct mover *m = CONTAINER_OF(post, struct mover, post);
    if (!m->stop) {
        leave(m);
        return;
    }
    pthread_mutex_lock(&m->side.lock);
    m->stayed = true;
    pthread_cond_broadcast(&m->side.changed);
    pthread_mutex_unlock(&m->side.lock);
}

/* In between the worker polls once, so that what is ready is read and written here. */
static void depart_next_turn(struct mover *m)
{
    m->post.run = depart;
    worker_post(worker_self(), &m->post);
}

static void arrive(struct post *post)
{
    struct mover *m = CONTAINER_OF(post, struct mover, post);
    ck_assert_ptr_eq(m->side.w, worker_self());
    conn_attach(m->side.c, worker_self());
    if (m->roaming)
        depart_next_turn(m);
}

/* Echoes and leaves, every second time with the echo written after detaching. */
static void echo_and_leave(struct side *s, const char *bytes, size_t len)
{
    struct mover *m = CONTAINER_OF(s, struct mover, side);
    ck_assert_ptr_eq(s->w, worker_self());
    if (m->moves % 2) {
        conn_write(s->c, bytes, len);
        leave(m);
        return;
    }
    conn_detach(s->c);
    conn_write(s->c, bytes, len);
    conn_attach(s->c, worker_self());
    leave(m);
}

/* How the client sends; with PING_PONG it waits for each byte's echo. */
enum sending { PING_PONG, BYTE_BY_BYTE, ALL_AT_ONCE, IN_PIECES, TINY_RECORDS };

static void send_pieces(SSL *ssl, const char *bytes, size_t len, size_t piece)
{
    for (size_t off = 0, n; off < len; off += n) {
        n = len - off < piece ? len - off : piece;
        if (ssl)
            help_ssl_write(ssl, bytes + off, n);
        else
            help_send(fd[0], bytes + off, n);
    }
}

/* Many records of one byte that arrive together, so that most wait in the TLS object. */
static void send_tiny_records(SSL *ssl, const char *bytes, size_t len)
{
    BIO *out = BIO_new(BIO_s_mem()), *socket = SSL_get_wbio(ssl);
    char *flat;
    BIO_up_ref(socket);
    SSL_set0_wbio(ssl, out);
    send_pieces(ssl, bytes, len, 1);
    long size = BIO_get_mem_data(out, &flat);
    help_send(fd[0], flat, (size_t)size);
    SSL_set0_wbio(ssl, socket);
}

static const struct {
    bool tls;
    enum sending sending;
    size_t total;
    unsigned moves_min; /* if every delivery is a move; the kernel may join what clear text sends */
} flows[] = {
    {false, PING_PONG, 1000, 1000},     {false, BYTE_BY_BYTE, 3000, 1},
    {false, ALL_AT_ONCE, 4 * MIB, 256}, {false, IN_PIECES, MIB, 64},
    {true, PING_PONG, 1000, 1000},      {true, BYTE_BY_BYTE, 3000, 3000},
    {true, ALL_AT_ONCE, 4 * MIB, 256},  {true, IN_PIECES, MIB, 1024},
    {true, TINY_RECORDS, 20000, 20000},
};

static void receive(SSL *ssl, char *buf, size_t len)
{
    if (ssl)
        help_ssl_read(ssl, buf, len);
    else
        help_recv(fd[0], buf, len);
}

static void flow(SSL *ssl, enum sending sending, const char *bytes, char *back, size_t total)
{
    switch (sending) {
    case PING_PONG:
        for (size_t i = 0; i < total; i++) {
            send_pieces(ssl, bytes + i, 1, 1);
            receive(ssl, back + i, 1);
        }
        return;
    case BYTE_BY_BYTE: send_pieces(ssl, bytes, total, 1); break;
    case ALL_AT_ONCE: send_pieces(ssl, bytes, total, total); break;
    case IN_PIECES: send_pieces(ssl, bytes, total, 997); break;
    case TINY_RECORDS: send_tiny_records(ssl, bytes, total); break;
    }
    receive(ssl, back, total);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void check_flow(SSL *ssl, enum sending sending, size_t total)
{
    char *sent = mem_alloc(total), *back = mem_alloc(total);
    help_pattern(sent, total);
    flow(ssl, sending, sent, back, total);
    ck_assert(memcmp(sent, back, total) == 0);
    for (unsigned i = 0; i < 2; i++) /* whatever they did is visible here afterwards */
        help_run(crew_worker(crew, i), nothing, NULL);
    ck_assert_uint_eq(mover.side.got.len, total);
    ck_assert(memcmp(mover.side.got.s, sent, total) == 0);
    ck_assert_uint_eq(help_events(&mover.side, CONN_CLOSED), 0);
    ck_assert_uint_eq(help_events(&mover.side, CONN_BROKEN), 0);
    free(sent);
    free(back);
}

/* Whatever is delivered makes it move. */
START_TEST(it_moves_with_every_delivery)
{
    mover.side.on_data = echo_and_leave;
    SSL *ssl = begin(flows[_i].tls);
    check_flow(ssl, flows[_i].sending, flows[_i].total);
    ck_assert_uint_ge(mover.moves, flows[_i].moves_min);
    end(&ssl);
}
END_TEST

static void call_roam(void *arg)
{
    struct mover *m = arg;
    m->roaming = true;
    depart_next_turn(m);
}

static void start_roaming(void)
{
    help_run(mover.side.w, call_roam, &mover);
}

/* Afterwards it stands still and the test may look at everything. */
static void stop_roaming(void)
{
    mover.stop = true;
    pthread_mutex_lock(&mover.side.lock);
    while (!mover.stayed)
        pthread_cond_wait(&mover.side.changed, &mover.side.lock);
    pthread_mutex_unlock(&mover.side.lock);
}

static void echo_here(struct side *s, const char *bytes, size_t len)
{
    ck_assert_ptr_eq(s->w, worker_self());
    conn_write(s->c, bytes, len);
}

/* It moves to and fro whatever flows. */
START_TEST(it_moves_by_itself)
{
    mover.side.on_data = echo_here;
    SSL *ssl = begin(flows[_i].tls);
    start_roaming();
    check_flow(ssl, flows[_i].sending, flows[_i].total);
    stop_roaming();
    ck_assert_uint_ge(mover.moves, 2);
    end(&ssl);
}
END_TEST

START_TEST(it_moves_during_the_handshake)
{
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    mover.side.on_data = echo_here;
    begin(false);
    help_write(&mover.side, "<proceed/>", 10);
    help_start_tls(&mover.side, tls);
    start_roaming();
    char proceed[10];
    help_recv(fd[0], proceed, 10);
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    ck_assert_int_eq(SSL_connect(ssl), 1);
    check_flow(ssl, IN_PIECES, 100000);
    stop_roaming();
    ck_assert_uint_eq(help_events(&mover.side, CONN_SECURED), 1);
    help_client_end(&ssl);
    tls_unref(&tls);
}
END_TEST

/* Most of the output waits for the socket while it moves. */
START_TEST(its_output_moves_along)
{
    const size_t total = 7 * MIB;
    char *sent = mem_alloc(total), piece[2000];
    help_pattern(sent, total);
    SSL *ssl = begin(_i);
    help_write(&mover.side, sent, total);
    start_roaming();
    for (size_t off = 0, n; off < total; off += n) {
        n = total - off < sizeof(piece) ? total - off : sizeof(piece);
        receive(ssl, piece, n);
        ck_assert(memcmp(sent + off, piece, n) == 0);
    }
    stop_roaming();
    end(&ssl);
    free(sent);
}
END_TEST

static void call_pause(void *arg)
{
    struct mover *m = arg;
    conn_pause(m->side.c);
}

static void call_resume(void *arg)
{
    struct mover *m = arg;
    conn_resume(m->side.c);
}

static void pause_and_leave(struct side *s, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    struct mover *m = CONTAINER_OF(s, struct mover, side);
    s->on_data = NULL;
    conn_pause(s->c);
    m->roaming = true;
    leave(m);
}

/* It stops reading at the first byte and moves; the rest comes when it reads again. */
START_TEST(a_pause_moves_along)
{
    mover.side.on_data = pause_and_leave;
    SSL *ssl = begin(_i);
    if (ssl)
        send_tiny_records(ssl, "12345", 5);
    else
        help_send(fd[0], "12345", 5);
    help_wait_got(&mover.side, 1);
    if (!ssl)
        help_send(fd[0], "67890", 5);
    stop_roaming();
    ck_assert_uint_eq(mover.side.got.len, ssl ? 1 : 5);
    help_run(mover.side.w, call_pause, &mover); /* once more does nothing */
    help_run(mover.side.w, call_resume, &mover);
    help_wait_got(&mover.side, ssl ? 5 : 10);
    ck_assert_str_eq(strbuf_str(&mover.side.got), ssl ? "12345" : "1234567890");
    end(&ssl);
}
END_TEST

/* What breaks a connection on its way is told where it arrives. */
static void break_and_leave(void *arg)
{
    struct mover *m = arg;
    char *bytes = mem_zalloc(9 * MIB);
    conn_detach(m->side.c);
    conn_write(m->side.c, bytes, 9 * MIB);
    free(bytes);
    conn_attach(m->side.c, worker_self());
    leave(m);
}

static void check_worker(struct side *s, enum conn_event ev)
{
    ck_assert_int_eq(ev, CONN_BROKEN);
    ck_assert_uint_eq(worker_index(worker_self()), 1);
    ck_assert_ptr_eq(s->w, worker_self());
}

START_TEST(bad_news_move_along)
{
    mover.side.on_event = check_worker;
    begin(false);
    help_run(mover.side.w, break_and_leave, &mover);
    help_wait_event(&mover.side, CONN_BROKEN);
    close(fd[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn-move");
    TCase *t = tcase_create("move");
    signal(SIGPIPE, SIG_IGN); /* the client's */
    help_files_start();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, it_moves_with_every_delivery, 0, ARRAY_LEN(flows));
    tcase_add_loop_test(t, it_moves_by_itself, 0, ARRAY_LEN(flows));
    tcase_add_test(t, it_moves_during_the_handshake);
    tcase_add_loop_test(t, its_output_moves_along, 0, 2);
    tcase_add_loop_test(t, a_pause_moves_along, 0, 2);
    tcase_add_test(t, bad_news_move_along);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}
