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
enum keras { KERAS_NONE = 0, KERAS_2 = 1, KERAS_3 = 2, KERAS_ANY = 3 };

/* X(ID, name, generations in which a document may use the name, alpha, formula).
 * Rows of KERAS_NONE have no name of their own: layers with parameters use them. */
#define FOR_EACH_ACTIVATION(X)                                                         \
    X(LINEAR, "linear", KERAS_ANY, 0, "x")                                             \
    X(RELU, "relu", KERAS_ANY, 0, "max(x, 0)")                                         \
    X(SIGMOID, "sigmoid", KERAS_ANY, 0, "1 / (1 + exp(-x))")                           \
    X(TANH, "tanh", KERAS_ANY, 0, "tanh(x)")                                           \
    X(SOFTMAX, "softmax", KERAS_ANY, 0, "exp(x) / sum(exp(x)) over the last axis")     \
    X(ELU, "elu", KERAS_ANY, 1, "x if x > 0 else alpha * (exp(x) - 1)")                \
    X(SELU, "selu", KERAS_ANY, 0, "1.0507 * elu(x, 1.67326)")                          \
    X(SOFTPLUS, "softplus", KERAS_ANY, 0, "log(exp(x) + 1)")                           \
    X(SOFTSIGN, "softsign", KERAS_ANY, 0, "x / (|x| + 1)")                             \
    X(EXPONENTIAL, "exponential", KERAS_ANY, 0, "exp(x)")                              \
    X(HARD_SIGMOID, "hard_sigmoid", KERAS_3, 0, "clip(x / 6 + 0.5, 0, 1)")             \
    X(HARD_SIGMOID_2, "hard_sigmoid", KERAS_2, 0, "clip(0.2 * x + 0.5, 0, 1)")         \
    X(GELU, "gelu", KERAS_ANY, 0, "x * (1 + erf(x / sqrt(2))) / 2")                    \
    X(SWISH, "swish", KERAS_ANY, 0, "x * sigmoid(x)")                                  \
    X(SILU, "silu", KERAS_3, 0, "x * sigmoid(x)")                                      \
    X(MISH, "mish", KERAS_ANY, 0, "x * tanh(softplus(x))")                             \
    X(RELU6, "relu6", KERAS_3, 0, "min(max(x, 0), 6)")                                 \
    X(LEAKY_RELU, "leaky_relu", KERAS_3, 0.2f, "x if x > 0 else alpha * x")            \
    X(HARD_SILU, "hard_silu", KERAS_3, 0, "x * hard_sigmoid(x)")                       \
    X(HARD_SWISH, "hard_swish", KERAS_3, 0, "x * hard_sigmoid(x)")                     \
    X(LOG_SOFTMAX, "log_softmax", KERAS_3, 0, "log(softmax(x)) over the last axis")    \
    X(LOG_SIGMOID, "log_sigmoid", KERAS_3, 0, "log(sigmoid(x))")                       \
    X(CELU, "celu", KERAS_3, 1, "max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)")    \
    X(HARD_TANH, "hard_tanh", KERAS_3, 0, "clip(x, -1, 1)")                            \
    X(HARD_SHRINK, "hard_shrink", KERAS_3, 0.5f, "x if |x| > alpha else 0")            \
    X(SOFT_SHRINK, "soft_shrink", KERAS_3, 0.5f, "sign(x) * max(|x| - alpha, 0)")      \
    X(TANH_SHRINK, "tanh_shrink", KERAS_3, 0, "x - tanh(x)")                           \
    X(SQUAREPLUS, "squareplus", KERAS_3, 4, "(x + sqrt(x * x + alpha)) / 2")           \
    X(SPARSE_PLUS, "sparse_plus", KERAS_3, 0,                                          \
      "0 if x <= -1, x if x >= 1, else (x + 1)^2 / 4")                                 \
    X(SPARSE_SIGMOID, "sparse_sigmoid", KERAS_3, 0, "clip((x + 1) / 2, 0, 1)")         \
    X(SPARSEMAX, "sparsemax", KERAS_3, 0,                                              \
      "projection on the probability simplex, last axis")                              \
    X(RECTIFIER, "rectifier", KERAS_NONE, 0,                                           \
      "limit if x >= limit, x if x >= threshold, else alpha * (x - threshold)")        \
    X(THRESHOLDED, "thresholded", KERAS_NONE, 0, "x if x > threshold else 0")

enum activation_id {
#define ENUMERATE(id, name, keras, alpha, formula) ACTIVATION_##id,
    FOR_EACH_ACTIVATION(ENUMERATE)
#undef ENUMERATE
        ACTIVATION_COUNT
};

/* An activation with the numbers that its formula takes. */
struct activation {
    enum activation_id id;
    float alpha;
    float limit, threshold; /* of RECTIFIER and THRESHOLDED; limit may be infinite */
};

struct activation_row {
    const char *name;
    enum keras keras;
    float alpha;
    const char *formula;
};

/* A row of the list, to print it; NULL past the end. */
const struct activation_row *activation_row(size_t i);

/* Looks a name up as a document of that generation may spell it: exact case. */
bool activation_find(const char *name, enum keras keras, struct activation *found);

/* Whether it reads all channels of a cell for each of them: softmax and its kin. */
bool activation_crosses_channels(enum activation_id id);

/* The natural logarithm of a positive normal number. */
double activation_log(double x);

/* x[i] = x[i]^gamma, as tf.image.adjust_gamma: 0^0 is 1, a negative x gives NaN unless
 * gamma is an integer. In double precision without the C library, so that the bits are
 * the same on every CPU; within 1 ulp of float32. gamma >= 0. */
void activation_power(float *x, size_t n, float gamma);

#endif
