#include "scan.h"
#include "base/macros.h"

#include <string.h>

#include "base/macros.h"

/* Just behind the '>' that ends the tag at `p`, NULL if it is not there yet. */
static const char *tag_end(const char *p, const char *end)
{
    while (p < end && *p != '>') {
        if (*p == '\'' || *p == '"') {
            p = memchr(p + 1, *p, (size_t)(end - p - 1));
            if (!p)
                return NULL;
        }
        p++;
    }
    return p < end ? p + 1 : NULL;
}

/* Accounts for one whole tag [tag, end) and says what it completed. */
static enum scan_result take_tag(struct scan *s, const char *tag, const char *end)
{
    if (tag[1] == '?' || tag[1] == '!')
        return SCAN_MORE;
    if (tag[1] == '/') {
        s->depth--;
        return s->depth == 1 ? SCAN_STANZA : s->depth == 0 ? SCAN_CLOSE : SCAN_MORE;
    }
    if (end[-2] == '/')
        return s->depth == 1 ? SCAN_STANZA : SCAN_MORE;
    return s->depth++ == 0 ? SCAN_OPEN : SCAN_MORE;
}

enum scan_result scan_next(struct scan *s, const char *buf, size_t len, struct slice *out)
{
    while (s->pos < len) {
        const char *tag = memchr(buf + s->pos, '<', len - s->pos);
        if (!tag) {
            s->pos = len;
            break;
        }
        s->pos = (size_t)(tag - buf);
        if (s->depth <= 1)
            s->start = s->pos;
        const char *end = tag_end(tag, buf + len);
        if (!end)
            return SCAN_MORE;
        s->pos = (size_t)(end - buf);
        /* An end tag at depth 2 closes the stanza that began at `start`. */
        enum scan_result r = take_tag(s, tag, end);
        if (r == SCAN_MORE)
            continue;
        *out = (struct slice){buf + s->start, s->pos - s->start};
        s->start = s->pos;
        return r;
    }
    if (s->depth <= 1)
        s->start = s->pos;
    return SCAN_MORE;
}

size_t scan_drop(struct scan *s)
{
    size_t done = s->start;
    s->pos -= done;
    s->start = 0;
    return done;
}

const char *scan_find(struct slice hay, const char *needle)
{
    return memmem(hay.s, hay.len, needle, strlen(needle));
}

bool scan_is(struct slice element, const char *name)
{
    size_t len = strlen(name);
    if (element.len < len + 2 || memcmp(element.s + 1, name, len) != 0)
        return false;
    return strchr(" \t\r\n/>", element.s[1 + len]) != NULL;
}

bool scan_attr(struct slice element, const char *name, struct slice *value)
{
    const char *end = element.s + element.len;
    size_t len = strlen(name);
    for (const char *p = element.s; p < end && *p != '>'; p++) {
        if (*p != '\'' && *p != '"')
            continue;
        const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
        if (!close)
            return false;
        if ((size_t)(p - element.s) > len + 1 && p[-1] == '=' &&
            memcmp(p - 1 - len, name, len) == 0 && strchr(" \t\r\n", p[-2 - (long)len])) {
            *value = (struct slice){p + 1, (size_t)(close - p - 1)};
            return true;
        }
        p = close;
    }
    return false;
}

bool scan_text(struct slice element, struct slice *text)
{
    const char *end = element.s + element.len;
    const char *from = tag_end(element.s, end);
    const char *to = from ? memchr(from, '<', (size_t)(end - from)) : NULL;
    if (!to || to == from)
        return false;
    *text = (struct slice){from, (size_t)(to - from)};
    return true;
}
