#include "report.h"

#include <string.h>

#include "base/mem.h"
#include "proc.h"

static struct figure *figure_named(struct report *r, const char *name)
{
    for (unsigned i = 0; i < r->figure_count; i++)
        if (strcmp(r->figures[i].name, name) == 0)
            return &r->figures[i];
    INVARIANT(r->figure_count < REPORT_FIGURES_MAX);
    return &r->figures[r->figure_count++];
}

void report_add(struct report *r, const char *name, const char *unit, int decimals, double value)
{
    struct figure *f = figure_named(r, name);
    f->name = name;
    f->unit = unit;
    f->decimals = decimals;
    if (f->count < REPORT_RUNS_MAX)
        f->values[f->count++] = value;
}

static void set_fact(struct report *r, const char *name, json_t *value)
{
    if (!r->facts)
        r->facts = json_object();
    json_object_set_new(r->facts, name, value);
}

void report_fact(struct report *r, const char *name, json_int_t value)
{
    set_fact(r, name, json_integer(value));
}

void report_text(struct report *r, const char *name, const char *value)
{
    set_fact(r, name, json_string(value));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct figure *f)
{
    double sorted[REPORT_RUNS_MAX];
    memcpy(sorted, f->values, f->count * sizeof(*sorted));
    qsort(sorted, f->count, sizeof(*sorted), compare);
    return (sorted[(f->count - 1) / 2] + sorted[f->count / 2]) / 2;
}

static void print_table(const struct report *r)
{
    const char *name;
    json_t *value;
    json_object_foreach(r->facts, name, value)
    {
        if (json_is_integer(value))
            printf("%-16s %14" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
        else
            printf("%-16s %14s\n", name, json_string_value(value));
    }
    printf("\n%-16s %14s %-12s %s\n", "", "median", "", "runs");
    for (unsigned i = 0; i < r->figure_count; i++) {
        const struct figure *f = &r->figures[i];
        printf("%-16s %14.*f %-12s", f->name, f->decimals, median(f), f->unit);
        for (unsigned k = 0; k < f->count; k++)
            printf(" %.*f", f->decimals, f->values[k]);
        putchar('\n');
    }
}

static void print_json(const struct report *r)
{
    json_t *medians = json_object(), *runs = json_object();
    for (unsigned i = 0; i < r->figure_count; i++) {
        const struct figure *f = &r->figures[i];
        json_t *values = json_array();
        for (unsigned k = 0; k < f->count; k++)
            json_array_append_new(values, json_real(f->values[k]));
        json_object_set_new(medians, f->name, json_real(median(f)));
        json_object_set_new(runs, f->name, values);
    }
    json_object_set_new(r->facts, "median", medians);
    json_object_set_new(r->facts, "runs", runs);
    json_dumpf(r->facts, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

void report_print(struct report *r, const struct opts *o)
{
    if (!r->facts)
        r->facts = json_object();
    if (o->json)
        print_json(r);
    else
        print_table(r);
    json_decref(r->facts);
    *r = (struct report){0};
}

void meter_read(struct meter *m, const struct opts *o)
{
    *m = (struct meter){0};
    if (o->pid)
        proc_cpu(o->pid, &m->server);
    if (o->store_pid)
        proc_cpu(o->store_pid, &m->store);
    m->own = proc_own_cpu();
    m->at = (double)proc_now() / 1e9;
}

void meter_report(struct report *r, const struct opts *o, const struct meter *from,
                  const struct meter *to, double n)
{
    double seconds = to->at - from->at;
    if (n <= 0 || seconds <= 0)
        return;
    if (o->pid) {
        report_add(r, "server_us", "us CPU each", 2, (to->server - from->server) / n * 1e6);
        report_add(r, "server_busy", "% of a core", 1, (to->server - from->server) / seconds * 100);
    }
    if (o->store_pid)
        report_add(r, "store_us", "us CPU each", 2, (to->store - from->store) / n * 1e6);
    report_add(r, "generator_us", "us CPU each", 2, (to->own - from->own) / n * 1e6);
}
