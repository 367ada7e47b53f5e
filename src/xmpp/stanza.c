#include "xmpp/stanza.h"

#include <limits.h>

#include "xml/parser.h"
#include "xml/writer.h"

/* Room in the first block of a stanza that we make ourselves. */
#define ARENA_FIRST 1024
/* More than any stanza that the limits let in becomes when it is written. */
#define BYTES_MAX (64u << 20)
#define INNER_FIRST 1000

static const char *const kind_names[] = {
    [STANZA_MESSAGE] = A_message, [STANZA_PRESENCE] = A_presence, [STANZA_IQ] = A_iq};

static const char *const type_names[] = {
    [TYPE_NORMAL] = "normal",
    [TYPE_CHAT] = "chat",
    [TYPE_GROUPCHAT] = "groupchat",
    [TYPE_HEADLINE] = "headline",
    [TYPE_UNAVAILABLE] = "unavailable",
    [TYPE_SUBSCRIBE] = "subscribe",
    [TYPE_SUBSCRIBED] = "subscribed",
    [TYPE_UNSUBSCRIBE] = "unsubscribe",
    [TYPE_UNSUBSCRIBED] = "unsubscribed",
    [TYPE_PROBE] = "probe",
    [TYPE_GET] = "get",
    [TYPE_SET] = "set",
    [TYPE_RESULT] = "result",
    [TYPE_ERROR] = "error",
};

/* The types a kind may have besides `error`; what it means if there is none, or another one. */
static const struct {
    enum stanza_type first, last, absent, unknown;
} kind_types[] = {
    [STANZA_MESSAGE] = {TYPE_NORMAL, TYPE_HEADLINE, TYPE_NORMAL, TYPE_NORMAL},
    [STANZA_PRESENCE] = {TYPE_UNAVAILABLE, TYPE_PROBE, TYPE_AVAILABLE, TYPE_INVALID},
    [STANZA_IQ] = {TYPE_GET, TYPE_RESULT, TYPE_INVALID, TYPE_INVALID},
};

/* RFC 6120 section 8.3.3. */
static const struct {
    const char *name, *type;
} errors[SE_COUNT] = {
    [SE_BAD_REQUEST] = {"bad-request", "modify"},
    [SE_CONFLICT] = {"conflict", "cancel"},
    [SE_FEATURE_NOT_IMPLEMENTED] = {"feature-not-implemented", "cancel"},
    [SE_FORBIDDEN] = {"forbidden", "auth"},
    [SE_GONE] = {"gone", "cancel"},
    [SE_INTERNAL_SERVER_ERROR] = {"internal-server-error", "cancel"},
    [SE_ITEM_NOT_FOUND] = {"item-not-found", "cancel"},
    [SE_JID_MALFORMED] = {"jid-malformed", "modify"},
    [SE_NOT_ACCEPTABLE] = {"not-acceptable", "modify"},
    [SE_NOT_ALLOWED] = {"not-allowed", "cancel"},
    [SE_NOT_AUTHORIZED] = {"not-authorized", "auth"},
    [SE_POLICY_VIOLATION] = {"policy-violation", "modify"},
    [SE_RECIPIENT_UNAVAILABLE] = {"recipient-unavailable", "wait"},
    [SE_REDIRECT] = {"redirect", "modify"},
    [SE_REGISTRATION_REQUIRED] = {"registration-required", "auth"},
    [SE_REMOTE_SERVER_NOT_FOUND] = {"remote-server-not-found", "cancel"},
    [SE_REMOTE_SERVER_TIMEOUT] = {"remote-server-timeout", "wait"},
    [SE_RESOURCE_CONSTRAINT] = {"resource-constraint", "wait"},
    [SE_SERVICE_UNAVAILABLE] = {"service-unavailable", "cancel"},
    [SE_SUBSCRIPTION_REQUIRED] = {"subscription-required", "auth"},
    [SE_UNDEFINED_CONDITION] = {"undefined-condition", "cancel"},
    [SE_UNEXPECTED_REQUEST] = {"unexpected-request", "wait"},
};

const char *stanza_type_name(enum stanza_type type)
{
    return type_names[type];
}

const char *stanza_error_name(enum stanza_error cond)
{
    return errors[cond].name;
}

const char *stanza_error_type(enum stanza_error cond)
{
    return errors[cond].type;
}

static enum stanza_kind kind_of(const struct xml_el *el)
{
    if (!atom_is(el->ns, NS_CONTENT))
        return STANZA_NONZA;
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
        if (atom_is(el->name, kind_names[i]))
            return (enum stanza_kind)i;
    }
    return STANZA_NONZA;
}

static enum stanza_type type_of(enum stanza_kind kind, const char *name)
{
    if (kind == STANZA_NONZA)
        return TYPE_INVALID;
    if (!name)
        return kind_types[kind].absent;
    for (enum stanza_type t = kind_types[kind].first; t <= kind_types[kind].last; t++) {
        if (strcmp(name, type_names[t]) == 0)
            return t;
    }
    return strcmp(name, "error") == 0 ? TYPE_ERROR : kind_types[kind].unknown;
}

/* A stanza in `arena`, with one reference and nothing read from `el`. */
static struct stanza *wrap(struct arena *arena, struct xml_el *el)
{
    struct stanza *st = arena_zalloc(arena, sizeof(*st));
    atomic_init(&st->refs, 1);
    st->arena = arena;
    st->el = el;
    return st;
}

struct stanza *stanza_from_element(struct arena *arena, struct xml_el *el, bool *to_malformed)
{
    struct stanza *st = wrap(arena, el);
    const char *type = NULL, *from = NULL, *to = NULL;
    for (const struct xml_attr *at = el->attrs; at; at = at->next) {
        if (at->ns[0] != '\0')
            continue;
        if (atom_is(at->name, A_to))
            to = at->value;
        else if (atom_is(at->name, A_from))
            from = at->value;
        else if (atom_is(at->name, A_id))
            st->id = at->value;
        else if (atom_is(at->name, A_type))
            type = at->value;
    }
    st->kind = kind_of(el);
    st->type = type_of(st->kind, type);
    if (from)
        st->from = jid_parse(arena, from, strlen(from));
    if (to)
        st->to = jid_parse(arena, to, strlen(to));
    if (to_malformed)
        *to_malformed = to && !st->to;
    return st;
}

static const struct jid *copy_jid(struct arena *a, const struct jid *j)
{
    size_t size = offsetof(struct jid, s) + j->len + 1u;
    return memcpy(arena_alloc(a, size), j, size);
}

void stanza_set_from(struct stanza *st, const struct jid *j)
{
    st->from = j ? copy_jid(st->arena, j) : NULL;
    xml_set(st->arena, st->el, A_from, j ? st->from->s : NULL);
}

void stanza_set_to(struct stanza *st, const struct jid *j)
{
    st->to = j ? copy_jid(st->arena, j) : NULL;
    xml_set(st->arena, st->el, A_to, j ? st->to->s : NULL);
}

struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type, const struct jid *from,
                          const struct jid *to, const char *id)
{
    INVARIANT(kind != STANZA_NONZA);
    struct arena *a = arena_new(ARENA_FIRST);
    struct stanza *st = wrap(a, xml_new(a, NS_CONTENT, kind_names[kind]));
    st->kind = kind;
    st->type = type;
    xml_set(a, st->el, A_type, type_names[type]);
    if (id) {
        st->id = arena_strdup(a, id);
        xml_set(a, st->el, A_id, st->id);
    }
    if (from)
        stanza_set_from(st, from);
    if (to)
        stanza_set_to(st, to);
    return st;
}

struct stanza *stanza_nonza(const char *ns, const char *name)
{
    struct arena *a = arena_new(ARENA_FIRST);
    return stanza_from_element(a, xml_new(a, ns, name), NULL);
}

struct stanza *stanza_reply(const struct stanza *st)
{
    enum stanza_type type = st->kind == STANZA_IQ ? TYPE_RESULT : st->type;
    return stanza_new(st->kind, type, st->to, st->from, st->id);
}

struct stanza *stanza_error(const struct stanza *st, enum stanza_error cond, const char *text)
{
    if (st->kind == STANZA_NONZA || st->type == TYPE_ERROR || st->type == TYPE_RESULT)
        return NULL;
    struct stanza *reply = stanza_new(st->kind, TYPE_ERROR, st->to, st->from, st->id);
    struct arena *a = reply->arena;
    struct xml_el *error = xml_add(a, reply->el, NS_CONTENT, A_error);
    xml_set(a, error, A_type, errors[cond].type);
    xml_add(a, error, NS_STANZA_ERRORS, errors[cond].name);
    if (text) {
        struct xml_el *words = xml_add(a, error, NS_STANZA_ERRORS, A_text);
        xml_set_ns(a, words, NS_XML, A_lang, "en");
        xml_text(a, words, arena_strdup(a, text));
    }
    return reply;
}

struct stanza *stanza_edit(struct stanza *st)
{
    struct arena *a = arena_new(ARENA_FIRST);
    struct stanza *copy = wrap(a, xml_copy_top(a, st->el));
    copy->kind = st->kind;
    copy->type = st->type;
    copy->from = st->from;
    copy->to = st->to;
    copy->id = st->id;
    copy->shared = stanza_ref(st);
    return copy;
}

static struct stanza *copy_into(struct arena *a, const struct stanza *st)
{
    return stanza_from_element(a, xml_copy(a, st->el), NULL);
}

struct stanza *stanza_compact(const struct stanza *st)
{
    struct stanza *trial = copy_into(arena_new(ARENA_FIRST), st); /* to see how much it needs */
    struct stanza *copy = copy_into(arena_new(arena_used(trial->arena)), st);
    stanza_unref(&trial);
    return copy;
}

struct stanza *stanza_ref(struct stanza *st)
{
    atomic_fetch_add_explicit(&st->refs, 1, memory_order_relaxed);
    return st;
}

void stanza_unref(struct stanza **stp)
{
    struct stanza *st = *stp;
    *stp = NULL;
    while (st && atomic_fetch_sub_explicit(&st->refs, 1, memory_order_acq_rel) == 1) {
        struct stanza *shared = st->shared; /* an edit of an edit of ... */
        struct arena *arena = st->arena;
        arena_free(&arena);
        st = shared;
    }
}

void stanza_set_inner(struct stanza *st, const char *bytes, size_t len)
{
    st->inner_len = len;
    st->inner = arena_strndup(st->arena, bytes, len);
}

void stanza_freeze(struct stanza *st)
{
    if (st->inner || st->kind == STANZA_NONZA)
        return;
    struct strbuf b;
    strbuf_init(&b, BYTES_MAX);
    strbuf_room(&b, INNER_FIRST);
    xml_write_inner(&b, st->el);
    INVARIANT(!b.overflow);
    stanza_set_inner(st, strbuf_str(&b), b.len);
    strbuf_free(&b);
}

static void write_end(struct strbuf *out, const struct stanza *st)
{
    if (st->inner_len == 0) {
        strbuf_add(out, "/>", 2);
        return;
    }
    strbuf_add(out, ">", 1);
    strbuf_add(out, st->inner, st->inner_len);
    xml_write_end(out, st->el, NS_CONTENT);
}

void stanza_write(struct strbuf *out, const struct stanza *st)
{
    if (!st->inner) {
        xml_write(out, st->el, NS_CONTENT);
        return;
    }
    xml_write_start(out, st->el, NS_CONTENT);
    write_end(out, st);
}

void stanza_write_as(struct strbuf *out, const struct stanza *st, const struct jid *from,
                     const struct jid *to)
{
    struct xml_attr mine[2], *instead = NULL;
    if (to) {
        mine[0] = (struct xml_attr){.ns = "", .name = A_to, .value = to->s};
        instead = &mine[0];
    }
    if (from) {
        mine[1] = (struct xml_attr){.next = instead, .ns = "", .name = A_from, .value = from->s};
        instead = &mine[1];
    }
    xml_write_start_as(out, st->el, NS_CONTENT, instead);
    if (st->inner) {
        write_end(out, st);
    } else {
        strbuf_add(out, ">", 1);
        xml_write_inner(out, st->el);
        xml_write_end(out, st->el, NS_CONTENT);
    }
}

enum stanza_error stanza_error_of(const struct stanza *st)
{
    struct xml_el *error = xml_child(st->el, NS_CONTENT, A_error), *child;
    if (!error)
        return SE_UNDEFINED_CONDITION;
    XML_FOREACH (child, error) {
        if (!atom_is(child->ns, NS_STANZA_ERRORS))
            continue;
        for (size_t i = 0; i < SE_COUNT; i++) {
            if (strcmp(child->name, errors[i].name) == 0)
                return (enum stanza_error)i;
        }
    }
    return SE_UNDEFINED_CONDITION;
}

const char *stanza_flaw(const struct stanza *st)
{
    if (st->kind == STANZA_PRESENCE && st->type == TYPE_INVALID)
        return "there is no such type of presence";
    if (st->kind != STANZA_IQ)
        return NULL;
    if (st->type == TYPE_INVALID)
        return "the type of an iq is get, set, result or error";
    if (!st->id)
        return "an iq has an id";
    const struct xml_el *child = xml_first(st->el);
    if ((st->type == TYPE_GET || st->type == TYPE_SET) && (!child || xml_next(child)))
        return "an iq request has exactly one child element";
    return NULL;
}

struct xml_el *st_child(const struct stanza *st, const char *ns, const char *name)
{
    return xml_child(st->el, ns, name);
}

struct xml_el *st_add(struct stanza *st, const char *ns, const char *name)
{
    return xml_add(st->arena, st->el, ns, name);
}

const char *st_attr(const struct stanza *st, const char *name)
{
    return xml_attr(st->el, name);
}

/* What stanza_parse() found. */
struct found {
    struct stanza *st;
    bool wrong; /* more than one element, or the end of a stream */
};

static void found_header(void *arg, const struct xml_el *el, const char *content_ns)
{
    struct found *f = arg;
    (void)el;
    (void)content_ns;
    f->wrong = true;
}

static void found_element(void *arg, struct arena *arena, struct xml_el *el)
{
    struct found *f = arg;
    if (f->st || f->wrong || !atom_is(el->ns, NS_CONTENT)) {
        f->wrong = true;
        arena_free(&arena);
        return;
    }
    f->st = stanza_from_element(arena, el, NULL);
}

static void found_end(void *arg)
{
    struct found *f = arg;
    f->wrong = true;
}

struct stanza *stanza_parse(const char *bytes, size_t len)
{
    static const struct xml_sink sink = {found_header, found_element, found_end};
    struct xml_limits limits = {
        .bytes = len + 1, .elements = UINT_MAX, .depth = XML_DEPTH_MAX, .attrs = UINT_MAX};
    struct found f = {NULL, false};
    struct xml_parser *p = xml_parser_new(&sink, &f, &limits);
    xml_parser_assume_open(p, NS_CONTENT);
    enum xml_error e = xml_parser_feed(p, bytes, len);
    if (e || f.wrong || xml_parser_pending(p) > 0)
        stanza_unref(&f.st);
    else
        xml_parser_park(p);
    xml_parser_free(&p);
    return f.st;
}
