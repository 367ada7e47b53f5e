/* Fuzzer: whatever element a peer can send, what we write for it is read as the same element in a
 * client's, a server's and a component's stream, and is written the same again. The first byte
 * chooses the stream that it comes from. */
#include <stdint.h>

#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/stanza.h"

static const char *const streams[] = {NS_CONTENT, NS_SERVER, NS_COMPONENT};
static const struct xml_limits limits = {
    .bytes = 1 << 24, .elements = 1 << 20, .depth = XML_DEPTH_MAX, .attrs = 1 << 20};

/* The one element that is read back. */
struct back {
    struct arena *arena;
    struct xml_el *el;
};

static void no_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    (void)arg;
    (void)el;
    (void)content_ns;
    INVARIANT(false);
}

static void no_close(void *arg)
{
    (void)arg;
    INVARIANT(false);
}

static void on_back(void *arg, struct arena *arena, struct xml_el *el)
{
    struct back *b = arg;
    INVARIANT(!b->el);
    *b = (struct back){arena, el};
}

/* In a stream whose content namespace is `ns` that namespace is NS_CONTENT. */
static void as_in_stream(struct xml_el *el, const char *ns)
{
    struct xml_el *child;
    if (atom_is(el->ns, ns))
        el->ns = NS_CONTENT;
    XML_FOREACH (child, el)
        as_in_stream(child, ns);
}

static void read_back(struct back *b, const char *stream, const struct strbuf *bytes)
{
    static const struct xml_sink sink = {no_open, on_back, no_close};
    struct xml_parser *p = xml_parser_new(&sink, b, &limits);
    xml_parser_assume_open(p, stream);
    enum xml_error e = xml_parser_feed(p, bytes->s, bytes->len);
    INVARIANT(e == XML_OK && b->el && xml_parser_pending(p) == 0);
    xml_parser_park(p);
    xml_parser_free(&p);
}

static void check_stream(struct xml_el *el, const char *stream)
{
    struct strbuf bytes, again;
    struct back b = {NULL, NULL};
    strbuf_init(&bytes, 1 << 26);
    strbuf_init(&again, 1 << 26);
    as_in_stream(el, stream);
    xml_write(&bytes, el, NS_CONTENT);
    read_back(&b, stream, &bytes);
    INVARIANT(xml_equal(el, b.el));
    xml_write(&again, b.el, NS_CONTENT);
    INVARIANT(again.len == bytes.len && memcmp(again.s, bytes.s, bytes.len) == 0);
    strbuf_free(&bytes);
    strbuf_free(&again);
    arena_free(&b.arena);
}

/* A stanza's bytes are the same frozen or not, and a stanza again when the archive reads them. */
static void check_stanza(struct arena *arena, struct xml_el *el)
{
    struct strbuf loose, frozen;
    strbuf_init(&loose, 1 << 26);
    strbuf_init(&frozen, 1 << 26);
    struct stanza *st = stanza_from_element(arena, el, NULL);
    stanza_write(&loose, st);
    stanza_freeze(st);
    stanza_write(&frozen, st);
    INVARIANT(loose.len == frozen.len && memcmp(loose.s, frozen.s, loose.len) == 0);
    struct stanza *back = stanza_parse(loose.s, loose.len);
    INVARIANT(!back == !atom_is(el->ns, NS_CONTENT));
    if (back)
        INVARIANT(xml_equal(back->el, el) && back->kind == st->kind && back->type == st->type);
    stanza_unref(&back);
    stanza_unref(&st);
    strbuf_free(&loose);
    strbuf_free(&frozen);
}

static void on_element(void *arg, struct arena *arena, struct xml_el *el)
{
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct arena *a = arena_new(1024);
        check_stream(xml_copy(a, el), streams[i]);
        arena_free(&a);
    }
    check_stanza(arena, el);
}

static void on_close(void *arg)
{
    (void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct xml_sink sink = {no_open, on_element, on_close};
    if (size < 2)
        return 0;
    struct xml_parser *p = xml_parser_new(&sink, NULL, &limits);
    xml_parser_assume_open(p, streams[data[0] % ARRAY_LEN(streams)]);
    enum xml_error e = xml_parser_feed(p, (const char *)data + 1, size - 1);
    (void)e;
    xml_parser_free(&p);
    return 0;
}
