/*
 * conv_groups.c - convolutions of groups with few filters: lanes are the filters of
 * neighbouring groups.
 */
#include "engine/conv_panels.h"

#include <string.h>

enum { FEW = KERNEL_LANES / 2 }; /* filters of a group: more fill vectors themselves */

static size_t filters_of(const struct conv_shape *s)
{
    return s->out.channels / s->groups;
}

static size_t channels_of(const struct conv_shape *s)
{
    return s->in.channels / s->groups;
}

static bool fits(const struct conv_shape *s)
{
    return s->groups > 1 && filters_of(s) <= FEW && channels_of(s) <= filters_of(s) &&
           s->out.channels >= KERNEL_LANES;
}

/* Groups that share a vector, of the widest there is. */
static size_t groups_of_panel(const struct conv_shape *s)
{
    return KERNEL_LANES / filters_of(s);
}

static size_t count_panels(const struct conv_shape *s)
{
    return size_parts(s->groups, groups_of_panel(s));
}

static size_t panel_floats(const struct conv_shape *s)
{
    return (conv_method_taps(s) + 1) * KERNEL_LANES;
}

/* Floats from one cell of a copy to the next. Half a KiB apart, all cells would lie in
 * few sets of the first-level cache. */
static size_t cell_of(const struct conv_shape *s)
{
    const size_t channels = s->in.channels;

    return channels % 128 == 0 ? channels + KERNEL_LANES : channels;
}

static bool copied(const struct conv_shape *s)
{
    return s->padded || cell_of(s) > s->in.channels;
}

static size_t offsets_floats(const struct conv_shape *s)
{
    return size_whole(s->kh * s->kw * sizeof(ptrdiff_t) / sizeof(float), KERNEL_LANES);
}

static struct conv_needs needs(const struct conv_shape *s)
{
    const struct extent tile = conv_panels_tile(&s->out, conv_method_taps(s),
                                                count_panels(s) * KERNEL_LANES, false);
    const size_t cells =
        conv_method_rows(s, tile.height) * conv_method_columns(s, tile.width);

    return (struct conv_needs){
        .packed = count_panels(s) * panel_floats(s),
        .scratch = offsets_floats(s) + (copied(s) ? cells * cell_of(s) : 0),
        .tile = tile,
    };
}

/* For each vector of groups its biases, then [tap][filter]. */
static void pack(const struct conv_shape *s, const float *kernel, const float *bias,
                 float *packed)
{
    const size_t width = groups_of_panel(s) * filters_of(s), all = s->out.channels;

    memset(packed, 0, count_panels(s) * panel_floats(s) * sizeof *packed);
    for (size_t f = 0; f < all; f += width, packed += panel_floats(s)) {
        const size_t n = all - f < width ? all - f : width;
        if (bias)
            memcpy(packed, bias + f, n * sizeof *packed);
        for (size_t t = 0; t < conv_method_taps(s); t++)
            memcpy(packed + (t + 1) * KERNEL_LANES, kernel + t * all + f,
                   n * sizeof *packed);
    }
}

/* What all vectors have in common. */
static struct groups_call call_of(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const struct box *box = &call->box;
    const size_t rows = box->bottom - box->top, n = box->right - box->left;
    const size_t columns = copied(s) ? conv_method_columns(s, n) : s->in.width;
    const size_t cell = cell_of(s), pitch = columns * cell;
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)call->scratch;
    float *copy = call->scratch + offsets_floats(s);

    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++)
            offsets[ky * s->kw + kx] =
                (ptrdiff_t)(ky * s->dy * pitch + kx * s->dx * cell);
    if (copied(s))
        conv_method_copy(call, box->top * s->sy, box->left * s->sx,
                         conv_method_rows(s, rows), columns, cell, copy);
    return (struct groups_call){
        .out_pitch = s->out.width * s->out.channels,
        .out_step = s->out.channels,
        .in = copied(s) ? copy : conv_method_window(call, box->top, box->left),
        .in_pitch = s->sy * pitch,
        .in_step = s->sx * cell,
        .offsets = offsets,
        .taps = s->kh * s->kw,
        .channels = channels_of(s),
        .filters = filters_of(s),
        .floor = call->floor,
        .rows = rows,
        .n = n,
    };
}

static void run(const struct conv_call *call)
{
    const struct conv_shape *s = call->shape;
    const size_t most = groups_of_panel(s);
    struct groups_call panel = call_of(call);

    panel.out = conv_method_out(call, call->box.top, call->box.left);
    panel.bias = call->packed;
    for (size_t g = 0; g < s->groups; g += panel.groups) {
        panel.groups = s->groups - g < most ? s->groups - g : most;
        panel.weights = panel.bias + KERNEL_LANES;
        call->kernels->convolve_groups(&panel);
        panel.out += panel.groups * panel.filters;
        panel.in += panel.groups * panel.channels;
        panel.bias += panel_floats(s);
    }
}

const struct conv_method conv_groups = {
    .fits = fits, .needs = needs, .pack = pack, .run = run};
