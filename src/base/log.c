#include "base/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"

#define LOG_LINE_MAX 4096

enum log_level log_threshold = LOG_INFO;

static int log_fd = 2;
static bool log_json;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_open(int fd, bool json)
{
    log_fd = fd;
    log_json = json;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Adds `s` with control characters escaped, for JSON also quotes and backslashes. */
static void add_escaped(struct strbuf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            strbuf_printf(b, "\\u%04x", c);
        else if (log_json && (c == '"' || c == '\\'))
            strbuf_printf(b, "\\%c", c);
        else
            strbuf_putc(b, (char)c);
    }
}

static void add_field(struct strbuf *b, const char *name, const char *value)
{
    strbuf_printf(b, ",\"%s\":\"", name);
    add_escaped(b, value);
    strbuf_putc(b, '"');
}

static void add_line(struct strbuf *b, const char *level, const char *area, const char *object,
                     const char *text)
{
    char when[32];
    clock_format(clock_wall(), when);
    if (log_json) {
        strbuf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\"", when, level);
        add_field(b, "area", area);
        if (object)
            add_field(b, "object", object);
        add_field(b, "text", text);
        strbuf_puts(b, "}\n");
        return;
    }
    strbuf_printf(b, "%s %-5s %s: ", when, level, area);
    if (object) {
        add_escaped(b, object);
        strbuf_puts(b, ": ");
    }
    add_escaped(b, text);
    strbuf_putc(b, '\n');
}

void log_write(enum log_level level, const char *area, const char *object, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct strbuf b;
    strbuf_init(&b, LOG_LINE_MAX * 2);
    add_line(&b, level_names[level], area, object, text);
    ssize_t written = write(log_fd, strbuf_str(&b), b.len); /* one call: lines do not mix */
    (void)written;
    strbuf_free(&b);
}
