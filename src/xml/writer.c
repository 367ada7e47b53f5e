#include "xml/writer.h"

/* What a byte becomes; NULL: itself. Control characters that XML cannot carry (they never come from
 * a parser, but may come from our own side) become U+FFFD, so that what we write is always XML. */
#define NOT_XML "\xef\xbf\xbd"
#define MARKUP                                                                                     \
    [1] = NOT_XML, [2] = NOT_XML, [3] = NOT_XML, [4] = NOT_XML, [5] = NOT_XML, [6] = NOT_XML,      \
    [7] = NOT_XML, [8] = NOT_XML, [11] = NOT_XML, [12] = NOT_XML, [14] = NOT_XML, [15] = NOT_XML,  \
    [16] = NOT_XML, [17] = NOT_XML, [18] = NOT_XML, [19] = NOT_XML, [20] = NOT_XML,                \
    [21] = NOT_XML, [22] = NOT_XML, [23] = NOT_XML, [24] = NOT_XML, [25] = NOT_XML,                \
    [26] = NOT_XML, [27] = NOT_XML, [28] = NOT_XML, [29] = NOT_XML, [30] = NOT_XML,                \
    [31] = NOT_XML, [0] = NOT_XML, ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;",                \
    ['\''] = "&apos;", ['"'] = "&quot;", ['\r'] = "&#13;"

static const char *const in_text[256] = {MARKUP};
/* A parser turns literal tabs and line ends in attributes into spaces. */
static const char *const in_attr[256] = {MARKUP, ['\t'] = "&#9;", ['\n'] = "&#10;"};

static void escape(struct strbuf *out, const char *s, size_t len, const char *const table[256])
{
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        const char *replacement = table[(unsigned char)s[i]];
        if (LIKELY(!replacement))
            continue;
        if (i > start)
            strbuf_add(out, s + start, i - start);
        strbuf_puts(out, replacement);
        start = i + 1;
    }
    if (len > start)
        strbuf_add(out, s + start, len - start);
}

void xml_escape(struct strbuf *out, const char *s, size_t len)
{
    escape(out, s, len, in_text);
}

void xml_escape_attr(struct strbuf *out, const char *s, size_t len)
{
    escape(out, s, len, in_attr);
}

static void write_value(struct strbuf *out, const char *value)
{
    strbuf_add(out, "='", 2);
    xml_escape_attr(out, value, strlen(value));
    strbuf_add(out, "'", 1);
}

void xml_write_attr(struct strbuf *out, const char *name, const char *value)
{
    strbuf_add(out, " ", 1);
    strbuf_puts(out, name);
    write_value(out, value);
}

/* An attribute in a namespace needs a prefix, which it brings along. `n` makes it unique within the
 * element. */
static void write_foreign_attr(struct strbuf *out, const struct xml_attr *at, unsigned n)
{
    strbuf_printf(out, " xmlns:a%u", n);
    write_value(out, at->ns);
    strbuf_printf(out, " a%u:%s", n, at->name);
    write_value(out, at->value);
}

static bool replaced(const struct xml_attr *instead, const char *name)
{
    while (instead && !atom_is(instead->name, name))
        instead = instead->next;
    return instead;
}

static void write_attrs(struct strbuf *out, const struct xml_attr *at,
                        const struct xml_attr *instead)
{
    for (unsigned n = 0; at; at = at->next) {
        if (LIKELY(at->ns[0] == '\0')) {
            if (!replaced(instead, at->name))
                xml_write_attr(out, at->name, at->value);
        } else if (atom_is(at->ns, NS_XML)) {
            strbuf_add(out, " xml:", 5);
            strbuf_puts(out, at->name);
            write_value(out, at->value);
        } else {
            write_foreign_attr(out, at, n++);
        }
    }
    for (; instead; instead = instead->next)
        xml_write_attr(out, instead->name, instead->value);
}

/* The prefix of an element's name, "" for none, where `parent_ns` is the default namespace. `top`:
 * at depth 1, where the stream header's prefix "stream" is in force for certain. Deeper the bytes
 * may end in another document (an archive, a WebSocket frame). */
static const char *prefix_of(const struct xml_el *el, const char *parent_ns, bool top)
{
    if (LIKELY(atom_is(el->ns, parent_ns)))
        return "";
    if (top && atom_is(el->ns, NS_STREAM))
        return "stream:";
    return atom_is(el->ns, NS_XML) ? "xml:" : ""; /* which may be declared under no other prefix */
}

static void write_start(struct strbuf *out, const struct xml_el *el, const char *parent_ns,
                        const char *prefix, const struct xml_attr *instead)
{
    strbuf_add(out, "<", 1);
    strbuf_puts(out, prefix);
    strbuf_puts(out, el->name);
    if (!prefix[0] && !atom_is(el->ns, parent_ns)) {
        strbuf_add(out, " xmlns", 6);
        write_value(out, el->ns);
    }
    write_attrs(out, el->attrs, instead);
}

static void write_end(struct strbuf *out, const struct xml_el *el, const char *prefix)
{
    strbuf_add(out, "</", 2);
    strbuf_puts(out, prefix);
    strbuf_puts(out, el->name);
    strbuf_add(out, ">", 1);
}

static void write_children(struct strbuf *out, const struct xml_el *el, const char *ns);

static void write_el(struct strbuf *out, const struct xml_el *el, const char *parent_ns, bool top)
{
    const char *prefix = prefix_of(el, parent_ns, top);
    write_start(out, el, parent_ns, prefix, NULL);
    if (!el->first) {
        strbuf_add(out, "/>", 2);
        return;
    }
    strbuf_add(out, ">", 1);
    write_children(out, el, prefix[0] ? parent_ns : el->ns);
    write_end(out, el, prefix);
}

/* Recursion is bounded by XML_DEPTH_MAX. */
static void write_children(struct strbuf *out, const struct xml_el *el, const char *ns)
{
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->text)
            xml_escape(out, n->text, n->len);
        else
            write_el(out, CONTAINER_OF(n, struct xml_el, node), ns, false);
    }
}

void xml_write(struct strbuf *out, const struct xml_el *el, const char *parent_ns)
{
    write_el(out, el, parent_ns, true);
}

void xml_write_inner(struct strbuf *out, const struct xml_el *el)
{
    bool prefixed = atom_is(el->ns, NS_STREAM) || atom_is(el->ns, NS_XML);
    write_children(out, el, prefixed ? NS_CONTENT : el->ns);
}

void xml_write_start_as(struct strbuf *out, const struct xml_el *el, const char *parent_ns,
                        const struct xml_attr *instead)
{
    write_start(out, el, parent_ns, prefix_of(el, parent_ns, true), instead);
}

void xml_write_start(struct strbuf *out, const struct xml_el *el, const char *parent_ns)
{
    xml_write_start_as(out, el, parent_ns, NULL);
}

void xml_write_end(struct strbuf *out, const struct xml_el *el, const char *parent_ns)
{
    write_end(out, el, prefix_of(el, parent_ns, true));
}
