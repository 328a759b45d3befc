/* conv_method.c - what the methods of convolution share. */
#include "engine/conv_method.h"

#include <string.h>

static const struct conv_method *const methods[] = {
    &conv_winograd, &conv_channels, &conv_groups, &conv_columns, &conv_filters};

const struct conv_method *conv_method_of(const struct conv_shape *shape)
{
    size_t i = 0;

    while (methods[i]->fits && !methods[i]->fits(shape))
        i++;
    return methods[i];
}

size_t conv_method_packing(const struct conv_method *method, size_t before)
{
    const size_t n = sizeof methods / sizeof *methods;
    size_t i = 0;

    while (methods[i] != method)
        i++;
    return before * (n + 1) + i + 1;
}

void conv_method_run(const struct conv_call *call)
{
    const struct conv_method *method = conv_method_of(call->shape);
    const struct extent tile = method->needs(call->shape).tile;
    const struct box *box = &call->box;
    const size_t height = tile.height ? tile.height : box->bottom;
    const size_t width = tile.width ? tile.width : box->right;
    const size_t channels = tile.channels ? tile.channels : box->last;
    struct conv_call part = *call;

    for (size_t y = box->top; y < box->bottom; y += height)
        for (size_t x = box->left; x < box->right; x += width)
            for (size_t c = box->first; c < box->last; c += channels) {
                part.box = (struct box){y, size_least(y + height, box->bottom),
                                        x, size_least(x + width, box->right),
                                        c, size_least(c + channels, box->last)};
                method->run(&part);
            }
}

size_t conv_method_taps(const struct conv_shape *shape)
{
    return shape->kh * shape->kw * (shape->in.channels / shape->groups);
}

size_t conv_method_rows(const struct conv_shape *shape, size_t n)
{
    return (n - 1) * shape->sy + (shape->kh - 1) * shape->dy + 1;
}

size_t conv_method_columns(const struct conv_shape *shape, size_t n)
{
    return (n - 1) * shape->sx + (shape->kw - 1) * shape->dx + 1;
}

/* How many of n cells from padded position `at` on lie before the input, and in it. */
static void overlap(size_t at, size_t n, size_t before, size_t length, size_t *outside,
                    size_t *inside)
{
    const size_t end = at + n, low = at > before ? at : before;
    const size_t high = end < before + length ? end : before + length;

    *outside = low < end ? low - at : n;
    *inside = high > low ? high - low : 0;
}

void conv_method_copy(const struct conv_call *call, size_t y, size_t x, size_t rows,
                      size_t columns, size_t cell, float *to)
{
    const struct conv_shape *s = call->shape;
    const size_t channels = s->in.channels, row = s->in.width * channels;
    size_t left, inside;

    overlap(x, columns, s->left, s->in.width, &left, &inside);
    for (size_t end = y + rows; y < end; y++, to += columns * cell) {
        if (y < s->top || y - s->top >= s->in.height || inside == 0) {
            memset(to, 0, columns * cell * sizeof *to);
            continue;
        }
        const float *in = call->in + (y - s->top - call->in_top) * row +
                          (x + left - s->left) * channels;
        memset(to, 0, left * cell * sizeof *to);
        if (cell == channels)
            memcpy(to + left * cell, in, inside * channels * sizeof *to);
        else
            for (size_t i = 0; i < inside; i++)
                memcpy(to + (left + i) * cell, in + i * channels,
                       channels * sizeof *to);
        memset(to + (left + inside) * cell, 0,
               (columns - left - inside) * cell * sizeof *to);
    }
}

const float *conv_method_window(const struct conv_call *call, size_t y, size_t x)
{
    const struct conv_shape *s = call->shape;

    return call->in +
           ((y * s->sy - call->in_top) * s->in.width + x * s->sx) * s->in.channels;
}

float *conv_method_out(const struct conv_call *call, size_t y, size_t x)
{
    const struct extent *out = &call->shape->out;

    return call->out + ((y - call->out_top) * out->width + x) * out->channels;
}
