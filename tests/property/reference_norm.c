/* reference_norm.c - layers that keep the shape. */
#include <math.h>
#include <stdlib.h>

#include "tests/property/reference_parts.h"

bool reference_axis(int axis, size_t rank, size_t *found)
{
    const int counted = axis < 0 ? axis + (int)rank + 1 : axis;

    *found = (size_t)counted - 1;
    return counted >= 1 && counted <= (int)rank;
}

/* Elements between neighbours along an axis. */
static size_t step_of(const struct shape *shape, size_t axis)
{
    size_t step = 1;

    for (size_t i = axis + 1; i < shape->rank; i++)
        step *= shape->dim[i];
    return step;
}

bool reference_same_shape(const struct layer *l, const struct shape *in,
                          struct shape *out)
{
    (void)l;
    *out = *in;
    return true;
}

bool reference_axis_shape(const struct layer *l, const struct shape *in,
                          struct shape *out)
{
    size_t axis;

    *out = *in;
    return l->axis.n == 1 && reference_axis(l->axis.items[0], in->rank, &axis);
}

/* The layer's axes, marked in the input's. */
static bool mark_axes(const struct layer *l, const struct shape *in,
                      bool marked[SHAPE_MAX_RANK])
{
    for (size_t i = 0; i < SHAPE_MAX_RANK; i++)
        marked[i] = false;
    for (int i = 0; i < l->axis.n; i++) {
        size_t axis;
        if (!reference_axis(l->axis.items[i], in->rank, &axis) || marked[axis])
            return false;
        marked[axis] = true;
    }
    return true;
}

bool reference_axes_shape(const struct layer *l, const struct shape *in,
                          struct shape *out)
{
    bool marked[SHAPE_MAX_RANK];

    *out = *in;
    return mark_axes(l, in, marked);
}

struct reference_split reference_split(const struct layer *l, const struct shape *in,
                                       size_t i)
{
    struct reference_split split = {0, 0};
    bool marked[SHAPE_MAX_RANK];

    mark_axes(l, in, marked);
    for (size_t axis = 0; axis < in->rank; axis++) {
        size_t *at = marked[axis] ? &split.cell : &split.group;
        *at = *at * in->dim[axis] + i / step_of(in, axis) % in->dim[axis];
    }
    return split;
}

bool reference_prelu_shape(const struct layer *l, const struct shape *in,
                           struct shape *out)
{
    bool good = true;

    *out = *in;
    for (int i = 0; i < l->axes.n; i++) {
        size_t axis;
        good = good && reference_axis(l->axes.items[i], in->rank, &axis);
    }
    return good;
}

void reference_identity(const struct layer *l, const struct shape *in,
                        const float *input, struct reference *out)
{
    (void)l;
    for (size_t i = 0; i < shape_elements(in); i++)
        out->v[i] = (double)input[i];
}

void reference_rescaling(const struct layer *l, const struct shape *in,
                         const float *input, struct reference *out)
{
    for (size_t i = 0; i < shape_elements(in); i++) {
        const double product = (double)input[i] * (double)l->factor;
        out->v[i] = product + (double)l->offset;
        out->magnitude[i] = reference_size(product) + fabs((double)l->offset);
    }
    out->roundings = 2;
}

/* gamma * (x - mean) / sqrt(variance + epsilon) + beta */
void reference_batch_norm(const struct layer *l, const struct shape *in,
                          const float *input, struct reference *out)
{
    size_t axis = 0;

    reference_axis(l->axis.items[0], in->rank, &axis);
    for (size_t i = 0; i < shape_elements(in); i++) {
        const size_t k = i / step_of(in, axis) % in->dim[axis];
        const double gamma = l->scale ? (double)l->weights[0].values[k] : 1;
        const double beta = l->center ? (double)l->weights[1].values[k] : 0;
        const double mean = (double)l->weights[2].values[k];
        const double deviation =
            sqrt((double)l->weights[3].values[k] + (double)l->epsilon);
        const double x = (double)input[i];

        out->v[i] = gamma * (x - mean) / deviation + beta;
        out->magnitude[i] = reference_size(gamma * x / deviation) +
                            reference_size(gamma * mean / deviation) + fabs(beta);
    }
    out->roundings = 4;
}

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta, the statistics over the axes;
 * with rms_scaling x / sqrt(variance + epsilon) * gamma. gamma and beta belong to the
 * cells of a group in row-major order. What double precision loses of the mean is a
 * part of the magnitude; a group that differs by less leaves its output open. */
void reference_layer_norm(const struct layer *l, const struct shape *in,
                          const float *input, struct reference *out)
{
    const size_t n = shape_elements(in);
    const size_t groups = reference_split(l, in, n - 1).group + 1;
    /* of equal values it is the value: a double that adds thousands is not close enough
     */
    long double *mean = calloc(groups, sizeof *mean);
    double *variance = calloc(2 * groups, sizeof *variance), *size = variance + groups;
    const double count = (double)(n / groups);

    for (size_t i = 0; i < n; i++) {
        const size_t g = reference_split(l, in, i).group;
        mean[g] += (long double)input[i] / count;
        size[g] = fmax(size[g], reference_size((double)input[i]));
    }
    for (size_t i = 0; i < n; i++) {
        const size_t g = reference_split(l, in, i).group;
        variance[g] += pow((double)(input[i] - mean[g]), 2) / count;
    }
    for (size_t i = 0; i < n; i++) {
        const struct reference_split at = reference_split(l, in, i);
        const double deviation = sqrt(variance[at.group] + (double)l->epsilon);
        const double gamma =
            l->scale || l->rms_scaling ? (double)l->weights[0].values[at.cell] : 1;
        const double beta =
            l->center && !l->rms_scaling ? (double)l->weights[1].values[at.cell] : 0;
        const double centered =
            (double)(input[i] - (l->rms_scaling ? 0 : mean[at.group]));

        out->v[i] = centered / deviation * gamma + beta;
        out->magnitude[i] = reference_size(centered / deviation * gamma) + fabs(beta) +
                            0x1p-24 * size[at.group] / deviation * fabs(gamma);
        if (size[at.group] * 1e-10 > deviation)
            out->magnitude[i] = INFINITY;
    }
    out->roundings = 2;
    free(mean);
    free(variance);
}

/* (x - mean) / max(sqrt(variance), 1e-7), or inverted; the statistics in the document
 * are one number or one for each place of the last axis. */
void reference_normalization(const struct layer *l, const struct shape *in,
                             const float *input, struct reference *out)
{
    for (size_t i = 0; i < shape_elements(in); i++) {
        const bool given = l->mean.values != NULL;
        const size_t k = !given               ? reference_split(l, in, i).cell
                         : l->mean.shape.rank ? i % in->dim[in->rank - 1]
                                              : 0;
        const double mean = (double)(given ? l->mean.values : l->weights[0].values)[k];
        const double deviation = fmax(
            sqrt((double)(given ? l->variance.values : l->weights[1].values)[k]), 1e-7);
        const double x = (double)input[i];

        out->v[i] = l->invert ? mean + x * deviation : (x - mean) / deviation;
        out->magnitude[i] =
            l->invert ? fabs(mean) + reference_size(x * deviation)
                      : reference_size(x / deviation) + fabs(mean) / deviation;
    }
    out->roundings = 4;
}

/* x where it is positive, else alpha * x; alpha is repeated along the shared axes. */
void reference_prelu(const struct layer *l, const struct shape *in, const float *input,
                     struct reference *out)
{
    struct shape alpha = *in;

    for (int i = 0; i < l->axes.n; i++) {
        size_t axis = 0;
        if (reference_axis(l->axes.items[i], in->rank, &axis))
            alpha.dim[axis] = 1;
    }
    for (size_t i = 0; i < shape_elements(in); i++) {
        const double x = (double)input[i];
        size_t at = 0;

        for (size_t axis = 0; axis < in->rank; axis++)
            if (alpha.dim[axis] > 1)
                at += i / step_of(in, axis) % in->dim[axis] * step_of(&alpha, axis);
        out->v[i] = x > 0 ? x : (double)l->weights[0].values[at] * x;
        out->magnitude[i] = reference_size(out->v[i]);
    }
    out->roundings = 1;
}

/* exp(x - most) / sum. The error grows with how far x lies below most; the terms of the
 * sum, taken in 16 lanes, may be alike, and so may their errors. */
void reference_softmax_line(const float *x, size_t n, size_t step, double *v,
                            double *magnitude)
{
    double most = (double)x[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        most = fmax(most, (double)x[i * step]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - most);
    for (size_t i = 0; i < n; i++) {
        const double below = most - (double)x[i * step];
        v[i * step] = exp(-below) / sum;
        magnitude[i * step] = reference_size(v[i * step]) * (1 + reference_size(below));
    }
}

void reference_softmax(const struct layer *l, const struct shape *in,
                       const float *input, struct reference *out)
{
    size_t axis = 0;

    reference_axis(l->axis.items[0], in->rank, &axis);
    const size_t n = in->dim[axis], step = step_of(in, axis);
    for (size_t i = 0; i < shape_elements(in); i++)
        if (i / step % n == 0)
            reference_softmax_line(input + i, n, step, out->v + i, out->magnitude + i);
    out->roundings = 8 + (double)n / 16;
}
