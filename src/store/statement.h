/* A declared statement as one driver runs it. Made when it is declared, constant from then on. */
#ifndef JACKDAW_STORE_STATEMENT_H
#define JACKDAW_STORE_STATEMENT_H

#include <uthash.h>

#include "store/store.h"

struct statement {
    const struct store_stmt *decl;
    unsigned index; /* dense over all statements of the store */
    unsigned n_params;
    char *name;        /* "roster.roster_get" */
    char *sql;         /* in the driver's dialect */
    UT_hash_handle hh; /* by decl */
};

/* Makes it; `decl` must outlive it, `module` is copied. The caller frees it. */
struct statement *statement_new(enum store_driver driver, const char *module,
                                const struct store_stmt *decl, unsigned index);
/* Accepts NULL, sets NULL. */
void statement_free(struct statement **s);

static inline bool statement_is_read(const struct statement *s)
{
    return s->decl->kind == STORE_READ || s->decl->kind == STORE_DIRECTORY_READ;
}

/* The text in SQLite's dialect: parameters are ?1 instead of $1 (a name there), outside of quotes.
 * The caller frees it. */
char *statement_numbered(const char *sql);

/* A migration's text with {int}, {text}, {blob} and {strict} replaced by the driver's types. The
 * caller frees it. */
char *statement_typed(enum store_driver driver, const char *sql);

#endif
