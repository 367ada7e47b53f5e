#include "match.h"

#include <ctype.h>
#include <regex.h>

#include "vars.h"

static bool match_regex(const char *pattern, size_t len, const char *text)
{
    char *anchored = NULL;
    if (asprintf(&anchored, "^(%.*s)$", (int)len, pattern) < 0)
        return false;
    regex_t re;
    bool ok = regcomp(&re, anchored, REG_EXTENDED | REG_NOSUB) == 0;
    free(anchored);
    if (!ok)
        return false;
    ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static bool match_from(struct dialogue *d, const char *pattern, const char *text);

/* Anything up to where the rest matches, the shortest first; into `name` unless it is NULL. */
static bool match_any(struct dialogue *d, const char *name, const char *rest, const char *text)
{
    for (const char *end = text;; end++) {
        struct var *saved = d->vars;
        if (name)
            var_set(d, name, "%.*s", (int)(end - text), text);
        if (match_from(d, rest, end))
            return true;
        d->vars = saved;
        if (!*end)
            return false;
    }
}

static bool match_from(struct dialogue *d, const char *pattern, const char *text)
{
    while (*pattern) {
        if (*pattern == '*')
            return match_any(d, NULL, pattern + 1, text);
        const char *end = *pattern == '{' ? var_name_end(pattern + 1) : NULL;
        if (!end) {
            if (*pattern++ != *text++)
                return false;
            continue;
        }
        const char *name = arena_strndup(d->arena, pattern + 1, (size_t)(end - pattern - 1));
        const char *value = var_get(d, name);
        if (!value)
            return match_any(d, name, end + 1, text);
        size_t len = strlen(value);
        if (strncmp(text, value, len))
            return false;
        text += len;
        pattern = end + 1;
    }
    return !*text;
}

bool match_text(struct dialogue *d, const char *pattern, const char *text)
{
    size_t len = strlen(pattern);
    if (len > 4 && !strncmp(pattern, "{/", 2) && !strcmp(pattern + len - 2, "/}"))
        return match_regex(pattern + 2, len - 4, text);
    return match_from(d, pattern, text);
}

static bool match_attrs(struct dialogue *d, const struct node *pattern, const struct node *n)
{
    for (const struct attr *a = pattern->attrs; a; a = a->next) {
        if (!strcmp(a->ns, NS_TALK))
            continue;
        const char *value = node_attr(n, a->ns, a->name);
        bool none = !strcmp(a->value, "{none}");
        if (none ? value != NULL : !value || !match_text(d, a->value, value))
            return false;
    }
    return true;
}

static bool is_space(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return !*s;
}

static bool match_content(struct dialogue *d, const struct node *pattern, const struct node *n)
{
    const char *expected = node_text(d->arena, pattern);
    if (is_space(expected))
        return true;
    const char *text = node_text(d->arena, n);
    return !strcmp(expected, "{none}") ? !*text : match_text(d, expected, text);
}

static const char *talk_attr(const struct node *pattern, const char *name)
{
    const char *value = node_attr(pattern, NS_TALK, name);
    return value ? value : "";
}

static bool is_absent(const struct node *pattern)
{
    return !strcmp(talk_attr(pattern, "is"), "absent");
}

#define CHILDREN_MAX 512

/* The next child from `c` on that is not taken and matches; its number is added to *at. */
static const struct node *find_child(struct dialogue *d, const struct node *pattern,
                                     const struct node *c, const bool *taken, unsigned *at)
{
    for (; c; c = c->next) {
        if (c->text)
            continue;
        if (*at < CHILDREN_MAX && !taken[*at]) {
            struct var *saved = d->vars;
            if (match_node(d, pattern, c))
                return c;
            d->vars = saved;
        }
        ++*at;
    }
    return NULL;
}

static unsigned count_elements(const struct node *n)
{
    unsigned count = 0;
    for (const struct node *c = n->first; c; c = c->next)
        count += !c->text;
    return count;
}

static bool match_children(struct dialogue *d, const struct node *pattern, const struct node *n)
{
    bool taken[CHILDREN_MAX] = {false};
    bool ordered = !strcmp(talk_attr(pattern, "children"), "ordered");
    unsigned found = 0, next = 0;
    const struct node *from = n->first;
    for (const struct node *p = pattern->first; p; p = p->next) {
        if (p->text || is_absent(p))
            continue;
        unsigned at = ordered ? next : 0;
        const struct node *c = find_child(d, p, ordered ? from : n->first, taken, &at);
        if (!c)
            return false;
        taken[at] = true;
        found++;
        from = c->next;
        next = at + 1;
    }
    for (const struct node *p = pattern->first; p; p = p->next) {
        static const bool none[CHILDREN_MAX];
        unsigned at = 0;
        if (!p->text && is_absent(p) && find_child(d, p, n->first, none, &at))
            return false;
    }
    return strcmp(talk_attr(pattern, "children"), "only") || found == count_elements(n);
}

bool match_node(struct dialogue *d, const struct node *pattern, const struct node *n)
{
    struct var *saved = d->vars;
    if (node_is(n, pattern->ns, pattern->name) && match_attrs(d, pattern, n) &&
        match_content(d, pattern, n) && match_children(d, pattern, n))
        return true;
    d->vars = saved;
    return false;
}
