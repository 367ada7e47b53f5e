/* jackdawctl: tells a running server what to do. It knows no commands itself but "help" and
 * "probe": the server says what there is. */
#include <argp.h>
#include <config.h>
#include <locale.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/complete.h"
#include "ctl/print.h"
#include "ctl/probe.h"
#include "ctl/shell.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

const char *argp_program_version = "jackdawctl " VERSION;

struct ctl {
    const char *socket;
    bool json, complete;
    struct words words; /* borrowed from argv */
    struct client *client;
    struct err unreachable; /* why there is no client */
    json_t *table;
};

static int complain(const struct err *e, int status)
{
    fprintf(stderr, "jackdawctl: %s\n", e->text);
    return status;
}

/* ---- talking to the server ---- */

static int reach(struct ctl *c, struct err *e)
{
    if (c->client)
        return 0;
    c->client = client_connect(c->socket, e);
    if (!c->client)
        return -1;
    json_decref(c->table);
    c->table = client_call(c->client, "commands", NULL, NULL, e);
    if (!c->table) {
        client_close(&c->client);
        return -1;
    }
    json_array_append_new(c->table, probe_command());
    return 0;
}

/* A probe of another machine needs no server here. */
static void use_local_commands(struct ctl *c)
{
    json_decref(c->table);
    c->table = json_array();
    json_array_append_new(c->table, probe_command());
}

static json_t *call(struct ctl *c, const char *name, json_t *args, struct err *e)
{
    if (strcmp(name, "probe") == 0 && !c->client && !json_object_get(args, "--host")) {
        *e = c->unreachable;
        return NULL;
    }
    if (strcmp(name, "probe") == 0)
        return probe_run(c->client, args, e);
    bool lost;
    json_t *result = client_call(c->client, name, args, &lost, e);
    if (lost)
        client_close(&c->client);
    return result;
}

/* ---- commands ---- */

static int help(struct ctl *c, const struct words *w)
{
    struct words about = {.v = w->v + 1, .n = w->n - 1};
    struct err e;
    size_t used;
    json_t *command = about.n ? command_find(c->table, &about, &used) : NULL;
    if (about.n && !command) {
        command_explain(c->table, &about, &e);
        return complain(&e, EXIT_USAGE);
    }
    command_help(c->table, command);
    if (!command)
        puts("\n'help COMMAND' says more.");
    return 0;
}

static int run_command(struct ctl *c, const json_t *command, const struct words *rest)
{
    struct err e;
    json_t *args = command_args(command, rest, &e);
    if (!args)
        return complain(&e, EXIT_USAGE);
    bool local_probe = !c->client && json_object_get(args, "--host");
    json_t *result = call(c, json_string_value(json_object_get(command, "name")), args, &e);
    json_decref(args);
    if (!result)
        return complain(&e, c->client || local_probe ? EXIT_REFUSED : EXIT_UNREACHABLE);
    print_result(result, json_object_get(command, "columns"), c->json);
    fflush(stdout);
    json_decref(result);
    return 0;
}

/* shell_run_fn: one command, connecting (again) if needed. */
static int run_words(void *arg, const struct words *w)
{
    struct ctl *c = arg;
    struct err e;
    bool local = strcmp(w->v[0], "probe") == 0;
    if (reach(c, &e) < 0) {
        if (!local)
            return complain(&e, EXIT_UNREACHABLE);
        c->unreachable = e;
        use_local_commands(c);
    }
    if (strcmp(w->v[0], "help") == 0)
        return help(c, w);
    size_t used;
    json_t *command = command_find(c->table, w, &used);
    if (!command) {
        command_explain(c->table, w, &e);
        return complain(&e, EXIT_USAGE);
    }
    struct words rest = {.v = w->v + used, .n = w->n - used};
    return run_command(c, command, &rest);
}

static void print_word(void *arg, const char *word)
{
    (void)arg;
    puts(word);
}

static int run(struct ctl *c)
{
    struct err e;
    if (c->complete) { /* silently nothing without a server */
        if (reach(c, &e) == 0)
            complete_words(c->table, &c->words, print_word, NULL);
        return 0;
    }
    if (c->words.n > 0)
        return run_words(c, &c->words);
    if (reach(c, &e) < 0)
        return complain(&e, EXIT_UNREACHABLE);
    return shell(c->table, run_words, c);
}

/* ---- the command line ---- */

static const struct argp_option options[] = {
    {"socket", 's', "PATH", 0,
     "The server's control socket (" JACKDAW_SOCKET_DEFAULT
     ", or the environment variable JACKDAW_SOCKET)",
     0},
    {"json", 'j', 0, 0, "Print results as JSON", 0},
    {"complete", 'c', 0, OPTION_HIDDEN, "Print what may stand in place of the last word", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ctl *c = state->input;
    switch (key) {
    case 's': c->socket = arg; return 0;
    case 'j': c->json = true; return 0;
    case 'c': c->complete = true; return 0;
    case ARGP_KEY_ARG: /* the command and all that follows is not ours */
        c->words.v = &state->argv[state->next - 1];
        c->words.n = (size_t)(state->argc - state->next + 1);
        state->next = state->argc;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[COMMAND [ARGUMENT...]]",
        .doc = "Tells a running Jackdaw server what to do. 'jackdawctl help' lists its commands; "
               "without a command there is a shell.",
    };
    setlocale(LC_CTYPE, "");
    const char *socket = getenv("JACKDAW_SOCKET");
    struct ctl c = {.socket = socket && *socket ? socket : JACKDAW_SOCKET_DEFAULT};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &c);
    int status = run(&c);
    client_close(&c.client);
    json_decref(c.table);
    return status;
}
