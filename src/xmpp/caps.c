#include "xmpp/caps.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* An element and what it is sorted by. */
struct entry {
    const char *key[3];
    const struct xml_el *el;
};

struct caps {
    struct arena *arena;
    EVP_MD_CTX *hash;
};

static void put(struct caps *c, const char *text, const char *end)
{
    INVARIANT(EVP_DigestUpdate(c->hash, text, strlen(text)) &&
              EVP_DigestUpdate(c->hash, end, strlen(end)));
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* i;octet (RFC 4790 section 9.3) */
static int in_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = 0;
    for (size_t i = 0; i < ARRAY_LEN(x->key) && order == 0; i++)
        order = strcmp(or_empty(x->key[i]), or_empty(y->key[i]));
    return order;
}

/* Sets an entry's keys; false: the element does not count. */
typedef bool key_fn(struct caps *c, struct entry *e);

/* All children of this name, in order. */
static struct entry *sorted(struct caps *c, const struct xml_el *parent, const char *ns,
                            const char *name, key_fn *key, size_t *n)
{
    const struct xml_el *el;
    size_t max = 0;
    XML_FOREACH (el, parent)
        max++;
    struct entry *entries = arena_alloc(c->arena, (max + 1) * sizeof(*entries));
    *n = 0;
    XML_FOREACH (el, parent) {
        entries[*n] = (struct entry){.el = el};
        if (xml_is(el, ns, name) && key(c, &entries[*n]))
            ++*n;
    }
    qsort(entries, *n, sizeof(*entries), in_order);
    return entries;
}

static bool identity_key(struct caps *c, struct entry *e)
{
    (void)c;
    e->key[0] = xml_attr(e->el, A_category);
    e->key[1] = xml_attr(e->el, A_type);
    e->key[2] = xml_attr_ns(e->el, NS_XML, A_lang);
    return true;
}

static bool var_key(struct caps *c, struct entry *e)
{
    (void)c;
    e->key[0] = xml_attr(e->el, A_var);
    return e->key[0] != NULL;
}

static bool text_key(struct caps *c, struct entry *e)
{
    e->key[0] = xml_text_of(c->arena, e->el);
    return true;
}

/* By its FORM_TYPE; a form without a hidden one does not count (section 5.4, 3.6). */
static bool form_key(struct caps *c, struct entry *e)
{
    const struct xml_el *field;
    XML_FOREACH (field, e->el) {
        const char *var = xml_attr(field, A_var), *type = xml_attr(field, A_type);
        const struct xml_el *value = xml_child(field, NS_DATA, A_value);
        if (value && var && type && strcmp(var, "FORM_TYPE") == 0 && strcmp(type, "hidden") == 0)
            e->key[0] = xml_text_of(c->arena, value);
    }
    return e->key[0] != NULL;
}

static void put_form(struct caps *c, const struct entry *form)
{
    size_t n, n_values;
    const struct entry *fields = sorted(c, form->el, NS_DATA, A_field, var_key, &n);
    put(c, form->key[0], "<");
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].key[0], "FORM_TYPE") == 0)
            continue;
        put(c, fields[i].key[0], "<");
        const struct entry *values = sorted(c, fields[i].el, NS_DATA, A_value, text_key, &n_values);
        for (size_t v = 0; v < n_values; v++)
            put(c, values[v].key[0], "<");
    }
}

static void put_all(struct caps *c, const struct xml_el *query)
{
    size_t n;
    const struct entry *e = sorted(c, query, NS_DISCO_INFO, A_identity, identity_key, &n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(e[i].key); k++)
            put(c, or_empty(e[i].key[k]), "/");
        put(c, or_empty(xml_attr(e[i].el, A_name)), "<");
    }
    e = sorted(c, query, NS_DISCO_INFO, A_feature, var_key, &n);
    for (size_t i = 0; i < n; i++)
        put(c, e[i].key[0], "<");
    e = sorted(c, query, NS_DATA, A_x, form_key, &n);
    for (size_t i = 0; i < n; i++)
        put_form(c, &e[i]);
}

void caps_ver(const struct xml_el *query, char ver[CAPS_VER_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    struct caps c = {.arena = arena_new(4096), .hash = EVP_MD_CTX_new()};
    INVARIANT(c.hash && EVP_DigestInit_ex(c.hash, EVP_sha1(), NULL));
    put_all(&c, query);
    INVARIANT(EVP_DigestFinal_ex(c.hash, digest, &len));
    INVARIANT(base64_encode(digest, len, ver, CAPS_VER_SIZE) >= 0);
    EVP_MD_CTX_free(c.hash);
    arena_free(&c.arena);
}
