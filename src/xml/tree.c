#include "xml/tree.h"

static struct xml_el *el_of(const struct xml_node *n)
{
    return CONTAINER_OF(n, struct xml_el, node);
}

struct xml_el *xml_new(struct arena *a, const char *ns, const char *name)
{
    struct xml_el *el = arena_alloc(a, sizeof(*el));
    *el = (struct xml_el){.ns = ns, .name = name};
    return el;
}

static void append_node(struct xml_el *parent, struct xml_node *n)
{
    n->next = NULL;
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
}

void xml_append(struct xml_el *parent, struct xml_el *child)
{
    append_node(parent, &child->node);
}

struct xml_el *xml_add(struct arena *a, struct xml_el *parent, const char *ns, const char *name)
{
    struct xml_el *el = xml_new(a, ns, name);
    append_node(parent, &el->node);
    return el;
}

/* The link that points to the attribute, or the one at the end of the list. */
static struct xml_attr **attr_link(struct xml_attr **link, const char *ns, const char *name)
{
    while (*link && !(atom_is((*link)->name, name) && atom_is((*link)->ns, ns)))
        link = &(*link)->next;
    return link;
}

struct xml_el *xml_set_ns(struct arena *a, struct xml_el *el, const char *ns, const char *name,
                          const char *value)
{
    struct xml_attr **link = attr_link(&el->attrs, ns, name);
    if (*link && value) {
        (*link)->value = value;
    } else if (*link) {
        *link = (*link)->next;
    } else if (value) {
        *link = arena_alloc(a, sizeof(**link));
        **link = (struct xml_attr){.ns = ns, .name = name, .value = value};
    }
    return el;
}

void xml_prepend(struct xml_el *parent, struct xml_el *child)
{
    child->node.next = parent->first;
    parent->first = &child->node;
    if (!parent->last)
        parent->last = &child->node;
}

struct xml_el *xml_set(struct arena *a, struct xml_el *el, const char *name, const char *value)
{
    return xml_set_ns(a, el, "", name, value);
}

struct xml_el *xml_text_len(struct arena *a, struct xml_el *el, const char *text, size_t len)
{
    struct xml_node *n = arena_alloc(a, sizeof(*n));
    *n = (struct xml_node){.text = text, .len = len};
    append_node(el, n);
    return el;
}

struct xml_el *xml_text(struct arena *a, struct xml_el *el, const char *text)
{
    return xml_text_len(a, el, text, strlen(text));
}

static struct xml_el *first_el(const struct xml_node *n)
{
    while (n && n->text)
        n = n->next;
    return n ? el_of(n) : NULL;
}

struct xml_el *xml_first(const struct xml_el *el)
{
    return first_el(el->first);
}

struct xml_el *xml_next(const struct xml_el *el)
{
    return first_el(el->node.next);
}

static bool matches(const struct xml_el *el, const char *ns, const char *name)
{
    return (!name || atom_is(el->name, name)) && (!ns || atom_is(el->ns, ns));
}

struct xml_el *xml_child(const struct xml_el *el, const char *ns, const char *name)
{
    struct xml_el *child;
    XML_FOREACH (child, el) {
        if (matches(child, ns, name))
            return child;
    }
    return NULL;
}

const char *xml_attr_ns(const struct xml_el *el, const char *ns, const char *name)
{
    for (const struct xml_attr *at = el->attrs; at; at = at->next) {
        if (atom_is(at->name, name) && atom_is(at->ns, ns))
            return at->value;
    }
    return NULL;
}

const char *xml_attr(const struct xml_el *el, const char *name)
{
    return xml_attr_ns(el, "", name);
}

const char *xml_text_of(struct arena *a, const struct xml_el *el)
{
    const struct xml_node *only = NULL;
    size_t len = 0;
    unsigned count = 0;
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (!n->text)
            continue;
        only = n;
        len += n->len;
        count++;
    }
    if (count < 2)
        return only ? only->text : "";
    char *joined = arena_alloc(a, len + 1), *to = joined;
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (!n->text)
            continue;
        memcpy(to, n->text, n->len);
        to += n->len;
    }
    *to = '\0';
    return joined;
}

unsigned xml_remove(struct xml_el *el, const char *ns, const char *name)
{
    unsigned removed = 0;
    struct xml_node **link = &el->first, *last = NULL;
    while (*link) {
        if (!(*link)->text && matches(el_of(*link), ns, name)) {
            *link = (*link)->next;
            removed++;
            continue;
        }
        last = *link;
        link = &last->next;
    }
    el->last = last;
    return removed;
}

/* A string as the copy may hold it: atoms as they are, others in its own arena. */
static const char *copy_name(struct arena *a, const char *s)
{
    size_t len = strlen(s);
    if (len == 0)
        return "";
    const char *atom = atom_find(s, len);
    return atom ? atom : arena_strndup(a, s, len);
}

static struct xml_attr *copy_attrs(struct arena *a, const struct xml_attr *from, bool deep)
{
    struct xml_attr *head = NULL, **link = &head;
    for (; from; from = from->next) {
        struct xml_attr *at = arena_alloc(a, sizeof(*at));
        *at = *from;
        if (deep) {
            at->ns = copy_name(a, from->ns);
            at->name = copy_name(a, from->name);
            at->value = arena_strdup(a, from->value);
        }
        *link = at;
        link = &at->next;
    }
    *link = NULL;
    return head;
}

struct xml_el *xml_copy(struct arena *a, const struct xml_el *el)
{
    struct xml_el *copy = xml_new(a, copy_name(a, el->ns), copy_name(a, el->name));
    copy->attrs = copy_attrs(a, el->attrs, true);
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->text)
            xml_text_len(a, copy, arena_strndup(a, n->text, n->len), n->len);
        else
            append_node(copy, &xml_copy(a, el_of(n))->node);
    }
    return copy;
}

struct xml_el *xml_copy_top(struct arena *a, const struct xml_el *el)
{
    struct xml_el *copy = xml_new(a, el->ns, el->name);
    copy->attrs = copy_attrs(a, el->attrs, false);
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->text) {
            xml_text_len(a, copy, n->text, n->len);
        } else {
            struct xml_el *child = arena_alloc(a, sizeof(*child));
            *child = *el_of(n);
            append_node(copy, &child->node);
        }
    }
    return copy;
}

static bool attrs_equal(const struct xml_el *a, const struct xml_el *b)
{
    unsigned in_a = 0, in_b = 0;
    for (const struct xml_attr *at = a->attrs; at; at = at->next, in_a++) {
        const char *other = xml_attr_ns(b, at->ns, at->name);
        if (!other || strcmp(other, at->value) != 0)
            return false;
    }
    for (const struct xml_attr *at = b->attrs; at; at = at->next)
        in_b++;
    return in_a == in_b;
}

/* Where a comparison stands in the character data of one of two elements. */
struct text_run {
    const struct xml_node *node;
    size_t at;
};

/* Steps over nodes whose text is used up. */
static void settle(struct text_run *r)
{
    while (r->node && r->node->text && r->at == r->node->len)
        *r = (struct text_run){.node = r->node->next};
}

/* Takes as much equal text from both as there is, until one stands at an element or the end. */
static bool texts_equal(struct text_run *a, struct text_run *b)
{
    for (settle(a), settle(b); a->node && a->node->text && b->node && b->node->text;
         settle(a), settle(b)) {
        size_t left_a = a->node->len - a->at, left_b = b->node->len - b->at;
        size_t len = left_a < left_b ? left_a : left_b;
        if (memcmp(a->node->text + a->at, b->node->text + b->at, len) != 0)
            return false;
        a->at += len;
        b->at += len;
    }
    bool text_a = a->node && a->node->text, text_b = b->node && b->node->text;
    return !text_a && !text_b && !a->node == !b->node;
}

bool xml_equal(const struct xml_el *a, const struct xml_el *b)
{
    if (!xml_is(a, b->ns, b->name) || !attrs_equal(a, b))
        return false;
    struct text_run x = {.node = a->first}, y = {.node = b->first};
    while (texts_equal(&x, &y)) {
        if (!x.node)
            return true;
        if (!xml_equal(el_of(x.node), el_of(y.node)))
            return false;
        x = (struct text_run){.node = x.node->next};
        y = (struct text_run){.node = y.node->next};
    }
    return false;
}
