/* reference_norm.c - layers that keep the shape. */
#include <math.h>

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
