/* The scenarios. Each logs in what it needs, warms up, measures, and fills a report. */
#ifndef JACKDAW_BENCH_SCENARIO_H
#define JACKDAW_BENCH_SCENARIO_H

#include "client.h"
#include "report.h"

/* Pairs exchange messages. Returns false, as all here, if something was lost, doubled, out of order
 * or refused, or if a connection broke (then crew->error says why). */
bool scenario_chat(struct crew *crew, struct report *r);

/* Connections that stay and say nothing: the server's memory for each. */
bool scenario_idle(struct crew *crew, struct report *r);

/* Logging in and out: the server's CPU for each. */
bool scenario_login(struct crew *crew, struct report *r);

#endif
