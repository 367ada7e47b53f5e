#include "dialogue.h"

#include <ctype.h>
#include <stdarg.h>
#include <wchar.h>
#include <wctype.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client.h"
#include "vars.h"

#define FILE_MAX (1U << 20)
#define TRANSCRIPT_MAX (4U << 20)
#define NOTE_MAX 2000       /* bytes of one note */
#define TRANSCRIPT_SHOWN 40 /* lines of it after a failure */
#define WORDS_MAX 24
#define ARGS_MAX 8
#define MACRO_DEPTH_MAX 8

/* A phrase that is made of other phrases. */
struct macro {
    struct macro *next;
    const char *form, *body;
};

/* A statement, taken apart. */
struct statement {
    char *words[WORDS_MAX];
    const char *rest[WORDS_MAX]; /* the line from this word on */
    unsigned n;
    const char *body; /* NULL: no colon */
};

bool fail(struct dialogue *d, const char *fmt, ...)
{
    if (d->failure.len)
        return false;
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0)
        strbuf_printf(&d->failure, "%s:%u: %s", d->file, d->line, text);
    va_end(ap);
    free(text);
    return false;
}

/* Bytes of the character at `s` if it is UTF-8 that a terminal may have, else 0. */
static size_t printable(const char *s)
{
    wchar_t c;
    mbstate_t state = {0};
    size_t len = mbrtowc(&c, s, MB_CUR_MAX, &state);
    return len > 0 && len <= MB_CUR_MAX && (iswprint((wint_t)c) || c == '\n') ? len : 0;
}

/* What is sent may be anything; what is printed is text. */
static void add_printable(struct strbuf *out, const char *s, size_t max)
{
    for (const char *end = s + strnlen(s, max); s < end;) {
        size_t len = printable(s);
        if (len)
            strbuf_add(out, s, len);
        else
            strbuf_printf(out, "{x:%02x}", (unsigned char)*s);
        s += len ? len : 1;
    }
}

void note(struct dialogue *d, const char *who, const char *arrow, const char *what)
{
    size_t from = d->transcript.len;
    strbuf_printf(&d->transcript, "  %4u %s %s ", d->line, who, arrow);
    add_printable(&d->transcript, what, NOTE_MAX);
    strbuf_putc(&d->transcript, '\n');
    if (d->options->verbose)
        fputs(strbuf_str(&d->transcript) + from, stdout);
}

static bool is_param(const char *word)
{
    return isupper((unsigned char)*word) &&
           strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(word);
}

/* Whether the statement is of this form; then `args` are what stands for its parameters. */
static bool match_form(struct dialogue *d, const char *form, const struct statement *s,
                       char *args[ARGS_MAX])
{
    bool wants_body = form[strlen(form) - 1] == ':';
    if (wants_body != (s->body != NULL))
        return false;
    char *words = arena_strndup(d->arena, form, strlen(form) - wants_body), *save = NULL;
    unsigned i = 0, n_args = 0;
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save), i++) {
        if (i == s->n)
            return false;
        if (!strcmp(w, "...")) {
            args[n_args] = arena_strdup(d->arena, s->rest[i]);
            return true;
        }
        if (is_param(w))
            args[n_args++] = s->words[i];
        else if (strcmp(w, s->words[i]))
            return false;
    }
    return i == s->n;
}

/* One word, or what stands in "..."; returns what follows it. */
static const char *take_word(struct dialogue *d, const char *at, char **word)
{
    const char *end;
    if (*at == '"' && (end = strchr(at + 1, '"'))) {
        *word = arena_strndup(d->arena, at + 1, (size_t)(end - at - 1));
        return end + 1;
    }
    end = at + strcspn(at, " \t");
    *word = arena_strndup(d->arena, at, (size_t)(end - at));
    return end;
}

static bool split(struct dialogue *d, const char *line, struct statement *s)
{
    const char *at = line;
    while (*(at += strspn(at, " \t"))) {
        if (s->n == WORDS_MAX)
            return fail(d, "too many words");
        s->rest[s->n] = at;
        at = take_word(d, at, &s->words[s->n]);
        char *word = s->words[s->n++];
        size_t len = strlen(word);
        if (len > 1 && word[len - 1] == ':') {
            word[len - 1] = '\0';
            s->body = at + strspn(at, " \t");
            return true;
        }
    }
    return true;
}

/* The text with $NAME replaced by the value that stands at the same place as NAME among `names`
 * (words; those that are no parameters do not count). */
static const char *substitute(struct dialogue *d, const char *text, const char *names,
                              char *const values[])
{
    struct strbuf b;
    strbuf_init(&b, FILE_MAX);
    for (const char *at = text; *at;) {
        size_t len = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (*at != '$' || !len) {
            strbuf_putc(&b, *at++);
            continue;
        }
        unsigned arg = 0;
        char *form = arena_strdup(d->arena, names), *save = NULL, *w;
        for (w = strtok_r(form, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            if (is_param(w) && strlen(w) == len && !strncmp(w, at + 1, len))
                break;
            arg += is_param(w);
        }
        if (w)
            strbuf_puts(&b, values[arg]);
        else
            strbuf_add(&b, at, 1 + len);
        at += 1 + len;
    }
    const char *result = arena_strdup(d->arena, strbuf_str(&b));
    strbuf_free(&b);
    return result;
}

static bool play_macro(struct dialogue *d, const struct macro *m, char *const args[])
{
    if (d->depth == MACRO_DEPTH_MAX)
        return fail(d, "macros within macros within macros");
    d->depth++;
    bool ok = dialogue_statements(d, substitute(d, m->body, m->form, args), 0);
    d->depth--;
    return ok;
}

static bool play(struct dialogue *d, const char *line)
{
    static const struct phrase *const tables[] = {phrases_world, phrases_client, phrases_raw};
    struct statement s = {.n = 0};
    if (!split(d, line, &s))
        return false;
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        for (const struct phrase *p = tables[t]; p->form; p++) {
            char *args[ARGS_MAX] = {NULL};
            if (match_form(d, p->form, &s, args))
                return p->play(d, args, s.body) && !d->failure.len;
        }
    }
    for (const struct macro *m = d->macros; m; m = m->next) {
        char *args[ARGS_MAX] = {NULL};
        if (match_form(d, m->form, &s, args))
            return play_macro(d, m, args);
    }
    return fail(d, "what does this mean? %s", line);
}

static void define(struct dialogue *d, const char *head, const char *body)
{
    struct macro *m = arena_zalloc(d->arena, sizeof(*m));
    m->form = head;
    m->body = body;
    m->next = d->macros;
    d->macros = m;
}

/* A line and the indented lines below it (blank ones between them too); returns what follows.
 * `lines` counts them. The indentation of the first of them is taken off all. */
static const char *take_block(const char *at, struct strbuf *head, struct strbuf *below,
                              unsigned *lines)
{
    size_t len = strcspn(at, "\n"), indent = 0;
    strbuf_add(head, at, len);
    *lines = 1;
    at += len + (at[len] == '\n');
    for (;;) {
        const char *next = at + strspn(at, "\n");
        if (*next != ' ' && *next != '\t')
            return at;
        *lines += (unsigned)(next - at) + 1;
        size_t space = strspn(next, " \t");
        if (!below->len)
            indent = space;
        next += space < indent ? space : indent;
        len = strcspn(next, "\n");
        strbuf_add(below, next, len);
        strbuf_putc(below, '\n');
        at = next + len + (next[len] == '\n');
    }
}

/* What follows a colon: the rest of its line and the lines below, without their indentation. */
static const char *join(struct dialogue *d, const char *head, const char *below)
{
    struct strbuf b;
    strbuf_init(&b, FILE_MAX);
    strbuf_puts(&b, head);
    while (*below) {
        below += strspn(below, " \t");
        size_t len = strcspn(below, "\n");
        if (len && b.len && b.s[b.len - 1] != ':')
            strbuf_putc(&b, '\n');
        else if (len)
            strbuf_putc(&b, ' ');
        strbuf_add(&b, below, len);
        below += len + (below[len] == '\n');
    }
    const char *text = arena_strdup(d->arena, strbuf_str(&b));
    strbuf_free(&b);
    return text;
}

/* "for I from 1 to 10:" */
static bool play_loop(struct dialogue *d, const char *head, const char *below)
{
    char name[17], *value;
    unsigned from, to;
    if (sscanf(head, "for %16[A-Z_] from %u to %u:", name, &from, &to) != 3)
        return fail(d, "what does this mean? %s", head);
    for (unsigned i = from; i <= to; i++) {
        value = arena_printf(d->arena, "%u", i);
        if (!dialogue_statements(d, substitute(d, below, name, &value), 0))
            return false;
    }
    return true;
}

static bool play_block(struct dialogue *d, const char *head, const char *below)
{
    size_t len = strlen(head);
    if (!strncmp(head, "for ", 4))
        return play_loop(d, head, below);
    if (!strncmp(head, "macro ", 6) && len > 7 && head[len - 1] == ':') {
        define(d, arena_strndup(d->arena, head + 6, len - 7), arena_strdup(d->arena, below));
        return true;
    }
    return play(d, join(d, head, below));
}

bool dialogue_statements(struct dialogue *d, const char *text, unsigned line)
{
    bool ok = true;
    while (ok && *text && !d->skipped) {
        struct strbuf head, below;
        unsigned lines;
        strbuf_init(&head, FILE_MAX);
        strbuf_init(&below, FILE_MAX);
        text = take_block(text, &head, &below, &lines);
        const char *h = strbuf_str(&head);
        if (line) {
            d->line = line;
            line += lines;
        }
        if (*h && *h != '#')
            ok = play_block(d, h, strbuf_str(&below));
        strbuf_free(&head);
        strbuf_free(&below);
    }
    return ok;
}

static bool read_file(const char *name, struct strbuf *out)
{
    FILE *f = fopen(name, "r");
    if (!f)
        return false;
    char buf[1024];
    for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;)
        strbuf_add(out, buf, n);
    fclose(f);
    return !out->overflow;
}

static bool load_macros(struct dialogue *d)
{
    struct strbuf text;
    if (!d->options->macros)
        return true;
    strbuf_init(&text, FILE_MAX);
    bool ok = read_file(d->options->macros, &text) ? dialogue_statements(d, strbuf_str(&text), 0)
                                                   : fail(d, "cannot read %s", d->options->macros);
    strbuf_free(&text);
    return ok;
}

static void set_from_env(struct dialogue *d, const char *var, const char *name)
{
    const char *value = getenv(name);
    var_set(d, var, "%s", value ? value : "");
}

static void begin(struct dialogue *d, const char *file, const struct dialogue_options *options)
{
    unsigned random;
    mem_random(&random, sizeof(random));
    *d = (struct dialogue){.file = file, .title = "", .options = options};
    snprintf(d->run, sizeof(d->run), "%08x", random);
    d->arena = arena_new(65536);
    strbuf_init(&d->failure, 65536);
    strbuf_init(&d->transcript, TRANSCRIPT_MAX);
    d->strophe = xmpp_ctx_new(NULL, NULL);
    set_from_env(d, "domain", "XMPP_DOMAIN");
    set_from_env(d, "host", "XMPP_HOST");
    set_from_env(d, "rooms", "XMPP_ROOMS");
    set_from_env(d, "password", "XMPP_PASSWORD");
}

static void end(struct dialogue *d)
{
    clients_free(d);
    xmpp_ctx_free(d->strophe);
    strbuf_free(&d->failure);
    strbuf_free(&d->transcript);
    arena_free(&d->arena);
}

/* The end of the transcript: what led to the failure. */
static void show_transcript(const struct dialogue *d)
{
    const char *all = strbuf_str(&d->transcript), *from = all + d->transcript.len;
    for (unsigned lines = 0; from > all && lines <= TRANSCRIPT_SHOWN; from--)
        lines += from[-1] == '\n';
    if (from > all)
        from++;
    printf("  what led to it (line, who, ...):\n%s", from);
}

/* The first line of the file, if it is a comment, says what the dialogue is about. */
static const char *title_of(struct dialogue *d, const char *text)
{
    if (*text != '#')
        return "";
    text += 1 + strspn(text + 1, " ");
    return arena_strndup(d->arena, text, strcspn(text, "\n"));
}

bool dialogue_play(const char *file, const struct dialogue_options *options)
{
    struct dialogue d;
    struct strbuf text;
    begin(&d, file, options);
    strbuf_init(&text, FILE_MAX);
    bool ok = read_file(file, &text);
    if (!ok)
        fail(&d, "cannot read it");
    d.title = title_of(&d, strbuf_str(&text));
    ok = ok && load_macros(&d) && dialogue_statements(&d, strbuf_str(&text), 1);
    printf("%s - %s%s%s%s%s\n", ok ? "ok" : "not ok", file, *d.title ? ": " : "", d.title,
           d.skipped ? " # SKIP " : "", d.skipped ? d.skipped : "");
    if (!ok) {
        printf("  %s\n", strbuf_str(&d.failure));
        if (!options->verbose)
            show_transcript(&d);
    }
    fflush(stdout);
    strbuf_free(&text);
    end(&d);
    return ok;
}

void dialogue_help(void)
{
    static const struct phrase *const tables[] = {phrases_world, phrases_client, phrases_raw};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct phrase *p = tables[t]; p->form; p++)
            printf("%-58s %s\n", p->form, p->help ? p->help : "");
}
