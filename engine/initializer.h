/*
 * initializer.h - how weights begin when none are given: Keras' initializers.
 *
 * The distributions are Keras', the generator is ours, so that a request gives the same
 * weights everywhere: SplitMix64 (Steele, Lea and Flood 2014), whose state begins as
 * the seed xor the FNV-1a hash of the weight's name. Its upper 53 bits are a uniform
 * number in [0, 1). A normal number comes from Marsaglia's polar method, one of each
 * pair; a truncated one is drawn again while it is beyond 2 standard deviations. A
 * tensor is drawn in row-major order, in double precision, rounded once.
 */
#ifndef ENGINE_INITIALIZER_H
#define ENGINE_INITIALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/attributes.h"
#include "engine/parallel.h"
#include "engine/tensor.h"

/* X(ID, name, class name, one more name or NULL, parameters): see the struct. */
#define FOR_EACH_INITIALIZER(X)                                                        \
    X(GLOROT_UNIFORM, "glorot_uniform", "GlorotUniform", NULL, NONE)                   \
    X(GLOROT_NORMAL, "glorot_normal", "GlorotNormal", NULL, NONE)                      \
    X(HE_UNIFORM, "he_uniform", "HeUniform", NULL, NONE)                               \
    X(HE_NORMAL, "he_normal", "HeNormal", NULL, NONE)                                  \
    X(LECUN_UNIFORM, "lecun_uniform", "LecunUniform", NULL, NONE)                      \
    X(LECUN_NORMAL, "lecun_normal", "LecunNormal", NULL, NONE)                         \
    X(RANDOM_UNIFORM, "random_uniform", "RandomUniform", "uniform",                    \
      NUMBER("minval", -0.05f), NUMBER("maxval", 0.05f))                               \
    X(RANDOM_NORMAL, "random_normal", "RandomNormal", "normal", NUMBER("mean", 0),     \
      NUMBER("stddev", 0.05f))                                                         \
    X(TRUNCATED_NORMAL, "truncated_normal", "TruncatedNormal", NULL,                   \
      NUMBER("mean", 0), NUMBER("stddev", 0.05f))                                      \
    X(VARIANCE_SCALING, "variance_scaling", "VarianceScaling", NULL,                   \
      POSITIVE("scale", 1), CHOICE("mode", modes),                                     \
      CHOICE("distribution", distributions))                                           \
    X(ORTHOGONAL, "orthogonal", "Orthogonal", "OrthogonalInitializer",                 \
      NUMBER("gain", 1))                                                               \
    X(IDENTITY, "identity", "Identity", "IdentityInitializer", NUMBER("gain", 1))      \
    X(ZEROS, "zeros", "Zeros", "zero", NONE)                                           \
    X(ONES, "ones", "Ones", "one", NONE)                                               \
    X(CONSTANT, "constant", "Constant", NULL, NUMBER("value", 0))

enum initializer_id {
#define ENUMERATE(id, ...) INIT_##id,
    FOR_EACH_INITIALIZER(ENUMERATE)
#undef ENUMERATE
        INIT_COUNT
};

enum { INITIALIZER_MAX_PARAMS = 3 };

struct initializer {
    enum initializer_id id;
    uint64_t seed;
    float params[INITIALIZER_MAX_PARAMS]; /* in the order of its row */
};

struct initializer_param {
    const char *name; /* NULL: none */
    float fallback;
    bool positive;             /* it must be */
    const char *const *values; /* NULL-terminated: then the number is an index */
};

struct initializer_row {
    const char *name, *class_name, *alias;
    struct initializer_param params[INITIALIZER_MAX_PARAMS];
};

/* A row of the list; NULL past the end. */
const struct initializer_row *initializer_row(size_t id);
/* Looks up a name, a class name or an alias, exactly, and sets the parameters to their
 * defaults; the seed stays as it is. */
bool initializer_find(const char *name, struct initializer *found);

/* Why a weight of this shape cannot begin so, for a message ("makes matrices ...");
 * NULL if it can. */
const char *initializer_misfit(const struct initializer *init,
                               const struct shape *shape);

/* How many multiply-adds of layers take as long: an orthogonal m x n matrix, m >= n,
 * takes 2 m n^2 of its own, on one thread and in double precision, and each counts as
 * 100. 0 for the others, which only draw. */
double initializer_cost(const struct initializer *init, const struct shape *shape);

/* Doubles of working memory that initializer_fill needs. */
size_t initializer_scratch(const struct initializer *init, const struct shape *shape);

/* Draw a weight of this shape, which fits. The name is the weight's, "conv2d_1/kernel":
 * every weight draws a sequence of its own.
 *
 * Variance scaling has the variance scale / fan (Glorot and Bengio 2010, He et al.
 * 2015, LeCun et al. 1998); a truncated normal is widened to have it all the same.
 * Orthogonal (Saxe et al. 2013): the Q of a QR decomposition, with the signs that make
 * the diagonal of R positive, of a normal matrix with as many rows as the longer of the
 * last axis and the product of the others; transposed where the last axis is longer.
 *
 * False if the parallel-for says that the result is no longer wanted: it is asked every
 * few milliseconds, and nothing runs on it. */
bool initializer_fill(const struct initializer *init, const char *name,
                      const struct shape *shape, float *out, double *scratch,
                      const struct parallel *parallel) MUST_CHECK;

#endif
