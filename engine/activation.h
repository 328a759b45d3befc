/*
 * activation.h - the activation functions of Keras, by name.
 *
 * Formulas are Keras' own; elementwise ones but for softmax, which runs over the
 * last axis. exp, tanh and the rest are computed by the vector kernels (kernels.h)
 * and give the same bits on every CPU.
 */
#ifndef ENGINE_ACTIVATION_H
#define ENGINE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

/* Keras 2 and 3 differ in defaults, names and formulas. */
enum keras { KERAS_2 = 1, KERAS_3 = 2, KERAS_ANY = 3 };

/* X(ID, name, the generations in which a document may use the name, formula) */
#define FOR_EACH_ACTIVATION(X)                                                         \
    X(LINEAR, "linear", KERAS_ANY, "x")                                                \
    X(RELU, "relu", KERAS_ANY, "max(x, 0)")                                            \
    X(SIGMOID, "sigmoid", KERAS_ANY, "1 / (1 + exp(-x))")                              \
    X(TANH, "tanh", KERAS_ANY, "tanh(x)")                                              \
    X(SOFTMAX, "softmax", KERAS_ANY, "exp(x - max) / sum(exp(x - max)), last axis")

enum activation_id {
#define ENUMERATE(id, name, keras, formula) ACTIVATION_##id,
    FOR_EACH_ACTIVATION(ENUMERATE)
#undef ENUMERATE
        ACTIVATION_COUNT
};

/* An activation with the numbers that its formula takes. */
struct activation {
    enum activation_id id;
};

struct activation_row {
    const char *name;
    enum keras keras;
    const char *formula;
};

/* A row of the list, to print it; NULL past the end. */
const struct activation_row *activation_row(size_t i);

/* Looks a name up as a document of that generation may spell it: exact case. */
bool activation_find(const char *name, enum keras keras, struct activation *found);

/* x[i] = x[i]^gamma, as tf.image.adjust_gamma: 0^0 is 1, a negative x gives NaN unless
 * gamma is an integer. In double precision without the C library, so that the bits are
 * the same on every CPU; within 1 ulp of float32. gamma >= 0. */
void activation_power(float *x, size_t n, float gamma);

#endif
