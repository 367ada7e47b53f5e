/* Connections that stay and say nothing. */
#include "base/macros.h"
#include "proc.h"
#include "scenario.h"

/* Connections that come and go before the first reading, so that what a server allocates once for
 * all, or for those that log in side by side, is not counted for each: so many times as many as do
 * that. */
#define WARM_UP_ROUNDS 4

static void on_stanza(struct client *c, struct slice stanza)
{
    client_answer_iq(c, stanza);
}

static void stay(struct crew *crew, double seconds)
{
    uint64_t until = proc_now() + (uint64_t)(seconds * 1e9);
    crew->events = (struct crew_events){NULL, on_stanza, NULL};
    for (uint64_t now; (now = proc_now()) < until && crew->error_count == 0;)
        crew_turn(crew, (int)((until - now) / 1000000) + 1);
}

static void hang_up(struct crew *crew)
{
    for (unsigned i = 0; i < crew->opts->connections; i++)
        client_close(&crew->clients[i]);
}

bool scenario_idle(struct crew *crew, struct report *r)
{
    const struct opts *o = crew->opts;
    unsigned warm = WARM_UP_ROUNDS * o->logins_at_once;
    struct meter from, to;
    uint64_t before = 0, after = 0;
    if (!o->pid) {
        crew->error_count++;
        snprintf(crew->error, sizeof(crew->error), "idle needs --pid");
        return false;
    }
    if (!crew_login(crew, warm < o->connections ? warm : o->connections))
        return false;
    hang_up(crew);
    stay(crew, o->settle);
    proc_resident(o->pid, &before);
    if (!crew_login(crew, o->connections))
        return false;
    stay(crew, o->settle);
    proc_resident(o->pid, &after);
    meter_read(&from, o);
    stay(crew, o->seconds);
    meter_read(&to, o);
    report_fact(r, "resident_before", (json_int_t)before);
    report_fact(r, "resident_after", (json_int_t)after);
    report_add(r, "bytes_each", "bytes", 0, ((double)after - (double)before) / o->connections);
    report_add(r, "idle_busy", "% of a core", 2,
               (to.server - from.server) / (to.at - from.at) * 100);
    return crew->error_count == 0;
}
