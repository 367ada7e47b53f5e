/* A directory of a test's own. */
#ifndef JACKDAW_TESTS_UNIT_SCRATCH_H
#define JACKDAW_TESTS_UNIT_SCRATCH_H

#include <sys/stat.h>

#include "base/mem.h"

/* Short, since sockets lie in it as well: their paths have 107 bytes at most. */
#define SCRATCH_MAX 64

/* Makes a new directory that only this user may enter and writes its name to `dir`. */
static inline void scratch_make(char dir[SCRATCH_MAX])
{
    char token[13];
    mem_random_token(token, sizeof(token) - 1);
    snprintf(dir, SCRATCH_MAX, "/tmp/jackdaw-test.%s", token);
    INVARIANT(mkdir(dir, S_IRWXU) == 0);
}

/* Removes it with all that is in it. */
static inline void scratch_remove(const char *dir)
{
    char command[SCRATCH_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    INVARIANT(system(command) == 0);
}

#endif
