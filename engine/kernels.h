/*
 * kernels.h - the inner loops, one table of them per instruction set.
 *
 * Each loop is written once, in kernels_body.h, over a small vector vocabulary; a
 * file kernels_<isa>.c supplies the vocabulary. The tables give the same bits: a
 * lane is an output value, every multiply-add is fused, sums have a declared order.
 * Tests compare the tables with memcmp; any NaN equals any NaN.
 */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/activation.h"
#include "engine/tensor.h"

/* X(name, whether this CPU has it), slowest first. */
#if defined(__x86_64__)
#define FOR_EACH_ISA(X)                                                                \
    X(portable, 1)                                                                     \
    X(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))           \
    X(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
#else
#define FOR_EACH_ISA(X) X(portable, 1)
#endif

enum { KERNEL_LANES = 16 }; /* lanes of the fixed sums, and the widest vector */

/* Part of statistics: a block of at most STATISTICS_BLOCK values. */
enum { STATISTICS_BLOCK = 4096 };
struct block_statistics {
    size_t finite, nan, inf;
    float min, max;
    double sum;        /* of the finite values, in KERNEL_LANES lanes */
    double deviations; /* sum of (value - block mean)^2 over the finite values */
};

struct kernels {
    const char *name;

    /* One filter, lanes are outputs along a row: for x < n,
     * out[x] = bias + sum over t of weights[t] * in[x + offsets[t]], in the order of
     * t, fused. Reads only what these outputs need. */
    void (*convolve_row)(float *out, const float *in, const float *weights,
                         const ptrdiff_t *offsets, size_t n_taps, float bias, size_t n);

    /* Many filters at once, lanes are filters: for p < n and f < filters,
     * out[p * out_step + f] = bias[f] + sum over runs r and i < run of
     * in[p * in_step + offsets[r] + i] * weights[(r * run + i) * padded + f], in the
     * order of r, then i, fused. padded is filters rounded up to KERNEL_LANES;
     * weights and bias have that many, zeros beyond filters. */
    void (*convolve_filters)(float *out, size_t out_step, const float *in,
                             size_t in_step, const ptrdiff_t *offsets, size_t n_runs,
                             size_t run, const float *weights, const float *bias,
                             size_t filters, size_t n);

    /* acc[i] = max(acc[i], in[i * step]), where max(a, b) is a > b ? a : b */
    void (*max_row)(float *acc, const float *in, size_t step, size_t n);
    /* acc[i] += in[i * step] */
    void (*add_row)(float *acc, const float *in, size_t step, size_t n);

    /* out[i] = in[i] * factors[i] + shifts[i], fused */
    void (*scale_row)(float *out, const float *in, const float *factors,
                      const float *shifts, size_t n);

    /* Apply an activation in place to n values; channels is the length of the last
     * axis, a divisor of n. */
    void (*activate)(const struct activation *activation, float *x, size_t n,
                     size_t channels);

    /* Statistics of one block, values[0], values[stride], ...; n at most
     * STATISTICS_BLOCK. */
    void (*statistics)(const float *values, size_t n, size_t stride,
                       struct block_statistics *out);

    /* Colour indices as matplotlib computes them: with x = (v - low) / (high - low)
     * in float32, index = trunc(x * 256), below 0 is 0, above 255 is 255; low < high.
     * A NaN becomes 0. values[0], values[stride], ... */
    void (*quantize)(uint8_t *index, const float *values, size_t n, size_t stride,
                     float low, float high);
};

/* The table of this name, or the fastest that this CPU has where name is NULL. NULL if
 * there is no such table or the CPU lacks it. */
const struct kernels *kernels_find(const char *name);

/* The tables that this CPU can run, slowest (the reference) first; NULL past the end.
 */
const struct kernels *kernels_nth(size_t i);

/* Names of all tables of this build, usable or not; NULL past the end. */
const char *kernels_name(size_t i);

#endif
