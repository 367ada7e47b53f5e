/* Results for humans: tables, lists of facts. What comes from users is shown without its control
 * characters, so that nobody writes on an admin's terminal. */
#ifndef JACKDAW_CTL_PRINT_H
#define JACKDAW_CTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>

/* Prints a result to standard output: as JSON, or in the form that fits; `columns` (may be NULL or
 * empty) names those of a table. */
void print_result(const json_t *result, const json_t *columns, bool as_json);

/* The columns that `s` takes on a terminal. */
size_t print_width(const char *s);

#endif
