/*
 * conv_method.h - the ways to compute a convolution.
 *
 * A method is chosen by shape alone, never by the CPU: the first of the table that
 * fits. All but Winograd's take a sum in the order of ky, kx, c, each step fused,
 * beginning with the bias. Taps outside the input multiply a 0 or are left out, as the
 * shape decides: that is the same but for the sign of a sum that is 0.
 */
#ifndef ENGINE_CONV_METHOD_H
#define ENGINE_CONV_METHOD_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/kernels.h"
#include "engine/layer.h"
#include "engine/size.h"
#include "engine/tensor.h"

/* The convolution of conv.h: filter f belongs to group f / (filters / groups), and c
 * counts over the channels of that group. */
struct conv_shape {
    struct extent in, out; /* out.channels: the filters of all groups */
    size_t kh, kw, sy, sx, dy, dx;
    size_t top, left; /* padding */
    size_t groups;
    bool padded; /* some window reaches outside the input */
};

/* What a method needs to run. */
struct conv_needs {
    size_t packed, scratch; /* floats */
    size_t pack_parts;      /* calls of pack_part, or 0 */
    struct extent tile;     /* as in struct layer_plan */
    double row_cost;
};

/* What it needs to run with memory that all parts share: passes over it, each of so
 * many parts, that come before the parts of the tile. */
struct conv_shared {
    size_t floats, scratch;
    size_t parts[LAYER_PASSES];
    struct extent tile;
};

/* One part of one convolution. */
struct conv_call {
    const struct conv_shape *shape;
    const struct kernels *kernels;
    const float *packed;
    const float *kernel; /* as Keras has it */
    const float *in;
    float *out;
    size_t in_top, out_top; /* the rows at in and out */
    struct box box;
    float floor;
    float *scratch, *shared;
};

struct conv_method {
    bool (*fits)(const struct conv_shape *shape); /* NULL: always */
    struct conv_needs (*needs)(const struct conv_shape *shape);
    void (*pack)(const struct conv_shape *shape, const float *kernel, const float *bias,
                 float *packed); /* bias may be NULL */
    void (*pack_part)(const struct conv_shape *shape, const float *kernel, size_t part,
                      float *packed);
    void (*run)(const struct conv_call *call);

    /* Another way to run, which ends with `finish` in place of run; false: not for this
     * shape. NULL: for none. */
    bool (*share)(const struct conv_shape *shape, struct conv_shared *shared);
    void (*prepare)(const struct conv_call *call, size_t pass, size_t part);
    void (*finish)(const struct conv_call *call); /* a box of whole rows */
};

extern const struct conv_method conv_winograd; /* 3x3 windows over deep maps */
extern const struct conv_method conv_channels; /* depthwise */
extern const struct conv_method conv_groups;   /* groups with few filters each */
extern const struct conv_method conv_columns;  /* few filters: lanes are columns */
extern const struct conv_method conv_filters;  /* many filters: lanes are filters */

/* The first that fits. */
const struct conv_method *conv_method_of(const struct conv_shape *shape);

/* Run it over a box of any size, in parts of its own tile: its scratch memory is for no
 * more, and the tile of the plan may be wider or deeper. */
void conv_method_run(const struct conv_call *call);

/* A number that tells how a layer's weights are packed: by this method, after those
 * that the number `before` stands for (0: none). */
size_t conv_method_packing(const struct conv_method *method, size_t before);

/* Multiply-adds of one output cell of one filter. */
size_t conv_method_taps(const struct conv_shape *shape);

/* Rows, columns of input that n outputs in a row, or column, touch. */
size_t conv_method_rows(const struct conv_shape *shape, size_t n);
size_t conv_method_columns(const struct conv_shape *shape, size_t n);

/* Copies `rows` x `columns` cells of the input to `to`, each `cell` floats from the one
 * before; row y and column x are the first, counted in the padded input. What lies
 * outside the input is 0. */
void conv_method_copy(const struct conv_call *call, size_t y, size_t x, size_t rows,
                      size_t columns, size_t cell, float *to);

/* Where the window of output row y, column x begins in an input without padding. */
const float *conv_method_window(const struct conv_call *call, size_t y, size_t x);
float *conv_method_out(const struct conv_call *call, size_t y, size_t x);

enum { CONV_STEPS_MAX = LAYER_STEPS_MAX }; /* vector steps of a part */

#endif
