#include "core/host.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "core/module.h"

/* One declared handler of an element, found by namespace and name. */
struct handler {
    const char *ns, *name;
    struct module_inst *inst;
    const struct iq_entry *iq; /* one of these two */
    const struct nonza_entry *nonza;
};

/* Open addressing; built once, then only read, by any worker. */
struct registry {
    struct handler *slots;
    unsigned mask;
};

static unsigned slot_of(const struct registry *r, const char *ns, const char *name)
{
    uint64_t h = hash_bytes(ns, strlen(ns)) ^ (hash_bytes(name, strlen(name)) << 1);
    return (unsigned)h & r->mask;
}

static bool is_for(const struct handler *h, const char *ns, const char *name)
{
    return strcmp(h->name, name) == 0 && strcmp(h->ns, ns) == 0;
}

/* Whether both would answer the same element. */
static bool collide(const struct handler *a, const struct handler *b)
{
    if (!is_for(a, b->ns, b->name))
        return false;
    if (a->iq && b->iq)
        return a->iq->type == b->iq->type && (a->iq->scope & b->iq->scope) != 0;
    return a->nonza && b->nonza;
}

static int add_handler(struct registry *r, const struct handler *h, struct err *e)
{
    unsigned at = slot_of(r, h->ns, h->name);
    for (; r->slots[at].inst; at = (at + 1) & r->mask) {
        if (collide(&r->slots[at], h))
            return err_set(e, "modules %s and %s both answer <%s xmlns='%s'/>",
                           r->slots[at].inst->module->name, h->inst->module->name, h->name, h->ns);
    }
    r->slots[at] = *h;
    return 0;
}

static int add_instance(struct registry *r, struct module_inst *inst, struct err *e)
{
    const struct iq_entry *iq = inst->module->iqs;
    for (; iq && iq->fn; iq++) {
        struct handler h = {.ns = iq->ns, .name = iq->name, .inst = inst, .iq = iq};
        if (add_handler(r, &h, e) < 0)
            return -1;
    }
    const struct nonza_entry *nonza = inst->module->nonzas;
    for (; nonza && nonza->fn; nonza++) {
        struct handler h = {.ns = nonza->ns, .name = nonza->name, .inst = inst, .nonza = nonza};
        if (add_handler(r, &h, e) < 0)
            return -1;
    }
    return 0;
}

static unsigned count_handlers(struct module_inst *const *insts, unsigned n_insts)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_insts; i++) {
        for (const struct iq_entry *iq = insts[i]->module->iqs; iq && iq->fn; iq++)
            n++;
        for (const struct nonza_entry *z = insts[i]->module->nonzas; z && z->fn; z++)
            n++;
    }
    return n;
}

static int compile_registry(struct host *h, struct module_inst *const *insts, unsigned n,
                            struct arena *a, struct err *e)
{
    unsigned handlers = count_handlers(insts, n), size = 8;
    while (size < handlers * 4)
        size *= 2;
    struct registry *r = arena_zalloc(a, sizeof(*r));
    r->slots = arena_zalloc(a, size * sizeof(*r->slots));
    r->mask = size - 1;
    for (unsigned i = 0; i < n; i++) {
        if (add_instance(r, insts[i], e) < 0)
            return -1;
    }
    h->registry = r;
    return 0;
}

int host_compile(struct host *h, struct module_inst *const *globals, unsigned n_globals,
                 struct arena *a, struct err *e)
{
    unsigned n = n_globals + h->n_insts;
    struct module_inst **insts = arena_alloc(a, n * sizeof(struct module_inst *));
    for (unsigned i = 0; i < n; i++)
        insts[i] = i < n_globals ? globals[i] : h->insts[i - n_globals];
    for (int id = 0; id < HOOK_COUNT; id++) {
        if (hook_compile((enum hook_id)id, insts, n, a, &h->hooks[id], e) < 0)
            return err_prefix(e, "host %s", h->name);
    }
    if (compile_registry(h, insts, n, a, e) < 0)
        return err_prefix(e, "host %s", h->name);
    return 0;
}

const struct iq_entry *host_iq(const struct host *h, const char *ns, const char *name,
                               enum stanza_type type, unsigned scope, struct module_inst **inst)
{
    const struct registry *r = h->registry;
    for (unsigned at = slot_of(r, ns, name); r->slots[at].inst; at = (at + 1) & r->mask) {
        const struct handler *found = &r->slots[at];
        if (!found->iq || found->iq->type != type || !(found->iq->scope & scope) ||
            !is_for(found, ns, name))
            continue;
        if (inst)
            *inst = found->inst;
        return found->iq;
    }
    return NULL;
}

const struct nonza_entry *host_nonza(const struct host *h, const char *ns, const char *name,
                                     struct module_inst **inst)
{
    const struct registry *r = h->registry;
    for (unsigned at = slot_of(r, ns, name); r->slots[at].inst; at = (at + 1) & r->mask) {
        const struct handler *found = &r->slots[at];
        if (!found->nonza || !is_for(found, ns, name))
            continue;
        if (inst)
            *inst = found->inst;
        return found->nonza;
    }
    return NULL;
}

struct module_inst *host_module(const struct host *h, const char *name)
{
    for (unsigned i = 0; i < h->n_insts; i++) {
        if (strcmp(h->insts[i]->module->name, name) == 0)
            return h->insts[i];
    }
    return NULL;
}
