/* Listeners over real sockets: shared ports, addresses, a port that is taken, and running out of
 * descriptors without spinning. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net-help.h"
#include "net/listener.h"

/* What listeners accept is counted per worker and closed, or kept. */
static struct crew *crew;
static struct listener *listener[2];
static atomic_uint accepted[2];
static atomic_int last_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_accept(void *arg, struct worker *w, int fd, const union address *peer)
{
    ck_assert_ptr_eq(w, worker_self());
    ck_assert_int_ne(address_port(peer), 0);
    ck_assert_ptr_eq(arg, &crew);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    pthread_mutex_lock(&lock);
    accepted[worker_index(w)]++;
    last_fd = fd;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int wait_accepted(unsigned total)
{
    pthread_mutex_lock(&lock);
    while (accepted[0] + accepted[1] < total)
        pthread_cond_wait(&changed, &lock);
    int fd = last_fd;
    pthread_mutex_unlock(&lock);
    return fd;
}

static unsigned open_on(const char *address, unsigned workers, unsigned port)
{
    struct err e;
    for (unsigned i = 0; i < workers; i++) {
        listener[i] = listener_open(crew_worker(crew, i), address, &port, on_accept, &crew, &e);
        ck_assert_msg(listener[i] != NULL, "%s", e.text);
        ck_assert_uint_gt(port, 0);
    }
    return port;
}

static void close_one(void *arg)
{
    struct listener **l = arg;
    listener_close(l);
    ck_assert_ptr_null(*l);
    listener_close(l);
}

static void setup(void)
{
    crew = help_crew(2);
}

static void teardown(void)
{
    for (unsigned i = 0; i < 2; i++)
        help_run(crew_worker(crew, i), close_one, &listener[i]);
    crew_stop(&crew);
    log_open(2, false);
}

static int try_connect(const char *address, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool six = inet_pton(AF_INET, address, &in.sin_addr) != 1;
    if (six)
        ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = six ? connect(fd, (struct sockaddr *)&in6, sizeof(in6))
                     : connect(fd, (struct sockaddr *)&in, sizeof(in));
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

static void must_connect(const char *address, unsigned port, unsigned nth)
{
    int fd = try_connect(address, port);
    ck_assert_int_ge(fd, 0);
    close(wait_accepted(nth));
    close(fd);
}

START_TEST(the_kernel_spreads_connections)
{
    unsigned port = open_on("127.0.0.1", 2, 0);
    for (unsigned i = 1; i <= 200; i++)
        must_connect("127.0.0.1", port, i);
    ck_assert_uint_gt(accepted[0], 20);
    ck_assert_uint_gt(accepted[1], 20);
}
END_TEST

static bool have_ipv6(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;
    close(fd);
    return have;
}

START_TEST(star_is_both_families)
{
    unsigned port = open_on("*", 1, 0);
    must_connect("127.0.0.1", port, 1);
    if (have_ipv6())
        must_connect("::1", port, 2);
}
END_TEST

START_TEST(ipv6_is_ipv6_only)
{
    if (!have_ipv6())
        return;
    unsigned port = open_on("::1", 1, 0);
    must_connect("::1", port, 1);
    ck_assert_int_eq(try_connect("127.0.0.1", port), -1);
}
END_TEST

START_TEST(a_closed_listener_is_closed)
{
    unsigned port = open_on("127.0.0.1", 1, 0);
    must_connect("127.0.0.1", port, 1);
    help_run(crew_worker(crew, 0), close_one, &listener[0]);
    ck_assert_int_eq(try_connect("127.0.0.1", port), -1);
    open_on("127.0.0.1", 1, port); /* TIME_WAIT does not matter */
    must_connect("127.0.0.1", port, 2);
}
END_TEST

/* The other process shares ports too: the kernel alone would let both have it. */
START_TEST(a_port_of_another_process_is_refused)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    int on = 1, other = socket(AF_INET, SOCK_STREAM, 0);
    char expect[100];
    struct err e;
    setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    ck_assert_int_eq(bind(other, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(other, 1), 0);
    ck_assert_int_eq(getsockname(other, (struct sockaddr *)&sa, &len), 0);
    unsigned port = ntohs(sa.sin_port);
    snprintf(expect, sizeof(expect), "port %u is in use by another process", port);
    ck_assert_ptr_null(
        listener_open(crew_worker(crew, 0), "127.0.0.1", &port, on_accept, &crew, &e));
    ck_assert_str_eq(e.text, expect);
    close(other);
    open_on("127.0.0.1", 2, port);
}
END_TEST

START_TEST(bad_addresses_are_named)
{
    static const char *const bad[] = {"", "localhost", "1.2.3", "1.2.3.4:5", "::g", "[::1]"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        unsigned port = 0;
        struct err e;
        char expect[100];
        ck_assert_ptr_null(
            listener_open(crew_worker(crew, 0), bad[i], &port, on_accept, &crew, &e));
        snprintf(expect, sizeof(expect), "\"%s\" is not an IPv4 or IPv6 address", bad[i]);
        ck_assert_str_eq(e.text, expect);
    }
}
END_TEST

/* Running out of descriptors. The client's sockets exist beforehand: they are of this process too.
 */

enum { CLIENTS = 20 };

static void set_limit(unsigned descriptors)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = descriptors;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int lowest_free(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void get_turns(void *arg)
{
    struct worker_stats stats;
    worker_stats(worker_self(), &stats);
    *(uint64_t *)arg = stats.turns;
}

static uint64_t turns(void)
{
    uint64_t n;
    help_run(crew_worker(crew, 0), get_turns, &n);
    return n;
}

static void start_connecting(int fd, unsigned port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static size_t count_lines(int fd, const char *text)
{
    static char buf[64 * 1024];
    ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
    size_t count = 0;
    buf[n < 0 ? 0 : n] = '\0';
    for (const char *at = buf; (at = strstr(at, text)); at++)
        count++;
    return count;
}

START_TEST(without_descriptors_connections_are_turned_away)
{
    int client[CLIENTS], log = open(help_file("log"), O_RDWR | O_CREAT | O_APPEND, 0600);
    char byte;
    log_open(log, false); /* before the worker gets to listening */
    unsigned port = open_on("127.0.0.1", 1, 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        client[i] = socket(AF_INET, SOCK_STREAM, 0);
    set_limit((unsigned)lowest_free()); /* none is left but the reserve */
    for (unsigned i = 0; i < CLIENTS; i++) {
        start_connecting(client[i], port);
        ck_assert_int_le(recv(client[i], &byte, 1, 0), 0); /* closed, not hanging */
        close(client[i]);
        client[i] = open("/dev/null", O_RDONLY); /* nor is this one free for others */
        ck_assert_int_ge(client[i], 0);
    }
    ck_assert_uint_eq(accepted[0], 0);
    ck_assert_uint_eq(count_lines(log, "turned away"), 1);
    set_limit(1000);
    must_connect("127.0.0.1", port, 1);
}
END_TEST

START_TEST(when_nothing_helps_it_rests)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    log_open(open(help_file("log2"), O_RDWR | O_CREAT, 0600), false);
    unsigned port = open_on("127.0.0.1", 1, 0);
    (void)turns(); /* it listens now */
    set_limit(3);  /* below everything in use: the reserve is of no use */
    start_connecting(client, port);
    uint64_t before = turns();
    poll(NULL, 0, 300); /* no event to wait for: that there is none is the point */
    uint64_t after = turns();
    ck_assert_uint_lt(after - before, 20);
    ck_assert_uint_eq(accepted[0], 0);
    set_limit(1000);
    close(wait_accepted(1));
    close(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *t = tcase_create("listener");
    help_files_start();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_kernel_spreads_connections);
    tcase_add_test(t, star_is_both_families);
    tcase_add_test(t, ipv6_is_ipv6_only);
    tcase_add_test(t, a_closed_listener_is_closed);
    tcase_add_test(t, a_port_of_another_process_is_refused);
    tcase_add_test(t, bad_addresses_are_named);
    tcase_add_test(t, without_descriptors_connections_are_turned_away);
    tcase_add_test(t, when_nothing_helps_it_rests);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}
