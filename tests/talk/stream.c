#include "stream.h"

#define XML_DTD
#include <expat.h>

#include "base/mem.h"

#define DEPTH_MAX 64

struct stream_reader {
    struct client *client;
    XML_Parser parser;
    struct node *open[DEPTH_MAX];
    unsigned depth;
    bool broken;
    long fed;        /* bytes to this parser */
    long restart_at; /* where a new stream begins in what is being fed; -1: nowhere */
};

static struct arena *arena_of(struct stream_reader *r)
{
    return r->client->d->arena;
}

static void on_start(void *arg, const char *joined, const char **atts)
{
    struct stream_reader *r = arg;
    struct arena *a = arena_of(r);
    if (r->depth == DEPTH_MAX) {
        XML_StopParser(r->parser, XML_FALSE);
        return;
    }
    struct node *n = node_new(a, NULL, NULL);
    node_split_name(a, joined, &n->ns, &n->name);
    for (; *atts; atts += 2) {
        const char *ns, *name;
        node_split_name(a, atts[0], &ns, &name);
        node_set(a, n, ns, name, arena_strdup(a, atts[1]));
    }
    if (r->depth == 0)
        client_event(r->client, EVENT_HEADER, n, NULL);
    else if (r->depth > 1)
        node_append(r->open[r->depth - 1], n);
    r->open[r->depth++] = n;
}

/* A whole element of the stream. What ends this stream is followed by another one or by TLS. */
static void on_element(struct stream_reader *r, struct node *n)
{
    bool is_error = node_is(n, NS_STREAM, "error");
    client_event(r->client, is_error ? EVENT_STREAM_ERROR : EVENT_STANZA, n, NULL);
    if (node_is(n, NS_SASL, "success") || node_is(n, NS_TLS, "proceed")) {
        r->restart_at = XML_GetCurrentByteIndex(r->parser) + XML_GetCurrentByteCount(r->parser);
        XML_StopParser(r->parser, XML_FALSE);
    }
}

static void on_end(void *arg, const char *joined)
{
    struct stream_reader *r = arg;
    (void)joined;
    if (r->depth == 0)
        return;
    struct node *n = r->open[--r->depth];
    if (r->depth == 0)
        client_event(r->client, EVENT_END, NULL, NULL);
    else if (r->depth == 1)
        on_element(r, n);
}

static void on_text(void *arg, const char *s, int len)
{
    struct stream_reader *r = arg;
    if (r->depth > 1)
        node_add_text(arena_of(r), r->open[r->depth - 1], s, (size_t)len);
}

void stream_reader_restart(struct stream_reader *r)
{
    if (r->parser)
        XML_ParserFree(r->parser);
    r->parser = XML_ParserCreateNS(NULL, '\1');
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    /* A stanza is wanted when its last byte has come, not when the next one does. */
    XML_SetReparseDeferralEnabled(r->parser, XML_FALSE);
    r->depth = 0;
    r->fed = 0;
    r->broken = false;
}

struct stream_reader *stream_reader_new(struct client *c)
{
    struct stream_reader *r = mem_new(struct stream_reader);
    r->client = c;
    stream_reader_restart(r);
    return r;
}

void stream_reader_feed(struct stream_reader *r, const char *data, size_t len)
{
    while (len > 0 && !r->broken) {
        r->restart_at = -1;
        if (XML_Parse(r->parser, data, (int)len, 0) == XML_STATUS_OK) {
            r->fed += (long)len;
            return;
        }
        if (r->restart_at < 0) {
            r->broken = true;
            client_event(r->client, EVENT_BAD, NULL, XML_ErrorString(XML_GetErrorCode(r->parser)));
            return;
        }
        size_t used = (size_t)(r->restart_at - r->fed);
        data += used;
        len -= used;
        stream_reader_restart(r);
    }
}

void stream_reader_free(struct stream_reader **r)
{
    if (!*r)
        return;
    XML_ParserFree((*r)->parser);
    mem_free(r);
}
