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

#include <stdbool.h>
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
#elif defined(__aarch64__)
#define FOR_EACH_ISA(X) X(portable, 1) X(neon, 1)
#else
#define FOR_EACH_ISA(X) X(portable, 1)
#endif

enum { KERNEL_LANES = 16 }; /* lanes of the fixed sums, and the widest vector */

/* Bytes read and written of which little is left in the caches when they are wanted
 * again: from here on a loop that can store around them shall. Where other cores fill a
 * third-level cache of 32 MiB too, a relu of 6 MiB to as many takes half the time
 * around it, and 0.85 of the time with a read of all of it at once; of 4 MiB, 1.1.
 * Where that cache is one core's alone, up to twice as much would be read faster from
 * it. */
enum { KERNEL_FAR = 12 << 20 };

/* Part of statistics: a block of at most STATISTICS_BLOCK values. */
enum { STATISTICS_BLOCK = 4096 };
struct block_statistics {
    size_t finite, nan, inf;
    float min, max;
    double sum; /* of the finite values; this and the next in KERNEL_LANES lanes */
    double deviations; /* sum of (value - block mean)^2 over the finite values, fused */
};

/*
 * Four loops for convolutions. Each output begins with its bias and adds its taps in
 * order, fused; floor is its least value: sum becomes floor > sum ? floor : sum, so
 * -INFINITY leaves all as it is, a NaN too, and 0 rectifies. Nothing is read that no
 * output needs.
 */

/* One filter, lanes are columns: for y < rows and x < n, out[y * out_pitch + x] is the
 * sum over ky < kernel_rows and t < row_taps of weights[ky * row_taps + t] *
 * in[(y * stride + ky * dilation) * in_pitch + x * in_step + offsets[t]]. */
struct columns_call {
    float *out;
    size_t out_pitch;
    const float *in;
    size_t in_pitch, in_step, stride, dilation;
    const float *weights;
    const ptrdiff_t *offsets;
    size_t kernel_rows, row_taps;
    float bias, floor;
    size_t rows, n;
};

/* Many filters, lanes are filters: for p < n and f < filters, out[p * out_step + f] is
 * the sum over runs r and i < runs[r].length of in[p * in_step + runs[r].offset + i] *
 * weights[tap * weight_step + f], where tap counts on over the runs. bias is NULL for a
 * sum that goes on from what out holds. weights and bias are readable up to filters
 * rounded up to KERNEL_LANES; n is not 0. */
struct filters_run {
    ptrdiff_t offset;
    size_t length;
};
struct filters_call {
    float *out;
    size_t out_step;
    const float *in;
    size_t in_step;
    const struct filters_run *runs;
    size_t n_runs;
    const float *weights;
    size_t weight_step;
    const float *bias;
    float floor;
    size_t filters, n;
};

/* One filter for each channel, lanes are channels: for y < rows, p < n and c <
 * channels, out[y * out_pitch + p * channels + c] is the sum over t < taps of in[y *
 * in_pitch + p * in_step + offsets[t] + c] * weights[t * channels + c]. The taps are
 * rows of `width` cells side by side. */
struct channels_call {
    float *out;
    size_t out_pitch;
    const float *in;
    size_t in_pitch, in_step;
    const float *weights;
    const ptrdiff_t *offsets;
    size_t taps, width;
    const float *bias;
    float floor;
    size_t channels, rows, n;
};

/* Few filters for each of some groups of channels, lanes are the filters of all: for y
 * < rows, p < n, g < groups and m < filters, out[y * out_pitch + p * out_step + g *
 * filters + m] is the sum over t < taps and c < channels of in[y * in_pitch + p *
 * in_step + offsets[t] + g * channels + c] * weights[(t * channels + c) * KERNEL_LANES
 * + g * filters + m]. channels <= filters <= KERNEL_LANES / 2; groups * filters <=
 * KERNEL_LANES, so many floats of bias are readable, and of each tap's weights. */
struct groups_call {
    float *out;
    size_t out_pitch, out_step;
    const float *in;
    size_t in_pitch, in_step;
    const float *weights;
    const ptrdiff_t *offsets;
    size_t taps, groups, channels, filters;
    const float *bias;
    float floor;
    size_t rows, n;
};

/* A row of tiles of Winograd's F(4x4, 3x3); conv_winograd.c says what it is for. map
 * points at the first tile's first cell. Each of 36 planes, `plane` floats apart, holds
 * groups of KERNEL_LANES channels, `pitch` floats apart, of a group its tiles, and of a
 * tile its channels of that group. */
struct winograd_call {
    float *map, *planes;
    size_t map_pitch; /* floats from a row of the map to the next */
    size_t map_step;  /* winograd_out: from a column to the next */
    size_t plane, pitch, channels, tiles;
    size_t rows, columns; /* winograd_out: that lie in the map */
    const float *bias;
    float floor;
};

/* Many filters over the tiles of a plane as above: for t < tiles and f < filters, the
 * sum over c of in[tile t, channel c] * weights[c * filters + f], in the order of c.
 * soon: as many more weights, which the next call will want. */
struct tiles_call {
    float *out;
    size_t out_pitch;
    const float *in;
    size_t in_pitch;
    const float *weights, *soon;
    size_t channels, filters, tiles; /* filters: a multiple of KERNEL_LANES */
};

/* A row of windows over `rows` rows of the input, in_pitch floats apart: output x < n
 * covers the columns x * step - before + k, k < window, that there are. Of each channel
 * the largest value, where max(a, b) is a > b ? a : b, or the mean of the cells that
 * there are; folded down each column, then along the columns, from the first on. */
struct pool_call {
    float *out;
    const float *in;
    size_t in_pitch, rows;
    float *columns; /* room for width * channels floats */
    size_t width, channels;
    size_t window, step, before;
    size_t n;
    bool average, around; /* around: as for activate */
};

/* Between two cells: part of the way from the first to the second, which is the first
 * where it has no share. */
struct between {
    size_t low, high;
    float part;
};

/* A row of cells between those of two rows, `apart` floats from each other, part of the
 * way from the first to the second, which is the first where apart is 0: first between
 * the rows, then between the columns, each time low + (high - low) * part, fused; low
 * itself where it is high. */
struct blend_call {
    float *out;
    const float *in;
    size_t apart;
    float part;
    const struct between *at; /* of each output: the columns it lies between */
    size_t n, channels;
    bool around; /* as for activate */
};

/* Along a row: for x < n and c < channels, out[x * channels + c] is the sum over k of
 * in[(first[x] + k) * channels + c] * weight(x, k), from 0 on, in the order of k, each
 * step rounded; what weighs 0 is left out, even a NaN. Cells have groups of
 * KERNEL_LANES, the last one filled with copies of the last cell; what group g weighs
 * at k < taps is weights[k * KERNEL_LANES + x % KERNEL_LANES], and nothing at k < all
 * is 0. As many cells as `taps` and KERNEL_LANES floats behind a row of in are
 * readable, a group of cells and KERNEL_LANES floats behind out writable; they mean
 * nothing. */
struct weigh_group {
    const float *weights;
    size_t all, taps;
};
struct weigh_call {
    float *out;
    const float *in;
    const int32_t *first;
    const struct weigh_group *groups;
    size_t n, channels;
};

struct kernels {
    const char *name;

    void (*convolve_columns)(const struct columns_call *call);
    void (*convolve_filters)(const struct filters_call *call);
    void (*convolve_channels)(const struct channels_call *call);
    void (*convolve_groups)(const struct groups_call *call);

    /* out[f] = bias[f] + sum over k < n of in[k] * weights[k * step + f], in the order
     * of k, fused; f < filters. bias may be NULL. Reads the weights once, as they lie.
     */
    void (*multiply_vector)(float *out, const float *in, const float *weights,
                            size_t step, const float *bias, size_t n, size_t filters);
    /* The same where the weights lie in panels of KERNEL_LANES filters, one behind the
     * other: of each input as many weights. Those and bias, which is not NULL, are
     * readable up to filters rounded up to KERNEL_LANES. */
    void (*multiply_panels)(float *out, const float *in, const float *weights,
                            const float *bias, size_t n, size_t filters);

    /* From 6x6 cells every 4 columns to planes; and back, from planes to 4x4 cells plus
     * bias. Channels of the way back are a multiple of KERNEL_LANES. */
    void (*winograd_in)(const struct winograd_call *call);
    void (*winograd_multiply)(const struct tiles_call *call);
    void (*winograd_out)(const struct winograd_call *call);
    /* Whether all n values are numbers below 2^48. */
    bool (*tame)(const float *x, size_t n);

    void (*pool_row)(const struct pool_call *call);
    /* out[c] = the sum of in[i * step + c] over i < cells, c < channels, by divisor:
     * from 0 on, each four cells pairwise, (0 + 2) + (1 + 3), then the cells left over,
     * in order. out does not overlap in. */
    void (*sum_cells)(float *out, const float *in, size_t cells, size_t step,
                      size_t channels, float divisor);
    /* out[c] = max(out[c], in[i * step + c]), in the order of i < cells */
    void (*max_cells)(float *out, const float *in, size_t cells, size_t step,
                      size_t channels);

    void (*blend)(const struct blend_call *call);
    /* Each cell of `channels` floats, `times` times. around: as for activate. */
    void (*repeat)(float *out, const float *in, size_t cells, size_t channels,
                   size_t times, bool around);

    /* Of n values, with p = first[i % period] and q = second[i % period]: in * p + q,
     * fused; (in - p) / q; in if in > 0, else in * p. out and in are the same or do
     * not overlap. A period of some hundred floats is quick. around: as for activate,
     * if the period is a multiple of KERNEL_LANES. */
    void (*scale)(float *out, const float *in, const float *first, const float *second,
                  size_t period, size_t n, bool around);
    void (*standardize)(float *out, const float *in, const float *first,
                        const float *second, size_t period, size_t n, bool around);
    void (*rectify)(float *out, const float *in, const float *first,
                    const float *second, size_t period, size_t n, bool around);

    /* out[i] = (in[i] - mean) / sqrt(variance + epsilon) * gamma[i] + beta[i], with the
     * mean and population variance of the n values of in, in double precision and
     * rounded once. Not centered: the mean is not subtracted. out may be in. */
    void (*normalize)(float *out, const float *in, const float *gamma,
                      const float *beta, size_t n, float epsilon, bool centered);
    /* out = activation(in), n values; channels is the length of the last axis, a
     * divisor of n. out and in are the same or do not overlap. around: out is stored
     * around the caches where that pays; for what they could not keep until it is read.
     */
    void (*activate)(const struct activation *activation, float *out, const float *in,
                     size_t n, size_t channels, bool around);

    /* The finite values' range in each of n of a map's channels: widens low[c] and
     * high[c] to values[i * step + c], i < cells; odd[c] becomes a NaN if one of them
     * was not finite. -0 counts as 0. */
    void (*range)(float *low, float *high, float *odd, const float *values,
                  size_t cells, size_t step, size_t n);

    /* out[i] = in[i] * factor, i < n. around: as for activate. */
    void (*widen)(float *out, const uint8_t *in, size_t n, float factor, bool around);
    /* The luma of n pixels, (r * 0.2989 + g * 0.587 + b * 0.114) * factor, from left to
     * right, each step rounded. out does not overlap rgb. */
    void (*gray)(float *out, const float *rgb, size_t n, float factor);
    void (*gray_u8)(float *out, const uint8_t *rgb, size_t n, float factor,
                    bool around);
    /* sum[i] += row[i] * weight, each step rounded, i < n; begin: from 0 on. */
    void (*add_row)(float *sum, const float *row, float weight, size_t n, bool begin);
    void (*add_row_u8)(float *sum, const uint8_t *row, float weight, size_t n,
                       bool begin);
    void (*weigh)(const struct weigh_call *call);

    /* Statistics of one block, values[0], values[stride], ...; n at most
     * STATISTICS_BLOCK. */
    void (*statistics)(const float *values, size_t n, size_t stride,
                       struct block_statistics *out);

    /* Colour indices as matplotlib computes them: with x = (v - low) / (high - low)
     * in float32, index = trunc(x * 256), below 0 is 0, above 255 is 255; low < high.
     * A NaN becomes 0. Of n channels of a map: maps[c][at + i] is the index of
     * values[i * step + c] between low[c] and high[c], i < cells. */
    void (*quantize)(uint8_t *const *maps, size_t at, const float *values, size_t cells,
                     size_t step, size_t n, const float *low, const float *high);

    /* n pixels of three values become samples: (v - low[c]) / (high[c] - low[c]) of
     * channel c, between 0 and 1, of which 255 parts, truncated; low < high. A NaN
     * becomes 0. */
    void (*colors)(uint8_t *out, const float *values, size_t n, const float *low,
                   const float *high);
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
