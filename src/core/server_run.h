/* How the server is run: all that main() needs to know. */
#ifndef JACKDAW_CORE_SERVER_RUN_H
#define JACKDAW_CORE_SERVER_RUN_H

#include <stdbool.h>

#include "base/err.h"

struct server_args {
    const char *config_file;
    const char *bus; /* "local" or "loopback" instead of what the configuration says; NULL: that */
    int ready_fd;    /* "READY\n" is written here when it serves; -1: nowhere */
    bool check;      /* only check the configuration */
};

/* The halves of server_run(), for tests: everything is up when the first returns 0. server_end()
 * also takes down what a failed server_begin() has left. From the same thread. */
MUST_CHECK int server_begin(const struct server_args *args, struct err *e);
void server_end(void);

/* Runs the server until it is told to stop; the process's exit status. */
int server_run(const struct server_args *args);

/* Begins an orderly stop; from any thread, also a signal handler. */
void server_stop(void);

#endif
