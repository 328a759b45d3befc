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

    return size_whole(bytes / sizeof(float), KERNEL_LANES);
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const size_t channels = s->in.channels, taps = s->kh * s->kw;
    const double steps =
        (double)taps * (double)size_whole(channels, KERNEL_LANES) / KERNEL_LANES;
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

/* A box whose windows begin at `in`, in rows `pitch` floats apart. */
static void run_box(const struct conv_call *call, const struct box *box,
                    const float *in, size_t pitch)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels, taps = s->kh * s->kw;
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)call->scratch;

    for (size_t t = 0; t < taps; t++)
        offsets[t] =
            (ptrdiff_t)(t / s->kw * s->dy * pitch + t % s->kw * s->dx * channels);
    call->kernels->convolve_channels(&(struct channels_call){
        .out = conv_method_out(call, box->top, box->left),
        .out_pitch = s->out.width * channels,
        .in = in,
        .in_pitch = s->sy * pitch,
        .in_step = s->sx * channels,
        .weights = call->packed,
        .offsets = offsets,
        .taps = taps,
        .width = s->dx == 1 ? s->kw : 1,
        .bias = call->packed + taps * channels,
        .floor = call->floor,
        .channels = channels,
        .rows = box->bottom - box->top,
        .n = box->right - box->left,
    });
}

/* Windows that reach into the padding: from a copy of what they cover. */
static void run_copied(const struct conv_call *call, const struct box *box)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels;
    float *copy = call->scratch + offsets_floats(s);
    struct box part = *box;

    if (box->left >= box->right)
        return;
    const size_t columns = conv_method_columns(s, box->right - box->left);
    for (; part.top < box->bottom; part.top = part.bottom) {
        part.bottom = box->bottom - part.top < ROWS ? box->bottom : part.top + ROWS;
        conv_method_copy(call, part.top * s->sy, box->left * s->sx,
                         conv_method_rows(s, part.bottom - part.top), columns, channels,
                         copy);
        run_box(call, &part, copy, columns * channels);
    }
}

/* Of the outputs [*first, *last) along an axis, those whose windows, of so many cells,
 * lie in the input; none of them may. */
static void keep_inside(size_t *first, size_t *last, size_t before, size_t length,
                        size_t window, size_t stride)
{
    const size_t begin = size_parts(before, stride);
    const size_t end =
        length + before < window ? 0 : (length + before - window) / stride + 1;

    if (*first < begin)
        *first = begin;
    if (*last > end)
        *last = end;
    if (*last < *first)
        *last = *first;
}

/* Only the margins are copied. */
static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box box = call->box;
    struct box in = box;

    keep_inside(&in.top, &in.bottom, s->top, s->in.height, conv_method_rows(s, 1),
                s->sy);
    keep_inside(&in.left, &in.right, s->left, s->in.width, conv_method_columns(s, 1),
                s->sx);
    if (in.top == in.bottom || in.left == in.right) {
        run_copied(call, &box);
        return;
    }
    run_copied(call, &(struct box){.top = box.top,
                                   .bottom = in.top,
                                   .left = box.left,
                                   .right = box.right});
    run_copied(call, &(struct box){.top = in.top,
                                   .bottom = in.bottom,
                                   .left = box.left,
                                   .right = in.left});
    run_box(call, &in,
            call->in + ((in.top * s->sy - s->top - call->in_top) * s->in.width +
                        in.left * s->sx - s->left) *
                           s->in.channels,
            s->in.width * s->in.channels);
    run_copied(call, &(struct box){.top = in.top,
                                   .bottom = in.bottom,
                                   .left = in.right,
                                   .right = box.right});
    run_copied(call, &(struct box){.top = in.bottom,
                                   .bottom = box.bottom,
                                   .left = box.left,
                                   .right = box.right});
}

const struct conv_method conv_channels = {
    .fits = fits, .needs = needs, .pack = pack, .run = run};
