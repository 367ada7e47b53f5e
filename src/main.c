/* jackdawd: reads its arguments and runs the server. */
#include <argp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "config.h"
#include "core/server_run.h"

const char *argp_program_version = "jackdawd " VERSION;

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "The configuration file (" SYSCONFDIR "/jackdaw.conf)", 0},
    {"check", 'k', 0, 0, "Only check the configuration", 0},
    {"bus", 'b', "MODE", 0,
     "local, or loopback: encode and decode whatever crosses between workers (for tests)", 0},
    {"ready-fd", 'r', "FD", 0, "Write READY and a newline to this descriptor when serving", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct server_args *args = state->input;
    char *end;
    long fd;
    switch (key) {
    case 'c': args->config_file = arg; return 0;
    case 'b':
        if (strcmp(arg, "local") != 0 && strcmp(arg, "loopback") != 0)
            argp_error(state, "--bus is local or loopback");
        args->bus = arg;
        return 0;
    case 'k': args->check = true; return 0;
    case 'r':
        fd = strtol(arg, &end, 10);
        if (*end || fd < 0 || fd > INT_MAX)
            argp_error(state, "--ready-fd takes the number of an open descriptor");
        args->ready_fd = (int)fd;
        return 0;
    case ARGP_KEY_ARG: argp_usage(state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "The Jackdaw chat server. It stays in the foreground; SIGTERM ends it in order.",
    };
    struct server_args args = {.config_file = SYSCONFDIR "/jackdaw.conf", .ready_fd = -1};
    argp_parse(&argp, argc, argv, 0, NULL, &args);
    return server_run(&args);
}
