#include "codec.h"

#include <pthread.h>
#include <zlib.h>

#define WINDOW_BITS (-15) /* raw deflate: no header, no checksum */
#define MEM_LEVEL 8

#define CONTENT_MAX (2 * STANZA_WRITTEN_MAX) /* room for a try to compress it */

enum format { FORMAT_PLAIN = 0, FORMAT_DEFLATE_1 = 1 };

/* What a message is likely to hold, most likely last. Never change it: make a new format. */
static const char dictionary_1[] =
    "urn:xmpp:reply:0urn:xmpp:fallback:0urn:xmpp:message-correct:0urn:xmpp:reactions:0"
    "<reactions<reaction></reaction></reactions><encrypted xmlns='eu.siacs.conversations.axolotl'>"
    "<header sid='<key rid='</key><iv></iv></header><payload></payload></encrypted>"
    "<encryption xmlns='urn:xmpp:eme:0' namespace='<store xmlns='urn:xmpp:hints'/>"
    "<x xmlns='jabber:x:oob'><url>https://</url></x>jabber:x:conference"
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='<received xmlns='urn:xmpp:receipts' id='"
    "<thread></thread><markable xmlns='urn:xmpp:chat-markers:0'/>"
    "<request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='"
    "<stanza-id xmlns='urn:xmpp:sid:0' by='<active xmlns='http://jabber.org/protocol/chatstates'/>"
    "</body></message><message type='chat' id='<message xml:lang='en' type='chat' id='<body>";

/* One compressor and one decompressor per thread: making them costs more than using them. They go
 * with it. */
struct codec {
    z_stream deflater, inflater;
};

static pthread_key_t codec_key;

static void codec_free(void *ptr)
{
    struct codec *c = ptr;
    deflateEnd(&c->deflater);
    inflateEnd(&c->inflater);
    free(c);
}

__attribute__((constructor)) static void codec_init(void)
{
    INVARIANT(pthread_key_create(&codec_key, codec_free) == 0);
}

static struct codec *codec_get(void)
{
    struct codec *c = pthread_getspecific(codec_key);
    if (c)
        return c;
    c = mem_new(struct codec);
    INVARIANT(deflateInit2(&c->deflater, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
                           Z_DEFAULT_STRATEGY) == Z_OK);
    INVARIANT(inflateInit2(&c->inflater, WINDOW_BITS) == Z_OK);
    INVARIANT(pthread_setspecific(codec_key, c) == 0);
    return c;
}

static z_stream *deflater_get(void)
{
    z_stream *z = &codec_get()->deflater;
    INVARIANT(deflateReset(z) == Z_OK);
    INVARIANT(deflateSetDictionary(z, (const Bytef *)dictionary_1, sizeof(dictionary_1) - 1) ==
              Z_OK);
    return z;
}

static z_stream *inflater_get(void)
{
    z_stream *z = &codec_get()->inflater;
    INVARIANT(inflateReset(z) == Z_OK);
    INVARIANT(inflateSetDictionary(z, (const Bytef *)dictionary_1, sizeof(dictionary_1) - 1) ==
              Z_OK);
    return z;
}

/* Appends `plain` compressed; false if that would not be shorter. */
static bool compress_into(struct strbuf *out, const struct strbuf *plain)
{
    z_stream *z = deflater_get();
    char *room = strbuf_room(out, plain->len);
    if (!room || plain->len > UINT32_MAX)
        return false;
    z->next_in = (Bytef *)plain->s;
    z->avail_in = (uInt)plain->len;
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)plain->len;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return false;
    strbuf_claim(out, plain->len - z->avail_out);
    return true;
}

static bool decompress_into(struct strbuf *out, const char *data, size_t len)
{
    z_stream *z = inflater_get();
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    int result;
    do {
        char chunk[2048];
        z->next_out = (Bytef *)chunk;
        z->avail_out = sizeof(chunk);
        result = inflate(z, Z_NO_FLUSH);
        strbuf_add(out, chunk, sizeof(chunk) - z->avail_out);
    } while (result == Z_OK && !out->overflow);
    return result == Z_STREAM_END && !out->overflow;
}

/* Appends the element without its addresses. */
static void encode_content(const struct stanza *st, struct strbuf *out)
{
    struct stanza *bare = stanza_edit((struct stanza *)(uintptr_t)st);
    xml_set(bare->arena, bare->el, A_from, NULL);
    xml_set(bare->arena, bare->el, A_to, NULL);
    struct strbuf plain;
    strbuf_init(&plain, STANZA_WRITTEN_MAX);
    stanza_write(&plain, bare);
    stanza_unref(&bare);
    size_t start = out->len;
    strbuf_putc(out, FORMAT_DEFLATE_1);
    if (!compress_into(out, &plain)) {
        out->s[start] = FORMAT_PLAIN;
        strbuf_add(out, plain.s, plain.len);
    }
    strbuf_free(&plain);
}

void archive_prepare(struct stanza *st)
{
    struct strbuf content;
    strbuf_init(&content, CONTENT_MAX);
    encode_content(st, &content);
    st->stored = arena_strndup(st->arena, content.s, content.len);
    st->stored_len = content.len;
    strbuf_free(&content);
}

void archive_encode(const struct stanza *st, enum archive_dir dir, struct strbuf *out)
{
    const struct jid *own = dir == ARCHIVE_IN ? st->to : st->from;
    const char *resource = own ? jid_resource(own) : "";
    strbuf_init(out, JID_MAX + CONTENT_MAX);
    strbuf_add(out, resource, strlen(resource) + 1);
    if (st->stored)
        strbuf_add(out, st->stored, st->stored_len);
    else
        encode_content(st, out);
}

static struct stanza *decode_content(const char *bytes, size_t len)
{
    if (len < 2)
        return NULL;
    if (bytes[0] == FORMAT_PLAIN)
        return stanza_parse(bytes + 1, len - 1);
    if (bytes[0] != FORMAT_DEFLATE_1)
        return NULL;
    struct strbuf plain;
    strbuf_init(&plain, STANZA_WRITTEN_MAX);
    struct stanza *st = NULL;
    if (decompress_into(&plain, bytes + 1, len - 1))
        st = stanza_parse(strbuf_str(&plain), plain.len);
    strbuf_free(&plain);
    return st;
}

struct stanza *archive_decode(const void *data, size_t len, enum archive_dir dir,
                              const struct jid *own, const char *peer, const char *resource)
{
    const char *own_resource = data, *end = memchr(data, '\0', len);
    struct jid *other = jid_parse_new(peer, strlen(peer));
    struct stanza *st = NULL;
    if (end && other)
        st = decode_content(end + 1, len - (size_t)(end + 1 - own_resource));
    if (st) {
        const struct jid *ours =
            *own_resource ? jid_with_resource(st->arena, own, own_resource) : own;
        const struct jid *theirs =
            *resource ? jid_with_resource(st->arena, other, resource) : other;
        stanza_set_from(st, dir == ARCHIVE_IN ? theirs : ours);
        stanza_set_to(st, dir == ARCHIVE_IN ? ours : theirs);
    }
    jid_free(&other);
    return st;
}
