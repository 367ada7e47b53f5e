/* disco: Service Discovery (XEP-0030) of hosts and accounts: what the modules that are enabled here
 * declare. */
#include "core/module.h"

static void add_identity(struct stanza *st, struct xml_el *query, const char *category,
                         const char *type, const char *name)
{
    struct xml_el *identity = xml_add(st->arena, query, NS_DISCO_INFO, A_identity);
    xml_set(st->arena, identity, A_category, category);
    xml_set(st->arena, identity, A_type, type);
    if (name)
        xml_set(st->arena, identity, A_name, name);
}

static void add_features(struct stanza *st, struct xml_el *query, const char *const *features)
{
    for (; features && *features; features++)
        xml_set(st->arena, xml_add(st->arena, query, NS_DISCO_INFO, A_feature), A_var, *features);
}

/* Nodes are answered by whoever has them: there are none yet (XEP-0030 section 3.2). */
static bool names_a_node(struct work *w, const struct xml_el *child)
{
    if (!xml_attr(child, A_node))
        return false;
    work_reject(w, SE_ITEM_NOT_FOUND, "there is no such node");
    return true;
}

static void info(struct module_inst *inst, struct work *w, struct xml_el *child, bool account)
{
    static const char *const own[] = {NS_DISCO_INFO, NS_DISCO_ITEMS, NULL};
    const struct host *host = inst->host;
    if (names_a_node(w, child))
        return;
    struct stanza *reply = work_reply(w);
    struct xml_el *query = xml_add(reply->arena, reply->el, NS_DISCO_INFO, A_query);
    if (account)
        add_identity(reply, query, "account", "registered", NULL);
    else
        add_identity(reply, query, "server", "im", "Jackdaw");
    add_features(reply, query, own);
    for (unsigned i = 0; i < host->n_insts; i++) {
        const struct module *m = host->insts[i]->module;
        add_features(reply, query, account ? m->account_features : m->host_features);
    }
    if (account)
        HOST_NOTIFY(host, disco_account, w, query);
    else
        HOST_NOTIFY(host, disco_host, w, query);
    work_answer(w, reply);
}

static void info_host(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    info(inst, w, child, false);
}

static void info_account(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    info(inst, w, child, true);
}

static void items(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    if (names_a_node(w, child))
        return;
    struct stanza *reply = work_reply(w);
    xml_add(reply->arena, reply->el, NS_DISCO_ITEMS, A_query);
    work_answer(w, reply);
}

/* An account tells about itself only to its owner: to others it must not even seem to exist
 * (XEP-0030 section 8), until those who may see its presence are known here. */
JACKDAW_MODULE(disco) = {
    JACKDAW_MODULE_HEAD,
    .name = "disco",
    .summary = "Tells what the server and its accounts can do",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0030", "2.5.0", ""}, {0}},
    .iqs =
        (const struct iq_entry[]){
            {NS_DISCO_INFO, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, info_host},
            {NS_DISCO_ITEMS, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, items},
            {NS_DISCO_INFO, A_query, TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ASIDE, info_account},
            {NS_DISCO_ITEMS, A_query, TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ASIDE, items},
            {0},
        },
};
