/*
 * conv_columns.c - convolutions with few filters: lanes are columns.
 *
 * A vector holds neighbouring outputs of one filter. Their inputs lie a few floats
 * apart; where that is more than the vocabulary gathers well, the rows are first split
 * into a plane for each channel and phase of the stride. Rows that are copied are taken
 * ROWS at a time, so that the copy stays in the cache.
 */
#include "engine/conv_method.h"

#include <string.h>

enum {
    FEW = KERNEL_LANES / 2, /* filters of a group: more make better lanes themselves */
    ROWS = 8,
    STEP_MAX = 4, /* floats between neighbouring lanes */
};

static bool fits(const struct conv_shape *s)
{
    return s->out.channels / s->groups < FEW;
}

/* How the rows are read. */
struct view {
    size_t step;  /* from one output to the next */
    size_t pitch; /* from one row to the next */
    size_t width; /* columns of the copy */
    size_t plane; /* columns of a plane; 0: the rows are not split */
    bool copied;
};

static struct view view_of(const struct conv_shape *s, size_t columns)
{
    const size_t step = s->sx * s->in.channels;
    struct view v = {.step = step, .width = conv_method_columns(s, columns)};

    v.copied = s->padded || step > STEP_MAX;
    v.pitch = (v.copied ? v.width : s->in.width) * s->in.channels;
    if (step > STEP_MAX) {
        v.step = 1;
        v.plane = size_parts(v.width, s->sx);
        v.pitch = v.plane * s->sx * s->in.channels;
    }
    return v;
}

/* Rows that are copied at a time. */
static size_t rows_of(const struct conv_shape *s)
{
    return s->out.height < ROWS ? s->out.height : ROWS;
}

static size_t row_taps(const struct conv_shape *s)
{
    return s->kw * (s->in.channels / s->groups);
}

static size_t offsets_floats(const struct conv_shape *s)
{
    const size_t bytes = row_taps(s) * sizeof(ptrdiff_t);

    return size_whole(bytes / sizeof(float), KERNEL_LANES);
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const size_t filters = s->out.channels, taps = conv_method_taps(s);
    const double steps =
        (double)taps * (double)filters / KERNEL_LANES; /* of a column */
    struct conv_needs n = {.packed = filters * (taps + 1)};

    n.row_cost = steps * (double)size_whole(s->out.width, KERNEL_LANES);
    n.tile.width = s->out.width;
    if (n.row_cost > CONV_STEPS_MAX)
        n.tile.width = (size_t)(CONV_STEPS_MAX / steps) / KERNEL_LANES * KERNEL_LANES;
    if (n.tile.width == 0)
        n.tile.width = KERNEL_LANES;
    if (n.tile.width > s->out.width)
        n.tile.width = s->out.width;

    const struct view v = view_of(s, n.tile.width);
    if (v.copied &&
        s->kh > 1) /* a part copies rows around its own: not too few of these */
        n.row_cost /= ROWS;
    n.scratch = offsets_floats(s) + size_whole(n.tile.width, KERNEL_LANES) * ROWS;
    if (v.copied)
        n.scratch += conv_method_rows(s, rows_of(s)) * v.pitch;
    if (v.plane)
        n.scratch += v.width * s->in.channels;
    return n;
}

/* [filter][tap], then the biases. */
static void pack(const struct conv_shape *s, const float *kernel, const float *bias,
                 float *packed)
{
    const size_t filters = s->out.channels, taps = conv_method_taps(s);

    for (size_t f = 0; f < filters; f++) {
        for (size_t t = 0; t < taps; t++)
            packed[f * taps + t] = kernel[t * filters + f];
        packed[filters * taps + f] = bias ? bias[f] : 0;
    }
}

/* Where the taps of a kernel row lie, in floats from the window's first cell. */
static void list_offsets(const struct conv_shape *s, const struct view *v,
                         ptrdiff_t *offsets)
{
    const size_t channels = s->in.channels / s->groups;

    for (size_t kx = 0; kx < s->kw; kx++)
        for (size_t c = 0; c < channels; c++) {
            const size_t x = kx * s->dx;
            const size_t at = v->plane ? (c * s->sx + x % s->sx) * v->plane + x / s->sx
                                       : x * s->in.channels + c;
            *offsets++ = (ptrdiff_t)at;
        }
}

static void split_row(const struct conv_shape *s, const struct view *v,
                      const float *row, float *planes)
{
    for (size_t c = 0; c < s->in.channels; c++)
        for (size_t phase = 0; phase < s->sx; phase++, planes += v->plane)
            for (size_t x = phase, i = 0; x < v->width; x += s->sx, i++)
                planes[i] = row[x * s->in.channels + c];
}

/* The input rows of `rows` outputs from (y, x) on, where the loop can read them. */
static const float *prepare(const struct conv_call *call, const struct view *v,
                            size_t y, size_t x, size_t rows, float *copy)
{
    const struct conv_shape *s = call->shape;
    const size_t n = conv_method_rows(s, rows);
    float *row = copy + conv_method_rows(s, rows_of(s)) * v->pitch;

    if (!v->copied)
        return conv_method_window(call, y, x);
    if (!v->plane)
        conv_method_copy(call, y * s->sy, x * s->sx, n, v->width, s->in.channels, copy);
    for (size_t i = 0; v->plane && i < n; i++) {
        conv_method_copy(call, y * s->sy + i, x * s->sx, 1, v->width, s->in.channels,
                         row);
        split_row(s, v, row, copy + i * v->pitch);
    }
    return copy;
}

/* Put one filter's rows, side by side in lines, among the others'. */
static void interleave(const struct columns_call *from, float *out, size_t out_pitch,
                       size_t filters)
{
    for (size_t y = 0; y < from->rows; y++)
        for (size_t x = 0; x < from->n; x++)
            out[y * out_pitch + x * filters] = from->out[y * from->out_pitch + x];
}

static void run_rows(const struct conv_call *call, const struct view *v,
                     const float *in, const ptrdiff_t *offsets, float *lines, size_t y,
                     size_t rows)
{
    const struct conv_shape *s = call->shape;
    const size_t filters = s->out.channels, taps = conv_method_taps(s);
    const size_t width = call->box.right - call->box.left;
    const size_t out_pitch = s->out.width * filters;
    float *out = conv_method_out(call, y, call->box.left);
    /* Channels of a group lie side by side, or a plane for each phase apart. */
    const size_t channel = v->plane ? s->sx * v->plane : 1;

    for (size_t f = 0; f < filters; f++) {
        const size_t group = f / (filters / s->groups);
        const struct columns_call columns = {
            .out = filters == 1 ? out : lines,
            .out_pitch = filters == 1 ? out_pitch : size_whole(width, KERNEL_LANES),
            .in = in + group * (s->in.channels / s->groups) * channel,
            .in_pitch = v->pitch,
            .in_step = v->step,
            .stride = s->sy,
            .dilation = s->dy,
            .weights = call->packed + f * taps,
            .offsets = offsets,
            .kernel_rows = s->kh,
            .row_taps = row_taps(s),
            .bias = call->packed[filters * taps + f],
            .floor = call->floor,
            .rows = rows,
            .n = width,
        };
        call->kernels->convolve_columns(&columns);
        if (filters > 1)
            interleave(&columns, out + f, out_pitch, filters);
    }
}

static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const struct view v = view_of(s, box->right - box->left);
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)call->scratch;
    float *lines = call->scratch + offsets_floats(s);
    float *copy = lines + size_whole(box->right - box->left, KERNEL_LANES) * ROWS;

    const size_t most = v.copied || s->out.channels > 1 ? ROWS : box->bottom - box->top;

    list_offsets(s, &v, offsets);
    for (size_t y = box->top, rows; y < box->bottom; y += rows) {
        rows = box->bottom - y < most ? box->bottom - y : most;
        run_rows(call, &v, prepare(call, &v, y, box->left, rows, copy), offsets, lines,
                 y, rows);
    }
}

const struct conv_method conv_columns = {
    .fits = fits, .needs = needs, .pack = pack, .run = run};
