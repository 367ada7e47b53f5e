#include "store/op.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"

static size_t bytes_of(const struct store_value *v)
{
    switch (v->type) {
    case 't':
    case 'b': return v->len + 1;
    case 'I': return v->len * sizeof(int64_t);
    default: return 0;
    }
}

/* A caller's mistake, found by the first run of any test: as good as a compile error. */
static void check_args(const struct statement *stmt, struct store_args args)
{
    bool fits = args.n == stmt->n_params;
    for (size_t i = 0; fits && i < args.n; i++)
        fits = args.v[i].type == 0 || args.v[i].type == stmt->decl->params[i];
    if (!fits)
        log_error("store", stmt->name, "called with other arguments than declared (\"%s\")",
                  stmt->decl->params);
    INVARIANT(fits);
}

struct op *op_new(const struct statement *stmt, struct store_args args)
{
    check_args(stmt, args);
    size_t values = args.n * sizeof(struct store_value), bytes = 0;
    for (size_t i = 0; i < args.n; i++)
        bytes += (bytes_of(&args.v[i]) + 7) & ~(size_t)7;
    struct op *op = mem_alloc(sizeof(*op) + values + bytes);
    memset(op, 0, sizeof(*op));
    op->stmt = stmt;
    op->size = sizeof(*op) + values + bytes;
    op->n = (unsigned)args.n;
    STAILQ_INIT(&op->readers);
    char *room = (char *)(op->v + args.n);
    for (size_t i = 0; i < args.n; i++) {
        struct store_value *v = &op->v[i];
        *v = args.v[i];
        size_t len = bytes_of(v);
        if (len == 0)
            continue;
        size_t copied = v->type == 'I' ? len : v->len;
        if (copied > 0)
            memcpy(room, v->p, copied);
        if (v->type != 'I')
            room[v->len] = '\0';
        v->p = room;
        room += (len + 7) & ~(size_t)7;
    }
    return op;
}

void op_result_drop(void *value)
{
    struct op_result *r = value;
    store_rows_free(&r->rows);
    free(r);
}

void op_answer(struct op *op, int result)
{
    if (op->answer) {
        struct op_result *r = mem_new(struct op_result);
        r->result = result;
        r->rows = op->rows;
        op->rows = NULL;
        promise_answer(&op->answer, r);
    } else if (op->done) {
        op->done(op->arg, result);
    }
    store_rows_free(&op->rows);
    free(op);
}
