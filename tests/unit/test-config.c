/* Unit tests of the configuration: what is read, what is refused, and in which words. */
#include <check.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"
#include "core/config.h"
#include "core/config_read.h"
#include "core/module.h"
#include "scratch.h"
#include "store/store.h"

/* Two modules as the loader would find them. */
struct echo_conf {
    int64_t times;
    const char *greeting, *file;
    bool loud;
    int64_t pause, size;
    int mood;
    struct option_list words;
};
static const char *const moods[] = {"calm", "cheerful", NULL};
static const struct option echo_options[] = {
    OPTION_INT_AT(struct echo_conf, times, "3", 1, 10, .help = "How often."),
    OPTION_STRING_AT(struct echo_conf, greeting, "hello", .help = "What is said."),
    OPTION_STRING_AT(struct echo_conf, file, NULL, .path = true, .help = "A file."),
    OPTION_BOOL_AT(struct echo_conf, loud, "no", .help = "How loud."),
    OPTION_DURATION_AT(struct echo_conf, pause, "2ms", 0, 86400 * CLOCK_SEC, .help = "Between."),
    OPTION_SIZE_AT(struct echo_conf, size, "64KiB", 1, 1 << 30, .help = "How much."),
    OPTION_ENUM_AT(struct echo_conf, mood, "calm", moods, .help = "The mood."),
    OPTION_LIST_AT(struct echo_conf, words, "one two", .help = "Words."),
    {0},
};
static const struct module echo = {
    .abi = "", .name = "echo", .options = echo_options, .conf_size = sizeof(struct echo_conf)};

struct strict_conf {
    const char *token;
};
static const struct option strict_options[] = {
    OPTION_STRING_AT(struct strict_conf, token, NULL, .required = true, .help = "Must be there."),
    {0},
};
static const struct module strict = {.abi = "",
                                     .name = "strict",
                                     .options = strict_options,
                                     .conf_size = sizeof(struct strict_conf)};
static const struct module c2s = {.abi = "", .name = "c2s", .global = true};

static const char *asked_dir;

static const struct module *find(void *arg, const char *dir, const char *name, struct err *e)
{
    static const struct module *const known[] = {&echo, &strict, &c2s};
    (void)arg;
    asked_dir = dir;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i]->name, name) == 0)
            return known[i];
    }
    err_set(e, "there is no module '%s'", name);
    return NULL;
}

/* ---- files in a folder of the test's own ---- */

static char folder[SCRATCH_MAX];

static void make_folder(void)
{
    scratch_make(folder);
    ck_assert_int_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(folder);
}

static void put(const char *name, const char *text)
{
    FILE *fp = fopen(name, "w");
    ck_assert_ptr_nonnull(fp);
    fputs(text, fp);
    ck_assert_int_eq(fclose(fp), 0);
}

static struct config *load(const char *text)
{
    struct err e = {{0}};
    put("a.conf", text);
    struct config *c = config_load("a.conf", find, NULL, &e);
    ck_assert_msg(c != NULL, "refused: %s", e.text);
    return c;
}

/* The text is refused in exactly these words. */
static void refused(const char *text, const char *words)
{
    struct err e = {{0}};
    put("a.conf", text);
    struct config *c = config_load("a.conf", find, NULL, &e);
    ck_assert_ptr_null(c);
    ck_assert_str_eq(e.text, words);
}

START_TEST(defaults_make_a_whole_configuration)
{
    struct config *c = load("data_dir = /var/lib/x\n");
    ck_assert_str_eq(c->data_dir, "/var/lib/x");
    ck_assert_str_eq(c->control_socket, "/var/lib/x/jackdaw.sock");
    ck_assert_str_eq(c->store.target, "/var/lib/x/jackdaw.db");
    ck_assert_int_eq(c->store.driver, STORE_SQLITE);
    ck_assert_int_eq(c->workers, 0);
    ck_assert_int_eq(c->bus, BUS_LOCAL);
    ck_assert_int_eq(c->log.level, LOG_INFO);
    ck_assert_ptr_null(c->cache.servers);
    ck_assert_int_eq(c->limits.fibers_max, 4096);
    ck_assert_int_eq(c->limits.stanza_deadline, 30 * CLOCK_SEC);
    ck_assert_int_eq(c->limits.preauth_stanza_size, 8192);
    ck_assert_uint_eq(c->n_hosts, 1);
    ck_assert_str_eq(c->hosts[0].name, "localhost");
    ck_assert_uint_eq(c->n_listens, 2);
    ck_assert_str_eq(c->listens[0].module, "c2s");
    ck_assert_int_eq(c->listens[0].port, 5222);
    ck_assert_int_eq(c->listens[0].tls, LISTEN_STARTTLS);
    ck_assert_int_eq(c->listens[1].port, 5223);
    ck_assert_int_eq(c->listens[1].tls, LISTEN_DIRECT_TLS);
    ck_assert_ptr_null(config_module_values(c, "echo"));
    config_free(&c);
    ck_assert_ptr_null(c);
    config_free(&c);
}
END_TEST

START_TEST(hosts_have_a_name_for_dns)
{
    struct config *c = load("data_dir = /d host \"M\xc3\xbcnchen.example\" { }\n"
                            "host \"xn--zrich-kva.example\" { }\nhost \"[::1]\" { }\n");
    ck_assert_str_eq(c->hosts[0].name, "m\xc3\xbcnchen.example");
    ck_assert_str_eq(c->hosts[0].ascii, "xn--mnchen-3ya.example");
    ck_assert_str_eq(c->hosts[1].name, "z\xc3\xbcrich.example");
    ck_assert_str_eq(c->hosts[1].ascii, "xn--zrich-kva.example");
    ck_assert_str_eq(c->hosts[2].ascii, "[::1]");
    config_free(&c);
}
END_TEST

START_TEST(values_of_every_type_are_read)
{
    struct config *c = load(
        "data_dir = \"/d\"\nworkers = 4 log { level = debug areas = {\"stream=warn\", \"echo=error\"} } bus = loopback\n"
        "module echo { times = 7 greeting = 'a \"b\"' file = x/y loud = on\n"
        "  pause = 1h size = 2MiB mood = cheerful words = {\"x\", y} }\n"
        "store { driver = \"postgres\" target = \"dbname=x\" }\n"
        "listen \"in\" { port = 0 tls = direct address = \"::1\" }\n"
        "host \"EXAMPLE.org\" { modules = {echo} }\n");
    ck_assert_int_eq(c->workers, 4);
    ck_assert_int_eq(c->bus, BUS_LOOPBACK);
    ck_assert_int_eq(c->log.level, LOG_DEBUG);
    ck_assert_uint_eq(c->log.areas.n, 2);
    ck_assert_str_eq(c->log.levels[0].area, "stream");
    ck_assert_int_eq(c->log.levels[0].level, LOG_WARN);
    ck_assert_str_eq(c->log.levels[1].area, "echo");
    const struct echo_conf *echoed = config_module_values(c, "echo");
    ck_assert_int_eq(echoed->times, 7);
    ck_assert_str_eq(echoed->greeting, "a \"b\"");
    ck_assert_str_eq(echoed->file, "x/y");
    ck_assert(echoed->loud);
    ck_assert_int_eq(echoed->pause, 3600 * CLOCK_SEC);
    ck_assert_int_eq(echoed->size, 2 << 20);
    ck_assert_int_eq(echoed->mood, 1);
    ck_assert_uint_eq(echoed->words.n, 2);
    ck_assert_str_eq(echoed->words.items[1], "y");
    ck_assert_int_eq(c->store.driver, STORE_POSTGRES);
    ck_assert_int_eq(c->listens[0].tls, LISTEN_DIRECT_TLS);
    ck_assert_str_eq(c->listens[0].name, "in");
    ck_assert_str_eq(c->hosts[0].name, "example.org");
    config_free(&c);
}
END_TEST

START_TEST(durations_and_sizes_take_units)
{
    static const struct {
        const char *text;
        int64_t pause;
    } good[] = {{"0", 0},
                {"30", 30 * CLOCK_SEC},
                {"250us", 250},
                {"2ms", 2000},
                {"30s", 30 * CLOCK_SEC},
                {"5m", 300 * CLOCK_SEC},
                {"1d", 86400 * CLOCK_SEC}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char text[100];
        snprintf(text, sizeof(text), "data_dir=/d module echo { pause = \"%s\" }", good[i].text);
        struct config *c = load(text);
        const struct echo_conf *echoed = config_module_values(c, "echo");
        ck_assert_int_eq(echoed->pause, good[i].pause);
        config_free(&c);
    }
    static const char *const bad[] = {"",    "x",  "1w",  "-1", " 1",
                                      "1 s", "1S", "1ss", "2d", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[100], words[200];
        snprintf(text, sizeof(text), "data_dir=/d module echo { pause = \"%s\" }", bad[i]);
        snprintf(words, sizeof(words),
                 "a.conf:1: pause in module \"echo\": must be a duration such as 30s, from 0 to "
                 "1d, not '%s'",
                 bad[i]);
        refused(text, words);
    }
}
END_TEST

START_TEST(mistakes_are_named_with_their_line)
{
    refused("data_dir = /d\nlisten \"c2s\" {\n  prot = 5222\n}\n",
            "a.conf:3: unknown key 'prot' in listen \"c2s\"; did you mean 'port'?");
    refused("data_dir = /d\nlimit { }\n", "a.conf:2: unknown key 'limit'; did you mean 'limits'?");
    refused("data_dir = /d\nzzz = 1\n", "a.conf:2: unknown key 'zzz'");
    refused("data_dir = /d\nmodule echo {\n\n tims = 3 }",
            "a.conf:4: unknown key 'tims' in module \"echo\"; "
            "did you mean 'times'?");
    refused("# a comment\n/* and\n another */ data_dir = /d // more\nworkers = many\n",
            "a.conf:4: workers: must be a number, from 0 to 256, not 'many'");
    refused("data_dir = /d\nworkers = 257",
            "a.conf:2: workers: must be a number, from 0 to 256, not '257'");
    refused("data_dir = /d\nlimits { stanza_size = 2049KiB }", /* what the buffers hold */
            "a.conf:2: stanza_size in limits: must be a size such as 64KiB, from 10000 to 2MiB, "
            "not '2049KiB'");
    refused("data_dir = /d\nworkers = {1, 2}",
            "a.conf:2: workers: takes one value, not a list of 2");
    refused(
        "data_dir = /d log {\nlevel = inof }\n",
        "a.conf:2: level in log: must be \"error\", \"warn\", \"info\" or \"debug\", not 'inof'; did "
        "you mean 'info'?");
    refused("data_dir = /d module echo { loud = maybe }",
            "a.conf:1: loud in module \"echo\": must be yes or no, not 'maybe'");
    refused("workers = 1\n", "a.conf:1: data_dir: is missing and has no default");
    refused("", "a.conf:1: data_dir: is missing and has no default");
    refused("data_dir = /d\nmodule strict {\n}", "a.conf:3: token in module \"strict\": is missing "
                                                 "and has no default");
    refused("data_dir = /d\nmodule nothere { }", "a.conf:2: there is no module 'nothere'");
    refused("data_dir = /d\nhost a { modules = {echo,\n nix} }",
            "a.conf:2: there is no module 'nix'");
    refused("data_dir = /d\nworkers = 1\nworkers = 2\n",
            "a.conf:3: 'workers' is set already in line 2");
    refused("data_dir = /d limits {\n aside_max = 2\n aside_max = 3\n}\n",
            "a.conf:3: 'aside_max' is set already in line 2");
    refused("data_dir = \"/d\n", "a.conf:2: premature end of file");
    refused("data_dir = /d /* open", "a.conf:1: this comment is never closed");
}
END_TEST

START_TEST(sections_must_agree)
{
    refused("data_dir = /d\nhost a { }\nhost \"A\" { }\n", "a.conf:3: host \"a\" is there twice");
    refused("data_dir = /d\nhost a { }\nhost a { }\n", "a.conf:3: found duplicate title 'a'");
    refused("data_dir = /d log { areas = {\"stroe=debug\"} }",
            "a.conf:1: areas in log: there is no area 'stroe'; did you mean 'store'?");
    refused("data_dir = /d log { areas = {\"zzz=debug\"} }",
            "a.conf:1: areas in log: there is no area 'zzz': there is no module 'zzz'");
    refused("data_dir = /d log { areas = {stream} }",
            "a.conf:1: areas in log: 'stream' is not an area and its level, such as stream=debug");
    refused("data_dir = /d log { areas = {\"stream=loud\"} }",
            "a.conf:1: areas in log: 'stream=loud' is not an area and its level, such as "
            "stream=debug");
    refused("data_dir = /d log {\n target = file }",
            "a.conf:2: target in log: the target file needs a file");
    refused("data_dir = /d listen x {\n address = localhost }",
            "a.conf:2: address in listen \"x\": 'localhost' is neither \"*\" nor an IPv4 or IPv6 "
            "address");
    refused("data_dir = /d listen x {\n proxy_trusted = {\"::1\", 10.0.0.1/8} }",
            "a.conf:2: proxy_trusted in listen \"x\": '10.0.0.1/8' is not an address such as "
            "192.0.2.1 or a network such as 192.0.2.0/24");
    refused("data_dir = /d\nhost \"a b\" { }\n", "a.conf:2: host \"a b\" is not a domain name");
    refused("data_dir = /d\nhost a { key = k }\n",
            "a.conf:2: host \"a\": certificate and key belong together: certificate is missing");
    refused("data_dir = /d store { driver = postgres }",
            "a.conf: store: the driver postgres needs a target, such as \"host=/run/postgresql "
            "dbname=jackdaw\"");
    refused("data_dir = /d cache { servers = x lease = 5 heartbeat = 5 }",
            "a.conf: cache: lease must be longer than heartbeat");
}
END_TEST

START_TEST(a_mistake_leaves_the_next_reading_alone)
{
    static const char *const broken[] = {
        "data_dir = \"/d",   "data_dir = '/d", "include(\"b.conf\")",
        "data_dir = {",      "listen {",       "}",
        "data_dir = /d /* x"};
    put("b.conf", "data_dir = \"open");
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
            struct err e;
            put("a.conf", broken[i]);
            ck_assert_ptr_null(config_load("a.conf", find, NULL, &e));
            struct config *c = load("data_dir = \"/fine\"\n");
            ck_assert_str_eq(c->data_dir, "/fine");
            config_free(&c);
        }
    }
}
END_TEST

START_TEST(includes_are_relative_to_their_file)
{
    ck_assert_int_eq(mkdir("sub", 0700), 0);
    put("b.conf", "workers = 2\ninclude(\"sub/c.conf\")\nlog { level = warn }\n");
    put("sub/c.conf", "limits {\n  aside_max = 5\n}\n");
    struct config *c = load("include(\"b.conf\")\ndata_dir = /d\n");
    ck_assert_int_eq(c->workers, 2);
    ck_assert_int_eq(c->limits.aside_max, 5);
    ck_assert_int_eq(c->log.level, LOG_WARN);
    config_free(&c);

    put("sub/c.conf", "\n\nlimits { aside_mx = 5 }\n");
    refused("include(\"b.conf\")\ndata_dir = /d\n",
            "sub/c.conf:3: unknown key 'aside_mx' in limits; did you mean 'aside_max'?");
    put("b.conf", "include(\"a.conf\")\n");
    refused("include(\"b.conf\")\n", "b.conf:1: includes are nested too deeply");
    refused("\ninclude(\"nothere.conf\")\n",
            "a.conf:2: include(\"nothere.conf\"): No such file or directory");
    refused("include(\"sub\")\n", "a.conf:1: include(\"sub\"): Is a directory");
    put("b.conf", "workers = 3\nlimits { aside_max = 7 }\n");
    c = load("data_dir = /d\nworkers = 1\nlimits { aside_max = 6 stream_window = 5 }\n"
             "include(\"b.conf\")\n");
    ck_assert_int_eq(c->workers, 3); /* one file may override another */
    ck_assert_int_eq(c->limits.aside_max, 7);
    ck_assert_int_eq(c->limits.stream_window, 5);
    config_free(&c);
}
END_TEST

START_TEST(paths_are_relative_to_the_configuration)
{
    struct err e;
    ck_assert_int_eq(mkdir("sub", 0700), 0);
    put("sub/c.conf", "data_dir = data\nmodule_dir = mods\nhost a { certificate = c key = /k }\n"
                      "module echo { }\n");
    struct config *c = config_load("sub/c.conf", find, NULL, &e);
    ck_assert_ptr_nonnull(c);
    ck_assert_str_eq(c->data_dir, "sub/data");
    ck_assert_str_eq(c->module_dir, "sub/mods");
    ck_assert_str_eq(asked_dir, "sub/mods");
    ck_assert_str_eq(c->hosts[0].certificate, "sub/c");
    ck_assert_str_eq(c->hosts[0].key, "/k");
    config_free(&c);
}
END_TEST

START_TEST(the_environment_is_substituted)
{
    ck_assert_int_eq(setenv("JACKDAW_TEST_PORT", "5299", 1), 0);
    ck_assert_int_eq(unsetenv("JACKDAW_TEST_NONE"), 0);
    struct config *c = load("data_dir = \"${JACKDAW_TEST_NONE:-/d}/x\" # ${NOT:-\"}\n"
                            "listen a { port = ${JACKDAW_TEST_PORT} }\n");
    ck_assert_str_eq(c->data_dir, "/d/x");
    ck_assert_int_eq(c->listens[0].port, 5299);
    config_free(&c);
}
END_TEST

START_TEST(files_that_cannot_be_read_are_named)
{
    struct err e;
    ck_assert_ptr_null(config_load("nothere", find, NULL, &e));
    ck_assert_str_eq(e.text, "nothere: No such file or directory");
    ck_assert_ptr_null(config_load(".", find, NULL, &e));
    ck_assert_str_eq(e.text, ".: Is a directory");
}
END_TEST

START_TEST(typos_find_what_was_meant)
{
    ck_assert_uint_eq(suggest_distance("port", "port"), 0);
    ck_assert_uint_eq(suggest_distance("prot", "port"), 1);
    ck_assert_uint_eq(suggest_distance("", "abc"), 3);
    ck_assert_uint_eq(suggest_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(suggest_distance("PORT", "port"), 0);
    struct suggest s;
    suggest_init(&s, "user ad");
    suggest_offer(&s, "user list");
    suggest_offer(&s, "user add");
    ck_assert_str_eq(s.best, "user add");
    suggest_init(&s, "x");
    suggest_offer(&s, "port");
    ck_assert_ptr_null(s.best);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, defaults_make_a_whole_configuration);
    tcase_add_test(t, hosts_have_a_name_for_dns);
    tcase_add_test(t, values_of_every_type_are_read);
    tcase_add_test(t, durations_and_sizes_take_units);
    tcase_add_test(t, mistakes_are_named_with_their_line);
    tcase_add_test(t, sections_must_agree);
    tcase_add_test(t, a_mistake_leaves_the_next_reading_alone);
    tcase_add_test(t, includes_are_relative_to_their_file);
    tcase_add_test(t, paths_are_relative_to_the_configuration);
    tcase_add_test(t, the_environment_is_substituted);
    tcase_add_test(t, files_that_cannot_be_read_are_named);
    tcase_add_test(t, typos_find_what_was_meant);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
