/*
 * reference.h - the layers written directly from their definitions, in double
 * precision: what the engine is compared with. Slow and plain on purpose.
 */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include "tests/unit/check.h"

#include "engine/layer.h"

struct reference {
    size_t h, w, c;
    double *v;         /* values */
    double *magnitude; /* sum of |terms| that made each value: scale of its error */
};

static inline double *reference_at(double *v, const struct reference *m, size_t y,
                                   size_t x, size_t c)
{
    return &v[(y * m->w + x) * m->c + c];
}

static inline struct reference reference_new(size_t h, size_t w, size_t c)
{
    return (struct reference){h, w, c, calloc(h * w * c, sizeof(double)),
                              calloc(h * w * c, sizeof(double))};
}

/* TensorFlow's output size and padding before, along one axis. */
static inline void reference_window(long in, long k, long s, long d, int same,
                                    long *out, long *before)
{
    const long extent = (k - 1) * d + 1;

    if (same) {
        *out = (in + s - 1) / s;
        const long total = (*out - 1) * s + extent - in;
        *before = total > 0 ? total / 2 : 0;
    } else {
        *out = (in - extent) / s + 1;
        *before = 0;
    }
}

static inline struct reference reference_conv2d(const struct layer *l, size_t h,
                                                size_t w, size_t c, const float *in,
                                                const float *kernel, const float *bias)
{
    const long kh = l->kernel_size[0], kw = l->kernel_size[1];
    const size_t filters = (size_t)l->filters, groups = (size_t)l->groups;
    const size_t cg = c / groups, fg = filters / groups;
    long oh, ow, top, left;

    reference_window((long)h, kh, l->strides[0], l->dilation_rate[0], l->padding, &oh,
                     &top);
    reference_window((long)w, kw, l->strides[1], l->dilation_rate[1], l->padding, &ow,
                     &left);
    struct reference out = reference_new((size_t)oh, (size_t)ow, filters);
    for (long y = 0; y < oh; y++)
        for (long x = 0; x < ow; x++)
            for (size_t f = 0; f < filters; f++) {
                double sum = bias ? (double)bias[f] : 0, size = fabs(sum);
                for (long ky = 0; ky < kh; ky++)
                    for (long kx = 0; kx < kw; kx++) {
                        const long iy =
                            y * l->strides[0] + ky * l->dilation_rate[0] - top;
                        const long ix =
                            x * l->strides[1] + kx * l->dilation_rate[1] - left;
                        if (iy < 0 || ix < 0 || iy >= (long)h || ix >= (long)w)
                            continue;
                        for (size_t i = 0; i < cg; i++) {
                            const double term =
                                (double)in[((size_t)iy * w + (size_t)ix) * c +
                                           f / fg * cg + i] *
                                (double)
                                    kernel[((size_t)(ky * kw + kx) * cg + i) * filters +
                                           f];
                            sum += term;
                            size += fabs(term);
                        }
                    }
                *reference_at(out.v, &out, (size_t)y, (size_t)x, f) = sum;
                *reference_at(out.magnitude, &out, (size_t)y, (size_t)x, f) = size;
            }
    return out;
}

/* Each input cell adds its window, the kernel [ky][kx][filter][channel], to the output;
 * sizes and the cut before are Keras' and TensorFlow's. */
static inline struct reference reference_transpose(const struct layer *l, size_t h,
                                                   size_t w, size_t c, const float *in,
                                                   const float *kernel,
                                                   const float *bias)
{
    const size_t size[2] = {h, w}, filters = (size_t)l->filters;
    long out[2], cut[2];

    for (int i = 0; i < 2; i++) {
        const long k = (l->kernel_size[i] - 1) * l->dilation_rate[i] + 1,
                   s = l->strides[i];
        const long p = l->output_padding[i], n = (long)size[i];
        const long longest = k - s > 0 ? k - s : 0;
        if (p < 0)
            out[i] = l->padding ? n * s : n * s + longest;
        else
            out[i] = (n - 1) * s + k - (l->padding ? 2 * (k / 2) : 0) + p;
        const long total = (n - 1) * s + k - out[i];
        cut[i] = l->padding && total > 0 ? total / 2 : 0;
    }
    struct reference r = reference_new((size_t)out[0], (size_t)out[1], filters);
    for (size_t i = 0; bias && i < r.h * r.w * filters; i++) {
        r.v[i] = (double)bias[i % filters];
        r.magnitude[i] = fabs(r.v[i]);
    }
    for (size_t i = 0; i < h * w * c; i++)
        for (long ky = 0; ky < l->kernel_size[0]; ky++)
            for (long kx = 0; kx < l->kernel_size[1]; kx++) {
                const long y = (long)(i / c / w) * l->strides[0] - cut[0] +
                               ky * l->dilation_rate[0];
                const long x = (long)(i / c % w) * l->strides[1] - cut[1] +
                               kx * l->dilation_rate[1];
                if (y < 0 || x < 0 || y >= out[0] || x >= out[1])
                    continue;
                for (size_t f = 0; f < filters; f++) {
                    const size_t tap = (size_t)(ky * l->kernel_size[1] + kx);
                    const double term =
                        (double)in[i] * (double)kernel[(tap * filters + f) * c + i % c];
                    *reference_at(r.v, &r, (size_t)y, (size_t)x, f) += term;
                    *reference_at(r.magnitude, &r, (size_t)y, (size_t)x, f) +=
                        fabs(term);
                }
            }
    return r;
}

static inline struct reference reference_pool2d(const struct layer *l, int average,
                                                size_t h, size_t w, size_t c,
                                                const float *in)
{
    const long kh = l->pool_size[0], kw = l->pool_size[1];
    const long sy = l->strides[0] ? l->strides[0] : kh;
    const long sx = l->strides[1] ? l->strides[1] : kw;
    long oh, ow, top, left;

    reference_window((long)h, kh, sy, 1, l->padding, &oh, &top);
    reference_window((long)w, kw, sx, 1, l->padding, &ow, &left);
    struct reference out = reference_new((size_t)oh, (size_t)ow, c);
    for (long y = 0; y < oh; y++)
        for (long x = 0; x < ow; x++)
            for (size_t k = 0; k < c; k++) {
                double sum = 0, most = -INFINITY, size = 0, cells = 0;
                for (long iy = y * sy - top; iy < y * sy - top + kh; iy++)
                    for (long ix = x * sx - left; ix < x * sx - left + kw; ix++) {
                        if (iy < 0 || ix < 0 || iy >= (long)h || ix >= (long)w)
                            continue;
                        const double v =
                            (double)in[((size_t)iy * w + (size_t)ix) * c + k];
                        sum += v;
                        size += fabs(v);
                        cells++;
                        most = v > most ? v : most;
                    }
                *reference_at(out.v, &out, (size_t)y, (size_t)x, k) =
                    average ? sum / cells : most;
                *reference_at(out.magnitude, &out, (size_t)y, (size_t)x, k) =
                    average ? size / cells : 0;
            }
    return out;
}

#endif
