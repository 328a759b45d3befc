/*
 * conv_channels.c - depthwise convolutions with one filter for each channel: lanes are
 * channels.
 */
#include "engine/conv_method.h"

#include <string.h>

enum { ROWS = 8, CHANNELS_MIN = 8 }; /* fewer leave most lanes empty */

static bool fits(const struct conv_shape *s)
{
    return s->groups == s->in.channels && s->out.channels == s->in.channels &&
           s->in.channels >= CHANNELS_MIN;
}

static size_t offsets_floats(const struct conv_shape *s)
{
    const size_t bytes = s->kh * s->kw * sizeof(ptrdiff_t);

    return conv_round_up(bytes / sizeof(float), KERNEL_LANES);
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const size_t channels = s->in.channels, taps = s->kh * s->kw;
    const double steps =
        (double)taps * (double)conv_round_up(channels, KERNEL_LANES) / KERNEL_LANES;
    struct conv_needs n = {.packed = (taps + 1) * channels,
                           .row_cost = steps * (double)s->out.width,
                           .tile.width = s->out.width};

    if (n.row_cost > CONV_STEPS_MAX)
        n.tile.width = CONV_STEPS_MAX > steps ? (size_t)(CONV_STEPS_MAX / steps) : 1;
    n.scratch = offsets_floats(s);
    if (s->padded)
        n.scratch +=
            conv_method_rows(s, ROWS) * conv_method_columns(s, n.tile.width) * channels;
    return n;
}

/* [tap][channel], as Keras has it, then the biases. */
static void pack(const struct conv_shape *s, const float *kernel, const float *bias,
                 float *packed)
{
    const size_t channels = s->in.channels, weights = s->kh * s->kw * channels;

    memcpy(packed, kernel, weights * sizeof *packed);
    memset(packed + weights, 0, channels * sizeof *packed);
    if (bias)
        memcpy(packed + weights, bias, channels * sizeof *packed);
}

static void run_columns(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const size_t channels = s->in.channels, width = box->right - box->left;
    const size_t columns = s->padded ? conv_method_columns(s, width) : s->in.width;
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)call->scratch;
    float *copy = call->scratch + offsets_floats(s);

    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++)
            offsets[ky * s->kw + kx] =
                (ptrdiff_t)((ky * s->dy * columns + kx * s->dx) * channels);

    for (size_t y = box->top; y < box->bottom; y++) {
        const size_t row = (y - box->top) % ROWS;
        const size_t ahead = box->bottom - y < ROWS ? box->bottom - y : ROWS;
        if (s->padded && row == 0)
            conv_method_copy(call, y * s->sy, box->left * s->sx,
                             conv_method_rows(s, ahead), columns, copy);
        call->kernels->convolve_channels(&(struct channels_call){
            .out = conv_method_out(call, y, box->left),
            .in = s->padded ? copy + row * s->sy * columns * channels
                            : conv_method_window(call, y, box->left),
            .in_step = s->sx * channels,
            .weights = call->packed,
            .offsets = offsets,
            .taps = s->kh * s->kw,
            .bias = call->packed + s->kh * s->kw * channels,
            .floor = call->floor,
            .channels = channels,
            .n = width,
        });
    }
}

static void run(const struct conv_call *call)
{
    const size_t width = needs(call->shape).tile.width;
    struct conv_call part = *call;

    for (size_t x = call->box.left; x < call->box.right; x += width) {
        part.box.left = x;
        part.box.right = call->box.right - x < width ? call->box.right : x + width;
        run_columns(&part);
    }
}

const struct conv_method conv_channels = {fits, needs, pack, run};
