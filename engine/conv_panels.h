/*
 * conv_panels.h - sums over runs of input for many filters, panel by panel.
 *
 * Weights are packed in panels of CONV_PANEL filters, tap after tap, the last one in
 * whole vectors. A panel is walked in blocks of CONV_TAPS taps (128 KiB, which stay in
 * the second-level cache while all rows pass); between blocks the sums rest in the
 * output.
 */
#ifndef ENGINE_CONV_PANELS_H
#define ENGINE_CONV_PANELS_H

#include "engine/conv_method.h"

enum { CONV_PANEL = 32, CONV_TAPS = 1024 };

/* Runs first to last - 1. */
struct conv_range {
    size_t first, last;
};

/* rows x n pixels of filters first to last - 1. */
struct conv_panels {
    const struct kernels *kernels;
    const float *weights, *biases; /* packed */
    size_t taps, filters;          /* of the packed weights */
    size_t first, last;            /* first is a multiple of CONV_PANEL */
    const struct filters_run *runs;
    size_t n_runs;
    const struct conv_range *ranges; /* of runs, for each row; NULL: all */
    float *out;                      /* of filter 0, at the first pixel */
    size_t out_step, out_pitch;
    const float *in;
    size_t in_step, in_pitch;
    size_t rows, n;
    float floor;
};

void conv_panels_run(const struct conv_panels *panels);

/* Floats of packed weights and biases. */
size_t conv_panels_packed(size_t taps, size_t filters);

/* Width of the panel that begins at filter f, in whole vectors. */
size_t conv_panels_width(size_t filters, size_t f);

/* Add the run of `length` floats at offset to runs[n], cut where it is longer than
 * CONV_TAPS; returns the new n. */
size_t conv_panels_cut(struct filters_run *runs, size_t n, size_t offset,
                       size_t length);

/* A part of the output for sums of `taps` taps: no more work than CONV_STEPS_MAX, but
 * as many pixels as pay for fetching a panel, and small enough that many threads have
 * work. Filters are split only where pixels are too few for that, and where split says
 * they may be: each split reads the same input again. */
struct extent conv_panels_tile(const struct extent *out, size_t taps, size_t filters,
                               bool split);

#endif
