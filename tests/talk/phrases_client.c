/* Phrases for clients of both kinds: connecting, sending, receiving. */
#include "client.h"
#include "match.h"
#include "vars.h"

static const char *password_of(struct client *c)
{
    const char *key = arena_printf(c->d->arena, "password of %s", c->address);
    const char *password = var_get(c->d, key);
    return password ? password : var_get(c->d, "password");
}

static struct client *new_client(struct dialogue *d, const char *name, const char *address)
{
    struct client *c = ordinary_new(d, name);
    return client_set_address(c, address ? address : name) ? c : NULL;
}

static bool connects(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = new_client(d, args[0], args[1]);
    return c && ordinary_connect(c, false, password_of(c), false);
}

static bool connects_over_tls(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = new_client(d, args[0], args[1]);
    return c && ordinary_connect(c, true, password_of(c), false);
}

static bool cannot_connect(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = new_client(d, args[0], args[1]);
    return c && ordinary_connect(c, false, args[2] ? args[2] : password_of(c), true);
}

/* A pattern of our own making. */
static const struct node *pattern(struct dialogue *d, const char *text)
{
    struct err e;
    const struct node *all = node_parse(d->arena, text, &e);
    if (!all)
        fail(d, "%s", e.text);
    return all ? all->first : NULL;
}

/* Roster and initial presence; RFC 6121 section 4.2.2 sends the presence back to us as well. */
static bool get_online(struct client *c)
{
    struct dialogue *d = c->d;
    const char *id = arena_printf(d->arena, "roster-%s-%u", d->run, ++d->serial);
    if (!client_sendf(c, "<iq type='get' id='%s'><query xmlns='jabber:iq:roster'/></iq>", id))
        return false;
    const struct node *p = pattern(d, arena_printf(d->arena, "<iq type='result' id='%s'/>", id));
    if (!p || !client_take(c, p) || !client_sendf(c, "<presence/>"))
        return false;
    p = pattern(d, "<presence from='{t.self}' type='{none}'/>");
    var_set(d, "t.self", "%s", c->full);
    return p && client_take(c, p);
}

static bool goes_online(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    return c && get_online(c);
}

static bool logs_in(struct dialogue *d, char *const *args, const char *body)
{
    return connects(d, args, body) && goes_online(d, args, body);
}

static bool disconnects(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    if (!c)
        return false;
    c->ops->close(c);
    while (!c->gone)
        if (!client_next(c, "the end of the connection"))
            return false;
    return true;
}

static bool drops(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    if (!c)
        return false;
    c->ops->drop(c);
    return true;
}

static bool closes_stream(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    return c && client_sendf(c, "</stream:stream>");
}

static bool sends(struct dialogue *d, char *const *args, const char *body)
{
    struct err e;
    struct client *c = client_find(d, args[0]);
    const char *text = var_expand(d, body, ESCAPE_XML, NULL);
    if (!c || !text)
        return false;
    if (!node_parse(d->arena, text, &e))
        return fail(d, "%s (send it raw if that is meant)", e.text);
    return client_send(c, text, strlen(text));
}

static bool sends_raw(struct dialogue *d, char *const *args, const char *body)
{
    size_t len;
    struct client *c = client_find(d, args[0]);
    const char *text = var_expand(d, body, ESCAPE_NOTHING, &len);
    return c && text && client_send(c, text, len);
}

/* Elements of a body as patterns. */
static struct node *patterns(struct dialogue *d, const char *body)
{
    struct err e;
    struct node *all = node_parse(d->arena, body, &e);
    if (!all) {
        fail(d, "%s", e.text);
        return NULL;
    }
    struct node *elements = node_new(d->arena, NS_TALK, "all");
    for (struct node *n = all->first, *next; n; n = next) {
        next = n->next;
        n->next = NULL;
        if (!n->text)
            node_append(elements, n);
    }
    return elements;
}

static const char *say_wanted(struct dialogue *d, const struct node *p)
{
    return arena_printf(d->arena, "\n    %s", node_say(d, p));
}

static bool receives(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = client_find(d, args[0]);
    const struct node *all = patterns(d, body);
    if (!c || !all)
        return false;
    for (const struct node *p = all->first; p; p = p->next) {
        const struct node *n = client_next_stanza(c, say_wanted(d, p));
        if (!n)
            return false;
        if (!match_node(d, p, n))
            return fail(d, "%s waited for%s\n  but received\n    %s", c->name, say_wanted(d, p),
                        node_say(d, n));
    }
    return true;
}

/* Takes the pattern that matches out of the list. */
static bool take_match(struct dialogue *d, struct node *all, const struct node *n)
{
    for (struct node **at = &all->first; *at; at = &(*at)->next) {
        if (match_node(d, *at, n)) {
            *at = (*at)->next;
            return true;
        }
    }
    return false;
}

static const char *say_all(struct dialogue *d, const struct node *all)
{
    const char *said = "";
    for (const struct node *p = all->first; p; p = p->next)
        said = arena_printf(d->arena, "%s%s", said, say_wanted(d, p));
    return said;
}

static bool receives_unordered(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = client_find(d, args[0]);
    struct node *all = patterns(d, body);
    if (!c || !all)
        return false;
    while (all->first) {
        const struct node *n = client_next_stanza(c, say_all(d, all));
        if (!n)
            return false;
        if (!take_match(d, all, n))
            return fail(d, "%s waited for one of%s\n  but received\n    %s", c->name,
                        say_all(d, all), node_say(d, n));
    }
    return true;
}

static bool receives_eventually(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = client_find(d, args[0]);
    const struct node *all = patterns(d, body);
    if (!c || !all)
        return false;
    for (const struct node *p = all->first; p; p = p->next) {
        const struct node *n;
        do {
            n = client_next_stanza(c, say_wanted(d, p));
        } while (n && !match_node(d, p, n));
        if (!n)
            return false;
    }
    return true;
}

static bool receives_in_between(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = client_find(d, args[0]);
    const struct node *all = patterns(d, body);
    if (!c || !all)
        return false;
    for (const struct node *p = all->first; p; p = p->next)
        if (!client_take(c, p))
            return false;
    return true;
}

static bool is_marker(const struct node *n, const char *type)
{
    const char *prefix = strcmp(type, "get") ? MARKER_OWN : MARKER_OTHER;
    const char *id = node_attr(n, "", "id"), *is = node_attr(n, "", "type");
    return node_is(n, NS_CLIENT, "iq") && id && is && !strncmp(id, prefix, strlen(prefix)) &&
           !strcmp(is, type);
}

/* Everyone else who is here sends a marker: what they sent before must come before it. */
static int send_markers(struct client *c)
{
    int sent = 0;
    for (struct client *o = c->d->clients; o; o = o->next) {
        if (o == c || !o->full || o->gone)
            continue;
        if (!client_sendf(o,
                          "<iq type='get' id='" MARKER_OTHER "%u' to='%s'><ping xmlns='%s'/></iq>",
                          ++c->d->serial, c->full, NS_PING))
            return -1;
        sent++;
    }
    return sent;
}

static bool answer_marker(struct client *c, const struct node *n)
{
    const char *from = node_attr(n, "", "from");
    return client_sendf(c, "<iq type='result' id='%s' to='%s'/>", node_attr(n, "", "id"),
                        from ? from : "");
}

/* Takes the next stanza if it is a marker, and answers it; drops what is before it if `all`. */
static bool take_marker(struct client *c, const char *type, bool all)
{
    const struct node *n;
    do {
        n = client_next_stanza(c, "nothing (but the markers of this check)");
    } while (all && n && !is_marker(n, type));
    if (!n)
        return false;
    if (!is_marker(n, type))
        return fail(c->d, "%s should receive nothing\n  but received\n    %s", c->name,
                    node_say(c->d, n));
    return !strcmp(type, "result") || answer_marker(c, n);
}

/* Receives all that others sent until now, and all until the server answers a ping; drops it if
 * `all`, else there must be none. */
static bool synchronise(struct dialogue *d, const char *name, bool all)
{
    struct client *c = client_find(d, name);
    if (!c)
        return false;
    if (!c->full)
        return fail(d, "%s has no resource yet: nothing to ask the server with", c->name);
    int markers = send_markers(c);
    for (int i = 0; i < markers; i++)
        if (!take_marker(c, "get", all))
            return false;
    const char *id = arena_printf(d->arena, MARKER_OWN "%u", ++d->serial);
    return markers >= 0 &&
           client_sendf(c, "<iq type='get' id='%s' to='%s'><ping xmlns='%s'/></iq>", id,
                        var_get(d, "domain"), NS_PING) &&
           take_marker(c, "result", all);
}

static bool sees_pings(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    if (c)
        c->shows_pings = true;
    return c != NULL;
}

static bool receives_nothing(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return synchronise(d, args[0], false);
}

static bool catches_up(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    return synchronise(d, args[0], true);
}

static bool receives_stream_error(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    const char *wanted = arena_printf(d->arena, "the stream error %s", args[1]);
    const struct event *e = c ? client_next(c, wanted) : NULL;
    if (!e)
        return false;
    if (e->kind == EVENT_STREAM_ERROR && node_child_of(d->arena, e->el, NS_STREAM_ERRORS, args[1]))
        return true;
    return fail(d, "%s waited for %s\n  but received %s", c->name, wanted, event_say(d, e));
}

/* A stream error, after whatever else is still coming. */
static bool receives_stream_error_eventually(struct dialogue *d, char *const *args,
                                             const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    const char *wanted = arena_printf(d->arena, "the stream error %s", args[1]);
    const struct event *e = NULL;
    while (c && (e = client_next(c, wanted)) && e->kind != EVENT_STREAM_ERROR)
        ;
    if (!e || node_child_of(d->arena, e->el, NS_STREAM_ERRORS, args[1]))
        return e != NULL;
    return fail(d, "%s waited for %s\n  but received %s", c->name, wanted, event_say(d, e));
}

static bool receives_end(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    const struct event *e = c ? client_next(c, "the end of the stream") : NULL;
    if (!e || e->kind == EVENT_END)
        return e != NULL;
    return fail(d, "%s waited for the end of the stream\n  but received %s", c->name,
                event_say(d, e));
}

static bool is_disconnected(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    if (!c)
        return false;
    const struct event *e;
    do {
        e = client_next(c, "the end of the connection");
    } while (e && e->kind == EVENT_END);
    if (!e || e->kind == EVENT_GONE)
        return e != NULL;
    return fail(d, "%s waited for the end of the connection\n  but received %s", c->name,
                event_say(d, e));
}

/* Whatever comes before. */
static bool is_disconnected_eventually(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    const struct event *e = NULL;
    while (c && (e = client_next(c, "the end of the connection")) && e->kind != EVENT_GONE)
        ;
    return e != NULL;
}

static bool ignores(struct dialogue *d, char *const *args, const char *body)
{
    struct client *c = client_find(d, args[0]);
    struct node *all = patterns(d, body ? body : "<presence/>");
    if (!c || !all)
        return false;
    c->ignored = all;
    return true;
}

static bool ignores_nothing(struct dialogue *d, char *const *args, const char *body)
{
    (void)body;
    struct client *c = client_find(d, args[0]);
    if (!c)
        return false;
    c->ignored = NULL;
    return true;
}

const struct phrase phrases_client[] = {
    {"NAME connects", connects, "an ordinary client: STARTTLS, SCRAM, bind; no presence"},
    {"NAME connects as ADDRESS", connects, "ADDRESS: account/resource, or a JID"},
    {"NAME connects over tls", connects_over_tls, "direct TLS"},
    {"NAME connects over tls as ADDRESS", connects_over_tls, NULL},
    {"NAME cannot connect as ADDRESS", cannot_connect, NULL},
    {"NAME cannot connect as ADDRESS with password PASSWORD", cannot_connect, NULL},
    {"NAME logs in", logs_in, "connects, asks for the roster, sends presence, receives its own"},
    {"NAME logs in as ADDRESS", logs_in, NULL},
    {"NAME goes online", goes_online, "what `logs in` does after connecting"},
    {"NAME disconnects", disconnects, "in order"},
    {"NAME drops the connection", drops, "without a word"},
    {"NAME closes the stream", closes_stream, "sends </stream:stream>"},
    {"NAME sends:", sends, "stanzas; {names} are replaced"},
    {"NAME sends raw:", sends_raw, "any bytes"},
    {"NAME receives:", receives, "the next stanzas are these, in this order"},
    {"NAME receives in any order:", receives_unordered, "the next stanzas are these"},
    {"NAME receives eventually:", receives_eventually, "whatever comes before is dropped"},
    {"NAME receives among others:", receives_in_between, "whatever comes before is kept for later"},
    {"NAME receives nothing", receives_nothing,
     "nothing of what others sent until now, nothing until the server answered a ping"},
    {"NAME catches up", catches_up, "the same, but drops what comes"},
    {"NAME receives stream error CONDITION", receives_stream_error, "one of several: A|B"},
    {"NAME receives eventually stream error CONDITION", receives_stream_error_eventually, NULL},
    {"NAME receives the end of the stream", receives_end, NULL},
    {"NAME is disconnected", is_disconnected, "the connection ends, and nothing came before"},
    {"NAME is disconnected eventually", is_disconnected_eventually, "whatever comes before"},
    {"NAME sees pings", sees_pings, "from now on the dialogue answers the server's pings itself"},
    {"NAME ignores presence", ignores, "from now on"},
    {"NAME ignores:", ignores, "stanzas like these"},
    {"NAME ignores nothing", ignores_nothing, NULL},
    {NULL, NULL, NULL},
};
