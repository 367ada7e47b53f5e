#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log_system.h"
#include "base/strbuf.h"

#define LOG_LINE_MAX ((size_t)32 << 10) /* everything escaped, and a whole JID */
#define AREA_NAME_MAX 32

_Atomic enum log_level log_threshold = LOG_INFO;

const char *const log_areas[] = {
    "account", "admin", "cache",  "listener", "loop", "modules",
    "server",  "store", "stream", "tls",      NULL,
};

static const struct {
    const char *name;
    int severity; /* syslog's */
} levels[] = {
    [LOG_ERROR] = {"error", 3},
    [LOG_WARN] = {"warn", 4},
    [LOG_INFO] = {"info", 6},
    [LOG_DEBUG] = {"debug", 7},
};

/* How lines are written now. Read and changed under the lock. */
static struct {
    enum log_level level;
    struct {
        char name[AREA_NAME_MAX];
        enum log_level level;
    } areas[LOG_AREAS_MAX];
    size_t n_areas;
    enum log_target target;
    int fd;   /* LOG_TO_STDERR, LOG_TO_FILE */
    bool own; /* and to be closed */
    bool json;
} how = {.level = LOG_INFO, .fd = STDERR_FILENO};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* ---- where to ---- */

static void set_output(enum log_target target, int fd, bool own, bool json)
{
    if (how.own)
        close(how.fd);
    how.target = target;
    how.fd = fd;
    how.own = own;
    how.json = json;
}

void log_open(int fd, bool json)
{
    pthread_rwlock_wrlock(&lock);
    set_output(LOG_TO_STDERR, fd, false, json);
    pthread_rwlock_unlock(&lock);
}

static void set_levels(const struct log_conf *conf)
{
    enum log_level most = conf->level;
    how.level = conf->level;
    how.n_areas = conf->n_areas;
    for (size_t i = 0; i < conf->n_areas; i++) {
        snprintf(how.areas[i].name, AREA_NAME_MAX, "%s", conf->areas[i].area);
        how.areas[i].level = conf->areas[i].level;
        if (how.areas[i].level > most)
            most = how.areas[i].level;
    }
    log_threshold = most;
}

int log_configure(const struct log_conf *conf, struct err *e)
{
    INVARIANT(conf->n_areas <= LOG_AREAS_MAX);
    int fd = STDERR_FILENO;
    if (conf->target == LOG_TO_FILE)
        fd = open(conf->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, "cannot open %s: %s", conf->file, strerror(errno));
    if (conf->target == LOG_TO_JOURNALD && !log_journald_there())
        return err_set(e, "journald does not run here");
    if (conf->target == LOG_TO_SYSLOG)
        log_syslog_open();
    pthread_rwlock_wrlock(&lock);
    set_output(conf->target, fd, conf->target == LOG_TO_FILE, conf->json);
    set_levels(conf);
    pthread_rwlock_unlock(&lock);
    return 0;
}

/* ---- lines ---- */

/* Under the lock. */
static enum log_level level_of(const char *area)
{
    for (size_t i = 0; i < how.n_areas; i++) {
        if (strcmp(how.areas[i].name, area) == 0)
            return how.areas[i].level;
    }
    return how.level;
}

/* The length of the UTF-8 character at `s`, 0 if it is none. */
static size_t character(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t len = u[0] < 0x80                    ? 1
                 : u[0] >= 0xc2 && u[0] <= 0xdf ? 2
                 : u[0] >= 0xe0 && u[0] <= 0xef ? 3
                 : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
                                                : 0;
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool beyond = (u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xf4 && u[1] >= 0x90);
    return len > 2 && (overlong || beyond) ? 0 : len;
}

/* Adds `s` with what is no UTF-8 and control characters, also those of a terminal beyond ASCII,
 * escaped; for JSON also quotes and backslashes. */
static void add_escaped(struct strbuf *b, const char *s, bool json)
{
    for (size_t len; *s; s += len) {
        unsigned char c = (unsigned char)*s;
        len = character(s);
        if (len == 0) {
            strbuf_printf(b, json ? "\\u%04x" : "\\x%02x", c);
            len = 1;
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_printf(b, "\\u%04x", c);
        } else if (c == 0xc2 && (unsigned char)s[1] < 0xa0) {
            strbuf_printf(b, "\\u%04x", (unsigned char)s[1]);
        } else {
            if (json && (c == '"' || c == '\\'))
                strbuf_putc(b, '\\');
            strbuf_add(b, s, len);
        }
    }
}

static void add_field(struct strbuf *b, const char *name, const char *value)
{
    strbuf_printf(b, ",\"%s\":\"", name);
    add_escaped(b, value, true);
    strbuf_putc(b, '"');
}

static void add_json(struct strbuf *b, enum log_level level, const char *area, const char *object,
                     const char *text)
{
    char when[32];
    clock_format(clock_wall(), when);
    strbuf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\"", when, levels[level].name);
    add_field(b, "area", area);
    if (object)
        add_field(b, "object", object);
    add_field(b, "text", text);
    strbuf_putc(b, '}');
}

static void add_text(struct strbuf *b, const char *area, const char *object, const char *text)
{
    strbuf_printf(b, "%s: ", area);
    if (object) {
        add_escaped(b, object, false);
        strbuf_puts(b, ": ");
    }
    add_escaped(b, text, false);
}

static void write_journald(enum log_level level, const char *area, const char *object,
                           const char *text, struct strbuf *b)
{
    struct strbuf about;
    strbuf_init(&about, LOG_LINE_MAX);
    add_escaped(b, text, false);
    if (object)
        add_escaped(&about, object, false);
    log_journald_write(levels[level].severity, area, object ? strbuf_str(&about) : NULL,
                       strbuf_str(b));
    strbuf_free(&about);
}

static void write_fd(enum log_level level, const char *area, const char *object, const char *text,
                     struct strbuf *b)
{
    if (how.json) {
        add_json(b, level, area, object, text);
    } else {
        char when[32];
        clock_format(clock_wall(), when);
        strbuf_printf(b, "%s %-5s ", when, levels[level].name);
        add_text(b, area, object, text);
    }
    strbuf_putc(b, '\n');
    ssize_t written = write(how.fd, strbuf_str(b), b->len); /* one call: lines do not mix */
    (void)written;
}

static void write_syslog(enum log_level level, const char *area, const char *object,
                         const char *text, struct strbuf *b)
{
    if (how.json)
        add_json(b, level, area, object, text);
    else
        add_text(b, area, object, text); /* syslog has the time and the level */
    log_syslog_write(levels[level].severity, strbuf_str(b));
}

void log_write(enum log_level level, const char *area, const char *object, const char *fmt, ...)
{
    static void (*const writers[])(enum log_level, const char *, const char *, const char *,
                                   struct strbuf *) = {
        [LOG_TO_STDERR] = write_fd,
        [LOG_TO_FILE] = write_fd,
        [LOG_TO_SYSLOG] = write_syslog,
        [LOG_TO_JOURNALD] = write_journald,
    };
    char text[1024];
    va_list ap;
    pthread_rwlock_rdlock(&lock);
    if (level <= level_of(area)) {
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        struct strbuf b;
        strbuf_init(&b, LOG_LINE_MAX);
        writers[how.target](level, area, object, text, &b);
        strbuf_free(&b);
    }
    pthread_rwlock_unlock(&lock);
}
