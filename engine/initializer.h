/*
 * initializer.h - how weights begin when none are given: Keras' initializers.
 */
#ifndef ENGINE_INITIALIZER_H
#define ENGINE_INITIALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/tensor.h"

/* How weights begin when none are uploaded; Keras' formulas, our generator.
 * X(ID, name, class name, first and second parameter with their defaults). */
#define FOR_EACH_INITIALIZER(X)                                                        \
    X(GLOROT_UNIFORM, "glorot_uniform", "GlorotUniform", NULL, 0, NULL, 0)             \
    X(GLOROT_NORMAL, "glorot_normal", "GlorotNormal", NULL, 0, NULL, 0)                \
    X(HE_UNIFORM, "he_uniform", "HeUniform", NULL, 0, NULL, 0)                         \
    X(HE_NORMAL, "he_normal", "HeNormal", NULL, 0, NULL, 0)                            \
    X(LECUN_UNIFORM, "lecun_uniform", "LecunUniform", NULL, 0, NULL, 0)                \
    X(LECUN_NORMAL, "lecun_normal", "LecunNormal", NULL, 0, NULL, 0)                   \
    X(RANDOM_UNIFORM, "random_uniform", "RandomUniform", "minval", -0.05f, "maxval",   \
      0.05f)                                                                           \
    X(RANDOM_NORMAL, "random_normal", "RandomNormal", "mean", 0, "stddev", 0.05f)      \
    X(TRUNCATED_NORMAL, "truncated_normal", "TruncatedNormal", "mean", 0, "stddev",    \
      0.05f)                                                                           \
    X(ZEROS, "zeros", "Zeros", NULL, 0, NULL, 0)                                       \
    X(ONES, "ones", "Ones", NULL, 0, NULL, 0)                                          \
    X(CONSTANT, "constant", "Constant", "value", 0, NULL, 0)

enum initializer_id {
#define ENUMERATE(id, name, class_name, a, a_default, b, b_default) INIT_##id,
    FOR_EACH_INITIALIZER(ENUMERATE)
#undef ENUMERATE
        INIT_COUNT
};

struct initializer {
    enum initializer_id id;
    uint64_t seed;
    float a, b; /* its parameters */
};

struct initializer_row {
    const char *name, *class_name;
    const char *a, *b; /* names of the parameters, NULL: none */
    float a_default, b_default;
};

/* A row of the list; NULL past the end. */
const struct initializer_row *initializer_row(size_t id);
/* Looks up a name or a class name, exactly, and sets the parameters to their defaults;
 * the seed stays as it is. */
bool initializer_find(const char *name, struct initializer *found);

/* Draw a weight of this shape. The name is the weight's, "conv2d_1/kernel": every
 * weight draws a sequence of its own. */
void initializer_fill(const struct initializer *init, const char *name,
                      const struct shape *shape, float *out);

#endif
