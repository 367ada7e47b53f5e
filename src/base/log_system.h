/* The machine's own logs. (A file of its own: syslog.h and log.h want the same names.) */
#ifndef JACKDAW_BASE_LOG_SYSTEM_H
#define JACKDAW_BASE_LOG_SYSTEM_H

#include <stdbool.h>

/* Opens the connection to syslog, as "jackdawd". */
void log_syslog_open(void);

/* One line. `severity` is syslog's: 3 is an error, 4 a warning, 6 information, 7 for debugging. */
void log_syslog_write(int severity, const char *line);

/* Whether journald is there to be written to. */
bool log_journald_there(void);

/* One entry with PRIORITY, MESSAGE, JACKDAW_AREA and, unless it is NULL, JACKDAW_OBJECT. */
void log_journald_write(int severity, const char *area, const char *object, const char *text);

#endif
