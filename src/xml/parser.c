#include "xml/parser.h"

#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "xml/engine.h"
#include "xml/writer.h"

/* Holds an ordinary stanza and its struct whole, in one allocation. */
#define ARENA_FIRST 1536
/* Joined text above this is not kept for the next element. */
#define TEXT_KEEP 4096

enum state { BEFORE_HEADER, OPEN, CLOSED };

struct xml_parser {
    const struct xml_sink *sink;
    void *arg;
    struct xml_limits limits;
    struct engine *engine; /* NULL before the first byte, while parked and after the end */
    enum state state;
    enum xml_error error;
    bool feeding;
    bool stopped;          /* a callback said so: the rest of this feed is ignored */
    bool halted;           /* the engine was stopped and cannot go on */
    unsigned elements;     /* in the element at depth 1 */
    unsigned declarations; /* of namespaces, for the element that comes next */
    size_t consumed;       /* of the last feed */
    struct arena *arena;   /* of the element at depth 1, or of the header */
    struct engine_header header;
    struct strbuf declared; /* the header's namespace declarations, while it is read */
    const char *default_ns; /* that it declares, in p->arena, while it is read */
    const char *content_ns; /* the same if it is one that stands for NS_CONTENT, else "" */
    size_t content_ns_len;
};

const char *xml_error_condition(enum xml_error e)
{
    static const char *const names[] = {
        [XML_OK] = "",
        [XML_NOT_WELL_FORMED] = "not-well-formed",
        [XML_RESTRICTED] = "restricted-xml",
        [XML_UNSUPPORTED_ENCODING] = "unsupported-encoding",
        [XML_TOO_BIG] = "policy-violation",
        [XML_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
        [XML_BAD_FORMAT] = "bad-format",
    };
    return names[e];
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t leading_space(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && is_space(s[n]))
        n++;
    return n;
}

/* From within a handler: expat gives up here; handlers that it still runs do nothing. */
static void halt(struct xml_parser *p)
{
    p->halted = true;
    XML_StopParser(p->engine->xp, XML_FALSE);
}

static void fail(struct xml_parser *p, enum xml_error e)
{
    p->error = e;
    halt(p);
}

/* The namespace that stands for NS_CONTENT in a stream whose default namespace is `ns`. */
static const char *content_ns_of(const char *ns)
{
    static const char *const known[] = {NS_CONTENT, NS_SERVER, NS_COMPONENT};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (atom_is(ns, known[i]))
            return known[i];
    }
    return "";
}

static void set_content_ns(struct xml_parser *p, const char *ns)
{
    p->content_ns = content_ns_of(ns);
    p->content_ns_len = strlen(p->content_ns);
}

/* A name as expat reports it: [namespace SEP] local [SEP prefix]. */
struct name {
    const char *ns, *local, *prefix;
    size_t ns_len, local_len; /* the prefix is NUL-terminated */
};

static struct name split_name(const char *s)
{
    const char *sep = strchr(s, ENGINE_SEP);
    if (!sep)
        return (struct name){.ns = "", .local = s, .prefix = "", .local_len = strlen(s)};
    struct name n = {.ns = s, .ns_len = (size_t)(sep - s), .local = sep + 1, .prefix = ""};
    sep = strchr(n.local, ENGINE_SEP);
    n.local_len = sep ? (size_t)(sep - n.local) : strlen(n.local);
    if (sep)
        n.prefix = sep + 1;
    return n;
}

static const char *keep(struct arena *a, const char *s, size_t len)
{
    if (len == 0)
        return "";
    const char *atom = atom_find(s, len);
    return atom ? atom : arena_strndup(a, s, len);
}

/* An element's namespace; mostly that of the element around it. */
static const char *element_ns(const struct xml_parser *p, const struct name *n,
                              const struct xml_el *parent)
{
    if (n->ns_len == p->content_ns_len && memcmp(n->ns, p->content_ns, n->ns_len) == 0)
        return n->ns_len ? NS_CONTENT : "";
    if (parent && parent->ns != NS_CONTENT && strncmp(parent->ns, n->ns, n->ns_len) == 0 &&
        parent->ns[n->ns_len] == '\0')
        return parent->ns;
    return keep(p->arena, n->ns, n->ns_len);
}

static void set_attrs(struct xml_parser *p, struct xml_el *el, const char **atts, unsigned count)
{
    if (count == 0)
        return;
    struct xml_attr *at = arena_alloc(p->arena, count * sizeof(*at));
    el->attrs = at;
    for (unsigned i = 0; i < count; i++, at++) {
        struct name n = split_name(atts[2 * i]);
        at->ns = keep(p->arena, n.ns, n.ns_len);
        at->name = keep(p->arena, n.local, n.local_len);
        at->value = arena_strdup(p->arena, atts[2 * i + 1]);
        at->next = i + 1 < count ? at + 1 : NULL;
    }
}

static struct xml_el *build(struct xml_parser *p, const struct name *n, const char **atts,
                            const struct xml_el *parent)
{
    unsigned count = 0;
    while (atts[2 * count])
        count++;
    unsigned declarations = p->declarations;
    p->declarations = 0;
    if (count + declarations > p->limits.attrs)
        return NULL;
    struct xml_el *el =
        xml_new(p->arena, element_ns(p, n, parent), keep(p->arena, n->local, n->local_len));
    set_attrs(p, el, atts, count);
    return el;
}

/* The start tag that brings another expat parser to where this one is. */
static void keep_header(struct xml_parser *p, const struct name *n)
{
    struct strbuf tag;
    strbuf_init(&tag, ENGINE_FEED_MAX);
    strbuf_puts(&tag, "<");
    strbuf_puts(&tag, n->prefix);
    strbuf_puts(&tag, n->prefix[0] ? ":" : "");
    strbuf_add(&tag, n->local, n->local_len);
    strbuf_add(&tag, strbuf_str(&p->declared), p->declared.len);
    strbuf_puts(&tag, ">");
    if (tag.overflow || p->declared.overflow) {
        strbuf_free(&tag);
        fail(p, XML_TOO_BIG);
        return;
    }
    p->header.len = tag.len;
    p->header.hash = hash_bytes(tag.s, tag.len);
    p->header.tag = strbuf_detach(&tag);
}

static void start_header(struct xml_parser *p, const char *full_name, const char **atts)
{
    struct name n = split_name(full_name);
    if (!p->arena)
        p->arena = arena_new(ARENA_FIRST);
    const char *ns = p->default_ns ? p->default_ns : "";
    set_content_ns(p, ns);
    struct xml_el *el = build(p, &n, atts, NULL);
    keep_header(p, &n);
    strbuf_free(&p->declared);
    if (!el)
        fail(p, XML_TOO_BIG);
    if (p->error)
        return;
    p->engine->depth = 1;
    p->state = OPEN;
    engine_mark_done(p->engine);
    p->sink->open(p->arg, el, ns);
    p->default_ns = NULL;
    arena_free(&p->arena);
}

static void flush_text(struct xml_parser *p, struct xml_el *el)
{
    struct strbuf *text = &p->engine->text;
    if (text->len == 0)
        return;
    xml_text_len(p->arena, el, arena_strndup(p->arena, text->s, text->len), text->len);
    if (text->cap > TEXT_KEEP)
        strbuf_free(text);
    else
        strbuf_reset(text);
}

static void on_start(void *arg, const char *name, const char **atts)
{
    struct xml_parser *p = arg;
    struct engine *e = p->engine;
    if (p->halted)
        return;
    if (e->depth == 0) {
        start_header(p, name, atts);
        return;
    }
    if (e->depth == 1) {
        p->arena = arena_new(ARENA_FIRST);
        p->elements = 0;
    }
    if (e->depth > XML_DEPTH_MAX || e->depth > p->limits.depth ||
        p->elements++ >= p->limits.elements) {
        fail(p, XML_TOO_BIG);
        return;
    }
    struct xml_el *parent = e->depth > 1 ? e->path[e->depth - 1] : NULL;
    if (parent)
        flush_text(p, parent);
    struct name n = split_name(name);
    struct xml_el *el = build(p, &n, atts, parent);
    if (!el) {
        fail(p, XML_TOO_BIG);
        return;
    }
    if (parent) {
        xml_append(parent, el);
    } else if (xml_is(el, NS_STREAM, A_stream)) { /* whoever begins anew in the middle */
        fail(p, XML_BAD_FORMAT);
        return;
    }
    e->path[e->depth++] = el;
}

static void on_end(void *arg, const char *name)
{
    struct xml_parser *p = arg;
    struct engine *e = p->engine;
    (void)name;
    if (p->halted) {
        /* expat's last word after a stop in `open`: the header was an empty element */
        if (p->stopped && e->depth == 1)
            p->state = CLOSED;
        return;
    }
    e->depth--;
    if (e->depth == 0) {
        engine_mark_done(e);
        p->state = CLOSED;
        halt(p);
        p->sink->close(p->arg);
        return;
    }
    struct xml_el *el = e->path[e->depth];
    flush_text(p, el);
    if (e->depth > 1)
        return;
    engine_mark_done(e);
    if (engine_is_fat(e))
        halt(p);
    struct arena *arena = p->arena;
    p->arena = NULL;
    p->sink->element(p->arg, arena, el);
}

static void on_text(void *arg, const char *s, int len)
{
    struct xml_parser *p = arg;
    struct engine *e = p->engine;
    if (p->halted)
        return;
    if (e->depth > 1)
        strbuf_add(&e->text, s, (size_t)len);
    else if (leading_space(s, (size_t)len) == (size_t)len)
        engine_mark_done(e);
    else
        fail(p, XML_BAD_FORMAT);
}

/* Between elements only white space may stand. In a section it would look as if nothing were open,
 * and the parser could be given back to the pool in the middle of it. */
static void on_cdata(void *arg)
{
    struct xml_parser *p = arg;
    if (!p->halted && p->engine->depth <= 1)
        fail(p, XML_BAD_FORMAT);
}

static void on_declaration(void *arg, const char *prefix, const char *uri)
{
    struct xml_parser *p = arg;
    if (p->halted)
        return;
    p->declarations++;
    if (p->engine->depth > 0)
        return;
    if (!uri)
        uri = "";
    strbuf_puts(&p->declared, prefix ? " xmlns:" : " xmlns");
    strbuf_puts(&p->declared, prefix ? prefix : "");
    strbuf_puts(&p->declared, "='");
    xml_escape_attr(&p->declared, uri, strlen(uri));
    strbuf_puts(&p->declared, "'");
    if (prefix)
        return;
    if (!p->arena)
        p->arena = arena_new(ARENA_FIRST);
    p->default_ns = arena_strdup(p->arena, uri);
}

static void on_xml_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
    struct xml_parser *p = arg;
    (void)version;
    (void)standalone;
    if (!p->halted && encoding && strcasecmp(encoding, "UTF-8") != 0)
        fail(p, XML_UNSUPPORTED_ENCODING);
}

static void restricted(struct xml_parser *p)
{
    if (!p->halted)
        fail(p, XML_RESTRICTED);
}

static void on_doctype(void *arg, const char *name, const char *sys, const char *pub, int subset)
{
    (void)name;
    (void)sys;
    (void)pub;
    (void)subset;
    restricted(arg);
}

static void on_comment(void *arg, const char *text)
{
    (void)text;
    restricted(arg);
}

static void on_instruction(void *arg, const char *target, const char *data)
{
    (void)target;
    (void)data;
    restricted(arg);
}

static void take_engine(struct xml_parser *p)
{
    p->engine = p->state == OPEN ? engine_take(&p->header) : engine_new();
    XML_Parser xp = p->engine->xp;
    XML_SetUserData(xp, p);
    XML_SetElementHandler(xp, on_start, on_end);
    XML_SetCharacterDataHandler(xp, on_text);
    XML_SetStartCdataSectionHandler(xp, on_cdata);
    XML_SetStartNamespaceDeclHandler(xp, on_declaration);
    XML_SetXmlDeclHandler(xp, on_xml_declaration);
    XML_SetStartDoctypeDeclHandler(xp, on_doctype);
    XML_SetCommentHandler(xp, on_comment);
    XML_SetProcessingInstructionHandler(xp, on_instruction);
}

/* Forgets an element or header that is unfinished, and the expat parser in the middle of it. */
static void drop_engine(struct xml_parser *p)
{
    engine_free(&p->engine);
    arena_free(&p->arena);
    strbuf_free(&p->declared);
    p->default_ns = NULL;
    p->declarations = 0;
}

static enum xml_error error_of(enum XML_Error code)
{
    switch (code) {
    case XML_ERROR_UNDEFINED_ENTITY:
    case XML_ERROR_RECURSIVE_ENTITY_REF:
    case XML_ERROR_AMPLIFICATION_LIMIT_BREACH: return XML_RESTRICTED;
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING: return XML_UNSUPPORTED_ENCODING;
    case XML_ERROR_UNBOUND_PREFIX:
    case XML_ERROR_UNDECLARING_PREFIX:
    case XML_ERROR_RESERVED_PREFIX_XML:
    case XML_ERROR_RESERVED_PREFIX_XMLNS: return XML_BAD_NAMESPACE_PREFIX;
    case XML_ERROR_NO_MEMORY: return XML_TOO_BIG;
    default: return XML_NOT_WELL_FORMED;
    }
}

/* Gives a piece to expat; returns how much of it was taken. */
static size_t parse(struct xml_parser *p, const char *data, size_t len)
{
    struct engine *e = p->engine;
    int64_t before = e->fed;
    enum XML_Status status = engine_parse(e, data, len);
    if (status == XML_STATUS_OK && !p->halted)
        return len;
    if (!p->halted)
        p->error = error_of(XML_GetErrorCode(e->xp));
    p->halted = false;
    size_t taken = e->done > before ? (size_t)(e->done - before) : 0;
    drop_engine(p);
    return taken;
}

/* The first two bytes of a stream. RFC 6120 section 11.6: nothing but UTF-8, and no attempt to find
 * out; expat would recognise UTF-16 by its byte order mark or its zeros. The mark in UTF-8 is a
 * character like any other. */
static enum xml_error check_head(const struct xml_parser *p, const char *data, size_t len)
{
    int64_t fed = p->engine ? p->engine->fed : 0;
    if (fed == 0 && data[0] != '<') {
        bool foreign = data[0] == '\0' || (unsigned char)data[0] >= 0xf8; /* never UTF-8 */
        return foreign ? XML_UNSUPPORTED_ENCODING : XML_NOT_WELL_FORMED;
    }
    const char *second = fed == 0 && len > 1 ? data + 1 : fed == 1 ? data : NULL;
    return second && *second == '\0' ? XML_UNSUPPORTED_ENCODING : XML_OK;
}

/* Takes a piece of what is fed; returns its length. */
static size_t step(struct xml_parser *p, const char *data, size_t len)
{
    size_t pending = xml_parser_pending(p);
    if (pending == 0) {
        size_t space = leading_space(data, len);
        if (space)
            return space;
    }
    if (pending >= p->limits.bytes)
        p->error = XML_TOO_BIG;
    else if (p->state == CLOSED)
        p->error = XML_NOT_WELL_FORMED;
    size_t n = p->limits.bytes - pending;
    n = len < n ? len : n;
    n = n < ENGINE_FEED_MAX ? n : ENGINE_FEED_MAX;
    if (!p->error && p->state == BEFORE_HEADER)
        p->error = check_head(p, data, n);
    if (p->error) {
        drop_engine(p);
        return 0;
    }
    if (!p->engine)
        take_engine(p);
    return parse(p, data, n);
}

enum xml_error xml_parser_feed(struct xml_parser *p, const char *data, size_t len)
{
    INVARIANT(!p->feeding);
    p->feeding = true;
    p->stopped = false;
    p->consumed = 0;
    while (!p->error && !p->stopped && p->consumed < len)
        p->consumed += step(p, data + p->consumed, len - p->consumed);
    p->feeding = false;
    return p->error;
}

void xml_parser_stop(struct xml_parser *p)
{
    INVARIANT(p->feeding);
    p->stopped = true;
    if (!p->halted)
        halt(p);
}

size_t xml_parser_consumed(const struct xml_parser *p)
{
    return p->consumed;
}

size_t xml_parser_pending(const struct xml_parser *p)
{
    return p->engine ? (size_t)(p->engine->fed - p->engine->done) : 0;
}

struct xml_parser *xml_parser_new(const struct xml_sink *sink, void *arg,
                                  const struct xml_limits *limits)
{
    struct xml_parser *p = mem_new(struct xml_parser);
    p->sink = sink;
    p->arg = arg;
    p->limits = *limits;
    strbuf_init(&p->declared, ENGINE_FEED_MAX);
    set_content_ns(p, "");
    return p;
}

void xml_parser_restart(struct xml_parser *p)
{
    INVARIANT(!p->feeding);
    drop_engine(p);
    mem_free(&p->header.tag);
    p->state = BEFORE_HEADER;
    p->error = XML_OK;
    set_content_ns(p, "");
}

void xml_parser_assume_open(struct xml_parser *p, const char *content_ns)
{
    xml_parser_restart(p);
    set_content_ns(p, content_ns);
    struct strbuf tag;
    strbuf_init(&tag, ENGINE_FEED_MAX);
    strbuf_puts(&tag, "<stream:stream xmlns='");
    xml_escape_attr(&tag, content_ns, strlen(content_ns));
    strbuf_puts(&tag, "' xmlns:stream='http://etherx.jabber.org/streams'>");
    INVARIANT(!tag.overflow);
    p->header.len = tag.len;
    p->header.hash = hash_bytes(tag.s, tag.len);
    p->header.tag = strbuf_detach(&tag);
    p->state = OPEN;
}

void xml_parser_set_limits(struct xml_parser *p, const struct xml_limits *limits)
{
    p->limits = *limits;
}

void xml_parser_set_arg(struct xml_parser *p, void *arg)
{
    p->arg = arg;
}

bool xml_parser_park(struct xml_parser *p)
{
    INVARIANT(!p->feeding);
    if (!p->engine)
        return true;
    if (p->state != OPEN || xml_parser_pending(p) > 0)
        return false;
    engine_park(&p->engine, &p->header);
    return true;
}

void xml_parser_free(struct xml_parser **pp)
{
    struct xml_parser *p = *pp;
    if (!p)
        return;
    INVARIANT(!p->feeding);
    drop_engine(p);
    free(p->header.tag);
    free(p);
    *pp = NULL;
}

void xml_parser_pool_clear(void)
{
    engine_pool_clear();
}
