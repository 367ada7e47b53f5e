/* A histogram of latencies: constant memory, three per cent of error at most. */
#ifndef JACKDAW_BENCH_HIST_H
#define JACKDAW_BENCH_HIST_H

#include <stdint.h>

/* 32 steps between one power of two and the next. */
#define HIST_STEP_BITS 5
#define HIST_BUCKETS ((64 - HIST_STEP_BITS + 1) << HIST_STEP_BITS)

/* Zero-initialise. Values are nanoseconds. */
struct hist {
    uint64_t count, max;
    uint64_t buckets[HIST_BUCKETS];
};

/* Counts one value. */
void hist_add(struct hist *h, uint64_t value);

/* The value that `share` (0 to 1) of all do not exceed, 0 if there are none. */
double hist_quantile(const struct hist *h, double share);

#endif
