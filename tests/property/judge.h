/*
 * judge.h - the engine's values against a reference, and the worst seen of each kind.
 */
#ifndef TESTS_PROPERTY_JUDGE_H
#define TESTS_PROPERTY_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/property/reference.h"

enum { JUDGE_FAULT = 320 };

/* True if every value lies within the bound of its row (judge_row). Else fault, of
 * JUDGE_FAULT bytes, tells the first one that does not. */
bool judge_values(const char *row, const struct reference *want, const float *got,
                  char *fault);

/* The row of the table of bounds under which a layer is judged. */
const char *judge_row(const struct layer *layer, const struct shape *in);

/* How many layers were judged under a row. */
size_t judge_count(const char *row);

/* Print the worst error of every row, as a share of its bound and of the layer's
 * largest value. */
void judge_print(void);

#endif
