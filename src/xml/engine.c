#include "xml/engine.h"

#include <malloc.h>
#include <pthread.h>

#include "base/hash.h"
#include "base/mem.h"
#include "config.h"

#define FAT (64 * 1024)
#define POOL_MAX 64
/* An open token up to this size is parsed again with every '>' that comes; a larger one as long as
 * all its parses together have read it no more than so often; then expat waits until it has
 * doubled. In the segments of a network that is always, for any stanza below 350 KB. */
#define OPEN_SMALL 4096
#define READS_MAX 128

static _Thread_local struct engine *pool;
static _Thread_local unsigned pool_count;

/* Whose memory expat asks for at the moment: its allocator functions take no argument. Set around
 * every call of expat, and set back after it: a handler may use another parser. */
static _Thread_local size_t *meter;

static size_t *meter_set(size_t *now)
{
    size_t *before = meter;
    meter = now;
    return before;
}

static void *count_alloc(size_t size)
{
    void *ptr = mem_alloc(size);
    *meter += malloc_usable_size(ptr);
    return ptr;
}

static void *count_realloc(void *ptr, size_t size)
{
    size_t old = ptr ? malloc_usable_size(ptr) : 0;
    ptr = mem_realloc(ptr, size);
    *meter += malloc_usable_size(ptr) - old;
    return ptr;
}

static void count_free(void *ptr)
{
    if (!ptr)
        return;
    *meter -= malloc_usable_size(ptr);
    free(ptr);
}

/* Beyond our own limits, which come first: nothing here is reached without a DTD. */
static void protect(XML_Parser xp)
{
    XML_SetBillionLaughsAttackProtectionActivationThreshold(xp, 1 << 20);
#if HAVE_DECL_XML_SETALLOCTRACKERACTIVATIONTHRESHOLD
    XML_SetAllocTrackerActivationThreshold(xp, 16 << 20);
#else
    (void)xp;
#endif
}

struct engine *engine_new(void)
{
    static const XML_Memory_Handling_Suite suite = {count_alloc, count_realloc, count_free};
    static const char sep[] = {ENGINE_SEP, '\0'};
    struct engine *e = mem_new(struct engine);
    size_t *outer = meter_set(&e->memory);
    /* An encoding given here is not looked for in the document. The hash salt is expat's own. */
    e->xp = XML_ParserCreate_MM("UTF-8", &suite, sep);
    INVARIANT(e->xp);
    XML_SetReturnNSTriplet(e->xp, 1);
    protect(e->xp);
    meter_set(outer);
    strbuf_init(&e->text, SIZE_MAX / 2);
    return e;
}

void engine_free(struct engine **ep)
{
    struct engine *e = *ep;
    if (!e)
        return;
    size_t *outer = meter_set(&e->memory);
    XML_ParserFree(e->xp);
    meter_set(outer);
    strbuf_free(&e->text);
    free(e->header);
    free(e);
    *ep = NULL;
}

struct engine *engine_take(const struct engine_header *h)
{
    for (struct engine **link = &pool; *link; link = &(*link)->next) {
        struct engine *e = *link;
        if (e->hash != h->hash || strcmp(e->header, h->tag) != 0)
            continue;
        *link = e->next;
        pool_count--;
        mem_free(&e->header);
        return e;
    }
    struct engine *e = engine_new();
    enum XML_Status ok = engine_parse(e, h->tag, h->len);
    INVARIANT(ok == XML_STATUS_OK); /* it was accepted once, or is our own */
    e->done = e->fed;
    e->depth = 1;
    return e;
}

/* A thread that ends takes its pool along. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void clear_at_exit(void *unused)
{
    (void)unused;
    engine_pool_clear();
}

static void make_key(void)
{
    int error = pthread_key_create(&at_exit, clear_at_exit);
    INVARIANT(error == 0);
}

void engine_park(struct engine **ep, const struct engine_header *h)
{
    struct engine *e = *ep;
    *ep = NULL;
    if (pool_count >= POOL_MAX) {
        engine_free(&e);
        return;
    }
    if (pool_count == 0) {
        pthread_once(&once, make_key);
        pthread_setspecific(at_exit, &pool);
    }
    e->header = mem_strndup(h->tag, h->len);
    e->hash = h->hash;
    e->next = pool;
    pool = e;
    pool_count++;
}

void engine_pool_clear(void)
{
    while (pool) {
        struct engine *e = pool;
        pool = e->next;
        engine_free(&e);
    }
    pool_count = 0;
}

bool engine_is_fat(const struct engine *e)
{
    return e->memory > FAT;
}

void engine_mark_done(struct engine *e)
{
    e->done = XML_GetCurrentByteIndex(e->xp) + XML_GetCurrentByteCount(e->xp);
}

/* Every markup ends with '>', so a piece without one cannot complete an element, and expat may put
 * its work off until an open token has doubled. A piece with one must be looked at now, or the end
 * of a stanza would wait for the next; but '>' may also stand in an attribute's value, any number
 * of times, so a large token has a budget. */
static bool may_defer(struct engine *e, const char *data, size_t len)
{
    if (!memchr(data, '>', len))
        return true;
    int64_t open = e->fed - e->at + (int64_t)len;
    if (open <= OPEN_SMALL)
        return false;
    if (e->read > (READS_MAX - 1) * open)
        return true;
    e->read += open;
    return false;
}

enum XML_Status engine_parse(struct engine *e, const char *data, size_t len)
{
    INVARIANT(len <= ENGINE_FEED_MAX);
    size_t *outer = meter_set(&e->memory);
#if HAVE_DECL_XML_SETREPARSEDEFERRALENABLED
    XML_SetReparseDeferralEnabled(e->xp, may_defer(e, data, len));
#endif
    enum XML_Status status = XML_Parse(e->xp, data, (int)len, 0);
    meter_set(outer);
    e->fed += (int64_t)len;
    int64_t at = XML_GetCurrentByteIndex(e->xp); /* -1 if it was put off */
    if (at > e->at) {
        e->at = at;
        e->read = 0;
    }
    return status;
}
