/*
 * generate.h - the lesson's generated inputs and named kernels.
 */
#ifndef ENGINE_GENERATE_H
#define ENGINE_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/attributes.h"
#include "engine/parallel.h"

/* The lesson's circle(): a circle_perimeter on an (h + 1) x (w + 1) canvas, resized
 * to h x w without interpolation, as scikit-image does both (sizes below 5 come out
 * blurred, as they do there). Writes height x width values to out. val NULL draws
 * each cell from [0, 1) by seed. height and width are at least 1.
 * scratch: generate_circle_scratch(height, width) doubles. False if the parallel-for,
 * on which nothing runs, says that the result is no longer wanted. */
bool generate_circle(double *out, double *scratch, size_t height, size_t width,
                     const double *val, long r_shrink, uint64_t seed,
                     const struct parallel *parallel) MUST_CHECK;
size_t generate_circle_scratch(size_t height, size_t width);

/* Ones at [x][y] and [y][x] of a size x size map of zeros; x, y < size. */
void generate_two_dots(double *out, size_t size, size_t x, size_t y);

enum { NAMED_KERNEL_MAX = 25 };

/* A kernel of the catalogue: rows x columns numbers. */
struct named_kernel {
    const char *name;
    size_t height, width;
    float values[NAMED_KERNEL_MAX];
};

/* In the order of the table; NULL past the end. */
const struct named_kernel *named_kernel_at(size_t i);
const struct named_kernel *named_kernel_find(const char *name);

/* Uniform doubles in [0, 1): SplitMix64 (Steele, Lea, Flood 2014) over the state,
 * the top 53 bits of each output. The state is any number and moves on. */
double generate_uniform(uint64_t *state);

#endif
