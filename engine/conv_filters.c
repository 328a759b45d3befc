/*
 * conv_filters.c - convolutions with many filters: lanes are filters, and the map is
 * read as it lies.
 */
#include "engine/conv_panels.h"

#include <string.h>

/* Floats from one cell of a copy to the next. Cells a multiple of 2 KiB apart would put
 * all pixels of a register block in the same few sets of the first-level cache; windows
 * of one cell do not come back to them. */
static size_t cell_of(const struct conv_shape *s)
{
    const size_t channels = s->in.channels;
    const bool again = s->kh * s->kw > 1;

    return again && s->sx * channels % 512 == 0 ? channels + KERNEL_LANES : channels;
}

static bool copied(const struct conv_shape *s)
{
    return s->padded || cell_of(s) > s->in.channels;
}

/* A kernel row is one run of input where its cells lie side by side. */
static bool joined(const struct conv_shape *s)
{
    return s->groups == 1 && s->dx == 1 && cell_of(s) == s->in.channels;
}

static size_t runs_floats(const struct conv_shape *s)
{
    const size_t runs =
        (joined(s) ? s->kh : s->kh * s->kw) + conv_method_taps(s) / CONV_TAPS;

    return size_whole(runs * sizeof(struct filters_run) / sizeof(float), KERNEL_LANES);
}

static size_t ranges_floats(const struct conv_shape *s, size_t rows)
{
    return s->padded ? size_whole(rows * sizeof(struct conv_range) / sizeof(float),
                                  KERNEL_LANES)
                     : 0;
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const size_t taps = conv_method_taps(s), filters = s->out.channels / s->groups;
    const struct extent tile = conv_panels_tile(
        &s->out, taps, size_whole(filters, KERNEL_LANES) * s->groups, s->groups == 1);
    const size_t cells =
        conv_method_rows(s, tile.height) * conv_method_columns(s, tile.width);

    return (struct conv_needs){
        .packed = s->groups * conv_panels_packed(taps, filters),
        .scratch = runs_floats(s) + ranges_floats(s, tile.height) +
                   (copied(s) ? cells * cell_of(s) : 0),
        .tile = tile,
    };
}

/* For each group its panels, then its biases. */
static void pack(const struct conv_shape *s, const float *kernel, const float *bias,
                 float *packed)
{
    const size_t filters = s->out.channels / s->groups, taps = conv_method_taps(s);
    const size_t padded = size_whole(filters, KERNEL_LANES);

    memset(packed, 0, s->groups * conv_panels_packed(taps, filters) * sizeof *packed);
    for (size_t g = 0; g < s->groups; g++) {
        for (size_t f = 0; f < filters; f += CONV_PANEL) {
            const size_t width = conv_panels_width(filters, f);
            const size_t n = width < filters - f ? width : filters - f;
            for (size_t t = 0; t < taps; t++, packed += width)
                memcpy(packed, kernel + t * s->out.channels + g * filters + f,
                       n * sizeof *packed);
        }
        if (bias)
            memcpy(packed, bias + g * filters, filters * sizeof *packed);
        packed += padded;
    }
}

/* The pieces of input under a window, in floats from its first cell. */
static size_t list_runs(const struct conv_shape *s, size_t pitch,
                        struct filters_run *runs)
{
    size_t n = 0;

    for (size_t ky = 0; ky < s->kh; ky++) {
        const size_t row = ky * s->dy * pitch;
        if (joined(s))
            n = conv_panels_cut(runs, n, row, s->kw * s->in.channels);
        for (size_t kx = 0; !joined(s) && kx < s->kw; kx++)
            n = conv_panels_cut(runs, n, row + kx * s->dx * cell_of(s),
                                s->in.channels / s->groups);
    }
    return n;
}

/* Kernel rows before the one that reaches row `end` of the padded input. */
static size_t kernel_rows_before(const struct conv_shape *s, size_t y, size_t end)
{
    const size_t top = y * s->sy, n = top < end ? size_parts(end - top, s->dy) : 0;

    return n < s->kh ? n : s->kh;
}

/* For each row of the box the runs that lie in the input: the others add nothing. */
static void list_ranges(const struct conv_shape *s, const struct box *box,
                        size_t row_runs, struct conv_range *ranges)
{
    for (size_t y = box->top; y < box->bottom; y++)
        *ranges++ = (struct conv_range){
            kernel_rows_before(s, y, s->top) * row_runs,
            kernel_rows_before(s, y, s->top + s->in.height) * row_runs,
        };
}

/* The panels of one group; the others' lie behind it. */
static struct conv_panels panels_of(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const size_t taps = conv_method_taps(s), filters = s->out.channels / s->groups;

    return (struct conv_panels){
        .kernels = call->kernels,
        .weights = call->packed,
        .biases = call->packed + taps * size_whole(filters, KERNEL_LANES),
        .taps = taps,
        .filters = filters,
        .first = s->groups > 1 ? 0 : box->first,
        .last = s->groups > 1 ? filters : box->last,
        .out = conv_method_out(call, box->top, box->left),
        .out_step = s->out.channels,
        .out_pitch = s->out.width * s->out.channels,
        .in = conv_method_window(call, box->top, box->left),
        .in_step = s->sx * s->in.channels,
        .in_pitch = s->sy * s->in.width * s->in.channels,
        .rows = box->bottom - box->top,
        .n = box->right - box->left,
        .floor = call->floor,
    };
}

static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    struct conv_panels p = panels_of(call);
    struct filters_run *runs = (struct filters_run *)(void *)call->scratch;
    float *room = call->scratch + runs_floats(s);
    struct conv_range *ranges = (struct conv_range *)(void *)room;
    size_t pitch = s->in.width * s->in.channels;

    if (copied(s)) {
        const size_t columns = conv_method_columns(s, p.n);
        float *copy = room + ranges_floats(s, p.rows);
        conv_method_copy(call, call->box.top * s->sy, call->box.left * s->sx,
                         conv_method_rows(s, p.rows), columns, cell_of(s), copy);
        pitch = columns * cell_of(s);
        p.in = copy;
        p.in_pitch = s->sy * pitch;
        p.in_step = s->sx * cell_of(s);
    }
    if (!s->padded && s->kh * s->kw * s->sy * s->sx == 1 && p.n == s->in.width) {
        p.n *= p.rows; /* windows of one cell, and of all cells: all rows are one */
        p.rows = 1;
    }
    p.runs = runs;
    p.n_runs = list_runs(s, pitch, runs);
    if (s->padded) {
        list_ranges(s, &call->box, p.n_runs / s->kh, ranges);
        p.ranges = ranges;
    }
    for (size_t g = 0; g < s->groups; g++) {
        conv_panels_run(&p);
        p.weights += conv_panels_packed(p.taps, p.filters);
        p.biases += conv_panels_packed(p.taps, p.filters);
        p.in += s->in.channels / s->groups;
        p.out += p.filters;
    }
}

const struct conv_method conv_filters = {.needs = needs, .pack = pack, .run = run};
