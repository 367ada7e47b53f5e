/* Figures of several runs, their medians, and how they are printed. */
#ifndef JACKDAW_BENCH_REPORT_H
#define JACKDAW_BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "opts.h"

#define REPORT_RUNS_MAX 99
#define REPORT_FIGURES_MAX 16

/* One thing that is measured, with a value for each run. */
struct figure {
    const char *name, *unit;
    int decimals;
    double values[REPORT_RUNS_MAX];
    unsigned count;
};

/* Zero-initialise. */
struct report {
    struct figure figures[REPORT_FIGURES_MAX];
    unsigned figure_count;
    json_t *facts; /* what is not a median: counts of loss and the like, the settings */
};

/* Adds one run's value to the figure of this name (literals: they are kept, not copied). */
void report_add(struct report *r, const char *name, const char *unit, int decimals, double value);

/* States something that holds for all runs. */
void report_fact(struct report *r, const char *name, json_int_t value);
void report_text(struct report *r, const char *name, const char *value);

/* Prints it as a table, or as one JSON object, and frees it. */
void report_print(struct report *r, const struct opts *o);

/* The server's, its database's and our own CPU time, and when it was read. */
struct meter {
    double server, store, own;
    double at; /* seconds */
};

/* Reads all clocks now; 0 for what is not known. */
void meter_read(struct meter *m, const struct opts *o);

/* Adds the CPU used between two readings, per `n` things done: "server_us", "store_us" and
 * "generator_us", and how busy the server was. */
void meter_report(struct report *r, const struct opts *o, const struct meter *from,
                  const struct meter *to, double n);

#endif
