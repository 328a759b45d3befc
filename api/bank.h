/*
 * bank.h - weights that stand in a document: a layer's `kernel` and `bias`.
 *
 * A kernel is a name of the catalogue, one 2-D array (a single filter), a list of names
 * or of 2-D arrays, all of one size (one per filter), or a 4-D array: height x width x
 * channels x filters.
 */
#ifndef API_BANK_H
#define API_BANK_H

#include <cjson/cJSON.h>

#include "engine/arena.h"
#include "engine/layer.h"

/* Read a kernel. On failure reason, of BANK_REASON_SIZE bytes, says what is wrong:
 * "must be ...". */
enum { BANK_REASON_SIZE = 280 };
bool bank_read(struct filter_bank *bank, const cJSON *value, struct arena *arena,
               char *reason) MUST_CHECK;

/* Read a number or an array of numbers. */
bool bank_read_bias(const float **bias, size_t *n, const cJSON *value,
                    struct arena *arena, char *reason) MUST_CHECK;

/* Read a number (rank 0) or nested arrays of numbers, of up to 4 axes once the leading
 * ones of length 1 are left out. */
bool bank_read_tensor(struct tensor *tensor, const cJSON *value, struct arena *arena,
                      char *reason) MUST_CHECK;

#endif
