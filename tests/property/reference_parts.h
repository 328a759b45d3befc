/*
 * reference_parts.h - the workings of reference.c, a definition a kind; nobody else
 * needs them. A definition is given its output in the right shape, zeroed.
 */
#ifndef TESTS_PROPERTY_REFERENCE_PARTS_H
#define TESTS_PROPERTY_REFERENCE_PARTS_H

#include "tests/property/reference.h"

typedef bool reference_shape_fn(const struct layer *layer, const struct shape *in,
                                struct shape *out);
typedef void reference_run_fn(const struct layer *layer, const struct shape *in,
                              const float *input, struct reference *out);

/* TensorFlow's output size and padding before, along one axis; false if a valid window
 * does not fit. */
bool reference_window(long in, long size, long stride, long dilation, bool same,
                      long *out, long *before);

/* reference_conv.c */
reference_shape_fn reference_conv2d_shape, reference_transpose_shape,
    reference_depthwise_shape, reference_separable_shape, reference_dense_shape;
reference_run_fn reference_conv2d, reference_transpose, reference_depthwise,
    reference_separable, reference_dense;

/* reference_map.c */
reference_shape_fn reference_pool_shape, reference_global_shape,
    reference_padding_shape, reference_cropping_shape, reference_up_shape,
    reference_permute_shape;
reference_run_fn reference_max_pool, reference_average_pool, reference_global_max,
    reference_global_average, reference_padding, reference_cropping, reference_up,
    reference_permute;

/* reference_norm.c */
reference_shape_fn reference_same_shape, reference_axis_shape, reference_axes_shape,
    reference_prelu_shape;
reference_run_fn reference_identity, reference_rescaling, reference_batch_norm,
    reference_layer_norm, reference_normalization, reference_prelu, reference_softmax;
/* An axis as Keras counts it, the batch being 0; false if there is none. */
bool reference_axis(int axis, size_t rank, size_t *found);
/* Where element i of a shape lies: `cell` along the layer's axes, `group` along the
 * others, both counted in row-major order. */
struct reference_split {
    size_t group, cell;
};
struct reference_split reference_split(const struct layer *layer,
                                       const struct shape *shape, size_t i);
/* Softmax of n values that lie `step` apart. */
void reference_softmax_line(const float *x, size_t n, size_t step, double *v,
                            double *magnitude);

/* |x|, or 0 where that is no number: what a term adds to a magnitude. */
double reference_size(double x);

/* n additions of terms whose errors are of both signs: n roundings at most, but all but
 * never more than 4 sqrt(n) (Higham and Mary 2019). */
double reference_roundings(double n);

#endif
