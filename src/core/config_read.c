#include "core/config_read.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"

#define FILE_SIZE_MAX (4 << 20)
#define INCLUDE_DEPTH_MAX 8

/* A key that has been set between these braces, or outside of any in this file: setting it again is
 * a mistake that libconfuse would not tell. (To override what another file said is none.) */
struct seen {
    const cfg_opt_t *opt;
    struct raw_place place;
    bool in_section;
};

struct reader {
    struct arena *arena;
    struct err *err;
    bool failed;      /* the first error counts: libconfuse sometimes adds another */
    const char *file; /* being parsed now: a cfg_t of a section may name another */
    unsigned depth;
    struct seen *seen;
    size_t n_seen;
};

/* libconfuse gives its callbacks nothing of the caller's. */
static __thread struct reader *reading;

static void fail(struct reader *r, int line, const char *text)
{
    if (!r->failed)
        err_set(r->err, "%s:%d: %s", r->file, line, text);
    r->failed = true;
}

/* ---- comments ---- */

static bool in_word(char c)
{
    return c != '\0' && !strchr(" #\"'\t\n\r={}()+,*", c);
}

/* Behind the quoted string (or substitution) that begins at `p`. */
static char *skip_quoted(char *p, char *end)
{
    char quote = *p++;
    while (p < end && *p != quote) {
        char *brace = NULL;
        if (*p == '\\' && p + 1 < end)
            p++;
        else if (quote == '"' && *p == '$' && p + 1 < end && p[1] == '{')
            brace = memchr(p, '}', (size_t)(end - p));
        p = brace ? brace + 1 : p + 1;
    }
    return p < end ? p + 1 : end;
}

static void blank(char *from, char *to)
{
    for (; from < to; from++) {
        if (*from != '\n')
            *from = ' ';
    }
}

/* The end of the comment at `p`, `p` if there is none, NULL if it is not closed. */
static char *comment_end(char *p, char *end, bool after_word)
{
    size_t left = (size_t)(end - p);
    if (*p == '#' || (!after_word && left > 1 && memcmp(p, "//", 2) == 0)) {
        char *newline = memchr(p, '\n', left);
        return newline ? newline : end;
    }
    if (!after_word && left > 1 && memcmp(p, "/*", 2) == 0) {
        char *close = left > 2 ? memmem(p + 2, left - 2, "*/", 2) : NULL;
        return close ? close + 2 : NULL;
    }
    return p;
}

int config_blank_comments(char *text, size_t len)
{
    char *end = text + len;
    for (char *p = text; p < end;) {
        char *to = comment_end(p, end, p > text && in_word(p[-1]));
        if (!to) {
            int line = 1;
            for (char *c = text; c < p; c++)
                line += *c == '\n';
            return line;
        }
        if (to > p)
            blank(p, to);
        else if (*p == '"' || *p == '\'')
            to = skip_quoted(p, end);
        else
            to = p + 1;
        p = to;
    }
    return 0;
}

/* ---- what libconfuse calls ---- */

/* An unknown key: say so in our words, with the name that was probably meant. */
static void unknown_key(cfg_t *cfg, const char *key)
{
    struct suggest s;
    suggest_init(&s, key);
    for (const cfg_opt_t *o = cfg->opts; o->name; o++)
        suggest_offer(&s, o->name);
    const char *sec = cfg->name && strcmp(cfg->name, "root") != 0 ? cfg->name : NULL;
    char text[300];
    snprintf(text, sizeof(text), "unknown key '%.60s'%s%s%s%.60s%s%s%s%s", key, sec ? " in " : "",
             sec ? sec : "", cfg->title ? " \"" : "", cfg->title ? cfg->title : "",
             cfg->title ? "\"" : "", s.best ? "; did you mean '" : "", s.best ? s.best : "",
             s.best ? "'?" : "");
    fail(reading, cfg->line, text);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    static const char no_such[] = "no such option '";
    char text[300];
    vsnprintf(text, sizeof(text), fmt, ap);
    size_t len = strlen(text);
    if (strncmp(text, no_such, sizeof(no_such) - 1) == 0 && text[len - 1] == '\'') {
        text[len - 1] = '\0';
        unknown_key(cfg, text + sizeof(no_such) - 1);
        return;
    }
    fail(reading, cfg->line, text);
}

struct raw_text {
    struct raw_place place;
    const char *text;
};

/* Each key once between two braces: the second assignment of a key begins again with one value. */
static bool first_time(struct reader *r, cfg_t *cfg, const cfg_opt_t *opt, struct raw_place place)
{
    if (opt->nvalues != 1)
        return true;
    for (size_t i = 0; i < r->n_seen; i++) {
        if (r->seen[i].opt == opt && r->seen[i].place.file == place.file) {
            char text[200];
            snprintf(text, sizeof(text), "'%.60s' is set already in line %d", opt->name,
                     r->seen[i].place.line);
            fail(r, cfg->line, text);
            return false;
        }
    }
    r->seen = mem_realloc(r->seen, (r->n_seen + 1) * sizeof(*r->seen));
    r->seen[r->n_seen++] = (struct seen){opt, place, strcmp(cfg->name, "root") != 0};
    return true;
}

/* A section's closing brace. */
static int on_section_end(cfg_t *cfg, cfg_opt_t *opt)
{
    (void)cfg;
    (void)opt;
    size_t kept = 0;
    for (size_t i = 0; i < reading->n_seen; i++) {
        if (!reading->seen[i].in_section)
            reading->seen[kept++] = reading->seen[i];
    }
    reading->n_seen = kept;
    return 0;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct reader *r = reading;
    struct raw_text *t = arena_alloc(r->arena, sizeof(*t));
    t->place = (struct raw_place){r->file, cfg->line};
    t->text = arena_strdup(r->arena, value);
    *(void **)result = t;
    return first_time(r, cfg, opt, t->place) ? 0 : -1;
}

static int parse_file(cfg_t *cfg, const char *path);

/* include("file"), relative to the file it stands in. libconfuse's own would leave its stack in
 * disorder after an error. */
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    (void)opt;
    struct reader *r = reading;
    if (argc != 1) {
        fail(r, cfg->line, "include() takes one file name");
        return -1;
    }
    if (r->depth >= INCLUDE_DEPTH_MAX) {
        fail(r, cfg->line, "includes are nested too deeply");
        return -1;
    }
    struct raw_place from = {r->file, cfg->line};
    const char *slash = argv[0][0] == '/' ? NULL : strrchr(from.file, '/');
    const char *path = arena_printf(r->arena, "%.*s%s", slash ? (int)(slash + 1 - from.file) : 0,
                                    from.file, argv[0]);
    int result = parse_file(cfg, path);
    int error = errno;
    r->file = from.file;
    cfg->line = from.line;
    if (result < 0 && !r->failed) {
        char text[300];
        snprintf(text, sizeof(text), "include(\"%.200s\"): %s", argv[0], strerror(error));
        fail(r, from.line, text);
    }
    return result;
}

/* ---- files ---- */

/* The whole file; NULL and errno. */
static char *slurp(const char *path, size_t *len)
{
    FILE *fp = fopen(path, "re");
    if (!fp)
        return NULL;
    struct stat st;
    struct strbuf b;
    strbuf_init(&b, FILE_SIZE_MAX);
    strbuf_puts(&b, "");
    errno = fstat(fileno(fp), &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
    char chunk[2048];
    for (size_t got; errno == 0 && !b.overflow && (got = fread(chunk, 1, sizeof(chunk), fp)) > 0;)
        strbuf_add(&b, chunk, got);
    int error = errno != 0 ? errno : b.overflow ? EFBIG : ferror(fp) ? EIO : 0;
    fclose(fp);
    *len = b.len;
    strbuf_putc(&b, '\n');
    char *text = strbuf_detach(&b);
    if (error != 0)
        mem_free(&text);
    errno = error;
    return text;
}

/* Parses the file (its name must last) into `cfg`. -1: reading->failed, else errno says why. */
static int parse_file(cfg_t *cfg, const char *path)
{
    size_t len;
    char *text = slurp(path, &len);
    if (!text)
        return -1;
    reading->file = path;
    char *outer = cfg->filename;
    cfg->filename = mem_strdup(path); /* new sections copy it */
    int open_comment = config_blank_comments(text, len);
    if (open_comment)
        fail(reading, open_comment, "this comment is never closed");
    int result = open_comment ? -1 : 0;
    FILE *fp = len > 0 && !open_comment ? fmemopen(text, len, "r") : NULL;
    if (fp) {
        reading->depth++;
        result = cfg_parse_fp(cfg, fp) == CFG_SUCCESS && !reading->failed ? 0 : -1;
        reading->depth--;
        fclose(fp);
    }
    free(cfg->filename);
    cfg->filename = outer;
    free(text);
    return result;
}

static void ignore_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    (void)cfg;
    (void)fmt;
    (void)ap;
}

/* Whether libconfuse's lexer reads `text` as "probe = yes". */
static bool lexer_is_sane(const char *text)
{
    cfg_opt_t opts[] = {CFG_STR("probe", NULL, CFGF_NONE), CFG_END()};
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    cfg_set_error_function(cfg, ignore_error);
    bool parsed = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    const char *got = cfg_getstr(cfg, "probe");
    bool sane = parsed && got && strcmp(got, "yes") == 0;
    cfg_free(cfg);
    return sane;
}

/* After an error inside a string the lexer, whose state is global, still believes to be in it: the
 * next file (a reload) would be read wrong. Close whatever is open. */
static void lexer_reset(void)
{
    static const char *const closers[] = {"probe = yes", "\" probe = yes", "' probe = yes",
                                          "*/ probe = yes"};
    for (size_t i = 0; i < ARRAY_LEN(closers); i++) {
        if (lexer_is_sane(closers[i]))
            return;
    }
}

/* ---- shapes → libconfuse, libconfuse → raw ---- */

static size_t count_keys(const char *const *keys)
{
    size_t n = 0;
    while (keys[n])
        n++;
    return n;
}

/* Every key is a list of texts here; types are checked later, against the option tables. `more` is
 * room for further entries at the end. */
static cfg_opt_t *make_opts(struct arena *a, const char *const *keys, size_t more)
{
    size_t n = count_keys(keys);
    cfg_opt_t *opts = arena_zalloc(a, (n + more + 1) * sizeof(*opts));
    for (size_t i = 0; i < n; i++) {
        cfg_opt_t o[] = {CFG_PTR_LIST_CB(keys[i], NULL, CFGF_NODEFAULT, on_value, NULL)};
        opts[i] = o[0];
    }
    cfg_opt_t end[] = {CFG_END()};
    opts[n + more] = end[0];
    return opts;
}

static cfg_opt_t *make_root(struct arena *a, const struct raw_shape *shapes)
{
    size_t n = 0, at = count_keys(shapes->keys);
    while (shapes[n + 1].keys)
        n++;
    cfg_opt_t *opts = make_opts(a, shapes->keys, n + 1);
    for (size_t i = 1; i <= n; i++) {
        cfg_flag_t flags = shapes[i].titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0;
        cfg_opt_t sec[] = {CFG_SEC(shapes[i].name, make_opts(a, shapes[i].keys, 0), flags)};
        sec[0].validcb = on_section_end;
        opts[at++] = sec[0];
    }
    cfg_opt_t include[] = {CFG_FUNC("include", on_include)};
    opts[at] = include[0];
    return opts;
}

static void take_values(struct arena *a, cfg_t *cfg, struct raw_section *sec)
{
    STAILQ_INIT(&sec->values);
    for (cfg_opt_t *o = cfg->opts; o->name; o++) {
        if (o->type != CFGT_PTR || !(o->flags & CFGF_MODIFIED))
            continue;
        struct raw_value *v = arena_zalloc(a, sizeof(*v));
        v->key = arena_strdup(a, o->name);
        v->place = sec->place;
        v->texts = arena_alloc(a, (o->nvalues + 1) * sizeof(*v->texts));
        for (unsigned i = 0; i < o->nvalues; i++) {
            const struct raw_text *t = o->values[i]->ptr;
            if (!t)
                continue;
            if (v->n == 0)
                v->place = t->place;
            v->texts[v->n++] = t->text;
        }
        v->texts[v->n] = NULL;
        if (STAILQ_EMPTY(&sec->values) || v->place.line < sec->place.line)
            sec->place = v->place;
        STAILQ_INSERT_TAIL(&sec->values, v, link);
    }
}

static void take_section(struct arena *a, cfg_t *cfg, const char *name, struct raw_file *out)
{
    struct raw_section *sec = arena_zalloc(a, sizeof(*sec));
    sec->name = name;
    sec->title = cfg->title ? arena_strdup(a, cfg->title) : NULL;
    sec->place = (struct raw_place){
        .file = cfg->filename ? arena_strdup(a, cfg->filename) : reading->file,
        .line = cfg->line > 0 ? cfg->line : 1,
    };
    take_values(a, cfg, sec);
    STAILQ_INSERT_TAIL(out, sec, link);
}

static void take_all(struct arena *a, cfg_t *cfg, const struct raw_shape *shapes,
                     struct raw_file *out)
{
    take_section(a, cfg, NULL, out);
    for (const struct raw_shape *s = shapes + 1; s->keys; s++) {
        for (unsigned i = 0; i < cfg_size(cfg, s->name); i++)
            take_section(a, cfg_getnsec(cfg, s->name, i), s->name, out);
    }
}

int config_read(const char *file, const struct raw_shape *shapes, bool lax, struct arena *a,
                struct raw_file *out, struct err *e)
{
    struct reader r = {.arena = a, .err = e, .file = file};
    STAILQ_INIT(out);
    cfg_t *cfg = cfg_init(make_root(a, shapes), lax ? CFGF_IGNORE_UNKNOWN : CFGF_NONE);
    INVARIANT(cfg);
    cfg_set_error_function(cfg, on_error);
    reading = &r;
    int result = parse_file(cfg, file);
    if (result < 0 && !r.failed)
        err_set(e, "%s: %s", file, errno ? strerror(errno) : "cannot be read");
    if (result < 0)
        lexer_reset();
    take_all(a, cfg, shapes, out);
    reading = NULL;
    cfg_free(cfg);
    free(r.seen);
    return result;
}
