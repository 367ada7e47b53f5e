#include "ctl/print.h"

#include <stdint.h>
#include <wchar.h>
#include <wctype.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define CELL_MAX 65536

/* ---- cells ---- */

/* Adds the text with everything that is not printable as an escape. */
static void add_clean(struct strbuf *out, const char *s)
{
    mbstate_t state = {0};
    size_t left = strlen(s);
    while (left > 0) {
        wchar_t wc;
        size_t n = mbrtowc(&wc, s, left, &state);
        bool valid = n != (size_t)-1 && n != (size_t)-2 && n > 0;
        if (valid && iswprint((wint_t)wc)) {
            strbuf_add(out, s, n);
        } else {
            n = 1;
            state = (mbstate_t){0};
            strbuf_printf(out, "\\x%02x", (unsigned char)*s);
        }
        s += n;
        left -= n;
    }
}

static void add_value(struct strbuf *out, const json_t *value)
{
    size_t i;
    json_t *item;
    switch (json_typeof(value)) {
    case JSON_STRING: add_clean(out, json_string_value(value)); return;
    case JSON_INTEGER:
        strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL: strbuf_printf(out, "%.3f", json_real_value(value)); return;
    case JSON_TRUE: strbuf_puts(out, "yes"); return;
    case JSON_FALSE: strbuf_puts(out, "no"); return;
    case JSON_NULL: return;
    case JSON_ARRAY:
        json_array_foreach(value, i, item)
        {
            if (i > 0)
                strbuf_puts(out, ", ");
            add_value(out, item);
        }
        return;
    case JSON_OBJECT: break;
    }
    const char *key, *between = "";
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        strbuf_printf(out, "%s%s ", between, key);
        add_value(out, item);
        between = ", ";
    }
}

static char *cell(const json_t *value)
{
    struct strbuf b;
    strbuf_init(&b, CELL_MAX);
    strbuf_puts(&b, "");
    if (value)
        add_value(&b, value);
    char *text = strbuf_detach(&b);
    return text ? text : mem_strdup("");
}

size_t print_width(const char *s)
{
    mbstate_t state = {0};
    size_t width = 0, left = strlen(s);
    while (left > 0) {
        wchar_t wc;
        size_t n = mbrtowc(&wc, s, left, &state);
        if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
            n = 1;
            state = (mbstate_t){0};
            width++;
        } else {
            int w = wcwidth(wc);
            width += w > 0 ? (size_t)w : 0;
        }
        s += n;
        left -= n;
    }
    return width;
}

/* ---- tables ---- */

static void print_padded(const char *text, size_t width, bool last)
{
    fputs(text, stdout);
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(width - print_width(text) + 2), "");
}

/* `cells` has a heading and then a row per object. */
static void print_cells(char **cells, size_t rows, size_t cols)
{
    size_t *widths = mem_zalloc(cols * sizeof(*widths));
    for (size_t i = 0; i < rows * cols; i++) {
        size_t width = print_width(cells[i]);
        if (width > widths[i % cols])
            widths[i % cols] = width;
    }
    for (size_t i = 0; i < rows * cols; i++)
        print_padded(cells[i], widths[i % cols], i % cols == cols - 1);
    free(widths);
}

static void print_table(const json_t *result, const json_t *columns)
{
    size_t cols = json_array_size(columns), rows = json_array_size(result) + 1;
    char **cells = mem_zalloc(rows * cols * sizeof(*cells));
    for (size_t col = 0; col < cols; col++) {
        const char *name = json_string_value(json_array_get(columns, col));
        cells[col] = mem_strdup(name ? name : "");
        for (char *c = cells[col]; *c; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        for (size_t row = 1; row < rows; row++)
            cells[row * cols + col] =
                cell(json_object_get(json_array_get(result, row - 1), name ? name : ""));
    }
    print_cells(cells, rows, cols);
    for (size_t i = 0; i < rows * cols; i++)
        free(cells[i]);
    free(cells);
}

/* ---- facts ---- */

static void print_facts(const json_t *object)
{
    const char *key;
    json_t *value;
    size_t widest = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t len = strlen(key);
        widest = len > widest ? len : widest;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool several = json_is_array(value) && json_is_object(json_array_get(value, 0));
        size_t n = several ? json_array_size(value) : 1;
        for (size_t i = 0; i < n; i++) {
            char *text = cell(several ? json_array_get(value, i) : value);
            printf("%-*s  %s\n", (int)widest, i == 0 ? key : "", text);
            free(text);
        }
    }
}

static void print_lines(const json_t *result)
{
    size_t i;
    json_t *item;
    json_array_foreach(result, i, item)
    {
        char *text = cell(item);
        puts(text);
        free(text);
    }
}

void print_result(const json_t *result, const json_t *columns, bool as_json)
{
    if (as_json) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else if (json_is_array(result) && json_array_size(columns) > 0) {
        print_table(result, columns);
    } else if (json_is_object(result)) {
        print_facts(result);
    } else if (json_is_array(result)) {
        print_lines(result);
    } else if (!json_is_null(result)) {
        char *text = cell(result);
        puts(text);
        free(text);
    }
}
