/* reference_activation.c - Keras' formulas of the elementwise activations. */
#include "tests/property/reference.h"

#include <math.h>

#define FORMULA(name, expression)                                                      \
    static double name(double x, const struct activation *a)                           \
    {                                                                                  \
        const double alpha = (double)a->alpha;                                         \
        (void)alpha;                                                                   \
        return expression;                                                             \
    }

static double ln1pexp(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

static double clip(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* limit if x >= limit, x if x >= threshold, else alpha * (x - threshold); Keras does
 * not multiply where both numbers are 0: -infinity becomes 0, not a NaN. */
static double rectifier(double x, const struct activation *a)
{
    const double threshold = (double)a->threshold, limit = (double)a->limit;

    if (x >= limit)
        return limit;
    if (x < 0 && a->alpha == 0 && a->threshold == 0)
        return 0;
    return x >= threshold ? x : (double)a->alpha * (x - threshold);
}

FORMULA(identity, x)
FORMULA(relu, x > 0 ? x : 0)
FORMULA(sigmoid, 1 / (1 + exp(-x)))
FORMULA(hyperbolic, tanh(x))
FORMULA(elu, x > 0 ? x : alpha * expm1(x))
FORMULA(selu, 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x)))
FORMULA(softplus, ln1pexp(x))
FORMULA(softsign, x / (1 + fabs(x)))
FORMULA(exponential, exp(x))
FORMULA(hard_sigmoid, clip(x / 6 + 0.5, 0, 1))
FORMULA(hard_sigmoid_2, clip(0.2 * x + 0.5, 0, 1))
FORMULA(gelu, 0.5 * x * erfc(-x / sqrt(2)))
FORMULA(swish, x / (1 + exp(-x)))
FORMULA(mish, x *tanh(ln1pexp(x)))
FORMULA(relu6, clip(x, 0, 6))
FORMULA(leaky_relu, x > 0 ? x : alpha * x)
FORMULA(hard_silu, x *clip(x / 6 + 0.5, 0, 1))
FORMULA(log_sigmoid, -ln1pexp(-x))
FORMULA(celu, fmax(x, 0) + fmin(alpha * expm1(x / alpha), 0))
FORMULA(hard_tanh, clip(x, -1, 1))
FORMULA(hard_shrink, fabs(x) > alpha ? x : 0)
FORMULA(soft_shrink, copysign(fmax(fabs(x) - alpha, 0), x))
FORMULA(tanh_shrink, x - tanh(x))
FORMULA(squareplus, (x + sqrt(x * x + alpha)) / 2)
FORMULA(sparse_plus, x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4)
FORMULA(sparse_sigmoid, clip((x + 1) / 2, 0, 1))
FORMULA(thresholded, x > (double)a->threshold ? x : x * 0)

static const struct reference_function functions[ACTIVATION_COUNT] = {
    [ACTIVATION_LINEAR] = {identity, 0, false},
    [ACTIVATION_RELU] = {relu, 0, false},
    [ACTIVATION_SIGMOID] = {sigmoid, 5, false},
    [ACTIVATION_TANH] = {hyperbolic, 4, false},
    [ACTIVATION_ELU] = {elu, 4, false},
    [ACTIVATION_SELU] = {selu, 8, false},
    [ACTIVATION_SOFTPLUS] = {softplus, 5, false},
    [ACTIVATION_SOFTSIGN] = {softsign, 3, false},
    [ACTIVATION_EXPONENTIAL] = {exponential, 2.5, false},
    [ACTIVATION_HARD_SIGMOID] = {hard_sigmoid, 3, true},
    [ACTIVATION_HARD_SIGMOID_2] = {hard_sigmoid_2, 3, true},
    [ACTIVATION_GELU] = {gelu, 4, true},
    [ACTIVATION_SWISH] = {swish, 6, false},
    [ACTIVATION_SILU] = {swish, 6, false},
    [ACTIVATION_MISH] = {mish, 10, false},
    [ACTIVATION_RELU6] = {relu6, 0, false},
    [ACTIVATION_LEAKY_RELU] = {leaky_relu, 1, false},
    [ACTIVATION_HARD_SILU] = {hard_silu, 4, true},
    [ACTIVATION_HARD_SWISH] = {hard_silu, 4, true},
    [ACTIVATION_LOG_SIGMOID] = {log_sigmoid, 5, false},
    [ACTIVATION_CELU] = {celu, 4, false},
    [ACTIVATION_HARD_TANH] = {hard_tanh, 0, false},
    [ACTIVATION_HARD_SHRINK] = {hard_shrink, 0, false},
    [ACTIVATION_SOFT_SHRINK] = {soft_shrink, 1, true},
    [ACTIVATION_TANH_SHRINK] = {tanh_shrink, 4, true},
    [ACTIVATION_SQUAREPLUS] = {squareplus, 4, true},
    [ACTIVATION_SPARSE_PLUS] = {sparse_plus, 4, true},
    [ACTIVATION_SPARSE_SIGMOID] = {sparse_sigmoid, 2, true},
    [ACTIVATION_RECTIFIER] = {rectifier, 2, true},
    [ACTIVATION_THRESHOLDED] = {thresholded, 0, false},
};

const struct reference_function *reference_function(enum activation_id id)
{
    return &functions[id];
}
