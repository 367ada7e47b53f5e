#include "core/entity_life.h"
#include "core/host.h"
#include "core/module.h"
#include "store/store.h"

#define LOADS_MAX 32

/* One module's read on its way. */
struct load {
    struct module_inst *inst;
    const struct account_load *what;
    struct promise *answer;
};

static unsigned loads_start(struct entity *e, struct load *loads)
{
    unsigned n = 0;
    for (unsigned i = 0; i < e->host->n_insts; i++) {
        struct module_inst *inst = e->host->insts[i];
        for (const struct account_load *l = inst->module->loads; l && l->stmt; l++) {
            INVARIANT(n < LOADS_MAX);
            loads[n++] = (struct load){
                .inst = inst,
                .what = l,
                .answer = store_query_start(l->stmt, STORE_ARGS(SV_INT(e->owner))),
            };
        }
    }
    return n;
}

bool entity_load_rows(struct entity *e)
{
    struct load loads[LOADS_MAX];
    unsigned n = loads_start(e, loads);
    bool ok = true;
    for (unsigned i = 0; i < n; i++) {
        struct store_rows *rows;
        if (!ok) {
            promise_abandon(&loads[i].answer);
            continue;
        }
        ok = store_query_wait(&loads[i].answer, &rows) == STORE_OK;
        if (!ok)
            continue;
        loads[i].what->apply(loads[i].inst, e, rows);
        store_rows_free(&rows);
    }
    return ok;
}
