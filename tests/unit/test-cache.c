/* The presence directory: in the process, and in a real memcached that is read by an outside client
 * and stopped, flushed and paused. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/entry.h"
#include "store-bed.h"

static char dir[64];
static int port;
static struct crew *crew;
static struct presence_cache *cache;

static void start_server(void)
{
    scratch_make(dir);
    char *address = helper("memcached start %s/mc", dir);
    port = (int)strtol(strchr(address, ':') + 1, NULL, 10);
    free(address);
}

static void stop_server(void)
{
    free(helper("memcached stop %s/mc", dir));
    scratch_remove(dir);
}

static struct flag lost;

static void count_lost(void *arg)
{
    (void)arg;
    flag_raise(&lost);
}

static struct presence_cache *start_cache(const char *node, bool local, unsigned queue_max)
{
    char servers[64];
    struct err e;
    snprintf(servers, sizeof(servers), "--SERVER=127.0.0.1:%d ", port);
    struct presence_cache_conf conf = {.servers = local ? NULL : servers,
                                       .node = node,
                                       .heartbeat = 100 * CLOCK_MS,
                                       .lease = 1 * CLOCK_SEC,
                                       .queue_max = queue_max};
    struct presence_cache *c = presence_cache_start(crew, &conf, &e);
    ck_assert_msg(c != NULL, "%s", c ? "" : e.text);
    return c;
}

static void start(bool local)
{
    if (!local) /* it is empty, whatever the test before has left */
        free(helper("memcached restart %s/mc", dir));
    crew = test_crew(2, NULL);
    cache = start_cache("first", local, 1000);
    presence_cache_on_lost(cache, count_lost, NULL);
}

static void stop(void)
{
    presence_cache_stop(&cache);
    crew_stop(&crew);
}

/* Waits until `cond` holds; the test's timeout ends it otherwise. */
#define WAIT_FOR(cond)                                                                             \
    while (!(cond))                                                                                \
    usleep(5000)

static bool is_up(void)
{
    struct presence_cache_stats stats;
    presence_cache_stats(cache, &stats);
    return stats.up;
}

/* ---- a client that knows nothing of us: one command over a socket ---- */

static void ask_raw(const char *command, char *answer, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
    size_t len = 0;
    ssize_t got = 1;
    answer[0] = '\0';
    while (got > 0 && !strstr(answer, "END\r\n") && !strstr(answer, "OK\r\n") &&
           !strstr(answer, "STORED\r\n")) {
        got = read(fd, answer + len, size - len - 1);
        len += got > 0 ? (size_t)got : 0;
        answer[len] = '\0';
    }
    close(fd);
}

/* What stands under a key: true and the value, or false. */
static bool get_raw(const char *key, char *value, size_t size)
{
    char command[400], answer[2000];
    snprintf(command, sizeof(command), "get %s\r\n", key);
    ask_raw(command, answer, sizeof(answer));
    if (strncmp(answer, "VALUE ", 6) != 0)
        return false;
    const char *begin = strstr(answer, "\r\n") + 2;
    snprintf(value, size, "%.*s", (int)strcspn(begin, "\r"), begin);
    return true;
}

static bool raw_is(const char *key, const char *part)
{
    char value[1500];
    return get_raw(key, value, sizeof(value)) && strstr(value, part) != NULL;
}

static bool raw_none(const char *key)
{
    char value[1500];
    return !get_raw(key, value, sizeof(value));
}

/* ---- asking through the cache ---- */

struct ask {
    const char *jid;
    char *json;
    int result;
    int64_t deadline; /* µs from now; 0: none */
};

static void ask_fiber(void *arg)
{
    struct ask *ask = arg;
    fiber_set_deadline(ask->deadline ? clock_mono() + ask->deadline : 0);
    ask->result = presence_cache_get(cache, ask->jid, &ask->json);
}

static struct ask ask(const char *jid)
{
    struct ask a = {.jid = jid};
    in_fiber(crew, 1, ask_fiber, &a);
    return a;
}

/* As ask(), of servers that run: on a busy machine even they may be late for a moment. */
static struct ask ask_until_answered(const char *jid)
{
    struct ask a;
    while ((a = ask(jid)).result == PRESENCE_CACHE_AWAY)
        usleep(5000);
    return a;
}

static bool says(const char *jid, const char *part)
{
    struct ask a = ask_until_answered(jid);
    bool good = a.result == 0 && a.json && strstr(a.json, part);
    free(a.json);
    return good;
}

static bool says_nothing(const char *jid)
{
    struct ask a = ask_until_answered(jid);
    bool nothing = a.result == 0 && !a.json;
    free(a.json);
    return nothing;
}

static const struct presence_entry phone = {"phone", "away", -5, 1795172645123456};
static const struct presence_entry hostile = {"a\"b\\c\r\nEND\r\n", "", 0, 1};

static void set(const char *jid, const struct presence_entry *e, size_t n)
{
    presence_cache_set(cache, jid, e, n);
}

/* ---- tests ---- */

START_TEST(keys_and_values)
{
    char key[ENTRY_KEY_MAX + 1], long_jid[400], other[ENTRY_KEY_MAX + 1], node[ENTRY_NODE_MAX + 1];
    entry_key("ann@example.org", key);
    ck_assert_str_eq(key, "jackdaw:online:ann@example.org");
    entry_key("a b@example.org", key);
    ck_assert_uint_eq(strlen(key), strlen("jackdaw:online:#") + 32);
    ck_assert_ptr_null(strchr(key, ' '));
    memset(long_jid, 'x', sizeof(long_jid) - 1);
    long_jid[sizeof(long_jid) - 1] = '\0';
    entry_key(long_jid, key);
    long_jid[0] = 'y';
    entry_key(long_jid, other);
    ck_assert_str_ne(key, other);
    ck_assert(entry_node_valid("node-1.example_x"));
    ck_assert(!entry_node_valid("") && !entry_node_valid("a b") && !entry_node_valid("a\"b"));

    char *resources = entry_resources(&hostile, 1);
    ck_assert_str_eq(resources, "[{\"resource\":\"a\\\"b\\\\c\\u000d\\u000aEND\\u000d\\u000a\","
                                "\"show\":\"\",\"priority\":0,\"since\":1}]");
    char *value = entry_value("first", 77, "ann@example.org", resources);
    uint64_t epoch = 0;
    ck_assert(entry_read(value, strlen(value), "ann@example.org", node, &epoch));
    ck_assert_str_eq(node, "first");
    ck_assert_uint_eq(epoch, 77);
    ck_assert(!entry_read(value, strlen(value), "bob@example.org", node, &epoch));
    for (size_t len = 0; len < strlen(value); len++)
        ck_assert(!entry_read(value, len, "ann@example.org", node, &epoch));
    free(resources);
    free(value);
}
END_TEST

START_TEST(too_many_resources_are_cut)
{
    enum { N = 10000 };
    struct presence_entry *many = mem_zalloc(N * sizeof(*many));
    for (size_t i = 0; i < N; i++)
        many[i] = phone;
    char *resources = entry_resources(many, N);
    size_t len = strlen(resources);
    ck_assert_uint_le(len, ENTRY_JSON_MAX);
    ck_assert_str_eq(resources + len - 2, "}]");
    free(resources);
    free(many);
}
END_TEST

START_TEST(it_says_who_is_online)
{
    start(_i == 0);
    struct presence_entry two[] = {phone, hostile};
    set("ann@example.org", two, 2);
    set("bob@example.org", &phone, 1);
    set("bob@example.org", NULL, 0);
    set("caspar hauser@example.org", &phone, 1);
    ck_assert(says("ann@example.org",
                   "\"resources\":[{\"resource\":\"phone\",\"show\":\"away\",\"priority\":-5,"
                   "\"since\":1795172645123456},{\"resource\":\"a\\\"b"));
    ck_assert(says("ann@example.org", "{\"node\":\"first\",\"epoch\":"));
    ck_assert(says_nothing("bob@example.org"));
    ck_assert(says("caspar hauser@example.org", "phone"));
    ck_assert(says_nothing("nobody@example.org"));
    set("ann@example.org", NULL, 0);
    ck_assert(says_nothing("ann@example.org"));
    stop();
}
END_TEST

START_TEST(an_outside_client_reads_it)
{
    char value[1500], node[ENTRY_NODE_MAX + 1], epoch_text[32];
    uint64_t epoch;
    start(false);
    set("ann@example.org", &phone, 1);
    WAIT_FOR(raw_is("jackdaw:online:ann@example.org", "\"show\":\"away\""));
    ck_assert(get_raw("jackdaw:online:ann@example.org", value, sizeof(value)));
    ck_assert(entry_read(value, strlen(value), "ann@example.org", node, &epoch));
    snprintf(epoch_text, sizeof(epoch_text), "%llu", (unsigned long long)epoch);
    ck_assert(raw_is("jackdaw:node:first", epoch_text));
    set("ann@example.org", NULL, 0);
    WAIT_FOR(raw_none("jackdaw:online:ann@example.org"));
    stop();
    ck_assert(raw_none("jackdaw:node:first"));
}
END_TEST

START_TEST(stopping_writes_what_waits)
{
    char key[64], jid[64];
    start(false);
    for (int i = 0; i < 900; i++) {
        snprintf(jid, sizeof(jid), "user%d@example.org", i);
        set(jid, &phone, 1);
    }
    stop();
    for (int i = 0; i < 900; i += 50) {
        snprintf(key, sizeof(key), "jackdaw:online:user%d@example.org", i);
        ck_assert(raw_is(key, "phone"));
    }
}
END_TEST

/* The entries of a node that was killed are void when its lease has passed: nobody renews its key.
 */
START_TEST(a_dead_node_is_offline_after_its_lease)
{
    char answer[400], command[1024];
    start(false);
    char *value = entry_value("dead", 5, "ann@example.org", "[]");
    snprintf(command, sizeof(command), "set jackdaw:online:ann@example.org 0 0 %zu\r\n%s\r\n",
             strlen(value), value);
    ask_raw(command, answer, sizeof(answer));
    ask_raw("set jackdaw:node:dead 0 1 1\r\n5\r\n", answer, sizeof(answer));
    ck_assert(says("ann@example.org", "dead"));
    WAIT_FOR(says_nothing("ann@example.org"));
    ask_raw("set jackdaw:node:dead 0 10 1\r\n6\r\n", answer, sizeof(answer));
    ck_assert(says_nothing("ann@example.org")); /* it is there again, but as another life */
    free(value);
    stop();
}
END_TEST

START_TEST(what_others_wrote_is_not_believed)
{
    static const char *const poison[] = {
        "",
        "{",
        "null",
        "{\"node\":\"first\"}",
        "{\"node\":\"../x y\",\"epoch\":1,\"jid\":",
        "{\"node\":\"first\",\"epoch\":99999999999999999999,\"jid\":\"a@b\",\"resources\":[]}",
        "{\"node\":\"first\",\"epoch\":0,\"jid\":\"a@b\",\"resources\":[]}"};
    char answer[400], command[1024];
    start(false);
    WAIT_FOR(is_up());
    for (size_t i = 0; i < ARRAY_LEN(poison); i++) {
        snprintf(command, sizeof(command), "set jackdaw:online:a@b 0 0 %zu\r\n%s\r\n",
                 strlen(poison[i]), poison[i]);
        ask_raw(command, answer, sizeof(answer));
        ck_assert_msg(says_nothing("a@b"), "believed: %s", poison[i]);
    }
    stop();
}
END_TEST

START_TEST(flushed_it_asks_to_be_written_again)
{
    char answer[400];
    start(false);
    set("ann@example.org", &phone, 1);
    WAIT_FOR(raw_is("jackdaw:online:ann@example.org", "phone"));
    ask_raw("flush_all\r\n", answer, sizeof(answer));
    flag_wait(&lost, 1);
    set("ann@example.org", &phone, 1);
    WAIT_FOR(raw_is("jackdaw:online:ann@example.org", "phone"));
    ck_assert_uint_eq(lost.value, 1);
    stop();
}
END_TEST

START_TEST(stopped_and_back)
{
    start(false);
    set("ann@example.org", &phone, 1);
    WAIT_FOR(raw_is("jackdaw:online:ann@example.org", "phone"));
    free(helper("memcached stop %s/mc", dir));
    WAIT_FOR(!is_up());
    ck_assert_int_eq(ask("ann@example.org").result, PRESENCE_CACHE_AWAY);
    for (int i = 0; i < 3000; i++) { /* more than may wait */
        char jid[64];
        snprintf(jid, sizeof(jid), "user%d@example.org", i);
        set(jid, &phone, 1);
    }
    ck_assert_uint_eq(lost.value, 0);
    free(helper("memcached start %s/mc", dir));
    flag_wait(&lost, 1);
    WAIT_FOR(raw_is("jackdaw:online:user2999@example.org", "phone"));
    ck_assert(raw_none("jackdaw:online:user0@example.org"));
    struct presence_cache_stats stats;
    presence_cache_stats(cache, &stats);
    ck_assert_uint_ge(stats.dropped, 1900);
    ck_assert(stats.up && stats.failures > 0);
    stop();
}
END_TEST

START_TEST(paused_it_holds_up_nobody)
{
    start(false);
    set("ann@example.org", &phone, 1);
    WAIT_FOR(raw_is("jackdaw:online:ann@example.org", "phone"));
    free(helper("memcached pause %s/mc", dir));
    set("ann@example.org", NULL, 0);
    struct ask a = {.jid = "ann@example.org", .deadline = 50 * CLOCK_MS};
    in_fiber(crew, 1, ask_fiber, &a);
    ck_assert(a.result == WAIT_TIMEOUT || a.result == PRESENCE_CACHE_AWAY);
    WAIT_FOR(!is_up());
    ck_assert_int_eq(ask("ann@example.org").result, PRESENCE_CACHE_AWAY);
    free(helper("memcached continue %s/mc", dir));
    WAIT_FOR(is_up());
    WAIT_FOR(raw_none("jackdaw:online:ann@example.org")); /* the change has waited */
    stop();
}
END_TEST

START_TEST(stopping_while_paused_ends)
{
    start(false);
    WAIT_FOR(is_up());
    free(helper("memcached pause %s/mc", dir));
    set("ann@example.org", &phone, 1);
    stop();
    free(helper("memcached continue %s/mc", dir));
}
END_TEST

START_TEST(settings_are_checked)
{
    static const struct presence_cache_conf wrong[] = {
        {"--SERVER=127.0.0.1:1", "a b", 1, 2, 1},
        {"--SERVER=127.0.0.1:1", "a", 2, 1, 1},
        {"--SERVRE=127.0.0.1:1", "a", 1, 2, 1},
        {" ", "a", 1, 2, 1},
    };
    struct err e;
    crew = test_crew(1, NULL);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_ptr_null(presence_cache_start(crew, &wrong[i], &e));
    cache = start_cache("x", false, 10);
    stop(); /* at once */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache");
    TCase *t = tcase_create("directory");
    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, start_server, stop_server);
    tcase_add_test(t, keys_and_values);
    tcase_add_test(t, too_many_resources_are_cut);
    tcase_add_loop_test(t, it_says_who_is_online, 0, 2);
    tcase_add_test(t, an_outside_client_reads_it);
    tcase_add_test(t, stopping_writes_what_waits);
    tcase_add_test(t, a_dead_node_is_offline_after_its_lease);
    tcase_add_test(t, what_others_wrote_is_not_believed);
    tcase_add_test(t, flushed_it_asks_to_be_written_again);
    tcase_add_test(t, stopped_and_back);
    tcase_add_test(t, paused_it_holds_up_nobody);
    tcase_add_test(t, stopping_while_paused_ends);
    tcase_add_test(t, settings_are_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
