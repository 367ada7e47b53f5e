#include "opts.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

const char *argp_program_version = "load (Jackdaw)";

enum {
    OPT_STARTTLS = 256,
    OPT_RELAY,
    OPT_PID,
    OPT_STORE_PID,
    OPT_USERS,
    OPT_AT_ONCE,
    OPT_MECHANISM,
    OPT_ROSTER,
    OPT_PRESENCE,
    OPT_ONLINE,
    OPT_RATE,
    OPT_SIZE,
    OPT_COUNT,
    OPT_STORE,
    OPT_ORIGIN_ID,
    OPT_TO,
    OPT_WARMUP,
    OPT_SETTLE,
    OPT_PATIENCE,
    OPT_RUNS,
    OPT_JSON,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "The server (the environment names it too)", 1},
    {"host", 'h', "HOST", 0, "address to connect to (XMPP_HOST, 127.0.0.1)", 1},
    {"port", 'p', "PORT", 0, "its port (XMPP_PORT_TLS, or XMPP_PORT with --starttls)", 1},
    {"domain", 'd', "NAME", 0, "the users' domain (XMPP_DOMAIN, localhost)", 1},
    {"password", 'P', "TEXT", 0, "all users' password (XMPP_PASSWORD, secret)", 1},
    {"starttls", OPT_STARTTLS, NULL, 0, "start plain, then STARTTLS", 1},
    {"relay", OPT_RELAY, NULL, 0, "the server is `relay': no SASL, no binding", 1},
    {"pid", OPT_PID, "PID", 0, "the server's process (XMPP_PID), for CPU and memory", 1},
    {"store-pid", OPT_STORE_PID, "PID", 0, "its database's process (XMPP_STORE_PID)", 1},

    {NULL, 0, NULL, 0, "The clients", 2},
    {"connections", 'n', "N", 0, "how many (200)", 2},
    {"users", OPT_USERS, "N", 0, "user1 to userN share them (as many as connections)", 2},
    {"logins-at-once", OPT_AT_ONCE, "N", 0, "log in so many side by side (16)", 2},
    {"mechanism", OPT_MECHANISM, "NAME", 0, "SCRAM-SHA-256, SCRAM-SHA-1 or PLAIN (best)", 2},
    {"roster", OPT_ROSTER, "yes|no", 0, "ask for the roster (yes)", 2},
    {"presence", OPT_PRESENCE, "yes|no", 0, "become available (yes)", 2},
    {"online", OPT_ONLINE, "N", 0, "login: the first N of them stay (0)", 2},

    {NULL, 0, NULL, 0, "chat", 3},
    {"window", 'w', "W", 0, "messages in flight per pair, up to 64 (4)", 3},
    {"rate", OPT_RATE, "N", 0, "messages a second in total (0: as fast as they go)", 3},
    {"size", OPT_SIZE, "BYTES", 0, "length of a body (64)", 3},
    {"count", OPT_COUNT, "N", 0, "messages in a run, instead of --seconds", 3},
    {"store", OPT_STORE, "yes|no", 0, "no: ask for messages not to be archived (no)", 3},
    {"origin-id", OPT_ORIGIN_ID, "yes|no", 0, "with an <origin-id/> each (no)", 3},
    {"to", OPT_TO, "bare|full", 0, "what messages are addressed to (bare)", 3},

    {NULL, 0, NULL, 0, "Measuring", 4},
    {"seconds", 's', "S", 0, "length of a run (5)", 4},
    {"warmup", OPT_WARMUP, "S", 0, "what comes before the first run (1)", 4},
    {"settle", OPT_SETTLE, "S", 0, "idle: how long until memory is read (5)", 4},
    {"patience", OPT_PATIENCE, "S", 0, "give up when nothing arrives for so long (10)", 4},
    {"runs", OPT_RUNS, "N", 0, "take medians over so many runs (3)", 4},
    {"json", OPT_JSON, NULL, 0, "print JSON", 4},
    {0},
};

static bool yes(const char *arg, struct argp_state *state)
{
    if (strcmp(arg, "yes") != 0 && strcmp(arg, "no") != 0)
        argp_error(state, "'%s' is neither yes nor no", arg);
    return strcmp(arg, "yes") == 0;
}

static double number(const char *arg, double min, double max, struct argp_state *state)
{
    char *end;
    double v = strtod(arg, &end);
    if (end == arg || *end || !(v >= min && v <= max))
        argp_error(state, "'%s' is not a number from %g to %g", arg, min, max);
    return v;
}

/* Options of the server and of measuring; false if `key` is none. */
static bool parse_server(struct opts *o, int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'h': o->host = arg; break;
    case 'p': o->port = (int)number(arg, 1, 65535, state); break;
    case 'd': o->domain = arg; break;
    case 'P': o->password = arg; break;
    case OPT_STARTTLS: o->starttls = true; break;
    case OPT_RELAY: o->relay = true; break;
    case OPT_PID: o->pid = (pid_t)number(arg, 1, 1 << 22, state); break;
    case OPT_STORE_PID: o->store_pid = (pid_t)number(arg, 1, 1 << 22, state); break;
    case 's': o->seconds = number(arg, 0.01, 86400, state); break;
    case OPT_WARMUP: o->warmup = number(arg, 0, 3600, state); break;
    case OPT_SETTLE: o->settle = number(arg, 0, 3600, state); break;
    case OPT_PATIENCE: o->patience = number(arg, 0.1, 3600, state); break;
    case OPT_RUNS: o->runs = (unsigned)number(arg, 1, 99, state); break;
    case OPT_JSON: o->json = true; break;
    default: return false;
    }
    return true;
}

/* Options of the clients and of chat; false if `key` is none. */
static bool parse_clients(struct opts *o, int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'n': o->connections = (unsigned)number(arg, 1, 1000000, state); break;
    case OPT_USERS: o->users = (unsigned)number(arg, 1, 1000000, state); break;
    case OPT_AT_ONCE: o->logins_at_once = (unsigned)number(arg, 1, 10000, state); break;
    case OPT_MECHANISM: o->mechanism = arg; break;
    case OPT_ROSTER: o->roster = yes(arg, state); break;
    case OPT_PRESENCE: o->presence = yes(arg, state); break;
    case OPT_ONLINE: o->online = (unsigned)number(arg, 0, 1000000, state); break;
    case 'w': o->window = (unsigned)number(arg, 1, 64, state); break;
    case OPT_RATE: o->rate = (unsigned)number(arg, 0, 10000000, state); break;
    case OPT_SIZE: o->size = (unsigned)number(arg, 35, 8000, state); break;
    case OPT_COUNT: o->count = (unsigned long)number(arg, 1, 1e12, state); break;
    case OPT_STORE: o->store = yes(arg, state); break;
    case OPT_ORIGIN_ID: o->origin_id = yes(arg, state); break;
    case OPT_TO:
        if (strcmp(arg, "bare") != 0 && strcmp(arg, "full") != 0)
            argp_error(state, "'%s' is neither bare nor full", arg);
        o->to = strcmp(arg, "full") == 0 ? TO_FULL : TO_BARE;
        break;
    default: return false;
    }
    return true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct opts *o = state->input;
    if (key == ARGP_KEY_ARG && !o->scenario) {
        o->scenario = arg;
        return 0;
    }
    if (key == ARGP_KEY_END && !o->scenario)
        argp_error(state, "name a scenario");
    if (key == ARGP_KEY_END && o->online >= o->connections)
        argp_error(state, "of %u connections, %u cannot stay", o->connections, o->online);
    if (parse_server(o, key, arg, state) || parse_clients(o, key, arg, state))
        return 0;
    return ARGP_ERR_UNKNOWN;
}

static const char *from_env(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

void opts_read(struct opts *o, int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "chat|idle|login",
        "Loads an XMPP server: `chat' exchanges messages in pairs, `idle' keeps connections open "
        "and reads the server's memory, `login' logs in and out.",
        NULL,
        NULL,
        NULL};
    *o = (struct opts){
        .host = from_env("XMPP_HOST", "127.0.0.1"),
        .domain = from_env("XMPP_DOMAIN", "localhost"),
        .password = from_env("XMPP_PASSWORD", "secret"),
        .pid = (pid_t)strtol(from_env("XMPP_PID", "0"), NULL, 10),
        .store_pid = (pid_t)strtol(from_env("XMPP_STORE_PID", "0"), NULL, 10),
        .connections = 200,
        .logins_at_once = 16,
        .roster = true,
        .presence = true,
        .window = 4,
        .size = 64,
        .seconds = 5,
        .warmup = 1,
        .settle = 5,
        .patience = 10,
        .runs = 3,
    };
    argp_parse(&argp, argc, argv, 0, NULL, o);
    if (!o->users)
        o->users = o->connections;
    if (!o->port)
        o->port = (int)strtol(
            from_env(o->starttls ? "XMPP_PORT" : "XMPP_PORT_TLS", o->starttls ? "5222" : "5223"),
            NULL, 10);
}
