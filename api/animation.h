/*
 * animation.h - a window slides over a grid, and another grid fills with what it finds.
 *
 * At the left the input with its padding, over which the window's outline moves; in the
 * middle the window, enlarged: products of a convolution, the values that a pool looks
 * at; at the right the output as far as it is known. Zeros that a convolution pads with
 * are shown as such; cells beside the input that a pool passes over are empty.
 */
#ifndef API_ANIMATION_H
#define API_ANIMATION_H

#include "api/canvas.h"
#include "api/options.h"
#include "engine/layer.h"
#include "engine/parallel.h"

/* One channel of a tensor: the value of row y, column x is
 * values[(y * width + x) * step]. */
struct animation_grid {
    size_t height, width, step;
    const float *values;
};

struct animation {
    enum option_op op;
    struct animation_grid input, output;
    struct animation_grid window; /* of a pool without values */
    size_t strides[2], dilation[2];
    struct pads pad;
    const char *title; /* what is shown: "Conv2D 3x3, strides 1x1, valid" */
    double fps;
    size_t max_frames; /* if there are more positions: that many, spread evenly */
};

/* The output of a pool, row by row, as the engine pools: NaN where its window sees
 * nothing but padding. For one with dilation, which no layer has. Once the parallel-for
 * is cancelled, rows are left out. */
void animation_pool(const struct animation *animation, const struct parallel *parallel,
                    float *output);

/* False if the grids are larger than a picture can show, where a cell is a pixel; the
 * message names a size that has room. */
bool animation_check(const struct animation *animation, struct error *err) MUST_CHECK;

/* Draw it into out, a GIF. */
bool animation_draw(const struct animation *animation, const struct parallel *parallel,
                    struct arena *arena, struct buffer *out,
                    struct error *err) MUST_CHECK;

/* Bytes of memory that it takes, the file included. Needs no values. */
double animation_bytes(const struct animation *animation);

#endif
