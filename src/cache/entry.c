#include "cache/entry.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define KEY_PREFIX "jackdaw:online:"

void entry_key(const char *bare_jid, char out[ENTRY_KEY_MAX + 1])
{
    /* Anybody must be able to compute the hash, so its keys are no secret; the value names the JID.
     */
    static const struct hash_key high = {0, 0}, low = {0, 1};
    size_t len = strlen(bare_jid);
    bool plain = len > 0 && len <= ENTRY_KEY_MAX - strlen(KEY_PREFIX);
    for (size_t i = 0; plain && i < len; i++)
        plain = (unsigned char)bare_jid[i] > ' ' && bare_jid[i] != 0x7f;
    if (plain)
        snprintf(out, ENTRY_KEY_MAX + 1, KEY_PREFIX "%s", bare_jid);
    else
        snprintf(out, ENTRY_KEY_MAX + 1, KEY_PREFIX "#%016" PRIx64 "%016" PRIx64,
                 hash_keyed(&high, bare_jid, len), hash_keyed(&low, bare_jid, len));
}

void entry_node_key(const char *node, char out[ENTRY_KEY_MAX + 1])
{
    snprintf(out, ENTRY_KEY_MAX + 1, "jackdaw:node:%s", node);
}

bool entry_node_valid(const char *node)
{
    size_t len = strlen(node);
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)node[i]) && !strchr(".-_", node[i]))
            return false;
    }
    return len > 0 && len <= ENTRY_NODE_MAX;
}

/* A JSON string (RFC 8259, 7). The text is UTF-8 already. */
static void add_string(struct strbuf *b, const char *s)
{
    strbuf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            strbuf_printf(b, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            strbuf_printf(b, "\\%c", c);
        else
            strbuf_putc(b, *s);
    }
    strbuf_putc(b, '"');
}

static void add_resource(struct strbuf *b, const struct presence_entry *e)
{
    strbuf_puts(b, b->len > 1 ? ",{\"resource\":" : "{\"resource\":");
    add_string(b, e->resource);
    strbuf_puts(b, ",\"show\":");
    add_string(b, e->show);
    strbuf_printf(b, ",\"priority\":%d,\"since\":%" PRId64 "}", e->priority, e->since);
}

char *entry_resources(const struct presence_entry *entries, size_t n)
{
    struct strbuf b;
    strbuf_init(&b, ENTRY_JSON_MAX);
    strbuf_putc(&b, '[');
    for (size_t i = 0; i < n; i++) {
        size_t before = b.len;
        add_resource(&b, &entries[i]);
        if (b.overflow || b.len + 1 >= ENTRY_JSON_MAX) {
            b.len = before;
            break;
        }
    }
    b.overflow = false;
    strbuf_putc(&b, ']');
    return strbuf_detach(&b);
}

char *entry_value(const char *node, uint64_t epoch, const char *bare_jid, const char *resources)
{
    struct strbuf b;
    strbuf_init(&b, 2 * ENTRY_JSON_MAX);
    strbuf_printf(&b, "{\"node\":\"%s\",\"epoch\":%" PRIu64 ",\"jid\":", node, epoch);
    add_string(&b, bare_jid);
    strbuf_puts(&b, ",\"resources\":");
    strbuf_puts(&b, resources);
    strbuf_putc(&b, '}');
    return strbuf_detach(&b);
}

/* Moves *p behind `what` if that is there. */
static bool skip(const char **p, const char *what)
{
    size_t len = strlen(what);
    if (strncmp(*p, what, len) != 0)
        return false;
    *p += len;
    return true;
}

static bool read_head(const char *p, const char *bare_jid, char node[ENTRY_NODE_MAX + 1],
                      uint64_t *epoch)
{
    char *end;
    if (!skip(&p, "{\"node\":\""))
        return false;
    size_t len = strcspn(p, "\"");
    if (len > ENTRY_NODE_MAX)
        return false;
    memcpy(node, p, len);
    node[len] = '\0';
    p += len;
    if (!entry_node_valid(node) || !skip(&p, "\",\"epoch\":"))
        return false;
    *epoch = strtoull(p, &end, 10);
    p = end;
    struct strbuf jid;
    strbuf_init(&jid, ENTRY_JSON_MAX);
    strbuf_puts(&jid, ",\"jid\":");
    add_string(&jid, bare_jid);
    bool about = skip(&p, strbuf_str(&jid)) && skip(&p, ",\"resources\":[");
    strbuf_free(&jid);
    return about;
}

bool entry_read(const char *value, size_t len, const char *bare_jid, char node[ENTRY_NODE_MAX + 1],
                uint64_t *epoch)
{
    if (len >= 2 * ENTRY_JSON_MAX || memchr(value, '\0', len))
        return false;
    char *text = mem_strndup(value, len);
    bool ours =
        len > 2 && memcmp(text + len - 2, "]}", 2) == 0 && read_head(text, bare_jid, node, epoch);
    free(text);
    return ours;
}
