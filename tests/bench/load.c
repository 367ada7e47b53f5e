/* The load generator: see README.md beside it. */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/macros.h"
#include "scenario.h"

static const struct {
    const char *name;
    bool (*run)(struct crew *crew, struct report *r);
} scenarios[] = {
    {"chat", scenario_chat},
    {"idle", scenario_idle},
    {"login", scenario_login},
};

static void allow_many_files(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

/* What was asked for, so that a file of figures says what they are of. */
static void report_settings(struct report *r, const struct opts *o)
{
    report_text(r, "scenario", o->scenario);
    report_fact(r, "connections", o->connections);
    report_fact(r, "users", o->users);
}

static bool run(const struct opts *o, size_t scenario)
{
    static struct crew crew;
    static struct report report;
    report_settings(&report, o);
    crew_init(&crew, o);
    bool ok = scenarios[scenario].run(&crew, &report) && crew.error_count == 0;
    if (crew.error_count)
        fprintf(stderr, "load: %s%s\n", crew.error, crew.error_count > 1 ? " (and more)" : "");
    report_text(&report, "tls", crew.tls_name);
    report_print(&report, o);
    crew_free(&crew);
    return ok;
}

int main(int argc, char **argv)
{
    struct opts o;
    opts_read(&o, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    allow_many_files();
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        if (strcmp(scenarios[i].name, o.scenario) == 0)
            return run(&o, i) ? 0 : 1;
    fprintf(stderr, "load: there is no scenario '%s'\n", o.scenario);
    return 2;
}
