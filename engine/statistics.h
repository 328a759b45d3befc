/*
 * statistics.h - what a map's numbers are like.
 */
#ifndef ENGINE_STATISTICS_H
#define ENGINE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/kernels.h"

/* Over the finite values only; min, max, mean and std mean nothing if finite is 0. */
struct statistics {
    size_t finite, nan, inf;
    float min, max;
    double mean;
    double std; /* of the population */
};

/* Statistics of n values, values[0], values[stride], ... The result is the same
 * bits on every CPU. */
struct statistics statistics_of(const struct kernels *kernels, const float *values,
                                size_t n, size_t stride);

/* All finite values are equal (or there are none). */
bool statistics_constant(const struct statistics *s);

#endif
