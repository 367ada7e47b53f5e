/* What the load generator is asked to do. */
#ifndef JACKDAW_BENCH_OPTS_H
#define JACKDAW_BENCH_OPTS_H

#include <stdbool.h>
#include <sys/types.h>

enum to_kind { TO_BARE, TO_FULL };

struct opts {
    const char *scenario;
    /* The server; from the environment unless given. */
    const char *host, *domain, *password;
    int port;
    bool starttls, relay;
    pid_t pid, store_pid; /* 0: unknown */
    /* The clients. */
    unsigned connections, users, logins_at_once;
    const char *mechanism; /* NULL: the best offered */
    bool roster, presence;
    unsigned online;
    /* chat */
    unsigned window, rate, size;
    unsigned long count; /* messages a run; 0: by time */
    bool store, origin_id;
    enum to_kind to;
    /* Measuring. */
    double seconds, warmup, settle, patience;
    unsigned runs;
    bool json;
};

/* Reads the environment and the command line. Ends the process with a message if they are wrong, or
 * if help was asked for. */
void opts_read(struct opts *o, int argc, char **argv);

#endif
