#include "store/rows.h"

#include "base/mem.h"

struct cell {
    int64_t value; /* the integer, or where the bytes begin */
    uint32_t len;
    bool set; /* not NULL */
};

struct store_rows {
    const char *types;
    unsigned columns;
    size_t count, cap; /* rows */
    struct cell *cells;
    char *bytes; /* texts and blobs one after the other, each with a NUL behind it */
    size_t used, size;
};

struct store_rows *rows_new(const char *types)
{
    struct store_rows *rows = mem_new(struct store_rows);
    rows->types = types;
    rows->columns = (unsigned)strlen(types);
    return rows;
}

bool rows_add(struct store_rows *rows)
{
    if (rows->columns == 0)
        return true;
    size_t row_size = rows->columns * sizeof(struct cell);
    if (rows->count == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 8;
        if (rows->cap * row_size > ROWS_MAX_BYTES)
            return false;
        rows->cells = mem_realloc(rows->cells, rows->cap * row_size);
    }
    memset(rows->cells + rows->count * rows->columns, 0, row_size);
    rows->count++;
    return true;
}

static struct cell *last_row(struct store_rows *rows, unsigned col)
{
    INVARIANT(rows->count > 0 && col < rows->columns);
    return &rows->cells[(rows->count - 1) * rows->columns + col];
}

void rows_set_int(struct store_rows *rows, unsigned col, int64_t value)
{
    struct cell *c = last_row(rows, col);
    c->value = value;
    c->set = true;
}

bool rows_set_bytes(struct store_rows *rows, unsigned col, const void *p, size_t len)
{
    if (len >= ROWS_MAX_BYTES || rows->used + len + 1 > ROWS_MAX_BYTES)
        return false;
    if (rows->used + len + 1 > rows->size) {
        rows->size = (rows->used + len + 1) * 2;
        rows->bytes = mem_realloc(rows->bytes, rows->size);
    }
    struct cell *c = last_row(rows, col);
    c->value = (int64_t)rows->used;
    c->len = (uint32_t)len;
    c->set = true;
    if (len > 0)
        memcpy(rows->bytes + rows->used, p, len);
    rows->bytes[rows->used + len] = '\0';
    rows->used += len + 1;
    return true;
}

static const struct cell *cell_at(const struct store_rows *rows, size_t row, unsigned col)
{
    INVARIANT(row < rows->count && col < rows->columns);
    return &rows->cells[row * rows->columns + col];
}

size_t store_rows_count(const struct store_rows *rows)
{
    return rows->count;
}

bool store_is_null(const struct store_rows *rows, size_t row, unsigned col)
{
    return !cell_at(rows, row, col)->set;
}

int64_t store_int(const struct store_rows *rows, size_t row, unsigned col)
{
    const struct cell *c = cell_at(rows, row, col);
    INVARIANT(rows->types[col] == 'i');
    return c->set ? c->value : 0;
}

const char *store_str(const struct store_rows *rows, size_t row, unsigned col)
{
    size_t len;
    INVARIANT(rows->types[col] == 't');
    return store_blob(rows, row, col, &len);
}

const void *store_blob(const struct store_rows *rows, size_t row, unsigned col, size_t *len)
{
    const struct cell *c = cell_at(rows, row, col);
    INVARIANT(rows->types[col] != 'i');
    *len = c->len;
    return c->set ? rows->bytes + c->value : NULL;
}

void store_rows_free(struct store_rows **rows)
{
    struct store_rows *r = *rows;
    *rows = NULL;
    if (!r)
        return;
    free(r->cells);
    free(r->bytes);
    free(r);
}
