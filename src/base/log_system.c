#include "base/log_system.h"

/* no place in the source: it would always be this one */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/strbuf.h"

#define JOURNALD_SOCKET "/run/systemd/journal/socket"
#define FIELD_MAX ((size_t)32 << 10)

void log_syslog_open(void)
{
    openlog("jackdawd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_syslog_write(int severity, const char *line)
{
    syslog(LOG_DAEMON | severity, "%s", line);
}

bool log_journald_there(void)
{
    return access(JOURNALD_SOCKET, W_OK) == 0;
}

void log_journald_write(int severity, const char *area, const char *object, const char *text)
{
    static const char *const names[] = {
        "PRIORITY=", "JACKDAW_AREA=", "MESSAGE=", "JACKDAW_OBJECT="};
    const char digit[] = {(char)('0' + severity), '\0'};
    const char *values[] = {digit, area, text, object};
    struct strbuf fields[ARRAY_LEN(names)];
    struct iovec iov[ARRAY_LEN(names) + 1] = {{"SYSLOG_IDENTIFIER=jackdawd", 26}};
    int n = 1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        strbuf_init(&fields[i], FIELD_MAX);
        if (!values[i])
            continue;
        strbuf_puts(&fields[i], names[i]);
        strbuf_puts(&fields[i], values[i]);
        iov[n++] = (struct iovec){fields[i].s, fields[i].len};
    }
    (void)sd_journal_sendv(iov, n); /* nobody is left to be told of a failure */
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        strbuf_free(&fields[i]);
}
