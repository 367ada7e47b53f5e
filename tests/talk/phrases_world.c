/* Phrases for what is around the clients: accounts, the server, variables. */
#include <ctype.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "vars.h"

#define OUTPUT_MAX (4U << 20)

/* Runs a shell command with arguments; its output and errors go to the variable `output`. The exit
 * status, or -1. */
static int run_shell(struct dialogue *d, const char *command, char *const *args)
{
    int fds[2];
    const char *argv[16] = {"sh", "-c", command, "sh"};
    for (size_t i = 0; args && args[i] && i + 5 < ARRAY_LEN(argv); i++)
        argv[4 + i] = args[i];
    if (pipe(fds))
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        execv("/bin/sh", (char *const *)argv);
        _exit(127);
    }
    close(fds[1]);
    struct strbuf out;
    strbuf_init(&out, OUTPUT_MAX);
    char buf[1024];
    for (ssize_t n; (n = read(fds[0], buf, sizeof(buf))) > 0;)
        strbuf_add(&out, buf, (size_t)n);
    close(fds[0]);
    int status = -1;
    if (pid > 0)
        waitpid(pid, &status, 0);
    var_set(d, "output", "%s", strbuf_str(&out));
    note(d, command, "--", strbuf_str(&out));
    strbuf_free(&out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool add_account(struct dialogue *d, const char *name, const char *jid, const char *password)
{
    char *args[] = {
        "user", "add", arena_strdup(d->arena, jid), "--password", arena_strdup(d->arena, password),
        NULL};
    if (run_shell(d, "exec $XMPP_CTL \"$@\"", args))
        return fail(d, "cannot make the account %s: %s", jid, var_get(d, "output"));
    var_set(d, name, "%s", jid);
    var_set(d, arena_printf(d->arena, "%s.user", name), "%.*s", (int)strcspn(jid, "@"), jid);
    var_set(d, arena_printf(d->arena, "%s.password", name), "%s", password);
    var_set(d, arena_printf(d->arena, "password of %s", jid), "%s", password);
    return true;
}

/* Names that no other dialogue of this or another run has. */
static bool account(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    const char *password = args[1] ? args[1] : arena_printf(d->arena, "secret of %s", args[0]);
    const char *jid =
        arena_printf(d->arena, "%s-%s-%u@%s", args[0], d->run, ++d->serial, var_get(d, "domain"));
    return add_account(d, args[0], jid, password);
}

static bool accounts(struct dialogue *d, char *const *args, const char *body)
{
    char *list = arena_strdup(d->arena, args[0]), *save = NULL;
    for (char *name = strtok_r(list, " ,", &save); name; name = strtok_r(NULL, " ,", &save)) {
        char *one[2] = {name, NULL};
        if (strcmp(name, "and") && !account(d, one, body))
            return false;
    }
    return true;
}

static bool ctl(struct dialogue *d, char *const *args, const char *body)
{
    (void)args;
    const char *words = var_expand(d, body, ESCAPE_NOTHING, NULL);
    if (!words)
        return false;
    int status = run_shell(d, arena_printf(d->arena, "$XMPP_CTL %s", words), NULL);
    return status == 0 ? true : fail(d, "status %d: %s", status, var_get(d, "output"));
}

static bool ctl_fails(struct dialogue *d, char *const *args, const char *body)
{
    (void)args;
    const char *words = var_expand(d, body, ESCAPE_NOTHING, NULL);
    if (!words)
        return false;
    int status = run_shell(d, arena_printf(d->arena, "$XMPP_CTL %s", words), NULL);
    return status > 0 ? true : fail(d, "status %d: %s", status, var_get(d, "output"));
}

static bool run(struct dialogue *d, char *const *args, const char *body)
{
    (void)args;
    const char *command = var_expand(d, body, ESCAPE_NOTHING, NULL);
    if (!command)
        return false;
    int status = run_shell(d, command, NULL);
    return status == 0 ? true : fail(d, "status %d: %s", status, var_get(d, "output"));
}

static bool output_has(struct dialogue *d, const char *body, bool wanted)
{
    const char *text = var_expand(d, body, ESCAPE_NOTHING, NULL), *output = var_get(d, "output");
    if (!text)
        return false;
    if (!output)
        return fail(d, "nothing was run");
    return (strstr(output, text) != NULL) == wanted ? true : fail(d, "the output is\n%s", output);
}

static bool output_contains(struct dialogue *d, char *const *args, const char *body)
{
    (void)args;
    return output_has(d, body, true);
}

static bool output_lacks(struct dialogue *d, char *const *args, const char *body)
{
    (void)args;
    return output_has(d, body, false);
}

/* tests/talk/run tells where tests/lib is. */
static bool server_verb(struct dialogue *d, const char *verb)
{
    char *args[] = {arena_strdup(d->arena, verb), NULL};
    int status = run_shell(d, "exec \"${TALK_LIB:?no server to command}/server\" \"$@\"", args);
    return status == 0 ? true : fail(d, "server %s: %s", verb, var_get(d, "output"));
}

static bool server(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    static const struct {
        const char *word, *verb;
    } verbs[] = {{"stops", "stop"}, {"starts", "start"}, {"restarts", "restart"}, {"dies", "kill"}};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(args[0], verbs[i].word))
            return server_verb(d, verbs[i].verb);
    return fail(d, "the server stops, starts, restarts or dies");
}

static bool set(struct dialogue *d, char *const *args, const char *body)
{
    const char *value = var_expand(d, body, ESCAPE_NOTHING, NULL);
    if (!value)
        return false;
    var_set(d, args[0], "%s", value);
    return true;
}

static bool forget(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    for (struct var **v = &d->vars; *v;) {
        if (!strcmp((*v)->name, args[0]))
            *v = (*v)->next;
        else
            v = &(*v)->next;
    }
    return true;
}

static bool is_number(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

/* Numbers by value, other texts by their bytes. */
static int compare(const char *a, const char *b)
{
    if (is_number(a) && is_number(b) && strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcmp(a, b);
}

enum relation { EQUAL, DIFFERENT, BEFORE };

static bool check(struct dialogue *d, char *const *args, enum relation relation)
{
    const char *a = var_expand(d, args[0], ESCAPE_NOTHING, NULL);
    const char *b = var_expand(d, args[1], ESCAPE_NOTHING, NULL);
    if (!a || !b)
        return false;
    int order = compare(a, b);
    bool ok = relation == EQUAL ? order == 0 : relation == DIFFERENT ? order != 0 : order < 0;
    return ok ? true : fail(d, "the first is \"%s\", the second \"%s\"", a, b);
}

static bool check_equal(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return check(d, args, EQUAL);
}

static bool check_different(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return check(d, args, DIFFERENT);
}

static bool check_before(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return check(d, args, BEFORE);
}

static bool only_with(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    const char *value = getenv(args[0]);
    if (!value || !*value)
        d->skipped = arena_printf(d->arena, "no %s", args[0]);
    return true;
}

const struct phrase phrases_world[] = {
    {"account NAME", account, "makes one; {NAME} is its JID, {NAME.user} the part before the @"},
    {"account NAME with password PASSWORD", account, "else {NAME.password}"},
    {"accounts ...", accounts, "several: `accounts romeo and juliet`"},
    {"ctl:", ctl, "calls jackdawctl; what it prints is {output}"},
    {"ctl fails:", ctl_fails, NULL},
    {"run:", run, "a shell command that must succeed"},
    {"output contains:", output_contains, NULL},
    {"output does not contain:", output_lacks, NULL},
    {"server DOES", server, "stops, starts, restarts, dies (SIGKILL)"},
    {"set NAME:", set, "a variable"},
    {"forget NAME", forget, "so that it captures again"},
    {"check A is B", check_equal, NULL},
    {"check A is not B", check_different, NULL},
    {"check A comes before B", check_before, "numbers by value"},
    {"only with VARIABLE", only_with, "skip the rest unless the environment has it"},
    {NULL, NULL, NULL},
};
