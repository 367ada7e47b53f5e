/* disco: Service Discovery (XEP-0030) of hosts and accounts: what the modules that are enabled here
 * declare. With the short name of all that (XEP-0115), and whom to write to about a host
 * (XEP-0157). */
#include "core/module.h"

#define CAPS_NODE "https://jackdaw.example" /* names the software, whatever its version */

/* ---- what there is to tell ---- */

static void add_identity(struct arena *a, struct xml_el *query, const char *category,
                         const char *type, const char *name)
{
    struct xml_el *identity = xml_add(a, query, NS_DISCO_INFO, A_identity);
    xml_set(a, identity, A_category, category);
    xml_set(a, identity, A_type, type);
    if (name)
        xml_set(a, identity, A_name, name);
}

static void add_features(struct arena *a, struct xml_el *query, const char *const *features)
{
    for (; features && *features; features++)
        xml_set(a, xml_add(a, query, NS_DISCO_INFO, A_feature), A_var, *features);
}

/* The fields of XEP-0157 section 4, each from a list of the host's options. */
#define CONTACT_FIELD(kind)                                                                        \
    {                                                                                              \
#kind "-addresses", #kind "_addresses", offsetof(struct config_host, kind##_addresses)     \
    }
static const struct contact_field {
    const char *var, *option;
    size_t offset;
} contact_fields[] = {
    CONTACT_FIELD(abuse),    CONTACT_FIELD(admin),  CONTACT_FIELD(feedback), CONTACT_FIELD(sales),
    CONTACT_FIELD(security), CONTACT_FIELD(status), CONTACT_FIELD(support),
};

static const struct option_list *addresses(const struct host *h, const struct contact_field *f)
{
    return (const struct option_list *)((const char *)h->conf + f->offset);
}

static void add_contacts(const struct host *h, struct arena *a, struct xml_el *query)
{
    struct xml_el *form = NULL;
    for (size_t i = 0; i < ARRAY_LEN(contact_fields); i++) {
        const struct option_list *list = addresses(h, &contact_fields[i]);
        if (list->n == 0)
            continue;
        if (!form)
            form = form_add(a, query, "result", "http://jabber.org/network/serverinfo");
        struct xml_el *field = form_field(a, form, contact_fields[i].var, "list-multi");
        for (size_t k = 0; k < list->n; k++)
            form_value(a, field, list->items[k]);
    }
}

static void describe_host(const struct host *h, struct arena *a, struct xml_el *query)
{
    add_identity(a, query, "server", "im", "Jackdaw");
    for (unsigned i = 0; i < h->n_insts; i++)
        add_features(a, query, h->insts[i]->module->host_features);
    add_contacts(h, a, query);
    HOST_NOTIFY(h, disco_host, a, query);
}

static void describe_account(struct work *w, struct arena *a, struct xml_el *query)
{
    const struct host *h = w->host;
    add_identity(a, query, "account", w->account->temporary ? "anonymous" : "registered", NULL);
    for (unsigned i = 0; i < h->n_insts; i++)
        add_features(a, query, h->insts[i]->module->account_features);
    HOST_NOTIFY(h, disco_account, w, a, query);
}

/* ---- capabilities (XEP-0115) ---- */

static void host_ver(const struct host *h, char ver[CAPS_VER_SIZE])
{
    struct arena *a = arena_new(4096);
    struct xml_el *query = xml_new(a, NS_DISCO_INFO, A_query);
    describe_host(h, a, query);
    caps_ver(query, ver);
    arena_free(&a);
}

/* Section 6.3: whoever has logged in need not ask. */
static void caps_feature(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    (void)inst;
    char ver[CAPS_VER_SIZE];
    if (stream_phase(s) != STREAM_AUTHED)
        return;
    host_ver(stream_host(s), ver);
    struct arena *a = stream_features_arena(s);
    struct xml_el *c = xml_add(a, features, NS_CAPS, "c");
    xml_set(a, c, "hash", "sha-1");
    xml_set(a, c, A_node, CAPS_NODE);
    xml_set(a, c, A_ver, arena_strdup(a, ver));
}

/* Whether `node` is what capabilities call this host. */
static bool is_caps_node(const struct host *h, const char *node)
{
    static const char head[] = CAPS_NODE "#";
    char ver[CAPS_VER_SIZE];
    if (strncmp(node, head, sizeof(head) - 1) != 0)
        return false;
    host_ver(h, ver);
    return strcmp(node + sizeof(head) - 1, ver) == 0;
}

/* ---- answers ---- */

/* Section 3.2: a node that is not there. */
static void refuse_node(struct work *w)
{
    work_reject(w, SE_ITEM_NOT_FOUND, "there is no such node");
}

static void answer_no_items(struct work *w)
{
    struct stanza *reply = work_reply(w);
    st_add(reply, NS_DISCO_ITEMS, A_query);
    work_answer(w, reply);
}

static void info_host(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    const char *node = xml_attr(child, A_node);
    if (node && !is_caps_node(inst->host, node)) {
        refuse_node(w);
        return;
    }
    struct stanza *reply = work_reply(w);
    struct xml_el *query = st_add(reply, NS_DISCO_INFO, A_query);
    if (node)
        xml_set(reply->arena, query, A_node, arena_strdup(reply->arena, node));
    describe_host(inst->host, reply->arena, query);
    work_answer(w, reply);
}

static void info_account(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    if (xml_attr(child, A_node)) {
        refuse_node(w);
        return;
    }
    struct stanza *reply = work_reply(w);
    describe_account(w, reply->arena, st_add(reply, NS_DISCO_INFO, A_query));
    work_answer(w, reply);
}

/* Section 4.2: what an account has is its available resources. */
static void items_account(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    if (xml_attr(child, A_node)) {
        refuse_node(w);
        return;
    }
    struct stanza *reply = work_reply(w);
    struct arena *a = reply->arena;
    struct xml_el *query = st_add(reply, NS_DISCO_ITEMS, A_query);
    const struct session *s;
    TAILQ_FOREACH (s, &w->account->sessions, link)
        if (session_available(s))
            xml_set(a, xml_add(a, query, NS_DISCO_ITEMS, A_item), A_jid,
                    arena_strdup(a, s->jid->s));
    work_answer(w, reply);
}

/* A host has nothing yet. */
static void items_host(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    if (xml_attr(child, A_node))
        refuse_node(w);
    else
        answer_no_items(w);
}

/* Section 8: who may not see an account's presence is told the same as if it were not there: that
 * it cannot be asked what it is, and that it has no items. */
static enum hook_result guard(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (!jid_is_bare(w->to) || w->st->type != TYPE_GET || contact_sees(w->account, w->st->from))
        return HOOK_CONTINUE;
    if (st_child(w->st, NS_DISCO_INFO, A_query))
        return work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
    if (!st_child(w->st, NS_DISCO_ITEMS, A_query))
        return HOOK_CONTINUE;
    answer_no_items(w);
    return HOOK_HANDLED;
}

/* ---- the module ---- */

/* A letter, more of these, digits and +-. up to a colon, then something (RFC 3986 section 3). */
static bool is_uri(const char *s)
{
    size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
    return letter && s[scheme] == ':' && s[scheme + 1] != '\0' && !strpbrk(s, " \t\n\r<>\"");
}

static int start(struct module_inst *inst, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(contact_fields); i++) {
        const struct option_list *list = addresses(inst->host, &contact_fields[i]);
        for (size_t k = 0; k < list->n; k++)
            if (!is_uri(list->items[k]))
                return err_set(e,
                               "host \"%s\", %s: '%.100s' is not a URI such as "
                               "mailto:admin@example.org or xmpp:admin@example.org",
                               inst->host->name, contact_fields[i].option, list->items[k]);
    }
    return 0;
}

JACKDAW_MODULE(disco) = {
    JACKDAW_MODULE_HEAD,
    .name = "disco",
    .summary = "Tells what the server and its accounts can do",
    .standard = true,
    .xeps =
        (const struct module_xep[]){
            {"0030", "2.5.0", ""},
            {"0115", "1.6.0", "of the server"},
            {"0157", "1.1.1", ""},
            {0},
        },
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_features, PHASE_MAIN, caps_feature),
            HOOK_AT(iq_in, PHASE_GUARD, guard),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_DISCO_INFO, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, info_host},
            {NS_DISCO_ITEMS, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, items_host},
            {NS_DISCO_INFO, A_query, TYPE_GET, IQ_ACCOUNT, IQ_ANYONE, IQ_ASIDE, info_account},
            {NS_DISCO_ITEMS, A_query, TYPE_GET, IQ_ACCOUNT, IQ_ANYONE, IQ_ASIDE, items_account},
            {0},
        },
    .host_features = (const char *const[]){NS_DISCO_INFO, NS_DISCO_ITEMS, NS_CAPS, NULL},
    .account_features = (const char *const[]){NS_DISCO_INFO, NS_DISCO_ITEMS, NULL},
    .start = start,
};
