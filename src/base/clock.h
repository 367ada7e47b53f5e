/* Time. Monotonic for deadlines, wall clock for what people and archives see. Both in µs. */
#ifndef JACKDAW_BASE_CLOCK_H
#define JACKDAW_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define CLOCK_MS 1000LL
#define CLOCK_SEC 1000000LL

/* Monotonic microseconds since some start. */
int64_t clock_mono(void);

/* Microseconds since the process began. */
int64_t clock_uptime(void);

/* Microseconds since 1970-01-01 UTC; jumps when the clock is set. */
int64_t clock_wall(void);

/* Writes an XEP-0082 UTC time with microseconds, "2026-01-31T12:00:00.000000Z" (27 characters and
 * NUL), for `wall` in µs since 1970; `out` has 32 bytes. */
void clock_format(int64_t wall, char out[32]);

/* Reads an XEP-0082 DateTime into µs since 1970. False if it is not one. */
MUST_CHECK bool clock_parse(const char *s, int64_t *wall);

#endif
