/* Whatever happens in whatever order: the server echoes, pauses, moves, closes and frees by chance
 * while the client sends, ends and resets by chance. Each side must see a prefix of what was sent,
 * each connection ends exactly once, and nothing is told after that. What is decided by chance
 * follows from the round's number; what the threads make of it does not. */
#include <check.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net-help.h"

enum { ROUNDS = 400, TOTAL_MAX = 100000 };

static struct crew *crew;
static SSL_CTX *ctx;
static struct tls_context *tls;
static char *pattern;

/* Chance that can be repeated: xorshift32. */
static uint32_t chance(uint32_t *seed, uint32_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % below;
}

/* The server's side */

struct victim {
    struct side side;
    struct post post; /* one errand at a time: resuming or moving */
    bool under_way;   /* ... `post` is */
    bool ended;       /* closed or freed: nothing may be told any more */
    uint32_t seed;
};

static void finished(struct victim *v)
{
    v->ended = true;
    if (v->under_way)
        return; /* whoever runs the errand says so */
    pthread_mutex_lock(&v->side.lock);
    v->side.extra = v;
    pthread_cond_broadcast(&v->side.changed);
    pthread_mutex_unlock(&v->side.lock);
}

static bool errand_over(struct victim *v)
{
    v->under_way = false;
    if (v->ended)
        finished(v);
    return !v->ended;
}

static void run_resume(struct post *post)
{
    struct victim *v = CONTAINER_OF(post, struct victim, post);
    if (errand_over(v))
        conn_resume(v->side.c);
}

static void run_arrive(struct post *post)
{
    struct victim *v = CONTAINER_OF(post, struct victim, post);
    v->under_way = false;
    conn_attach(v->side.c, worker_self());
    if (chance(&v->seed, 20) == 0) {
        conn_free(&v->side.c);
        finished(v);
    }
}

static void send_errand(struct victim *v, struct worker *to, void (*run)(struct post *post))
{
    v->under_way = true;
    v->post.run = run;
    worker_post(to, &v->post);
}

static void move_away(struct victim *v)
{
    struct worker *there = crew_worker(crew, !worker_index(worker_self()));
    conn_detach(v->side.c);
    v->side.w = there;
    send_errand(v, there, run_arrive);
}

static void on_data(struct side *s, const char *bytes, size_t len)
{
    struct victim *v = CONTAINER_OF(s, struct victim, side);
    ck_assert(!v->ended && !v->under_way); /* neither paused nor moving */
    ck_assert_ptr_eq(s->w, worker_self());
    conn_write(s->c, bytes, len);
    switch (chance(&v->seed, 16)) {
    case 0:
    case 1:
        conn_pause(s->c);
        send_errand(v, worker_self(), run_resume);
        break;
    case 2:
    case 3:
    case 4:
    case 5: move_away(v); break;
    case 6:
        conn_close(&s->c, CLOCK_SEC);
        finished(v);
        break;
    case 7:
        conn_free(&s->c);
        finished(v);
        break;
    default: break;
    }
}

static void on_event(struct side *s, enum conn_event ev)
{
    struct victim *v = CONTAINER_OF(s, struct victim, side);
    ck_assert(!v->ended);
    ck_assert_ptr_eq(s->w, worker_self());
    if (ev == CONN_SECURED)
        return;
    if (ev == CONN_CLOSED && chance(&v->seed, 4) > 0)
        conn_close(&s->c, CLOCK_SEC); /* all of the echo */
    else
        conn_free(&s->c);
    finished(v);
}

/* The client */

static bool put(SSL *ssl, int fd, const char *bytes, size_t len)
{
    size_t n;
    if (ssl)
        return SSL_write_ex(ssl, bytes, len, &n) == 1;
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_something(SSL *ssl, int fd, uint32_t *seed)
{
    size_t total = chance(seed, TOTAL_MAX), piece = 1 + chance(seed, 1 + (uint32_t)total / 3);
    for (size_t off = 0, n; off < total; off += n) {
        n = total - off < piece ? total - off : piece;
        if (!put(ssl, fd, pattern + off, n))
            return;
    }
}

/* Until the server's end, however that looks. */
static void read_echo(SSL *ssl, int fd)
{
    char buf[2000];
    size_t n, got = 0;
    for (;;) {
        if (ssl) {
            if (SSL_read_ex(ssl, buf, sizeof(buf), &n) != 1)
                return;
        } else {
            ssize_t m = recv(fd, buf, sizeof(buf), 0);
            if (m <= 0)
                return;
            n = (size_t)m;
        }
        ck_assert_uint_le(got + n, TOTAL_MAX);
        ck_assert(memcmp(buf, pattern + got, n) == 0);
        got += n;
    }
}

static void end_somehow(SSL *ssl, int fd, uint32_t *seed)
{
    struct linger now = {.l_onoff = 1};
    switch (chance(seed, 5)) {
    case 0: setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); return;
    case 1: return;
    case 2: shutdown(fd, SHUT_WR); break;
    default:
        if (ssl)
            SSL_shutdown(ssl);
        else
            shutdown(fd, SHUT_WR);
        break;
    }
    read_echo(ssl, fd);
}

static void one_round(uint32_t seed)
{
    struct victim v = {.side = {.on_data = on_data, .on_event = on_event}, .seed = seed * 2 + 1};
    int fd[2];
    SSL *ssl = NULL;
    v.side.conf.read_budget = chance(&seed, 2) ? 65536 : 1 + chance(&seed, 3000);
    help_tcp_pair(fd);
    help_side_start(&v.side, crew_worker(crew, seed % 2), fd[1]);
    if (chance(&seed, 2)) {
        help_start_tls(&v.side, tls);
        ssl = help_client(ctx, fd[0], "one.example");
        ck_assert_int_eq(SSL_connect(ssl), 1);
    }
    send_something(ssl, fd[0], &seed);
    end_somehow(ssl, fd[0], &seed);
    SSL_free(ssl);
    close(fd[0]);
    pthread_mutex_lock(&v.side.lock);
    while (!v.side.extra)
        pthread_cond_wait(&v.side.changed, &v.side.lock);
    pthread_mutex_unlock(&v.side.lock);
    ck_assert_ptr_null(v.side.c);
    ck_assert_uint_le(v.side.got.len, TOTAL_MAX);
    ck_assert(v.side.got.len == 0 || memcmp(v.side.got.s, pattern, v.side.got.len) == 0);
    ck_assert_uint_le(help_events(&v.side, CONN_CLOSED), 1);
    ck_assert_uint_le(help_events(&v.side, CONN_BROKEN), 1);
    help_side_end(&v.side);
}

static bool none_closing(void *arg)
{
    (void)arg;
    return conn_closing() == 0;
}

START_TEST(nothing_goes_wrong)
{
    crew = help_crew(2);
    ctx = help_client_ctx();
    tls = help_tls(NULL, "one.example", NULL);
    pattern = mem_alloc(TOTAL_MAX);
    help_pattern(pattern, TOTAL_MAX);
    for (uint32_t i = 0; i < ROUNDS; i++)
        one_round(1 + i * 2654435761u);
    for (unsigned i = 0; i < 2; i++)
        help_until(crew_worker(crew, i), none_closing, NULL);
    free(pattern);
    tls_unref(&tls);
    SSL_CTX_free(ctx);
    crew_stop(&crew);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn-chaos");
    TCase *t = tcase_create("chaos");
    signal(SIGPIPE, SIG_IGN); /* the client's */
    help_files_start();
    tcase_set_timeout(t, 300);
    tcase_add_test(t, nothing_goes_wrong);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}
