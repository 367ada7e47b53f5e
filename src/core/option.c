#include "core/option.h"

#include <errno.h>
#include <inttypes.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "base/suggest.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* From small to large: a value is printed in the largest unit that divides it. */
static const struct unit durations[] = {
    {"us", 1},
    {"ms", CLOCK_MS},
    {"s", CLOCK_SEC},
    {"m", 60 * CLOCK_SEC},
    {"h", 3600 * CLOCK_SEC},
    {"d", 86400 * CLOCK_SEC},
    {NULL, 0},
};
static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
};

size_t option_count(const struct option *table)
{
    size_t n = 0;
    while (table && table[n].name)
        n++;
    return n;
}

const struct option *option_find(const struct option *table, const char *name)
{
    for (; table && table->name; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

/* ---- texts to values ---- */

/* A decimal number with one of `units` (NULL: none) behind it; without unit it is meant in
 * `bare`. False if it is not one or does not fit. */
static bool read_number(const char *text, const struct unit *units, int64_t bare, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno == ERANGE || text[0] == ' ' || text[0] == '+')
        return false;
    int64_t factor = bare;
    if (*end) {
        while (units && units->name && strcmp(units->name, end) != 0)
            units++;
        if (!units || !units->name)
            return false;
        factor = units->factor;
    }
    return !__builtin_mul_overflow((int64_t)n, factor, out);
}

static bool in_range(const struct option *o, int64_t n)
{
    if (o->min == 0 && o->max == 0)
        return n >= 0;
    return n >= o->min && n <= o->max;
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool read_choice(const char *text, const char *const *choices, int *out)
{
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool set_number(const struct option *o, int64_t *at, const char *text)
{
    static const struct {
        const struct unit *units;
        int64_t bare;
    } kinds[] = {
        [OPTION_INT] = {NULL, 1},
        [OPTION_SIZE] = {sizes, 1},
        [OPTION_DURATION] = {durations, CLOCK_SEC},
    };
    int64_t n;
    if (!read_number(text, kinds[o->type].units, kinds[o->type].bare, &n) || !in_range(o, n))
        return false;
    *at = n;
    return true;
}

/* Stores one text that is no list; false if it is not of the option's type or out of its range. */
static bool set_scalar(const struct option *o, void *at, const char *text, struct arena *a)
{
    switch (o->type) {
    case OPTION_BOOL: return read_bool(text, at);
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_DURATION: return set_number(o, at, text);
    case OPTION_ENUM: return read_choice(text, o->choices, at);
    case OPTION_STRING: *(const char **)at = arena_strdup(a, text); return true;
    case OPTION_LIST: break;
    }
    return false;
}

static void set_list(struct option_list *list, const char *const *texts, size_t n, struct arena *a)
{
    const char **items = arena_alloc(a, (n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++)
        items[i] = arena_strdup(a, texts[i]);
    items[n] = NULL;
    *list = (struct option_list){.n = n, .items = items};
}

static int refuse(const struct option *o, const char *text, struct err *e)
{
    struct strbuf what;
    strbuf_init(&what, 300);
    option_describe(o, &what);
    struct suggest s;
    suggest_init(&s, text);
    for (const char *const *c = o->choices; o->type == OPTION_ENUM && *c; c++)
        suggest_offer(&s, *c);
    err_set(e, "must be %s, not '%.60s'%s%s%s", strbuf_str(&what), text,
            s.best ? "; did you mean '" : "", s.best ? s.best : "", s.best ? "'?" : "");
    strbuf_free(&what);
    return -1;
}

int option_set(const struct option *o, void *section, const char *const *texts, size_t n,
               struct arena *a, struct err *e)
{
    void *at = (char *)section + o->offset;
    if (o->type == OPTION_LIST) {
        set_list(at, texts, n, a);
        return 0;
    }
    if (n != 1)
        return err_set(e, "takes one value, not a list of %zu", n);
    return set_scalar(o, at, texts[0], a) ? 0 : refuse(o, texts[0], e);
}

/* A list's default is written "a b c". */
static void default_list(struct option_list *list, const char *def, struct arena *a)
{
    const char *items[32];
    size_t n = 0;
    for (const char *p = def; *p && n < ARRAY_LEN(items);) {
        size_t len = strcspn(p, " ");
        if (len)
            items[n++] = arena_strndup(a, p, len);
        p += len;
        p += strspn(p, " ");
    }
    set_list(list, items, n, a);
}

void option_defaults(const struct option *table, void *section, struct arena *a)
{
    for (const struct option *o = table; o && o->name; o++) {
        void *at = (char *)section + o->offset;
        if (!o->def)
            continue;
        if (o->type == OPTION_LIST)
            default_list(at, o->def, a);
        else
            INVARIANT(set_scalar(o, at, o->def, a)); /* a table with a bad default is a bug */
    }
}

/* ---- two of them ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const struct option_list *a, const struct option_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

bool option_equal(const struct option *o, const void *a, const void *b)
{
    const void *left = (const char *)a + o->offset, *right = (const char *)b + o->offset;
    switch (o->type) {
    case OPTION_BOOL: return *(const bool *)left == *(const bool *)right;
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_DURATION: return *(const int64_t *)left == *(const int64_t *)right;
    case OPTION_ENUM: return *(const int *)left == *(const int *)right;
    case OPTION_STRING: return same_text(*(const char *const *)left, *(const char *const *)right);
    case OPTION_LIST: break;
    }
    return same_list(left, right);
}

void option_copy(const struct option *o, void *to, const void *from, struct arena *a)
{
    void *target = (char *)to + o->offset;
    const void *source = (const char *)from + o->offset;
    const struct option_list *list = source;
    const char *text;
    switch (o->type) {
    case OPTION_BOOL: *(bool *)target = *(const bool *)source; break;
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_DURATION: *(int64_t *)target = *(const int64_t *)source; break;
    case OPTION_ENUM: *(int *)target = *(const int *)source; break;
    case OPTION_STRING:
        text = *(const char *const *)source;
        *(const char **)target = text ? arena_strdup(a, text) : NULL;
        break;
    case OPTION_LIST: set_list(target, list->items, list->n, a); break;
    }
}

/* ---- for humans ---- */

static void print_number(const struct option *o, int64_t n, struct strbuf *out)
{
    const struct unit *units = o->type == OPTION_DURATION ? durations
                               : o->type == OPTION_SIZE   ? sizes
                                                          : NULL;
    const struct unit *best = NULL;
    for (const struct unit *u = units; u && u->name; u++) {
        if (n != 0 && n % u->factor == 0)
            best = u;
    }
    if (best && (best->factor > 1 || o->type == OPTION_DURATION))
        strbuf_printf(out, "%" PRId64 "%s", n / best->factor, best->name);
    else
        strbuf_printf(out, "%" PRId64, n);
}

static void print_range(const struct option *o, struct strbuf *out)
{
    if (o->min == 0 && o->max == 0)
        return;
    strbuf_puts(out, ", from ");
    print_number(o, o->min, out);
    if (o->max == INT64_MAX) {
        strbuf_puts(out, " up");
        return;
    }
    strbuf_puts(out, " to ");
    print_number(o, o->max, out);
}

static void print_choices(const struct option *o, struct strbuf *out)
{
    for (size_t i = 0; o->choices[i]; i++) {
        const char *between = i == 0 ? "" : o->choices[i + 1] ? ", " : " or ";
        strbuf_printf(out, "%s\"%s\"", between, o->choices[i]);
    }
}

void option_describe(const struct option *o, struct strbuf *out)
{
    static const char *const kinds[] = {
        [OPTION_BOOL] = "yes or no",
        [OPTION_INT] = "a number",
        [OPTION_SIZE] = "a size such as 64KiB",
        [OPTION_DURATION] = "a duration such as 30s",
        [OPTION_STRING] = "a string",
        [OPTION_ENUM] = "",
        [OPTION_LIST] = "a list such as {\"a\", \"b\"}",
    };
    strbuf_puts(out, o->path ? "a file name" : kinds[o->type]);
    if (o->type == OPTION_ENUM)
        print_choices(o, out);
    if (o->type == OPTION_INT || o->type == OPTION_SIZE || o->type == OPTION_DURATION)
        print_range(o, out);
}

static void print_list(const char *def, struct strbuf *out)
{
    strbuf_putc(out, '{');
    for (const char *p = def; *p;) {
        size_t len = strcspn(p, " ");
        strbuf_printf(out, "%s\"%.*s\"", p == def ? "" : ", ", (int)len, p);
        p += len;
        p += strspn(p, " ");
    }
    strbuf_putc(out, '}');
}

void option_print_default(const struct option *o, struct strbuf *out)
{
    const char *def = o->def ? o->def : o->type == OPTION_LIST ? "" : "...";
    strbuf_printf(out, "%s = ", o->name);
    if (o->type == OPTION_LIST)
        print_list(def, out);
    else if (o->type == OPTION_STRING || o->type == OPTION_ENUM)
        strbuf_printf(out, "\"%s\"", def);
    else
        strbuf_puts(out, def);
}
