/* bank.c - weights that stand in a document. */
#include "api/bank.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/nearest.h"
#include "engine/generate.h"

enum { MAX_RANK = SHAPE_MAX_RANK };

static const char *kernel_name(const void *context, size_t i)
{
    const struct named_kernel *kernel = named_kernel_at(i);

    (void)context;
    return kernel ? kernel->name : NULL;
}

static bool no_memory(char *reason)
{
    snprintf(reason, BANK_REASON_SIZE, "does not fit the memory of a request");
    return false;
}

static bool named(struct filter_bank *bank, const char *name, char *reason)
{
    const struct named_kernel *kernel = named_kernel_find(name);
    char hint[NEAREST_TEXT_SIZE];

    if (!kernel) {
        snprintf(reason, BANK_REASON_SIZE,
                 "must be a kernel of the catalogue or an array of numbers, not "
                 "'%.64s'%s",
                 name, nearest_hint(nearest_name(name, kernel_name, NULL), hint));
        return false;
    }
    *bank = (struct filter_bank){.filters = 1,
                                 .height = kernel->height,
                                 .width = kernel->width,
                                 .values = kernel->values};
    return true;
}

/* A list of names, one per filter. */
static bool list_named(struct filter_bank *bank, const cJSON *list, struct arena *arena,
                       char *reason)
{
    const size_t n = (size_t)cJSON_GetArraySize(list);
    struct filter_bank one;
    float *values = NULL;
    const cJSON *item;

    *bank = (struct filter_bank){0};
    cJSON_ArrayForEach(item, list)
    {
        if (!json_string(item)) {
            snprintf(reason, BANK_REASON_SIZE,
                     "must be a list of names only: %s stands in it", json_kind(item));
            return false;
        }
        if (!named(&one, json_string(item), reason))
            return false;
        const size_t size = one.height * one.width;
        if (!values && !(values = arena_take(arena, n * size, sizeof *values)))
            return no_memory(reason);
        if (bank->filters && (one.height != bank->height || one.width != bank->width)) {
            snprintf(reason, BANK_REASON_SIZE,
                     "must be kernels of one size: %.64s is %zux%zu, the first %zux%zu",
                     item->valuestring, one.height, one.width, bank->height,
                     bank->width);
            return false;
        }
        memcpy(values + bank->filters * size, one.values, size * sizeof *values);
        *bank =
            (struct filter_bank){bank->filters + 1, one.height, one.width, 0, values};
    }
    return true;
}

/* Lengths along the first element of each level. Returns the rank; MAX_RANK + 1 if
 * there are more levels. */
static size_t measure(const cJSON *value, size_t dim[MAX_RANK])
{
    size_t rank = 0;

    for (; cJSON_IsArray(value); value = value->child) {
        if (rank == MAX_RANK)
            return MAX_RANK + 1;
        dim[rank++] = (size_t)cJSON_GetArraySize(value);
    }
    return rank;
}

/* Copy the numbers of an array that must have these dimensions all over. */
static bool copy(const cJSON *value, const size_t *dim, size_t rank, float **out,
                 char *reason)
{
    double number;

    if (rank == 0) {
        const bool ok = json_number(value, &number) && fabs(number) <= FLT_MAX;
        if (ok)
            *(*out)++ = (float)number;
        else
            snprintf(
                reason, BANK_REASON_SIZE,
                "must hold numbers in the range of float32 only, in arrays of equal "
                "length");
        return ok;
    }
    if (!cJSON_IsArray(value) || (size_t)cJSON_GetArraySize(value) != *dim) {
        snprintf(reason, BANK_REASON_SIZE, "must not be ragged: %s stands where %zu %s",
                 cJSON_IsArray(value) ? "an array of another length" : json_kind(value),
                 *dim, *dim == 1 ? "element should be" : "elements should be");
        return false;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        if (!copy(item, dim + 1, rank - 1, out, reason))
            return false;
    }
    return true;
}

/* All numbers of an array of known dimensions; NULL on failure. */
static float *take_values(const cJSON *value, const size_t *dim, size_t rank,
                          struct arena *arena, char *reason)
{
    size_t count = 1;

    for (size_t i = 0; i < rank; i++)
        if (dim[i] == 0 || __builtin_mul_overflow(count, dim[i], &count) ||
            count > JSON_MAX_VALUES) {
            snprintf(reason, BANK_REASON_SIZE,
                     dim[i] ? "must not be ragged" : "must not have an empty array");
            return NULL;
        }
    float *values = arena_take(arena, count, sizeof *values), *out = values;
    if (!values) {
        no_memory(reason);
        return NULL;
    }
    return copy(value, dim, rank, &out, reason) ? values : NULL;
}

bool bank_read(struct filter_bank *bank, const cJSON *value, struct arena *arena,
               char *reason)
{
    size_t dim[MAX_RANK];

    if (json_string(value))
        return named(bank, json_string(value), reason);
    if (cJSON_IsArray(value) && json_string(value->child))
        return list_named(bank, value, arena, reason);
    const size_t rank = measure(value, dim);
    if (rank < 2 || rank > MAX_RANK) {
        snprintf(
            reason, BANK_REASON_SIZE,
            "must be a name of the catalogue, a 2-D array, a list of either, or a 4-D "
            "array [height][width][channels][filters]");
        return false;
    }
    const float *values = take_values(value, dim, rank, arena, reason);
    if (!values)
        return false;
    if (rank == 2)
        *bank = (struct filter_bank){1, dim[0], dim[1], 0, values};
    else if (rank == 3)
        *bank = (struct filter_bank){dim[0], dim[1], dim[2], 0, values};
    else
        *bank = (struct filter_bank){dim[3], dim[0], dim[1], dim[2], values};
    return true;
}

bool bank_read_bias(const float **bias, size_t *n, const cJSON *value,
                    struct arena *arena, char *reason)
{
    size_t dim[MAX_RANK];
    const size_t rank = measure(value, dim);

    if (rank > 1) {
        snprintf(reason, BANK_REASON_SIZE, "must be a number or an array of numbers");
        return false;
    }
    *bias = take_values(value, dim, rank, arena, reason);
    *n = rank ? dim[0] : 1;
    return *bias != NULL;
}

bool bank_read_tensor(struct tensor *tensor, const cJSON *value, struct arena *arena,
                      char *reason)
{
    while (cJSON_IsArray(value) && cJSON_GetArraySize(value) == 1)
        value = value->child;
    *tensor = (struct tensor){.values = NULL};
    tensor->shape.rank = measure(value, tensor->shape.dim);
    if (tensor->shape.rank > MAX_RANK) {
        snprintf(reason, BANK_REASON_SIZE, "must not have more than %d axes", MAX_RANK);
        return false;
    }
    tensor->values =
        take_values(value, tensor->shape.dim, tensor->shape.rank, arena, reason);
    return tensor->values != NULL;
}
