/* Unit tests of the control socket: a real server on real workers, clients of all manners. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "core/admin_protocol.h"
#include "core/admin_server.h"
#include "core/module.h"
#include "core/modules.h"
#include "core/server.h"
#include "loop/fiber.h"
#include "loop/worker.h"
#include "scratch.h"
#include "suite.h"

/* ---- a module with commands ---- */

static _Atomic int parked, gone_on;
static struct promise *gate; /* what "wait" waits for; of the first worker */

static int echo(struct module_inst *inst, struct admin_call *call)
{
    ck_assert_ptr_nonnull(inst);
    call->result = json_incref(call->args);
    return 0;
}

/* Parks until "open" is called. */
static int wait_for_gate(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    void *value;
    struct promise *mine = gate = promise_new(NULL);
    admin_progress(call, "waiting", 1, 2);
    parked++;
    if (promise_wait(&mine, &value) != WAIT_OK)
        return err_set(&call->error, "cancelled");
    gone_on++;
    call->result = json_string("went on");
    return 0;
}

static int open_gate(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    (void)call;
    promise_answer(&gate, NULL);
    return 0;
}

#define BIG_ITEMS 200000

static int big(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    call->result = json_array();
    for (int i = 0; i < BIG_ITEMS; i++)
        json_array_append_new(call->result, json_string("something of some length, many times"));
    return 0;
}

static int huge(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    char *text = mem_zalloc(ADMIN_REPLY_MAX + 2);
    memset(text, 'x', ADMIN_REPLY_MAX + 1);
    call->result = json_string(text);
    free(text);
    return 0;
}

static int give_up(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    return err_set(&call->error, "it does not work: %s", admin_arg_str(call, "why"));
}

static const struct admin_arg echo_args[] = {
    {.name = "word", .help = "a word", .required = true},
    {.name = "--secret", .help = "a secret", .secret = true},
    {.name = "--loud", .help = "a flag", .flag = true},
    {.name = "more", .help = "more words", .many = true},
    {0},
};
static const struct admin_arg fail_args[] = {
    {.name = "why", .help = "the reason", .required = true}, {0}};
static const struct admin_command commands[] = {
    {.name = "echo", .help = "Gives back its arguments", .args = echo_args, .fn = echo},
    {.name = "wait", .help = "Waits", .fn = wait_for_gate},
    {.name = "open", .help = "Ends the waiting", .fn = open_gate},
    {.name = "big", .help = "Says much", .fn = big},
    {.name = "huge", .help = "Says too much", .fn = huge},
    {.name = "fail", .help = "Fails", .args = fail_args, .fn = give_up},
    {0},
};
static void refuse_connection(struct module_inst *inst, struct worker *w,
                              const struct config_listen *listen, int fd, const union address *peer)
{
    (void)inst;
    (void)w;
    (void)listen;
    (void)peer;
    close(fd);
}
static const struct module tester = {JACKDAW_MODULE_HEAD, .name = "c2s", .global = true,
                                     .commands = commands, .accepted = refuse_connection};
extern const struct module *const jackdaw_static_modules[];
const struct module *const jackdaw_static_modules[] = {&tester, NULL};

/* ---- the server ---- */

static char folder[SCRATCH_MAX];
static char path[100], log_path[100];
static struct modules *modules;
static struct config *config;
static struct admin_server *admin;
static struct err err;
static int log_fd;

static void setup(void)
{
    scratch_make(folder);
    snprintf(path, sizeof(path), "%s/conf", folder);
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    FILE *fp = fopen(path, "w");
    ck_assert_ptr_nonnull(fp);
    fprintf(fp, "data_dir = \"%s\"\n", folder);
    ck_assert_int_eq(fclose(fp), 0);
    setenv("JACKDAW_MODULE_DIR", folder, 1);
    log_fd = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    log_open(log_fd, false);
    modules = modules_new();
    config = config_load(path, modules_find, modules, &err);
    ck_assert_msg(config && modules_instantiate(modules, config, &err) == 0, "%s", err.text);
    server.config = config;
    struct crew_conf conf;
    crew_conf_defaults(&conf);
    conf.workers = 2;
    server.crew = crew_start(&conf, &err);
    ck_assert_ptr_nonnull(server.crew);
    admin = admin_server_start(modules, &err);
    ck_assert_msg(admin != NULL, "%s", err.text);
    snprintf(path, sizeof(path), "%s", config->control_socket);
}

static void teardown(void)
{
    admin_server_stop(&admin);
    crew_stop(&server.crew);
    modules_free(&modules);
    config_free(&config);
    close(log_fd);
    log_open(2, false);
    scratch_remove(folder);
}

/* ---- clients ---- */

static int dial(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    memcpy(sun.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next line, "" at the end. The caller frees. */
static char *hear(int fd)
{
    struct strbuf b;
    strbuf_init(&b, ADMIN_REPLY_MAX);
    strbuf_puts(&b, "");
    char c;
    while (read(fd, &c, 1) == 1 && c != '\n')
        strbuf_putc(&b, c);
    char *line = strbuf_detach(&b);
    return line ? line : mem_strdup("");
}

static void expect(int fd, const char *line)
{
    char *got = hear(fd);
    ck_assert_str_eq(got, line);
    free(got);
}

static void expect_part(int fd, const char *part)
{
    char *got = hear(fd);
    ck_assert_msg(strstr(got, part) != NULL, "'%s' is not in '%.500s'", part, got);
    free(got);
}

static void wait_until(const _Atomic int *counter, int value)
{
    while (atomic_load(counter) < value)
        usleep(1000);
}

START_TEST(commands_describe_themselves)
{
    int fd = dial();
    say(fd, "{\"id\":\"x\",\"command\":\"commands\"}\n");
    char *line = hear(fd);
    json_t *answer = json_loads(line, 0, NULL), *command, *found = NULL;
    ck_assert_str_eq(json_string_value(json_object_get(answer, "id")), "x");
    size_t i;
    json_array_foreach(json_object_get(answer, "result"), i, command)
    {
        if (strcmp(json_string_value(json_object_get(command, "name")), "echo") == 0)
            found = command;
    }
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(json_string_value(json_object_get(found, "module")), "c2s");
    json_t *arg = json_array_get(json_object_get(found, "args"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(arg, "name")), "--secret");
    ck_assert(json_is_true(json_object_get(arg, "secret")));
    ck_assert(json_is_false(json_object_get(arg, "many")));
    json_decref(answer);
    free(line);
    close(fd);
}
END_TEST

START_TEST(arguments_are_checked)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"{\"id\":1,\"command\":\"echo\",\"args\":{\"word\":\"w\",\"--loud\":true,\"more\":[\"a\"]}}",
         "{\"id\":1,\"result\":{\"word\":\"w\",\"--loud\":true,\"more\":[\"a\"]}}"},
        {"{\"command\":\"echo\"}", "{\"error\":\"'echo' needs word: a word\"}"},
        {"{\"command\":\"echo\",\"args\":{\"word\":1}}",
         "{\"error\":\"word: one word is expected\"}"},
        {"{\"command\":\"echo\",\"args\":{\"word\":\"w\",\"more\":[]}}",
         "{\"error\":\"more: one or more words are expected\"}"},
        {"{\"command\":\"echo\",\"args\":{\"word\":\"w\",\"--loud\":\"x\"}}",
         "{\"error\":\"--loud takes no value\"}"},
        {"{\"command\":\"echo\",\"args\":{\"wrod\":\"w\"}}",
         "{\"error\":\"'echo' has no argument 'wrod'\"}"},
        {"{\"command\":\"ecoh\"}",
         "{\"error\":\"there is no command 'ecoh'; did you mean 'echo'?\"}"},
        {"{\"command\":7}", "{\"error\":\"not a request: see core/admin_protocol.h\"}"},
        {"{\"command\":\"echo\",\"args\":[]}",
         "{\"error\":\"not a request: see core/admin_protocol.h\"}"},
        {"{\"id\":2,\"command\":\"fail\",\"args\":{\"why\":\"rain\"}}",
         "{\"id\":2,\"error\":\"it does not work: rain\"}"},
        {"{\"id\":[3],\"command\":\"fail\",\"args\":{\"why\":\"\\u0000\"}}",
         "{\"error\":\"not a request: a JSON object is expected\"}"},
    };
    int fd = dial();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        say(fd, cases[i].request);
        say(fd, "\n");
        expect(fd, cases[i].answer);
    }
    expect(fd, ""); /* the last was no JSON to us: closed */
    close(fd);
}
END_TEST

START_TEST(requests_may_come_in_any_pieces)
{
    static const char both[] = "{\"id\":1,\"command\":\"echo\",\"args\":{\"word\":\"a\"}}\n"
                               "{\"id\":2,\"command\":\"echo\",\"args\":{\"word\":\"b\"}}\n";
    int fd = dial();
    for (const char *p = both; *p; p++)
        ck_assert_int_eq(send(fd, p, 1, 0), 1);
    expect(fd, "{\"id\":1,\"result\":{\"word\":\"a\"}}");
    expect(fd, "{\"id\":2,\"result\":{\"word\":\"b\"}}");
    say(fd, both);
    shutdown(fd, SHUT_WR); /* what was asked is still answered */
    expect(fd, "{\"id\":1,\"result\":{\"word\":\"a\"}}");
    expect(fd, "{\"id\":2,\"result\":{\"word\":\"b\"}}");
    expect(fd, "");
    close(fd);
}
END_TEST

START_TEST(a_waiting_command_holds_up_its_own_client_only)
{
    int one = dial(), two = dial();
    say(one, "{\"id\":1,\"command\":\"wait\"}\n{\"id\":2,\"command\":\"echo\",\"args\":"
             "{\"word\":\"after\"}}\n");
    expect(one, "{\"id\":1,\"progress\":{\"what\":\"waiting\",\"done\":1,\"total\":2}}");
    wait_until(&parked, 1);
    say(two, "{\"command\":\"echo\",\"args\":{\"word\":\"meanwhile\"}}\n");
    expect(two, "{\"result\":{\"word\":\"meanwhile\"}}");
    say(two, "{\"command\":\"open\"}\n");
    expect(two, "{\"result\":null}");
    expect(one, "{\"id\":1,\"result\":\"went on\"}");
    expect(one, "{\"id\":2,\"result\":{\"word\":\"after\"}}");
    close(one);
    close(two);
}
END_TEST

/* The command goes on without its client, and the server stops only after it. */
START_TEST(a_client_may_vanish_while_its_command_runs)
{
    int one = dial(), two = dial();
    int before = parked, after = gone_on;
    say(one, "{\"command\":\"wait\"}\n");
    wait_until(&parked, before + 1);
    close(one);
    say(two, "{\"command\":\"open\"}\n");
    expect(two, "{\"result\":null}");
    wait_until(&gone_on, after + 1);
    close(two);
}
END_TEST

START_TEST(clients_that_do_not_read_hold_up_nobody)
{
    int slow[4], quick = dial();
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        slow[i] = dial();
        say(slow[i], "{\"id\":1,\"command\":\"big\"}\n{\"id\":2,\"command\":\"big\"}\n");
    }
    say(quick, "{\"command\":\"echo\",\"args\":{\"word\":\"quick\"}}\n");
    expect(quick, "{\"result\":{\"word\":\"quick\"}}");
    close(slow[0]); /* one leaves with its answer unread */
    say(quick, "{\"command\":\"echo\",\"args\":{\"word\":\"quick\"}}\n");
    expect(quick, "{\"result\":{\"word\":\"quick\"}}");
    struct strbuf b;
    strbuf_init(&b, ADMIN_REPLY_MAX);
    size_t lines = 0;
    while (lines < 2) { /* another takes it after all */
        char chunk[2048];
        ssize_t n = read(slow[1], chunk, sizeof(chunk));
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            lines += chunk[i] == '\n';
        strbuf_add(&b, chunk, (size_t)n);
    }
    char *second = strchr(strbuf_str(&b), '\n') + 1;
    json_t *answer = json_loads(second, JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "result")), BIG_ITEMS);
    json_decref(answer);
    strbuf_free(&b);
    for (size_t i = 1; i < ARRAY_LEN(slow); i++)
        close(slow[i]);
    close(quick);
}
END_TEST

START_TEST(too_much_is_refused_either_way)
{
    int fd = dial();
    say(fd, "{\"command\":\"huge\"}\n");
    expect(fd, "{\"error\":\"the answer is too long\"}");
    size_t len = ADMIN_REQUEST_MAX + 1;
    char *line = mem_alloc(len);
    memset(line, ' ', len);
    size_t sent = 0;
    while (sent < len) {
        ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        sent += (size_t)n;
    }
    expect(fd, "{\"error\":\"the request is too long\"}");
    expect(fd, "");
    free(line);
    close(fd);
}
END_TEST

START_TEST(clients_are_counted)
{
    int fds[ADMIN_CLIENTS_MAX], over;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial();
        say(fds[i], "{\"command\":\"echo\",\"args\":{\"word\":\"w\"}}\n");
        expect(fds[i], "{\"result\":{\"word\":\"w\"}}");
    }
    over = dial();
    expect(over, "{\"error\":\"too many control connections\"}");
    expect(over, "");
    close(over);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(the_socket_is_ours_alone)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_ptr_null(admin_server_start(modules, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "another server is running"));
    admin_server_stop(&admin);
    ck_assert_int_eq(access(path, F_OK), -1);

    struct sockaddr_un sun = {.sun_family = AF_UNIX}; /* what a killed server leaves */
    memcpy(sun.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    close(fd);
    admin = admin_server_start(modules, &err);
    ck_assert_msg(admin != NULL, "%s", err.text);
    admin_server_stop(&admin);

    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    ck_assert_ptr_null(admin_server_start(modules, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "is in the way: it is no socket"));
}
END_TEST

/* Nor do they stay in memory: this answer is their own copy, overwritten before it is written. */
START_TEST(secrets_do_not_reach_the_log)
{
    int fd = dial();
    say(fd, "{\"command\":\"echo\",\"args\":{\"word\":\"seen\",\"--secret\":\"hushhush\"}}\n");
    expect_part(fd, "\"--secret\":\"\\u0000\\u0000");
    close(fd);
    char log[2048];
    ssize_t n = pread(log_fd, log, sizeof(log) - 1, 0);
    ck_assert_int_gt(n, 0);
    log[n] = '\0';
    ck_assert_ptr_nonnull(strstr(log, "echo word=seen"));
    ck_assert_ptr_null(strstr(log, "hushhush"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        commands_describe_themselves,
        arguments_are_checked,
        requests_may_come_in_any_pieces,
        a_waiting_command_holds_up_its_own_client_only,
        a_client_may_vanish_while_its_command_runs,
        clients_that_do_not_read_hold_up_nobody,
        too_much_is_refused_either_way,
        clients_are_counted,
        the_socket_is_ours_alone,
        secrets_do_not_reach_the_log,
    };
    return suite_run("admin", tests, ARRAY_LEN(tests), setup, teardown);
}
