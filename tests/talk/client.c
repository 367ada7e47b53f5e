#include "client.h"

#include <stdarg.h>

#include "base/clock.h"
#include "match.h"
#include "vars.h"

#define SENT_MAX (16U << 20)

static void client_free(struct client *c)
{
    c->ops->free(c);
    c->impl = NULL;
}

struct client *client_add(struct dialogue *d, const char *name, const struct client_ops *ops,
                          void *impl)
{
    for (struct client **at = &d->clients; *at; at = &(*at)->next) {
        if (!strcmp((*at)->name, name)) {
            client_free(*at);
            *at = (*at)->next;
            break;
        }
    }
    struct client *c = arena_zalloc(d->arena, sizeof(*c));
    c->d = d;
    c->name = arena_strdup(d->arena, name);
    c->ops = ops;
    c->impl = impl;
    c->next = d->clients;
    d->clients = c;
    return c;
}

struct client *client_find(struct dialogue *d, const char *name)
{
    for (struct client *c = d->clients; c; c = c->next)
        if (!strcmp(c->name, name))
            return c;
    fail(d, "%s is not connected", name);
    return NULL;
}

bool client_set_address(struct client *c, const char *address)
{
    struct dialogue *d = c->d;
    address = var_expand(d, address, ESCAPE_NOTHING, NULL);
    if (!address)
        return false;
    const char *slash = strchr(address, '/');
    const char *account = arena_strndup(d->arena, address, strcspn(address, "/"));
    if (slash)
        c->resource = arena_strdup(d->arena, slash + 1);
    c->address = strchr(account, '@') ? account : var_get(d, account);
    return c->address ? true : fail(d, "there is no account %s", account);
}

void client_set_full(struct client *c, const char *full)
{
    c->full = arena_strdup(c->d->arena, full);
    const char *slash = strchr(full, '/');
    var_set(c->d, arena_printf(c->d->arena, "%s.full", c->name), "%s", full);
    var_set(c->d, arena_printf(c->d->arena, "%s.resource", c->name), "%s", slash ? slash + 1 : "");
}

const char *node_say(struct dialogue *d, const struct node *n)
{
    struct strbuf b;
    strbuf_init(&b, 4096);
    node_write(&b, n, NS_CLIENT);
    const char *said = arena_printf(d->arena, "%s%s", strbuf_str(&b), b.overflow ? "..." : "");
    strbuf_free(&b);
    return said;
}

const char *event_say(struct dialogue *d, const struct event *e)
{
    static const char *const words[] = {
        [EVENT_STANZA] = "",
        [EVENT_HEADER] = "the stream header ",
        [EVENT_STREAM_ERROR] = "",
        [EVENT_END] = "the end of the stream",
        [EVENT_GONE] = "the end of the connection",
        [EVENT_BAD] = "what is not XMPP: ",
    };
    const char *rest = e->el ? node_say(d, e->el) : e->text ? e->text : "";
    return arena_printf(d->arena, "%s%s", words[e->kind], rest);
}

static void queue(struct client *c, struct event *e)
{
    if (c->last)
        c->last->next = e;
    else
        c->first = e;
    c->last = e;
}

static bool is_ignored(const struct client *c, const struct event *e)
{
    if (e->kind != EVENT_STANZA || !c->ignored)
        return false;
    for (const struct node *p = c->ignored->first; p; p = p->next)
        if (!p->text && match_node(c->d, p, e->el))
            return true;
    return false;
}

/* An answer to a marker of "receives nothing": nobody waits for it. */
static bool is_marker_answer(const struct node *el)
{
    const char *id = node_attr(el, "", "id"), *type = node_attr(el, "", "type");
    return node_is(el, NS_CLIENT, "iq") && id && type && strcmp(type, "get") &&
           !strncmp(id, MARKER_OTHER, strlen(MARKER_OTHER));
}

void client_event(struct client *c, enum event_kind kind, const struct node *el, const char *text)
{
    struct event *e = arena_zalloc(c->d->arena, sizeof(*e));
    e->kind = kind;
    e->el = el;
    e->text = text ? arena_strdup(c->d->arena, text) : NULL;
    note(c->d, c->name, "<-", event_say(c->d, e));
    if (kind == EVENT_GONE)
        c->gone = true;
    if (kind != EVENT_STANZA || !is_marker_answer(el))
        queue(c, e);
}

static void unlink_event(struct client *c, struct event *e)
{
    struct event *before = NULL;
    for (struct event *i = c->first; i != e; i = i->next)
        before = i;
    if (before)
        before->next = e->next;
    else
        c->first = e->next;
    if (c->last == e)
        c->last = before;
}

static bool is_server_ping(const struct client *c, const struct event *e)
{
    const char *type = e->kind == EVENT_STANZA ? node_attr(e->el, "", "type") : NULL;
    const char *from = type ? node_attr(e->el, "", "from") : NULL;
    return from && !strcmp(type, "get") && !strcmp(from, var_get(c->d, "domain")) &&
           node_child_of(c->d->arena, e->el, NS_PING, "ping");
}

/* Answers the server's pings, as every client does, and leaves them out. */
static void answer_pings(struct client *c)
{
    for (struct event *e = c->first, *next; e && !c->shows_pings && !c->gone; e = next) {
        next = e->next;
        if (!is_server_ping(c, e))
            continue;
        unlink_event(c, e);
        client_sendf(c, "<iq type='result' id='%s' to='%s'/>", node_attr(e->el, "", "id"),
                     node_attr(e->el, "", "from"));
    }
}

/* Takes the first event for which it is the turn, without waiting. */
static struct event *take_first(struct client *c)
{
    answer_pings(c);
    while (c->first) {
        struct event *e = c->first;
        c->first = e->next;
        if (!c->first)
            c->last = NULL;
        e->next = NULL;
        if (!is_ignored(c, e))
            return e;
    }
    return NULL;
}

/* Waits until something more is in the queue, or `until` (clock_mono()). */
static bool wait_more(struct client *c, int64_t until)
{
    struct event *last = c->last;
    while (c->last == last && !c->gone) {
        int64_t left = until - clock_mono();
        if (left <= 0)
            return false;
        c->ops->pump(c, left > 100 * CLOCK_MS ? 100 : (int)(left / CLOCK_MS) + 1);
    }
    return c->last != last;
}

const struct event *client_next(struct client *c, const char *wanted)
{
    int64_t until = clock_mono() + c->d->options->patience;
    for (;;) {
        struct event *e = take_first(c);
        if (e)
            return e;
        if (!wait_more(c, until))
            break;
    }
    fail(c->d, "%s waited for %s\n  %s", c->name, wanted,
         c->gone ? "but the connection is closed" : "but nothing came");
    return NULL;
}

const struct node *client_next_stanza(struct client *c, const char *wanted)
{
    const struct event *e = client_next(c, wanted);
    if (!e)
        return NULL;
    if (e->kind == EVENT_STANZA)
        return e->el;
    fail(c->d, "%s waited for %s\n  but received %s", c->name, wanted, event_say(c->d, e));
    return NULL;
}

void client_put_back(struct client *c, const struct event *e)
{
    struct event *copy = arena_zalloc(c->d->arena, sizeof(*copy));
    *copy = *e;
    copy->next = c->first;
    c->first = copy;
    if (!c->last)
        c->last = copy;
}

const struct node *client_take(struct client *c, const struct node *pattern)
{
    int64_t until = clock_mono() + c->d->options->patience;
    do {
        answer_pings(c);
        for (struct event *e = c->first; e; e = e->next) {
            if (e->kind == EVENT_STANZA && match_node(c->d, pattern, e->el)) {
                unlink_event(c, e);
                return e->el;
            }
        }
    } while (wait_more(c, until));
    fail(c->d, "%s waited for\n    %s\n  but it did not come%s", c->name, node_say(c->d, pattern),
         c->gone ? " before the connection was closed" : "");
    return NULL;
}

bool client_send(struct client *c, const char *data, size_t len)
{
    note(c->d, c->name, "->", arena_strndup(c->d->arena, data, len));
    if (c->gone)
        return fail(c->d, "%s cannot send: the connection is closed", c->name);
    return c->ops->send(c, data, len) ? true : fail(c->d, "%s could not send", c->name);
}

bool client_sendf(struct client *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    bool ok = len >= 0 && client_send(c, text, (size_t)len);
    free(text);
    return ok;
}

void clients_free(struct dialogue *d)
{
    for (struct client *c = d->clients; c; c = c->next)
        client_free(c);
    d->clients = NULL;
}
