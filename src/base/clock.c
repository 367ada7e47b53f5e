#include "base/clock.h"

#include <ctype.h>

static int64_t now(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * CLOCK_SEC + ts.tv_nsec / 1000;
}

int64_t clock_mono(void)
{
    return now(CLOCK_MONOTONIC);
}

static int64_t started;

__attribute__((constructor)) static void note_start(void)
{
    started = clock_mono();
}

int64_t clock_uptime(void)
{
    return clock_mono() - started;
}

int64_t clock_wall(void)
{
    return now(CLOCK_REALTIME);
}

void clock_format(int64_t wall, char out[32])
{
    int64_t micros = wall % CLOCK_SEC;
    time_t secs = (time_t)(wall / CLOCK_SEC);
    if (micros < 0) {
        micros += CLOCK_SEC;
        secs--;
    }
    struct tm tm;
    gmtime_r(&secs, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%06dZ", (int)micros);
}

/* Reads exactly `digits` decimal digits. */
static bool number(const char **s, int digits, int *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return false;
        *out = *out * 10 + (**s - '0');
    }
    return true;
}

static bool literal(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

/* "Z" or "+hh:mm" or "-hh:mm", into seconds east of UTC. */
static bool zone(const char **s, int *east)
{
    *east = 0;
    if (literal(s, 'Z'))
        return true;
    int sign = **s == '-' ? -1 : 1, hours, minutes;
    if (!literal(s, '+') && !literal(s, '-'))
        return false;
    if (!number(s, 2, &hours) || !literal(s, ':') || !number(s, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *east = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse(const char *s, int64_t *wall)
{
    struct tm tm = {0};
    int year, month, east, micros = 0;
    if (!number(&s, 4, &year) || !literal(&s, '-') || !number(&s, 2, &month) || !literal(&s, '-') ||
        !number(&s, 2, &tm.tm_mday) || !literal(&s, 'T') || !number(&s, 2, &tm.tm_hour) ||
        !literal(&s, ':') || !number(&s, 2, &tm.tm_min) || !literal(&s, ':') ||
        !number(&s, 2, &tm.tm_sec))
        return false;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    if (literal(&s, '.'))
        for (int unit = 100000; isdigit((unsigned char)*s); s++, unit /= 10)
            micros += (*s - '0') * unit;
    if (!zone(&s, &east) || *s != '\0')
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *wall = ((int64_t)timegm(&tm) - east) * CLOCK_SEC + micros;
    return true;
}
