#include "node.h"

#include <expat.h>

struct node *node_new(struct arena *a, const char *ns, const char *name)
{
    struct node *n = arena_zalloc(a, sizeof(*n));
    n->ns = ns;
    n->name = name;
    return n;
}

void node_set(struct arena *a, struct node *n, const char *ns, const char *name, const char *value)
{
    struct attr **end = &n->attrs;
    while (*end)
        end = &(*end)->next;
    struct attr *attr = arena_zalloc(a, sizeof(*attr));
    *attr = (struct attr){.ns = ns, .name = name, .value = value};
    *end = attr;
}

void node_append(struct node *parent, struct node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

void node_add_text(struct arena *a, struct node *parent, const char *text, size_t len)
{
    struct node *last = parent->last;
    if (last && last->text) {
        last->text = arena_printf(a, "%s%.*s", last->text, (int)len, text);
        return;
    }
    struct node *n = arena_zalloc(a, sizeof(*n));
    n->text = arena_strndup(a, text, len);
    node_append(parent, n);
}

const char *node_attr(const struct node *n, const char *ns, const char *name)
{
    for (const struct attr *a = n->attrs; a; a = a->next)
        if (!strcmp(a->ns, ns) && !strcmp(a->name, name))
            return a->value;
    return NULL;
}

bool node_is(const struct node *n, const char *ns, const char *name)
{
    return n && !n->text && (!ns || !strcmp(n->ns, ns)) && !strcmp(n->name, name);
}

const struct node *node_child(const struct node *n, const char *ns, const char *name)
{
    for (const struct node *c = n->first; c; c = c->next)
        if (node_is(c, ns, name))
            return c;
    return NULL;
}

const struct node *node_child_of(struct arena *a, const struct node *n, const char *ns,
                                 const char *names)
{
    const struct node *child = NULL;
    char *list = arena_strdup(a, names), *save = NULL;
    for (char *s = strtok_r(list, "|", &save); s && !child; s = strtok_r(NULL, "|", &save))
        child = node_child(n, ns, s);
    return child;
}

const char *node_text(struct arena *a, const struct node *n)
{
    const char *text = "";
    for (const struct node *c = n->first; c; c = c->next)
        if (c->text)
            text = *text ? arena_printf(a, "%s%s", text, c->text) : c->text;
    return text;
}

void node_escape(struct strbuf *out, const char *s)
{
    static const char *const entities[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['\''] = "&apos;", ['"'] = "&quot;",
    };
    for (; *s; s++) {
        if (entities[(unsigned char)*s])
            strbuf_puts(out, entities[(unsigned char)*s]);
        else
            strbuf_putc(out, *s);
    }
}

static void write_attrs(struct strbuf *out, const struct node *n)
{
    for (const struct attr *a = n->attrs; a; a = a->next) {
        const char *prefix = "";
        if (!strcmp(a->ns, NS_TALK))
            prefix = "t:";
        else if (*a->ns)
            prefix = "xml:";
        strbuf_printf(out, " %s%s='", prefix, a->name);
        node_escape(out, a->value);
        strbuf_putc(out, '\'');
    }
}

void node_write(struct strbuf *out, const struct node *n, const char *ns)
{
    if (n->text) {
        node_escape(out, n->text);
        return;
    }
    const char *prefix = !strcmp(n->ns, NS_STREAM) ? "stream:" : "";
    strbuf_printf(out, "<%s%s", prefix, n->name);
    if (!*prefix && strcmp(n->ns, ns)) {
        strbuf_printf(out, " xmlns='%s'", n->ns);
        ns = n->ns;
    }
    write_attrs(out, n);
    if (!n->first) {
        strbuf_puts(out, "/>");
        return;
    }
    strbuf_putc(out, '>');
    for (const struct node *c = n->first; c; c = c->next)
        node_write(out, c, ns);
    strbuf_printf(out, "</%s%s>", prefix, n->name);
}

void node_split_name(struct arena *a, const char *joined, const char **ns, const char **name)
{
    const char *sep = strchr(joined, '\1');
    *ns = sep ? arena_strndup(a, joined, (size_t)(sep - joined)) : "";
    *name = arena_strdup(a, sep ? sep + 1 : joined);
}

/* Reading: `open` is the way from the wrapper to the element being read. */
struct reading {
    struct arena *arena;
    struct node *open[64];
    unsigned depth;
    bool too_deep;
};

static void on_start(void *arg, const char *joined, const char **atts)
{
    struct reading *r = arg;
    if (r->depth == ARRAY_LEN(r->open)) {
        r->too_deep = true;
        return;
    }
    struct node *n = node_new(r->arena, NULL, NULL);
    node_split_name(r->arena, joined, &n->ns, &n->name);
    for (; *atts; atts += 2) {
        const char *ns, *name;
        node_split_name(r->arena, atts[0], &ns, &name);
        node_set(r->arena, n, ns, name, arena_strdup(r->arena, atts[1]));
    }
    if (r->depth)
        node_append(r->open[r->depth - 1], n);
    r->open[r->depth++] = n;
}

static void on_end(void *arg, const char *joined)
{
    struct reading *r = arg;
    (void)joined;
    if (r->depth > 1)
        r->depth--;
}

static void on_text(void *arg, const char *s, int len)
{
    struct reading *r = arg;
    if (r->depth)
        node_add_text(r->arena, r->open[r->depth - 1], s, (size_t)len);
}

struct node *node_parse(struct arena *a, const char *text, struct err *e)
{
    static const char head[] =
        "<t:all xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "' xmlns:t='" NS_TALK "'>";
    struct reading r = {.arena = a};
    XML_Parser p = XML_ParserCreateNS("UTF-8", '\1');
    XML_SetUserData(p, &r);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    bool ok = XML_Parse(p, head, sizeof(head) - 1, 0) == XML_STATUS_OK &&
              XML_Parse(p, text, (int)strlen(text), 0) == XML_STATUS_OK &&
              XML_Parse(p, "</t:all>", 8, 1) == XML_STATUS_OK && !r.too_deep;
    if (!ok)
        err_set(e, "this is not XML: %s", XML_ErrorString(XML_GetErrorCode(p)));
    XML_ParserFree(p);
    return ok ? r.open[0] : NULL;
}
