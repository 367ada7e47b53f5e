#include "core/hook.h"

#include "base/arena.h"
#include "base/err.h"
#include "core/module.h"

static const char *const hook_names[] = {
#define HOOK_NAME(name, ...) #name,
    HOOKS(HOOK_NAME, HOOK_NAME, HOOK_NAME)
#undef HOOK_NAME
};

static const char *const phase_names[PHASES] = {
    "guard", "rewrite", "policy", "main", "store", "deliver", "last",
};

const char *hook_name(enum hook_id id)
{
    return hook_names[id];
}

const char *hook_phase_name(enum hook_phase phase)
{
    return phase_names[phase];
}

static unsigned count_entries(enum hook_id id, struct module_inst *const *insts, unsigned n_insts)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_insts; i++) {
        for (const struct hook_entry *h = insts[i]->module->hooks; h && h->used; h++)
            n += h->id == id;
    }
    return n;
}

/* The slots of one phase in the order of the instances. */
static unsigned collect_phase(enum hook_id id, enum hook_phase phase,
                              struct module_inst *const *insts, unsigned n_insts,
                              struct hook_slot *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_insts; i++) {
        for (const struct hook_entry *h = insts[i]->module->hooks; h && h->used; h++) {
            if (h->id == id && h->phase == phase)
                out[n++] = (struct hook_slot){.inst = insts[i], .fn = h->fn, .entry = h};
        }
    }
    return n;
}

/* Whether `slot` must wait for one of the `n` that are not placed yet. An `after` that names a
 * module which is not enabled, or not in this phase, asks for nothing. */
static bool must_wait(const struct hook_slot *slot, const struct hook_slot *left, unsigned n)
{
    if (!slot->entry->after)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (&left[i] != slot && strcmp(left[i].inst->module->name, slot->entry->after) == 0)
            return true;
    }
    return false;
}

/* Sorts the `n` slots of a phase: again and again the first that need not wait comes next. */
static int order_phase(enum hook_id id, struct hook_slot *slots, unsigned n, struct err *e)
{
    for (unsigned placed = 0; placed < n; placed++) {
        unsigned next = placed;
        while (next < n && must_wait(&slots[next], slots + placed, n - placed))
            next++;
        if (next == n)
            return err_set(e,
                           "hook %s, phase %s: %s wants to come after %s and the other way round",
                           hook_names[id], phase_names[slots[placed].entry->phase],
                           slots[placed].inst->module->name, slots[placed].entry->after);
        struct hook_slot chosen = slots[next];
        memmove(slots + placed + 1, slots + placed, (next - placed) * sizeof(*slots));
        slots[placed] = chosen;
    }
    return 0;
}

int hook_compile(enum hook_id id, struct module_inst *const *insts, unsigned n_insts,
                 struct arena *a, struct hook_list *out, struct err *e)
{
    unsigned total = count_entries(id, insts, n_insts);
    out->n = 0;
    out->slots = arena_alloc(a, total * sizeof(*out->slots));
    for (int phase = 0; phase < PHASES; phase++) {
        struct hook_slot *first = out->slots + out->n;
        unsigned n = collect_phase(id, (enum hook_phase)phase, insts, n_insts, first);
        if (order_phase(id, first, n, e) < 0)
            return -1;
        out->n += n;
    }
    INVARIANT(out->n == total);
    return 0;
}
