/* Fuzzer: a stream's bytes give the same elements and the same error however they are cut, with
 * parking and stopping in between; and no limit is passed. The first byte chooses what happens. */
#include <stdint.h>

#include "base/mem.h"
#include "xml/parser.h"

#define ELEMENTS_MAX 4096
/* Below this size no token is large enough for its reparse to be put off. */
#define EXACT_MAX 4000

enum { SMALL_LIMITS = 1, PARK = 2, CLEAR_POOL = 4, STOP = 8, ASSUME_OPEN = 16 };

struct run {
    struct xml_parser *parser;
    const struct xml_limits *limits;
    struct arena *arenas[ELEMENTS_MAX];
    struct xml_el *elements[ELEMENTS_MAX];
    unsigned count, opened, closed;
    bool stop;
    enum xml_error error;
};

static const struct xml_limits small = {.bytes = 300, .elements = 8, .depth = 4, .attrs = 4};
static const struct xml_limits large = {
    .bytes = 1 << 20, .elements = 10000, .depth = 1000, .attrs = 1000};

/* Counts elements; checks depth and attributes. */
static unsigned check_limits(const struct xml_el *el, unsigned depth, const struct xml_limits *l)
{
    unsigned count = 1, attrs = 0;
    INVARIANT(depth <= l->depth && depth <= XML_DEPTH_MAX);
    for (const struct xml_attr *at = el->attrs; at; at = at->next)
        attrs++;
    INVARIANT(attrs <= l->attrs);
    struct xml_el *child;
    XML_FOREACH (child, el)
        count += check_limits(child, depth + 1, l);
    return count;
}

static void on_open(void *arg, const struct xml_el *el, const char *content_ns)
{
    struct run *r = arg;
    INVARIANT(r->opened == 0 && r->count == 0 && !el->first && content_ns);
    r->opened++;
    if (r->stop)
        xml_parser_stop(r->parser);
}

static void on_element(void *arg, struct arena *arena, struct xml_el *el)
{
    struct run *r = arg;
    INVARIANT(!r->closed && r->count < ELEMENTS_MAX);
    INVARIANT(check_limits(el, 1, r->limits) <= r->limits->elements);
    r->arenas[r->count] = arena;
    r->elements[r->count++] = el;
    if (r->stop)
        xml_parser_stop(r->parser);
}

static void on_close(void *arg)
{
    struct run *r = arg;
    INVARIANT(r->closed == 0);
    r->closed++;
}

static struct run *run_new(unsigned flags)
{
    static const struct xml_sink sink = {on_open, on_element, on_close};
    struct run *r = mem_new(struct run);
    r->limits = flags & SMALL_LIMITS ? &small : &large;
    r->parser = xml_parser_new(&sink, r, r->limits);
    if (flags & ASSUME_OPEN)
        xml_parser_assume_open(r->parser, "jabber:server");
    return r;
}

static void run_free(struct run *r)
{
    for (unsigned i = 0; i < r->count; i++)
        arena_free(&r->arenas[i]);
    xml_parser_free(&r->parser);
    free(r);
}

/* Feeds a copy of exactly this size, all of it even if the run stops. */
static void feed(struct run *r, const uint8_t *data, size_t size)
{
    while (size > 0 && !r->error) {
        char *copy = mem_alloc(size);
        memcpy(copy, data, size);
        r->error = xml_parser_feed(r->parser, copy, size);
        free(copy);
        size_t taken = xml_parser_consumed(r->parser);
        INVARIANT(taken <= size && (r->stop || r->error || taken == size));
        INVARIANT(taken > 0 || r->error);
        data += taken;
        size -= taken;
    }
}

static void feed_in_pieces(struct run *r, unsigned flags, const uint8_t *data, size_t size)
{
    uint32_t random = 2463534242u + (uint32_t)size;
    while (size > 0 && !r->error) {
        random = random * 1664525u + 1013904223u;
        size_t n = 1 + (random >> 16) % (random & 0x8000 ? 3 : 100);
        if (n > size)
            n = size;
        feed(r, data, n);
        data += n;
        size -= n;
        bool between = xml_parser_pending(r->parser) == 0;
        if (flags & PARK && !r->error && r->opened && !r->closed)
            INVARIANT(xml_parser_park(r->parser) == between);
        if (flags & CLEAR_POOL)
            xml_parser_pool_clear();
    }
}

/* Text where none may stand is told before or after what is wrong inside it. */
static enum xml_error kind_of(enum xml_error e)
{
    return e == XML_BAD_FORMAT ? XML_NOT_WELL_FORMED : e;
}

/* An error may be seen later where expat has put its work off, and then a limit comes first. */
static bool same_error(enum xml_error a, enum xml_error b)
{
    return kind_of(a) == kind_of(b) || (a && b && (a == XML_TOO_BIG || b == XML_TOO_BIG));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned flags = data[0];
    struct run *whole = run_new(flags), *pieces = run_new(flags);
    feed(whole, data + 1, size - 1);
    pieces->stop = flags & STOP;
    feed_in_pieces(pieces, flags, data + 1, size - 1);
    static const uint8_t look[] = {'>'}; /* which ends what was put off */
    feed(whole, look, 1);
    feed(pieces, look, 1);
    if (size <= EXACT_MAX) {
        INVARIANT(same_error(whole->error, pieces->error));
        INVARIANT(whole->count == pieces->count);
        INVARIANT(whole->opened == pieces->opened);
        INVARIANT(whole->closed == pieces->closed || (flags & STOP && whole->count == 0));
        INVARIANT(whole->error ||
                  xml_parser_pending(whole->parser) == xml_parser_pending(pieces->parser));
    }
    for (unsigned i = 0; i < whole->count && i < pieces->count; i++)
        INVARIANT(xml_equal(whole->elements[i], pieces->elements[i]));
    run_free(whole);
    run_free(pieces);
    return 0;
}
