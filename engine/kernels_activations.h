/*
 * kernels_activations.h - exp and its kin as vector polynomials, and the activations.
 *
 * The part of kernels_body.h that computes functions; the vocabulary is described
 * there. Error bounds are in ulps of the result and hold where it is normal; tests
 * measure them.
 */

/* A constant as a vector. */
#define C(x) v_set1(x)

/* (e^kr - 1) / k for |kr| <= ln(2) / 2 and a k of 1, -1 or -2: r + k r^2 Q(kr), a
 * minimax fit of our own: error 3.1e-9 of e^kr, a twentieth of an ulp. */
INLINE vec small_expm1(vec r, const float k)
{
    const vec square = v_mul(r, r);
    const vec low =
        v_madd(r, C(k * k * 0.16666520399058007f), C(k * 0.4999999343212038f));
    vec q = v_madd(r, C(k * k * k * k * 0.008368745107529671f),
                   C(k * k * k * 0.04166839078535026f));
    q = v_madd(square, C(k * k * k * k * k * 0.0013814540087358218f), q);
    q = v_madd(square, q, low);
    return v_madd(q, square, r);
}

/*
 * e^x = 2^n e^r with |r| <= ln(2) / 2. Adding POW2_ZERO rounds to n, and the sum is for
 * v_pow2. ln 2 is split in two floats (Cody and Waite). *p is (e^kr - 1) / k; a NaN
 * goes into it.
 */
INLINE vec reduce_exp(vec x, const float k, vec *p)
{
    const vec shifted = v_madd(x, C(0x1.715476p+0f), C(POW2_ZERO));
    const vec n = v_sub(shifted, C(POW2_ZERO));
    const vec high = v_madd(n, C(-0x1.62e400p-1f), x);

    *p = small_expm1(v_madd(n, C(-0x1.7f7d1cp-20f), high), k);
    return shifted;
}

/* e^x within 1.02 ulp. 2^n in two halves, so that subnormal results and infinity come
 * out. A NaN passes through a maximum, or a minimum, that it comes second in. */
INLINE vec v_exp(vec x)
{
    vec p;
    const vec n = reduce_exp(v_max(C(-104.0f), v_min(C(89.0f), x)), 1, &p);
    const vec half = v_madd(v_sub(n, C(POW2_ZERO)), C(0.5f), C(POW2_ZERO));
    const vec rest = v_add(v_sub(n, half), C(POW2_ZERO));

    return v_mul(v_mul(v_add(p, C(1.0f)), v_pow2(half)), v_pow2(rest));
}

/* The same for x <= 88, but 0 from 2^-126.5 down. */
INLINE vec v_exp_down(vec x)
{
    vec p;
    const vec power = v_pow2(reduce_exp(v_max(C(-88.0f), x), 1, &p));

    return v_madd(p, power, power);
}

/* e^x - 1 for x <= 0, where e^x would cancel; within 2 ulp. Anything for x > 0. */
INLINE vec v_expm1(vec x)
{
    vec p;
    const vec power = v_pow2(reduce_exp(v_max(C(-87.0f), x), 1, &p));

    return v_madd(p, power, v_sub(power, C(1.0f)));
}

/* ln(1 + t) for t in [0, 1] as a quotient of polynomials, a minimax fit of our own:
 * error 2.2e-8 of the result. */
INLINE vec v_log1p(vec t)
{
    const vec p = v_madd(t, C(0.124637127f), C(0.869515002f));

    vec q = v_madd(t, C(0.0313517377f), C(0.476088077f));
    q = v_madd(q, t, C(1.36951363f));
    q = v_madd(q, t, C(1.0f));
    return v_div(v_madd(p, v_mul(t, t), t), q);
}

/* Each formula, of x and the activation's numbers. A comparison with a NaN is false:
 * they are written so that a NaN stays one. */
INLINE vec f_relu(vec x, const struct activation *a)
{
    (void)a;
    return v_max(C(0.0f), x); /* 0 > x ? 0 : x */
}

/* 2^n / (2^n + e^-r) with p = 1 - e^-r; 0 from 2^-126.5 down */
INLINE vec f_sigmoid(vec x, const struct activation *a)
{
    vec p;
    const vec power = v_pow2(reduce_exp(v_max(C(-88.0f), v_min(C(88.0f), x)), -1, &p));

    (void)a;
    return v_div(power, v_sub(v_add(power, C(1.0f)), p));
}

/* With 2 |x| = n ln 2 + 2 r and p = (1 - e^-2r) / 2, tanh |x| is (2^n - 1 + 2 p) /
 * (2^n + 1 - 2 p), which loses nothing near 0, where n is. It is 1 from 9.1 on: n is
 * small, so that ln 2 need not be split. Within 2 ulp. */
INLINE vec f_tanh(vec x, const struct activation *a)
{
    const vec size = v_min(C(10.0f), v_abs(x));
    const vec shifted = v_madd(size, C(0x1.715476p+1f), C(POW2_ZERO));
    const vec n = v_sub(shifted, C(POW2_ZERO)), power = v_pow2(shifted);
    const vec p = small_expm1(v_madd(n, C(-0x1.62e430p-2f), size), -2);
    const vec over = v_madd(p, C(2.0f), v_sub(power, C(1.0f)));
    const vec under = v_madd(p, C(-2.0f), v_add(power, C(1.0f)));

    (void)a;
    return v_copysign(v_div(over, under), x);
}

INLINE vec f_elu(vec x, const struct activation *a)
{
    const vec below = v_mul(C(a->alpha), v_expm1(x));
    return v_less(x, C(0.0f), below, x);
}

INLINE vec f_selu(vec x, const struct activation *a)
{
    static const struct activation elu = {.alpha = 1.6732632423543772f};

    (void)a;
    return v_mul(C(1.0507009873554805f), f_elu(x, &elu));
}

INLINE vec f_celu(vec x, const struct activation *a)
{
    const vec below = v_mul(C(a->alpha), v_expm1(v_div(x, C(a->alpha))));
    return v_less(x, C(0.0f), below, x);
}

/* max(x, 0) + ln(1 + e^-|x|): neither term overflows or cancels. */
INLINE vec f_softplus(vec x, const struct activation *a)
{
    const vec tail = v_log1p(v_exp_down(v_sub(C(0.0f), v_abs(x))));
    return v_add(f_relu(x, a), tail);
}

INLINE vec f_softsign(vec x, const struct activation *a)
{
    (void)a;
    return v_div(x, v_add(v_abs(x), C(1.0f)));
}

INLINE vec f_exponential(vec x, const struct activation *a)
{
    (void)a;
    return v_exp(x);
}

/* A NaN stays: a > b ? a : b takes b. */
INLINE vec clip(vec x, float low, float high)
{
    return v_min(C(high), v_max(C(low), x));
}

INLINE vec f_hard_sigmoid(vec x, const struct activation *a)
{
    (void)a;
    return clip(v_madd(x, C(1.0f / 6), C(0.5f)), 0, 1);
}

INLINE vec f_hard_sigmoid_2(vec x, const struct activation *a)
{
    (void)a;
    return clip(v_madd(x, C(0.2f), C(0.5f)), 0, 1);
}

/* x / 2 + |x| / 2 erf(|x| / sqrt(2)), where erf is |x| P(x^2) / Q(x^2), a minimax fit
 * of our own up to 5.48 (error 2.1e-8), from where it grows past 1. Within 2^-22 of
 * |x|. */
INLINE vec f_gelu(vec x, const struct activation *a)
{
    const vec size = v_abs(x), z = v_min(C(30.03f), v_mul(x, x));

    vec p = C(4.57499034e-08f);
    p = v_madd(p, z, C(1.2705118e-05f));
    p = v_madd(p, z, C(0.000335736433f));
    p = v_madd(p, z, C(0.0093431985f));
    p = v_madd(p, z, C(0.0675033778f));
    p = v_madd(p, z, C(0.797884464f));

    vec q = C(1.20118955e-06f);
    q = v_madd(q, z, C(7.33764173e-05f));
    q = v_madd(q, z, C(0.00187902176f));
    q = v_madd(q, z, C(0.0285894405f));
    q = v_madd(q, z, C(0.251268893f));
    q = v_madd(q, z, C(1.0f));

    const vec erf = v_min(C(1.0f), v_div(v_mul(size, p), q));

    (void)a;
    return v_madd(v_mul(size, C(0.5f)), erf, v_mul(x, C(0.5f)));
}

/* -0 where the sigmoid is 0, from -87.7 down, though the product might be normal. */
INLINE vec f_swish(vec x, const struct activation *a)
{
    return v_mul(x, f_sigmoid(x, a));
}

/* tanh(ln(1 + w)) = (w^2 + 2 w) / (w^2 + 2 w + 2) with w = e^x, which is 1 from 20 on;
 * -0 where w is 0, as swish. */
INLINE vec f_mish(vec x, const struct activation *a)
{
    const vec w = v_exp_down(v_min(C(20.0f), x)), n = v_mul(w, v_add(w, C(2.0f)));

    (void)a;
    return v_mul(x, v_div(n, v_add(n, C(2.0f))));
}

INLINE vec f_relu6(vec x, const struct activation *a)
{
    (void)a;
    return clip(x, 0, 6);
}

INLINE vec f_leaky_relu(vec x, const struct activation *a)
{
    return v_less(x, C(0.0f), v_mul(C(a->alpha), x), x);
}

INLINE vec f_hard_silu(vec x, const struct activation *a)
{
    return v_mul(x, f_hard_sigmoid(x, a));
}

INLINE vec f_log_sigmoid(vec x, const struct activation *a)
{
    return v_sub(C(0.0f), f_softplus(v_sub(C(0.0f), x), a));
}

INLINE vec f_hard_tanh(vec x, const struct activation *a)
{
    (void)a;
    return clip(x, -1, 1);
}

INLINE vec f_hard_shrink(vec x, const struct activation *a)
{
    const vec most = C(a->alpha);
    return v_less(most, v_abs(x), x, v_less(v_abs(x), most, C(0.0f), v_sub(x, x)));
}

INLINE vec f_soft_shrink(vec x, const struct activation *a)
{
    const vec shrunk = v_max(C(0.0f), v_sub(v_abs(x), C(a->alpha)));
    return v_copysign(shrunk, x);
}

INLINE vec f_tanh_shrink(vec x, const struct activation *a)
{
    return v_sub(x, f_tanh(x, a));
}

INLINE vec f_squareplus(vec x, const struct activation *a)
{
    return v_mul(C(0.5f), v_add(x, v_sqrt(v_madd(x, x, C(a->alpha)))));
}

INLINE vec f_sparse_plus(vec x, const struct activation *a)
{
    const vec one = C(1.0f), next = v_add(clip(x, -1, 1), one);

    (void)a;
    return v_less(x, one, v_mul(C(0.25f), v_mul(next, next)), x);
}

INLINE vec f_sparse_sigmoid(vec x, const struct activation *a)
{
    (void)a;
    return clip(v_madd(x, C(0.5f), C(0.5f)), 0, 1);
}

INLINE vec f_rectifier(vec x, const struct activation *a)
{
    const vec threshold = C(a->threshold), limit = C(a->limit);
    const bool plain = a->alpha == 0 && a->threshold == 0; /* of -infinity too: 0 */
    const vec below = plain ? C(0.0f) : v_mul(C(a->alpha), v_sub(x, threshold));

    return v_less(x, threshold, below, v_less(limit, x, limit, x));
}

INLINE vec f_thresholded(vec x, const struct activation *a)
{
    return v_less(C(a->threshold), x, x, v_mul(x, C(0.0f)));
}

/* A page: where the next begins, the CPU's own prefetching stops. */
enum { AHEAD = 1024 };

/* Once for each way to store. */
#define ELEMENTWISE(name)                                                              \
    INLINE void all_##name(float *out, const float *x, size_t n,                       \
                           const struct activation *a, const bool around)              \
    {                                                                                  \
        size_t i = 0;                                                                  \
        for (; i + LANES <= n; i += LANES) {                                           \
            if (around)                                                                \
                PREFETCH(x + i + AHEAD);                                               \
            put(out + i, f_##name(v_load(x + i), a), around);                          \
        }                                                                              \
        if (i < n)                                                                     \
            v_store_n(out + i, f_##name(v_load_n(x + i, n - i), a), n - i);            \
    }                                                                                  \
    static void apply_##name(float *out, const float *x, size_t n,                     \
                             const struct activation *a, bool around)                  \
    {                                                                                  \
        if (around)                                                                    \
            all_##name(out, x, n, a, true);                                            \
        else                                                                           \
            all_##name(out, x, n, a, false);                                           \
    }

ELEMENTWISE(relu)
ELEMENTWISE(sigmoid)
ELEMENTWISE(tanh)
ELEMENTWISE(elu)
ELEMENTWISE(selu)
ELEMENTWISE(celu)
ELEMENTWISE(softplus)
ELEMENTWISE(softsign)
ELEMENTWISE(exponential)
ELEMENTWISE(hard_sigmoid)
ELEMENTWISE(hard_sigmoid_2)
ELEMENTWISE(gelu)
ELEMENTWISE(swish)
ELEMENTWISE(mish)
ELEMENTWISE(relu6)
ELEMENTWISE(leaky_relu)
ELEMENTWISE(hard_silu)
ELEMENTWISE(log_sigmoid)
ELEMENTWISE(hard_tanh)
ELEMENTWISE(hard_shrink)
ELEMENTWISE(soft_shrink)
ELEMENTWISE(tanh_shrink)
ELEMENTWISE(squareplus)
ELEMENTWISE(sparse_plus)
ELEMENTWISE(sparse_sigmoid)
ELEMENTWISE(rectifier)
ELEMENTWISE(thresholded)

#include "engine/kernels_softmax.h"

/* An activation is a loop over all values, or over the channels of each cell. */
static const struct {
    void (*values)(float *out, const float *x, size_t n, const struct activation *a,
                   bool around);
    void (*channels)(float *out, const float *x, size_t cells, size_t n);
} activations[ACTIVATION_COUNT] = {
    [ACTIVATION_RELU] = {.values = apply_relu},
    [ACTIVATION_SIGMOID] = {.values = apply_sigmoid},
    [ACTIVATION_TANH] = {.values = apply_tanh},
    [ACTIVATION_SOFTMAX] = {.channels = softmax},
    [ACTIVATION_ELU] = {.values = apply_elu},
    [ACTIVATION_SELU] = {.values = apply_selu},
    [ACTIVATION_SOFTPLUS] = {.values = apply_softplus},
    [ACTIVATION_SOFTSIGN] = {.values = apply_softsign},
    [ACTIVATION_EXPONENTIAL] = {.values = apply_exponential},
    [ACTIVATION_HARD_SIGMOID] = {.values = apply_hard_sigmoid},
    [ACTIVATION_HARD_SIGMOID_2] = {.values = apply_hard_sigmoid_2},
    [ACTIVATION_GELU] = {.values = apply_gelu},
    [ACTIVATION_SWISH] = {.values = apply_swish},
    [ACTIVATION_SILU] = {.values = apply_swish},
    [ACTIVATION_MISH] = {.values = apply_mish},
    [ACTIVATION_RELU6] = {.values = apply_relu6},
    [ACTIVATION_LEAKY_RELU] = {.values = apply_leaky_relu},
    [ACTIVATION_HARD_SILU] = {.values = apply_hard_silu},
    [ACTIVATION_HARD_SWISH] = {.values = apply_hard_silu},
    [ACTIVATION_LOG_SOFTMAX] = {.channels = log_softmax},
    [ACTIVATION_LOG_SIGMOID] = {.values = apply_log_sigmoid},
    [ACTIVATION_CELU] = {.values = apply_celu},
    [ACTIVATION_HARD_TANH] = {.values = apply_hard_tanh},
    [ACTIVATION_HARD_SHRINK] = {.values = apply_hard_shrink},
    [ACTIVATION_SOFT_SHRINK] = {.values = apply_soft_shrink},
    [ACTIVATION_TANH_SHRINK] = {.values = apply_tanh_shrink},
    [ACTIVATION_SQUAREPLUS] = {.values = apply_squareplus},
    [ACTIVATION_SPARSE_PLUS] = {.values = apply_sparse_plus},
    [ACTIVATION_SPARSE_SIGMOID] = {.values = apply_sparse_sigmoid},
    [ACTIVATION_SPARSEMAX] = {.channels = sparsemax},
    [ACTIVATION_RECTIFIER] = {.values = apply_rectifier},
    [ACTIVATION_THRESHOLDED] = {.values = apply_thresholded},
};

/* The whole lines of out around the caches. */
static void activate_around(const struct activation *activation, float *out,
                            const float *in, size_t n)
{
    const size_t ahead = to_line(out) < n ? to_line(out) : n;

    activations[activation->id].values(out, in, ahead, activation, false);
    activations[activation->id].values(out + ahead, in + ahead, n - ahead, activation,
                                       true);
    v_fence();
}

static void activate(const struct activation *activation, float *out, const float *in,
                     size_t n, size_t channels, bool around)
{
    if (activations[activation->id].values && around && out != in) {
        activate_around(activation, out, in, n);
        return;
    }
    if (activations[activation->id].values) {
        activations[activation->id].values(out, in, n, activation, false);
        return;
    }
    if (!activations[activation->id].channels) { /* linear */
        if (out != in)
            memcpy(out, in, n * sizeof *out);
        return;
    }
    activations[activation->id].channels(out, in, n / channels, channels);
}
