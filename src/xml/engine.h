/* An expat parser with what Jackdaw adds to it: counted memory, a pool of idle ones per thread, and
 * the name of the stream header inside which it stands. Only parser.c uses this. */
#ifndef JACKDAW_XML_ENGINE_H
#define JACKDAW_XML_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "xml/parser.h"

/* Must be defined for the declarations of the protection calls. */
#ifndef XML_DTD
#define XML_DTD 1
#endif
#include <expat.h>

/* Between a namespace and a local name as expat reports them: a byte that no UTF-8 text holds, so
 * that no namespace can smuggle one in (CVE-2022-25236). */
#define ENGINE_SEP '\xff'

struct engine {
    XML_Parser xp;
    size_t memory;     /* that expat holds */
    int64_t fed, done; /* bytes given to expat; up to the end of the last thing at depth 1 */
    int64_t at;        /* where the last parse stopped: the start of the open token */
    int64_t read;      /* bytes that parses of one large open token have read */
    unsigned depth;    /* of open elements, the stream header included */
    struct xml_el *path[XML_DEPTH_MAX + 1]; /* those below the header, from path[1] */
    struct strbuf text;                     /* character data that the next tag completes */
    struct engine *next;                    /* in the pool */
    uint64_t hash;                          /* of the header, in the pool */
    char *header;                           /* in the pool */
};

/* What a parser keeps of its stream's header: a start tag with the same name and declarations (so
 * that another expat parser can be brought where this one was) and its hash. */
struct engine_header {
    char *tag; /* NULL before the header was seen */
    size_t len;
    uint64_t hash;
};

/* A new one, before the first byte. */
struct engine *engine_new(void);
/* One that stands in a stream with this header: out of the pool, or new. Without handlers. */
struct engine *engine_take(const struct engine_header *h);
/* Gives one back that stands between elements in a stream with this header. *e is NULL after. */
void engine_park(struct engine **e, const struct engine_header *h);
/* Frees one, not from a callback. Accepts NULL, sets NULL. */
void engine_free(struct engine **e);
/* Frees those of this thread's pool; a thread that ends does so by itself. */
void engine_pool_clear(void);

/* XML_Parse() of at most ENGINE_FEED_MAX bytes with its memory counted, and with expat's reparse
 * deferral on only where it cannot hold back the end of an element. */
enum XML_Status engine_parse(struct engine *e, const char *data, size_t len);
#define ENGINE_FEED_MAX 16384

/* Whether expat has interned or buffered so much that it should be replaced. */
bool engine_is_fat(const struct engine *e);

/* Marks everything up to the end of the present event as done (from within a handler). */
void engine_mark_done(struct engine *e);

#endif
