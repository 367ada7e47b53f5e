/* The option tables as documents: etc/jackdaw.conf and the manual page jackdaw.conf(5). */
#include "base/strbuf.h"
#include "core/config.h"
#include "core/config_schema.h"
#include "core/module.h"

#define LINE_WIDTH 90

/* Takes the last character away. */
static void chop(struct strbuf *out)
{
    if (out->len > 0)
        out->s[--out->len] = '\0';
}

static void indent(struct strbuf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        strbuf_puts(out, "    ");
}

/* A text as comment lines, broken between words. */
static void comment(struct strbuf *out, unsigned depth, const char *text)
{
    size_t width = LINE_WIDTH - 4 * depth - 2;
    while (*text) {
        size_t len = strlen(text), end = len;
        if (len > width) {
            end = width;
            while (end > 0 && text[end] != ' ')
                end--;
            if (end == 0)
                end = width + strcspn(text + width, " ");
        }
        indent(out, depth);
        strbuf_printf(out, "# %.*s\n", (int)end, text);
        text += end;
        text += strspn(text, " ");
    }
}

/* The help and, if it says more than the name of a type, what the value must be: "A number, from 1
 * to 10."; and whether a reload does not do. */
static void explain(struct strbuf *out, const struct option *o)
{
    size_t len = o->help ? strlen(o->help) : 0;
    strbuf_printf(out, "%s%s", len ? o->help : "", len && o->help[len - 1] != '.' ? "." : "");
    if (o->type != OPTION_STRING) {
        struct strbuf what;
        strbuf_init(&what, 400);
        option_describe(o, &what);
        if (what.s && *what.s >= 'a' && *what.s <= 'z')
            *what.s = (char)(*what.s - 'a' + 'A');
        strbuf_printf(out, " %s%s.", o->type == OPTION_ENUM ? "One of " : "", strbuf_str(&what));
        strbuf_free(&what);
    }
    if (!o->reloadable)
        strbuf_puts(out, " Needs a restart.");
}

/* ---- the sample ---- */

static void sample_option(struct strbuf *out, unsigned depth, const struct option *o)
{
    struct strbuf text;
    strbuf_init(&text, 1000);
    explain(&text, o);
    comment(out, depth, strbuf_str(&text));
    strbuf_free(&text);
    indent(out, depth);
    strbuf_puts(out, "#");
    option_print_default(o, out);
    strbuf_puts(out, "\n\n");
}

static void sample_options(struct strbuf *out, unsigned depth, const struct option *o)
{
    for (; o && o->name; o++) {
        if (depth == 0 && strcmp(o->name, "data_dir") == 0)
            continue; /* stands at the top */
        sample_option(out, depth, o);
    }
    if (depth > 0)
        chop(out); /* no empty line before the brace */
}

static void sample_section(struct strbuf *out, const struct config_section *s)
{
    comment(out, 0, s->help);
    strbuf_puts(out, s->name);
    if (s->title)
        strbuf_printf(out, " \"%s\"", s->sample);
    strbuf_puts(out, " {\n");
    sample_options(out, 1, s->options);
    strbuf_puts(out, "}\n\n");
}

static void sample_module(struct strbuf *out, const struct module *m)
{
    if (!m->options)
        return;
    if (m->summary)
        comment(out, 0, m->summary);
    strbuf_printf(out, "#module \"%s\" {\n", m->name);
    for (const struct option *o = m->options; o->name; o++) {
        sample_option(out, 1, o);
        chop(out);
    }
    strbuf_puts(out, "#}\n\n");
}

void config_sample(struct strbuf *out, const struct module *const *modules, size_t n)
{
    const struct config_section *root = &config_sections[CONFIG_ROOT];
    comment(out, 0,
            "Jackdaw's configuration. What is commented out shows the default; see "
            "jackdaw.conf(5). A string may hold ${NAME:-default} of the environment; "
            "include(\"file\") reads another file. 'jackdawd --check' says what is wrong, "
            "'jackdawctl reload' has the running server take what has changed.");
    strbuf_puts(out, "\n");
    comment(out, 0, option_find(root->options, "data_dir")->help);
    strbuf_puts(out, "data_dir = \"/var/lib/jackdaw\"\n\n");
    sample_options(out, 0, root->options);
    for (size_t i = CONFIG_HOST; i < CONFIG_SECTIONS; i++)
        sample_section(out, &config_sections[i]);
    for (size_t i = 0; i < n; i++)
        sample_module(out, modules[i]);
    chop(out); /* the last empty line */
}

/* ---- the manual page ---- */

/* Text for scdoc: what it would read as markup is escaped. */
static void escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("_*\\#", *text))
            strbuf_putc(out, '\\');
        strbuf_putc(out, *text);
    }
}

static void manual_option(struct strbuf *out, const struct option *o)
{
    strbuf_puts(out, "*");
    escaped(out, o->name);
    strbuf_puts(out, "*");
    if (o->def) {
        strbuf_puts(out, " = ");
        escaped(out, o->def);
    }
    strbuf_puts(out, o->required ? " (required)\n\t" : "\n\t");
    struct strbuf text;
    strbuf_init(&text, 1000);
    explain(&text, o);
    escaped(out, strbuf_str(&text));
    strbuf_free(&text);
    strbuf_puts(out, "\n\n");
}

static void manual_options(struct strbuf *out, const struct option *o)
{
    for (; o && o->name; o++)
        manual_option(out, o);
}

static void manual_heading(struct strbuf *out, const char *name, const char *title)
{
    strbuf_puts(out, "# ");
    for (const char *c = name; *c; c++)
        strbuf_putc(out, (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
    strbuf_printf(out, "%s%s SECTION\n\n", title ? " " : "", title ? title : "");
}

void config_manual(struct strbuf *out, const struct module *const *modules, size_t n)
{
    strbuf_puts(out, "# OPTIONS OUTSIDE SECTIONS\n\n");
    manual_options(out, config_sections[CONFIG_ROOT].options);
    for (size_t i = CONFIG_HOST; i < CONFIG_SECTIONS; i++) {
        const struct config_section *s = &config_sections[i];
        manual_heading(out, s->name, s->title ? s->title : NULL);
        escaped(out, s->help);
        strbuf_puts(out, "\n\n");
        manual_options(out, s->options);
    }
    for (size_t i = 0; i < n; i++) {
        if (!modules[i]->options)
            continue;
        strbuf_printf(out, "# MODULE \"%s\" SECTION\n\n", modules[i]->name);
        escaped(out, modules[i]->summary ? modules[i]->summary : "");
        strbuf_puts(out, "\n\n");
        manual_options(out, modules[i]->options);
    }
    chop(out);
}
