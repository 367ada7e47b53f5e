#include "proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

#define TREE_MAX 4096

struct process {
    pid_t pid, parent;
    double cpu;
};

/* Reads one /proc/PID/stat. The name in it may hold anything, so start behind its last ')'. */
static bool read_stat(pid_t pid, struct process *p)
{
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(line, sizeof(line), f) != NULL;
    fclose(f);
    const char *rest = ok ? strrchr(line, ')') : NULL;
    int parent;
    unsigned long user, sys;
    if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent,
                        &user, &sys) != 3)
        return false;
    *p = (struct process){pid, (pid_t)parent, (double)(user + sys) / (double)sysconf(_SC_CLK_TCK)};
    return true;
}

static bool in_tree(const struct process *tree, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++)
        if (tree[i].pid == pid)
            return true;
    return false;
}

/* All processes of the machine, by ascending pid as /proc lists them; returns how many. */
static size_t read_all(struct process *all, size_t max)
{
    size_t n = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *e; dir && n < max && (e = readdir(dir));) {
        long pid = strtol(e->d_name, NULL, 10);
        if (pid > 0 && read_stat((pid_t)pid, &all[n]))
            n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The process and its descendants, moved to the front of `all`; returns how many, 0 if it is gone.
 * Goes round until nothing is added, since a child's number may be smaller than its parent's. */
static size_t read_tree(pid_t root, struct process all[TREE_MAX])
{
    size_t n = read_all(all, TREE_MAX), kept = 0, before;
    do {
        before = kept;
        for (size_t i = kept; i < n; i++) {
            if (all[i].pid != root && !in_tree(all, kept, all[i].parent))
                continue;
            struct process p = all[i];
            all[i] = all[kept];
            all[kept++] = p;
        }
    } while (kept != before);
    return kept;
}

bool proc_cpu(pid_t pid, double *seconds)
{
    static struct process tree[TREE_MAX];
    size_t n = read_tree(pid, tree);
    *seconds = 0;
    for (size_t i = 0; i < n; i++)
        *seconds += tree[i].cpu;
    return n > 0;
}

/* The exact figure of smaps_rollup: the counters in status lag behind by up to 64 pages a thread.
 */
static uint64_t resident_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kb = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Rss: %llu kB", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb * 1024;
}

bool proc_resident(pid_t pid, uint64_t *bytes)
{
    static struct process tree[TREE_MAX];
    size_t n = read_tree(pid, tree);
    *bytes = 0;
    for (size_t i = 0; i < n; i++)
        *bytes += resident_of(tree[i].pid);
    return n > 0;
}

double proc_own_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

uint64_t proc_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
