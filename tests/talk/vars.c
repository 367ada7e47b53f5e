#include "vars.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdarg.h>

#define EXPANDED_MAX (16U << 20)

void var_set(struct dialogue *d, const char *name, const char *fmt, ...)
{
    struct strbuf b;
    strbuf_init(&b, EXPANDED_MAX);
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) >= 0)
        strbuf_puts(&b, text);
    va_end(ap);
    free(text);
    struct var *v = arena_zalloc(d->arena, sizeof(*v));
    v->name = arena_strdup(d->arena, name);
    v->value = arena_strdup(d->arena, strbuf_str(&b));
    v->next = d->vars;
    d->vars = v;
    strbuf_free(&b);
}

static const char *get_plain(struct dialogue *d, const char *name)
{
    for (const struct var *v = d->vars; v; v = v->next)
        if (!strcmp(v->name, name))
            return v->value;
    return NULL;
}

static const char *get_id(struct dialogue *d, const char *arg)
{
    const char *name = arena_printf(d->arena, "id:%s", arg);
    const char *value = get_plain(d, name);
    if (!value) {
        var_set(d, name, "%s-%s-%u", arg, d->run, ++d->serial);
        value = get_plain(d, name);
    }
    return value;
}

static const char *get_base64(struct dialogue *d, const char *arg)
{
    size_t len;
    char *plain = var_expand(d, arg, ESCAPE_NOTHING, &len);
    if (!plain)
        return NULL;
    unsigned char *out = arena_alloc(d->arena, len * 4 / 3 + 8);
    EVP_EncodeBlock(out, (const unsigned char *)plain, (int)len);
    return (char *)out;
}

static const char *get_repeat(struct dialogue *d, const char *arg)
{
    char *end;
    unsigned long n = strtoul(arg, &end, 10);
    struct strbuf b;
    strbuf_init(&b, EXPANDED_MAX);
    for (; *end == ':' && n > 0; n--)
        strbuf_puts(&b, end + 1);
    const char *value = arena_strdup(d->arena, strbuf_str(&b));
    strbuf_free(&b);
    return value;
}

static const char *get_env(struct dialogue *d, const char *arg)
{
    (void)d;
    const char *value = getenv(arg);
    return value ? value : "";
}

static const struct {
    const char *prefix;
    const char *(*get)(struct dialogue *d, const char *arg);
} functions[] = {
    {"id:", get_id},
    {"base64:", get_base64},
    {"repeat:", get_repeat},
    {"env:", get_env},
};

static const struct {
    const char *name, *value;
} constants[] = {{"lf", "\n"}, {"star", "*"}, {"brace", "{"}};

const char *var_get(struct dialogue *d, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        size_t len = strlen(functions[i].prefix);
        if (!strncmp(name, functions[i].prefix, len))
            return functions[i].get(d, name + len);
    }
    for (size_t i = 0; i < ARRAY_LEN(constants); i++)
        if (!strcmp(name, constants[i].name))
            return constants[i].value;
    return get_plain(d, name);
}

const char *var_name_end(const char *name)
{
    unsigned depth = 1;
    for (; *name; name++) {
        if (*name == '{')
            depth++;
        else if (*name == '}' && --depth == 0)
            return name;
    }
    return NULL;
}

/* Bytes in hexadecimal. */
static void add_hex(struct strbuf *out, const char *hex)
{
    unsigned byte;
    for (; isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2)
        if (sscanf(hex, "%2x", &byte) == 1)
            strbuf_putc(out, (char)byte);
}

static bool add_value(struct dialogue *d, struct strbuf *out, const char *name, enum escape escape)
{
    if (!strncmp(name, "x:", 2)) {
        add_hex(out, name + 2);
        return true;
    }
    const char *value = var_get(d, name);
    if (!value)
        return fail(d, "{%s} has no value", name);
    if (escape == ESCAPE_XML)
        node_escape(out, value);
    else
        strbuf_puts(out, value);
    return true;
}

char *var_expand(struct dialogue *d, const char *text, enum escape escape, size_t *len)
{
    struct strbuf out;
    strbuf_init(&out, EXPANDED_MAX);
    bool ok = true;
    while (ok && *text) {
        const char *end = *text == '{' ? var_name_end(text + 1) : NULL;
        if (!end) {
            strbuf_putc(&out, *text++);
            continue;
        }
        const char *name = arena_strndup(d->arena, text + 1, (size_t)(end - text - 1));
        ok = add_value(d, &out, name, escape);
        text = end + 1;
    }
    char *result = NULL;
    if (ok) {
        result = arena_alloc(d->arena, out.len + 1);
        memcpy(result, strbuf_str(&out), out.len + 1);
        if (len)
            *len = out.len;
    }
    strbuf_free(&out);
    return result;
}
