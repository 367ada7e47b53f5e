#include "store/pgwire.h"

#include <endian.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "store/rows.h"

#define SEND_MAX (1u << 30) /* what Postgres takes as one value */

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_INT8_ARRAY = 1016 };
enum { OID_TEXT_ARRAY = 1009, OID_BYTEA_ARRAY = 1001 };

static Oid element_type(char type)
{
    return type == 'i' || type == 'I' ? OID_INT8 : type == 'b' ? OID_BYTEA : OID_TEXT;
}

static Oid array_type(char type)
{
    return type == 'i' || type == 'I' ? OID_INT8_ARRAY
           : type == 'b'              ? OID_BYTEA_ARRAY
                                      : OID_TEXT_ARRAY;
}

bool pgwire_prepare(PGconn *pg, const struct statement *stmt)
{
    Oid types[PGWIRE_PARAMS_MAX];
    INVARIANT(stmt->n_params <= PGWIRE_PARAMS_MAX);
    for (unsigned i = 0; i < stmt->n_params; i++) {
        char type = stmt->decl->params[i];
        bool array = type == 'I' || stmt->decl->kind == STORE_APPEND;
        types[i] = array ? array_type(type) : element_type(type);
    }
    return PQsendPrepare(pg, stmt->name, stmt->sql, (int)stmt->n_params, types) == 1;
}

/* ---- parameters ---- */

static void put_int32(struct strbuf *b, int64_t value)
{
    uint32_t net = htobe32((uint32_t)value);
    strbuf_add(b, (const char *)&net, sizeof(net));
}

static void put_int64(struct strbuf *b, int64_t value)
{
    uint64_t net = htobe64((uint64_t)value);
    strbuf_add(b, (const char *)&net, sizeof(net));
}

/* A one-dimensional array's head (src/backend/utils/adt/arrayfuncs.c, array_recv). */
static void put_array_head(struct strbuf *b, Oid element, size_t n)
{
    put_int32(b, n > 0 ? 1 : 0); /* dimensions */
    put_int32(b, 1);             /* may hold NULLs */
    put_int32(b, element);
    if (n == 0)
        return;
    put_int32(b, (int64_t)n);
    put_int32(b, 1); /* the first element's number */
}

static void put_element(struct strbuf *b, const struct store_value *v)
{
    if (v->type == 0) {
        put_int32(b, -1);
    } else if (v->type == 'i') {
        put_int32(b, 8);
        put_int64(b, v->i);
    } else {
        put_int32(b, (int64_t)v->len);
        strbuf_add(b, v->p, v->len);
    }
}

static void put_column(struct strbuf *b, struct op *const *ops, unsigned n, unsigned col)
{
    put_array_head(b, element_type(ops[0]->stmt->decl->params[col]), n);
    for (unsigned i = 0; i < n; i++)
        put_element(b, &ops[i]->v[col]);
}

static void put_value(struct strbuf *b, const struct store_value *v)
{
    const int64_t *ints = v->p;
    switch (v->type) {
    case 'i': put_int64(b, v->i); break;
    case 'I':
        put_array_head(b, OID_INT8, v->len);
        for (size_t i = 0; i < v->len; i++) {
            put_int32(b, 8);
            put_int64(b, ints[i]);
        }
        break;
    case 't':
    case 'b': strbuf_add(b, v->p, v->len); break;
    default: break;
    }
}

bool pgwire_send(PGconn *pg, struct op *const *ops, unsigned n)
{
    const struct statement *stmt = ops[0]->stmt;
    bool append = stmt->decl->kind == STORE_APPEND;
    const char *values[PGWIRE_PARAMS_MAX];
    int lengths[PGWIRE_PARAMS_MAX], formats[PGWIRE_PARAMS_MAX];
    size_t starts[PGWIRE_PARAMS_MAX];
    struct strbuf b;
    strbuf_init(&b, SEND_MAX);
    strbuf_putc(&b, ' '); /* so that b.s is never NULL */
    for (unsigned i = 0; i < stmt->n_params; i++) {
        starts[i] = b.len;
        if (append)
            put_column(&b, ops, n, i);
        else
            put_value(&b, &ops[0]->v[i]);
        lengths[i] = (int)(b.len - starts[i]);
        formats[i] = 1;
    }
    for (unsigned i = 0; i < stmt->n_params; i++)
        values[i] = !append && ops[0]->v[i].type == 0 ? NULL : b.s + starts[i];
    bool sent = !b.overflow && PQsendQueryPrepared(pg, stmt->name, (int)stmt->n_params, values,
                                                   lengths, formats, 1) == 1;
    strbuf_free(&b);
    return sent;
}

/* ---- results ---- */

/* Integers by size; 0 for any other type. */
static int int_size(Oid oid)
{
    switch (oid) {
    case 16: return 1; /* bool */
    case 21: return 2;
    case 23: return 4;
    case OID_INT8: return 8;
    default: return 0;
    }
}

bool pgwire_type_fits(Oid oid, char type)
{
    static const Oid texts[] = {OID_TEXT, 18, 19, 114, 705, 1042, 1043}; /* also char, name, json */
    if (type == 'i')
        return int_size(oid) > 0;
    if (type == 'b')
        return oid == OID_BYTEA;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i] == oid)
            return true;
    }
    return false;
}

static int64_t read_int(const char *p, int size)
{
    uint64_t value = (signed char)p[0] < 0 ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | (unsigned char)p[i];
    return (int64_t)value;
}

static bool add_row(struct store_rows *rows, const PGresult *r, int row, const char *types)
{
    if (!rows_add(rows))
        return false;
    for (unsigned col = 0; types[col]; col++) {
        int at = (int)col;
        if (PQgetisnull(r, row, at))
            continue;
        const char *value = PQgetvalue(r, row, at);
        if (types[col] == 'i')
            rows_set_int(rows, col, read_int(value, int_size(PQftype(r, at))));
        else if (!rows_set_bytes(rows, col, value, (size_t)PQgetlength(r, row, at)))
            return false;
    }
    return true;
}

static int check_columns(const PGresult *r, const char *types, struct err *e)
{
    if (PQnfields(r) != (int)strlen(types))
        return err_set(e, "returns %d columns, declared are %zu", PQnfields(r), strlen(types));
    for (int col = 0; types[col]; col++) {
        if (!pgwire_type_fits(PQftype(r, col), types[col]))
            return err_set(e, "column %d has type %u, which is not declared as '%c'", col + 1,
                           PQftype(r, col), types[col]);
    }
    return 0;
}

struct store_rows *pgwire_rows(const PGresult *r, const char *types, struct err *e)
{
    if (*types && check_columns(r, types, e) < 0)
        return NULL;
    struct store_rows *rows = rows_new(types);
    int n = *types ? PQntuples(r) : 0;
    for (int row = 0; row < n; row++) {
        if (!add_row(rows, r, row, types)) {
            store_rows_free(&rows);
            err_set(e, "returns too much");
            return NULL;
        }
    }
    return rows;
}
