/* reference_map.c - pools, and the layers that move the cells of a map. */
#include <math.h>

#include "tests/property/reference_parts.h"

static size_t cell_of(const struct shape *shape, long y, long x)
{
    return ((size_t)y * shape->dim[1] + (size_t)x) * shape->dim[2];
}

/* ---- pools ---- */

static long stride_of(const struct layer *l, size_t i)
{
    return l->strides[i] ? l->strides[i] : l->pool_size[i];
}

bool reference_pool_shape(const struct layer *l, const struct shape *in,
                          struct shape *out)
{
    long size[2], before;

    for (size_t i = 0; i < 2; i++)
        if (in->rank != 3 ||
            !reference_window((long)in->dim[i], l->pool_size[i], stride_of(l, i), 1,
                              l->padding == PADDING_SAME, &size[i], &before))
            return false;
    *out = SHAPE((size_t)size[0], (size_t)size[1], in->dim[2]);
    return true;
}

/* The real cells of an axis that output i covers: [first, last). */
static void covered(const struct layer *l, const struct shape *in, size_t axis, long i,
                    long *first, long *last)
{
    const long n = (long)in->dim[axis], size = l->pool_size[axis];
    long out, before;

    reference_window(n, size, stride_of(l, axis), 1, l->padding == PADDING_SAME, &out,
                     &before);
    const long begin = i * stride_of(l, axis) - before;
    *first = begin > 0 ? begin : 0;
    *last = begin + size < n ? begin + size : n;
}

/* A NaN makes the order matter: down each column, then along the row (pool.h). */
static double larger(double a, double b)
{
    return a > b ? a : b;
}

void reference_max_pool(const struct layer *l, const struct shape *in,
                        const float *input, struct reference *out)
{
    for (size_t i = 0; i < shape_elements(&out->shape); i++) {
        const size_t c = i % in->dim[2], cell = i / in->dim[2];
        long top, bottom, left, right;

        covered(l, in, 0, (long)(cell / out->shape.dim[1]), &top, &bottom);
        covered(l, in, 1, (long)(cell % out->shape.dim[1]), &left, &right);
        double most = -INFINITY;
        for (long x = left; x < right; x++) {
            double column = -INFINITY;
            for (long y = top; y < bottom; y++)
                column = larger(column, (double)input[cell_of(in, y, x) + c]);
            most = larger(most, column);
        }
        out->v[i] = most;
    }
}

void reference_average_pool(const struct layer *l, const struct shape *in,
                            const float *input, struct reference *out)
{
    for (size_t i = 0; i < shape_elements(&out->shape); i++) {
        const size_t c = i % in->dim[2], cell = i / in->dim[2];
        long top, bottom, left, right;

        covered(l, in, 0, (long)(cell / out->shape.dim[1]), &top, &bottom);
        covered(l, in, 1, (long)(cell % out->shape.dim[1]), &left, &right);
        const double cells = (double)((bottom - top) * (right - left));
        for (long y = top; y < bottom; y++)
            for (long x = left; x < right; x++) {
                const double term = (double)input[cell_of(in, y, x) + c] / cells;
                out->v[i] += term;
                out->magnitude[i] += reference_size(term);
            }
        if (out->magnitude[i] * cells > 3e38)
            out->magnitude[i] = INFINITY; /* the sum may overflow before the division */
    }
    out->roundings = reference_roundings((double)l->pool_size[0] * l->pool_size[1] + 1);
}

bool reference_global_shape(const struct layer *l, const struct shape *in,
                            struct shape *out)
{
    if (in->rank != 3)
        return false;
    *out = l->keepdims ? SHAPE(1, 1, in->dim[2]) : SHAPE(in->dim[2]);
    return true;
}

void reference_global_max(const struct layer *l, const struct shape *in,
                          const float *input, struct reference *out)
{
    const size_t channels = in->dim[2], cells = in->dim[0] * in->dim[1], block = 128;

    (void)l;
    for (size_t c = 0; c < channels; c++) {
        out->v[c] = -INFINITY;
        for (size_t first = 0; first < cells; first += block) {
            double most = -INFINITY; /* a NaN lasts until the block's next cell */
            for (size_t i = first; i < cells && i < first + block; i++)
                most = larger(most, (double)input[i * channels + c]);
            out->v[c] = larger(out->v[c], most);
        }
    }
}

void reference_global_average(const struct layer *l, const struct shape *in,
                              const float *input, struct reference *out)
{
    const double cells = (double)in->dim[0] * (double)in->dim[1];

    (void)l;
    for (size_t i = 0; i < shape_elements(in); i++) {
        const double term = (double)input[i] / cells;
        out->v[i % in->dim[2]] += term;
        out->magnitude[i % in->dim[2]] += reference_size(term);
    }
    for (size_t c = 0; c < in->dim[2]; c++)
        if (out->magnitude[c] * cells > 3e38)
            out->magnitude[c] = INFINITY;
    out->roundings = reference_roundings(cells + 1);
}

/* ---- moved cells ---- */

bool reference_padding_shape(const struct layer *l, const struct shape *in,
                             struct shape *out)
{
    const int *m = l->margins;

    if (in->rank != 3)
        return false;
    *out = SHAPE(in->dim[0] + (size_t)(m[0] + m[1]), in->dim[1] + (size_t)(m[2] + m[3]),
                 in->dim[2]);
    return true;
}

/* Every output cell is the input cell (dy, dx) away, or 0 where there is none. */
static void shift(const struct shape *in, const float *input, long dy, long dx,
                  struct reference *out)
{
    for (size_t i = 0; i < shape_elements(&out->shape); i++) {
        const size_t c = i % in->dim[2], cell = i / in->dim[2];
        const long y = (long)(cell / out->shape.dim[1]) + dy;
        const long x = (long)(cell % out->shape.dim[1]) + dx;

        if (y >= 0 && x >= 0 && y < (long)in->dim[0] && x < (long)in->dim[1])
            out->v[i] = (double)input[cell_of(in, y, x) + c];
    }
}

void reference_padding(const struct layer *l, const struct shape *in,
                       const float *input, struct reference *out)
{
    shift(in, input, -l->margins[0], -l->margins[2], out);
}

bool reference_cropping_shape(const struct layer *l, const struct shape *in,
                              struct shape *out)
{
    const int *m = l->margins;

    if (in->rank != 3 || m[0] + m[1] >= (long)in->dim[0] ||
        m[2] + m[3] >= (long)in->dim[1])
        return false;
    *out = SHAPE(in->dim[0] - (size_t)(m[0] + m[1]), in->dim[1] - (size_t)(m[2] + m[3]),
                 in->dim[2]);
    return true;
}

void reference_cropping(const struct layer *l, const struct shape *in,
                        const float *input, struct reference *out)
{
    shift(in, input, l->margins[0], l->margins[2], out);
}

bool reference_up_shape(const struct layer *l, const struct shape *in,
                        struct shape *out)
{
    if (in->rank != 3)
        return false;
    *out = SHAPE(in->dim[0] * (size_t)l->size[0], in->dim[1] * (size_t)l->size[1],
                 in->dim[2]);
    return true;
}

/* Axis i of the output is axis dims[i] of the input, counted from 1. */
bool reference_permute_shape(const struct layer *l, const struct shape *in,
                             struct shape *out)
{
    bool seen[SHAPE_MAX_RANK] = {false};

    *out = (struct shape){.rank = in->rank};
    for (size_t i = 0; i < in->rank; i++) {
        const size_t axis = (size_t)l->dims.items[i] - 1;
        if ((size_t)l->dims.n != in->rank || axis >= in->rank || seen[axis])
            return false;
        seen[axis] = true;
        out->dim[i] = in->dim[axis];
    }
    return true;
}

void reference_permute(const struct layer *l, const struct shape *in,
                       const float *input, struct reference *out)
{
    for (size_t i = 0; i < shape_elements(in); i++) {
        size_t place[SHAPE_MAX_RANK], rest = i, at = 0;

        for (size_t axis = in->rank; axis-- > 0; rest /= in->dim[axis])
            place[axis] = rest % in->dim[axis];
        for (size_t axis = 0; axis < in->rank; axis++)
            at = at * out->shape.dim[axis] + place[l->dims.items[axis] - 1];
        out->v[at] = (double)input[i];
    }
}

/* Half-pixel centres: where output i lies between the input cells, and the weight of
 * the second of them; the edges are clamped. */
static double between(size_t i, int factor, size_t n, long cells[2])
{
    const double at = ((double)i + 0.5) / factor - 0.5, low = floor(at);

    for (int k = 0; k < 2; k++) {
        const double cell = low + k;
        cells[k] = (long)fmin(fmax(cell, 0), (double)n - 1);
    }
    return at - low;
}

static void bilinear(const struct layer *l, const struct shape *in, const float *input,
                     size_t i, struct reference *out)
{
    const size_t c = i % in->dim[2], cell = i / in->dim[2];
    long y[2], x[2];
    const double v = between(cell / out->shape.dim[1], l->size[0], in->dim[0], y);
    const double h = between(cell % out->shape.dim[1], l->size[1], in->dim[1], x);

    for (int k = 0; k < 4; k++) {
        const double part = (k / 2 ? v : 1 - v) * (k % 2 ? h : 1 - h);
        const double value = (double)input[cell_of(in, y[k / 2], x[k % 2]) + c];
        if (part == 0)
            continue; /* not a neighbour */
        out->v[i] += part * value;
        out->magnitude[i] += isfinite(value) ? fabs(value) : INFINITY;
    }
    /* A position in float32 is up to 2^-24 of it off, twice for each axis. */
    out->magnitude[i] *= 1 + (double)(y[1] + x[1]) / 4;
}

void reference_up(const struct layer *l, const struct shape *in, const float *input,
                  struct reference *out)
{
    for (size_t i = 0; i < shape_elements(&out->shape); i++) {
        const size_t c = i % in->dim[2], cell = i / in->dim[2];
        const size_t y = cell / out->shape.dim[1], x = cell % out->shape.dim[1];

        if (l->interpolation) /* bilinear */
            bilinear(l, in, input, i, out);
        else
            out->v[i] = (double)
                input[cell_of(in, (long)y / l->size[0], (long)x / l->size[1]) + c];
    }
    if (l->interpolation)
        out->roundings = 8;
}
