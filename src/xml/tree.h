/* Elements in an arena. Names and namespaces are atoms where known (compare with xml_is()); the
 * content namespace of every stream is NS_CONTENT, whatever the wire says. */
#ifndef JACKDAW_XML_TREE_H
#define JACKDAW_XML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/atoms.h"

struct xml_attr {
    struct xml_attr *next;
    const char *ns; /* "" for none, NS_XML for xml:lang */
    const char *name;
    const char *value;
};

/* A child: an element (text is NULL: it is the head of a struct xml_el) or character data. */
struct xml_node {
    struct xml_node *next;
    const char *text; /* NUL-terminated */
    size_t len;
};

struct xml_el {
    struct xml_node node; /* as a child of its parent */
    const char *ns, *name;
    struct xml_attr *attrs;
    struct xml_node *first, *last;
};

/* A new element without a parent. Strings given to these functions are not copied: they are atoms,
 * literals or live in the same arena (use arena_strdup() otherwise). */
struct xml_el *xml_new(struct arena *a, const char *ns, const char *name);

/* A new last child of `parent`; returns the child. */
struct xml_el *xml_add(struct arena *a, struct xml_el *parent, const char *ns, const char *name);

/* Moves the detached `child` under `parent` as its last child. An element that is already a child
 * of another must be copied first: xml_copy(). */
void xml_append(struct xml_el *parent, struct xml_el *child);

/* The same as its first child. This changes nothing of the children that are there, so that
 * `parent` may be an edited copy that shares them (xml_copy_top). */
void xml_prepend(struct xml_el *parent, struct xml_el *child);

/* Sets an attribute without namespace, replacing one that is there; NULL removes it. Returns `el`.
 */
struct xml_el *xml_set(struct arena *a, struct xml_el *el, const char *name, const char *value);
/* The same with a namespace (xml:lang: NS_XML, A_lang). */
struct xml_el *xml_set_ns(struct arena *a, struct xml_el *el, const char *ns, const char *name,
                          const char *value);

/* Appends character data. Returns `el`. The second form takes the length, without the NUL that must
 * follow. */
struct xml_el *xml_text(struct arena *a, struct xml_el *el, const char *text);
struct xml_el *xml_text_len(struct arena *a, struct xml_el *el, const char *text, size_t len);

/* Child with this namespace and name, or NULL. `ns` NULL: any namespace. `name` NULL: any name. */
struct xml_el *xml_child(const struct xml_el *el, const char *ns, const char *name);
/* First and next element child, whatever its name; NULL at the end. */
struct xml_el *xml_first(const struct xml_el *el);
struct xml_el *xml_next(const struct xml_el *el);
#define XML_FOREACH(child, el) for (child = xml_first(el); child; child = xml_next(child))

/* Value of the attribute without namespace, or NULL. */
const char *xml_attr(const struct xml_el *el, const char *name);
/* Value of an attribute with a namespace (xml:lang: NS_XML, A_lang), or NULL. */
const char *xml_attr_ns(const struct xml_el *el, const char *ns, const char *name);

/* All direct character data, "" if none. One text node is returned as it is, several are joined in
 * `a`. */
const char *xml_text_of(struct arena *a, const struct xml_el *el);

/* Whether `el` has this namespace and name. */
static inline bool xml_is(const struct xml_el *el, const char *ns, const char *name)
{
    return atom_is(el->ns, ns) && atom_is(el->name, name);
}

/* Removes every child element with this namespace and name; returns how many. */
unsigned xml_remove(struct xml_el *el, const char *ns, const char *name);

/* A deep copy in `a`, detached. */
struct xml_el *xml_copy(struct arena *a, const struct xml_el *el);

/* A copy of the top element for editing what is otherwise immutable: its attributes and the heads
 * of its children are new, so that both may be set, added and removed; what the children hold (and
 * all strings) is shared with `el`, whose arena must outlive the copy. To change inside a child,
 * put an xml_copy() of it in its place. */
struct xml_el *xml_copy_top(struct arena *a, const struct xml_el *el);

/* Deep equality of names, attributes (in any order) and children; character data that stands side
 * by side counts as one. For tests and fuzzers. */
bool xml_equal(const struct xml_el *a, const struct xml_el *b);

#endif
