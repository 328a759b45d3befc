/*
 * conv_channels.c - depthwise convolutions with one filter for each channel: lanes are
 * channels.
 */
#include "engine/conv_method.h"

#include <string.h>

enum { ROWS = 16, CHANNELS_MIN = 8 }; /* fewer leave most lanes empty */

static bool fits(const struct conv_shape *s)
{
    return s->groups == s->in.channels && s->out.channels == s->in.channels &&
           s->in.channels >= CHANNELS_MIN;
}

/* Rows that are copied at a time. */
static size_t rows_of(const struct conv_shape *s)
{
    return s->out.height < ROWS ? s->out.height : ROWS;
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

    if (s->kh >
        1) /* a part reads rows above and below it, too: not too few of its own */
        n.row_cost /= 2;
    if (n.row_cost > CONV_STEPS_MAX)
        n.tile.width = CONV_STEPS_MAX > steps ? (size_t)(CONV_STEPS_MAX / steps) : 1;
    n.scratch = offsets_floats(s);
    if (s->padded)
        n.scratch += conv_method_rows(s, rows_of(s)) *
                     conv_method_columns(s, n.tile.width) * channels;
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

/* Rows y to y + rows - 1 of the box. */
static void run_rows(const struct conv_call *call, const ptrdiff_t *offsets, size_t y,
                     size_t rows, const float *in, size_t pitch)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels, taps = s->kh * s->kw;

    call->kernels->convolve_channels(&(struct channels_call){
        .out = conv_method_out(call, y, call->box.left),
        .out_pitch = s->out.width * channels,
        .in = in,
        .in_pitch = s->sy * pitch,
        .in_step = s->sx * channels,
        .weights = call->packed,
        .offsets = offsets,
        .taps = taps,
        .rolled = s->kh == 3 && s->kw == 3 && s->sy * s->sx * s->dy * s->dx == 1,
        .bias = call->packed + taps * channels,
        .floor = call->floor,
        .channels = channels,
        .rows = rows,
        .n = call->box.right - call->box.left,
    });
}

static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const size_t channels = s->in.channels, height = box->bottom - box->top;
    const size_t columns =
        s->padded ? conv_method_columns(s, box->right - box->left) : s->in.width;
    const size_t pitch = columns * channels, most = s->padded ? ROWS : height;
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)call->scratch;
    float *copy = call->scratch + offsets_floats(s);

    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++)
            offsets[ky * s->kw + kx] =
                (ptrdiff_t)(ky * s->dy * pitch + kx * s->dx * channels);

    for (size_t y = box->top, rows; y < box->bottom; y += rows) {
        rows = box->bottom - y < most ? box->bottom - y : most;
        if (s->padded)
            conv_method_copy(call, y * s->sy, box->left * s->sx,
                             conv_method_rows(s, rows), columns, channels, copy);
        run_rows(call, offsets, y, rows,
                 s->padded ? copy : conv_method_window(call, y, box->left), pitch);
    }
}

const struct conv_method conv_channels = {fits, needs, pack, run};
