/* Elements → bytes. Output is plain XML that any parser reads the same way: names and namespaces
 * are written as they are in the tree, no prefixes but `stream:` and `xml:`. */
#ifndef JACKDAW_XML_WRITER_H
#define JACKDAW_XML_WRITER_H

#include "base/strbuf.h"
#include "xml/tree.h"

/* Writes `el` with everything in it. `parent_ns` is the namespace in force where it is written:
 * NS_CONTENT at depth 1 of any stream (then elements in the content namespace declare nothing).
 * An element declares xmlns exactly when its namespace differs from its parent's. */
void xml_write(struct strbuf *out, const struct xml_el *el, const char *parent_ns);

/* Only the children of `el`: what stands between its tags. */
void xml_write_inner(struct strbuf *out, const struct xml_el *el);

/* Writes `<name attr='value'...` of `el` without the closing `>` or `/>`. */
void xml_write_start(struct strbuf *out, const struct xml_el *el, const char *parent_ns);

/* The same with a list of attributes (without namespace; NULL: none) that take the place of those
 * of the same name. For fan-out: `>`, the shared inner bytes and the end tag follow. */
void xml_write_start_as(struct strbuf *out, const struct xml_el *el, const char *parent_ns,
                        const struct xml_attr *instead);

/* Writes `</name>`. */
void xml_write_end(struct strbuf *out, const struct xml_el *el, const char *parent_ns);

/* Writes ` name='value'` with the value escaped. */
void xml_write_attr(struct strbuf *out, const char *name, const char *value);

/* Escapes < > & ' " (and tab, newline, return in attributes) of text / an attribute value. */
void xml_escape(struct strbuf *out, const char *s, size_t len);
void xml_escape_attr(struct strbuf *out, const char *s, size_t len);

#endif
