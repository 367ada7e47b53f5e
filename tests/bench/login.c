/* Logging in and out, over and over. */
#include <string.h>

#include "base/mem.h"
#include "hist.h"
#include "proc.h"
#include "scenario.h"

struct logins {
    bool again; /* when one is done, the next begins */
    uint64_t done;
    unsigned next;
    struct hist latency;
};

/* Those who do not stay take turns. If there are more of them than log in at once, one is free. */
static void open_next(struct crew *crew)
{
    struct logins *l = crew->scenario;
    const struct opts *o = crew->opts;
    struct client *c;
    do {
        c = &crew->clients[o->online + l->next++ % (o->connections - o->online)];
    } while (c->state != CLIENT_CLOSED);
    client_open(c);
}

static void on_ready(struct client *c)
{
    struct logins *l = c->crew->scenario;
    l->done++;
    hist_add(&l->latency, proc_now() - c->opened_at);
    client_close(c);
    if (l->again)
        open_next(c->crew);
}

static void on_stanza(struct client *c, struct slice stanza)
{
    client_answer_iq(c, stanza);
}

static void on_closed(struct client *c, const char *why)
{
    struct logins *l = c->crew->scenario;
    (void)c;
    (void)why;
    l->again = false;
}

static void go(struct crew *crew, double seconds)
{
    struct logins *l = crew->scenario;
    uint64_t until = proc_now() + (uint64_t)(seconds * 1e9);
    while (l->again && proc_now() < until)
        crew_turn(crew, 10);
}

static void run_once(struct crew *crew, struct report *r)
{
    struct logins *l = crew->scenario;
    struct meter from, to;
    uint64_t first = l->done;
    memset(&l->latency, 0, sizeof(l->latency));
    meter_read(&from, crew->opts);
    go(crew, crew->opts->seconds);
    meter_read(&to, crew->opts);
    double n = (double)(l->done - first);
    report_add(r, "logins_s", "logins/s", 0, n / (to.at - from.at));
    meter_report(r, crew->opts, &from, &to, n);
    report_add(r, "p50_us", "us", 0, hist_quantile(&l->latency, .5) / 1e3);
    report_add(r, "p95_us", "us", 0, hist_quantile(&l->latency, .95) / 1e3);
    report_add(r, "p99_us", "us", 0, hist_quantile(&l->latency, .99) / 1e3);
}

/* Every user logs in once beforehand, which derives the keys of all passwords. */
bool scenario_login(struct crew *crew, struct report *r)
{
    const struct opts *o = crew->opts;
    if (!crew_login(crew, o->connections))
        return false;
    struct logins *l = mem_new(struct logins);
    l->again = true;
    crew->scenario = l;
    crew->events = (struct crew_events){on_ready, on_stanza, on_closed};
    for (unsigned i = o->online; i < o->connections; i++)
        client_close(&crew->clients[i]);
    for (unsigned i = 0; i < o->connections - o->online && i < o->logins_at_once; i++)
        open_next(crew);
    go(crew, o->warmup);
    for (unsigned i = 0; l->again && i < o->runs; i++)
        run_once(crew, r);
    report_fact(r, "logins_at_once", o->logins_at_once);
    report_fact(r, "online", o->online);
    crew->events = (struct crew_events){0};
    mem_free(&l);
    return crew->error_count == 0;
}
