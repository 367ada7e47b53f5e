/* What a process costs, read from /proc. */
#ifndef JACKDAW_BENCH_PROC_H
#define JACKDAW_BENCH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* User and system CPU time of a process, of all its threads and of its living descendants, in
 * seconds (the kernel's grain is 10 ms). False if there is no such process. */
bool proc_cpu(pid_t pid, double *seconds);

/* Resident bytes of a process and of its living descendants. False if there is no such process. */
bool proc_resident(pid_t pid, uint64_t *bytes);

/* User and system CPU time of this process, in seconds. */
double proc_own_cpu(void);

/* Monotonic nanoseconds. */
uint64_t proc_now(void);

#endif
