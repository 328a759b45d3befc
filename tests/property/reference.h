/*
 * reference.h - every kind of layer written directly from its definition, in double
 * precision: what the engine is compared with. Slow and plain on purpose, and blind to
 * the engine's plan: shapes, pads and the layout of weights are worked out here again.
 *
 * Sources: Keras' documentation of each layer; TensorFlow's padding rules.
 */
#ifndef TESTS_PROPERTY_REFERENCE_H
#define TESTS_PROPERTY_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/layer.h"

/* What a layer should give; float32 arithmetic is at most roundings * 2^-24 * magnitude
 * away from v. */
struct reference {
    struct shape shape;
    double *v;
    double *magnitude; /* sum of the finite |terms| that made each value; INFINITY
                          where the definition leaves the value open */
    double roundings;
};

/* The output's shape; false if the layer does not suit the input. The layer's kind and
 * parameters are read, nothing else. */
bool reference_shape(const struct layer *layer, const struct shape *in,
                     struct shape *out);

/* A weight that the layer has, by Keras' name and in Keras' shape; false past the end.
 * w counts as in layer->weights. */
struct reference_weight {
    const char *name; /* NULL: the layer is without it, as a bias may be */
    struct shape shape;
};
bool reference_weight(const struct layer *layer, const struct shape *in, size_t w,
                      struct reference_weight *weight);

/* The layer's output before its activation. The layer suits the input, and its
 * weights[].values are set. Free with reference_free. */
struct reference reference_layer(const struct layer *layer, const struct shape *in,
                                 const float *input);

/* An activation of all values; softmax and its kin over the last axis. */
struct reference reference_activation(const struct activation *activation,
                                      const struct shape *shape, const float *x);

void reference_free(struct reference *reference);

/* True if there is a definition of the layer kind. */
bool reference_knows(const struct layer_kind *kind);

/* An elementwise activation: its formula, and how exact the engine promises to be, in
 * units of 2^-24 of the result, or of x and its parameters too where the formula takes
 * a difference that cancels. exact is NULL for those over an axis. */
struct reference_function {
    double (*exact)(double x, const struct activation *a);
    double bound;
    bool against_x;
};
const struct reference_function *reference_function(enum activation_id id);

#endif
