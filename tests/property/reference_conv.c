/* reference_conv.c - convolutions and Dense: sums of inputs times weights. */
#include <math.h>
#include <stdlib.h>

#include "tests/property/reference_parts.h"

/* ---- shapes ---- */

static bool window_shape(const struct layer *l, const struct shape *in, size_t channels,
                         struct shape *out)
{
    const bool stepped = l->strides[0] > 1 || l->strides[1] > 1;
    const bool dilated = l->dilation_rate[0] > 1 || l->dilation_rate[1] > 1;
    long size[2], before;

    if (in->rank != 3 || (stepped && dilated))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (!reference_window((long)in->dim[i], l->kernel_size[i], l->strides[i],
                              l->dilation_rate[i], l->padding == PADDING_SAME, &size[i],
                              &before))
            return false;
    *out = SHAPE((size_t)size[0], (size_t)size[1], channels);
    return true;
}

bool reference_conv2d_shape(const struct layer *l, const struct shape *in,
                            struct shape *out)
{
    return window_shape(l, in, (size_t)l->filters, out) &&
           in->dim[2] % (size_t)l->groups == 0 && l->filters % l->groups == 0;
}

bool reference_depthwise_shape(const struct layer *l, const struct shape *in,
                               struct shape *out)
{
    return window_shape(l, in, in->dim[2] * (size_t)l->depth_multiplier, out);
}

bool reference_separable_shape(const struct layer *l, const struct shape *in,
                               struct shape *out)
{
    return window_shape(l, in, (size_t)l->filters, out);
}

/* Keras' deconv_output_length, and how much TensorFlow cuts off before. */
static void transposed_axis(const struct layer *l, int i, long n, long *out, long *cut)
{
    const long k = (l->kernel_size[i] - 1) * l->dilation_rate[i] + 1;
    const long s = l->strides[i], p = l->output_padding[i];
    const long longest = k - s > 0 ? k - s : 0;

    if (p < 0)
        *out = l->padding ? n * s : n * s + longest;
    else
        *out = (n - 1) * s + k - (l->padding ? 2 * (k / 2) : 0) + p;
    const long total = (n - 1) * s + k - *out;
    *cut = l->padding && total > 0 ? total / 2 : 0;
}

bool reference_transpose_shape(const struct layer *l, const struct shape *in,
                               struct shape *out)
{
    const bool stepped = l->strides[0] > 1 || l->strides[1] > 1;
    const bool dilated = l->dilation_rate[0] > 1 || l->dilation_rate[1] > 1;
    long size[2], cut;

    if (in->rank != 3 || (stepped && dilated))
        return false;
    for (int i = 0; i < 2; i++) {
        transposed_axis(l, i, (long)in->dim[i], &size[i], &cut);
        if (l->output_padding[i] >= l->strides[i] || size[i] < 1)
            return false;
    }
    *out = SHAPE((size_t)size[0], (size_t)size[1], (size_t)l->filters);
    return true;
}

bool reference_dense_shape(const struct layer *l, const struct shape *in,
                           struct shape *out)
{
    *out = *in;
    out->dim[in->rank - 1] = (size_t)l->units;
    return true;
}

/* ---- sums ---- */

/* One input value adds its share to n sums side by side. */
static void add_terms(double x, const float *weights, size_t n, double *v,
                      double *magnitude)
{
    const double size = reference_size(x);

    for (size_t i = 0; i < n; i++) {
        v[i] += x * (double)weights[i];
        magnitude[i] += size * fabs((double)weights[i]);
    }
}

static void start_with_bias(const struct layer *l, size_t w, size_t channels,
                            struct reference *out)
{
    const float *bias = l->use_bias ? l->weights[w].values : NULL;

    for (size_t i = 0; bias && i < shape_elements(&out->shape); i++) {
        out->v[i] = (double)bias[i % channels];
        out->magnitude[i] = fabs(out->v[i]);
    }
}

/* Visit every pair of an output cell and an input cell that a tap connects. */
typedef void visit_fn(const struct layer *l, const struct shape *in, const float *cell,
                      size_t tap, double *v, double *magnitude);

static void slide(const struct layer *l, const struct shape *in, const float *input,
                  const struct shape *shape, double *v, double *magnitude,
                  visit_fn *visit)
{
    const long h = (long)in->dim[0], w = (long)in->dim[1], kw = l->kernel_size[1];
    const size_t channels = shape->dim[2];
    long size, top, left;

    reference_window(h, l->kernel_size[0], l->strides[0], l->dilation_rate[0],
                     l->padding == PADDING_SAME, &size, &top);
    reference_window(w, kw, l->strides[1], l->dilation_rate[1],
                     l->padding == PADDING_SAME, &size, &left);
    for (long y = 0; y < (long)shape->dim[0]; y++)
        for (long x = 0; x < (long)shape->dim[1]; x++) {
            const size_t at = ((size_t)y * shape->dim[1] + (size_t)x) * channels;
            for (long tap = 0; tap < l->kernel_size[0] * kw; tap++) {
                const long iy =
                    y * l->strides[0] + tap / kw * l->dilation_rate[0] - top;
                const long ix =
                    x * l->strides[1] + tap % kw * l->dilation_rate[1] - left;
                if (iy >= 0 && ix >= 0 && iy < h && ix < w)
                    visit(l, in, input + (size_t)(iy * w + ix) * in->dim[2],
                          (size_t)tap, v + at, magnitude + at);
            }
        }
}

/* kernel[ky][kx][channel of the group][filter] */
static void conv2d_visit(const struct layer *l, const struct shape *in,
                         const float *cell, size_t tap, double *v, double *magnitude)
{
    const size_t groups = (size_t)l->groups, filters = (size_t)l->filters;
    const size_t channels = in->dim[2] / groups, each = filters / groups;
    const float *kernel = l->weights[0].values + tap * channels * filters;

    for (size_t g = 0; g < groups; g++)
        for (size_t c = 0; c < channels; c++)
            add_terms((double)cell[g * channels + c], kernel + c * filters + g * each,
                      each, v + g * each, magnitude + g * each);
}

void reference_conv2d(const struct layer *l, const struct shape *in, const float *input,
                      struct reference *out)
{
    start_with_bias(l, 1, (size_t)l->filters, out);
    slide(l, in, input, &out->shape, out->v, out->magnitude, conv2d_visit);
    const double channels = (double)in->dim[2] / l->groups;
    out->roundings =
        reference_roundings(l->kernel_size[0] * l->kernel_size[1] * channels + 1);
}

/* kernel[ky][kx][channel][multiple]; output channel c * multiplier + m */
static void depthwise_visit(const struct layer *l, const struct shape *in,
                            const float *cell, size_t tap, double *v, double *magnitude)
{
    const size_t channels = in->dim[2], m = (size_t)l->depth_multiplier;
    const float *kernel = l->weights[0].values + tap * channels * m;

    for (size_t c = 0; c < channels; c++)
        add_terms((double)cell[c], kernel + c * m, m, v + c * m, magnitude + c * m);
}

void reference_depthwise(const struct layer *l, const struct shape *in,
                         const float *input, struct reference *out)
{
    start_with_bias(l, 1, out->shape.dim[2], out);
    slide(l, in, input, &out->shape, out->v, out->magnitude, depthwise_visit);
    out->roundings = reference_roundings(l->kernel_size[0] * l->kernel_size[1] + 1);
}

void reference_separable(const struct layer *l, const struct shape *in,
                         const float *input, struct reference *out)
{
    const size_t cells = out->shape.dim[0] * out->shape.dim[1];
    const size_t between = in->dim[2] * (size_t)l->depth_multiplier;
    const size_t filters = (size_t)l->filters;
    const struct shape shape = SHAPE(out->shape.dim[0], out->shape.dim[1], between);
    double *v = calloc(cells * between, sizeof *v);
    double *magnitude = calloc(cells * between, sizeof *magnitude);

    slide(l, in, input, &shape, v, magnitude, depthwise_visit);
    start_with_bias(l, 2, filters, out);
    for (size_t i = 0; i < cells * between; i++)
        for (size_t f = 0; f < filters; f++) {
            const size_t at = i / between * filters + f;
            const double w = (double)l->weights[1].values[i % between * filters + f];
            out->v[at] += v[i] * w;
            out->magnitude[at] += magnitude[i] * fabs(w);
        }
    out->roundings = reference_roundings(l->kernel_size[0] * l->kernel_size[1] +
                                         (double)between + 2);
    free(v);
    free(magnitude);
}

/* Each input cell adds its window, the kernel [ky][kx][filter][channel]. */
void reference_transpose(const struct layer *l, const struct shape *in,
                         const float *input, struct reference *out)
{
    const size_t w = in->dim[1], c = in->dim[2], filters = (size_t)l->filters;
    const long kw = l->kernel_size[1], taps = l->kernel_size[0] * kw;
    long size[2], cut[2];

    for (int i = 0; i < 2; i++)
        transposed_axis(l, i, (long)in->dim[i], &size[i], &cut[i]);
    start_with_bias(l, 1, filters, out);
    for (size_t i = 0; i < shape_elements(in); i++)
        for (long tap = 0; tap < taps; tap++) {
            const long y = (long)(i / c / w) * l->strides[0] - cut[0] +
                           tap / kw * l->dilation_rate[0];
            const long x = (long)(i / c % w) * l->strides[1] - cut[1] +
                           tap % kw * l->dilation_rate[1];
            if (y < 0 || x < 0 || y >= size[0] || x >= size[1])
                continue;
            const size_t at = (size_t)(y * size[1] + x) * filters;
            for (size_t f = 0; f < filters; f++)
                add_terms(
                    (double)input[i],
                    &l->weights[0].values[((size_t)tap * filters + f) * c + i % c], 1,
                    out->v + at + f, out->magnitude + at + f);
        }
    out->roundings = reference_roundings((double)taps * (double)c + 1);
}

/* Over the last axis, kernel[channel][unit]. */
void reference_dense(const struct layer *l, const struct shape *in, const float *input,
                     struct reference *out)
{
    const size_t channels = in->dim[in->rank - 1], units = (size_t)l->units;

    start_with_bias(l, 1, units, out);
    for (size_t i = 0; i < shape_elements(in); i++) {
        const size_t at = i / channels * units;
        add_terms((double)input[i], l->weights[0].values + i % channels * units, units,
                  out->v + at, out->magnitude + at);
    }
    out->roundings = reference_roundings((double)channels + 1);
}
