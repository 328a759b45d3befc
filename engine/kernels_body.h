/*
 * kernels_body.h - the kernels, written once over a vector of LANES floats.
 *
 * Included by kernels_<isa>.c, which first defines
 *
 *   ISA          name of the instruction set, e.g. avx2
 *   LANES        floats per vector, a divisor of KERNEL_LANES
 *   FILTER_VECS  vectors of filters, and
 *   PIXELS       pixels, that one register block of convolve_filters holds sums for
 *   vec          the vector type
 *   v_set1, v_load, v_store, v_add, v_sub, v_mul, v_div, v_floor, v_abs, v_copysign
 *   v_madd       (a, b, c) -> a * b + c, rounded once (fused)
 *   v_max, v_min (a, b) -> a > b ? a : b, a < b ? a : b
 *   v_less       (a, b, x, y) -> a < b ? x : y
 *   v_load_n, v_store_n  the first n < LANES lanes only; the others read as anything
 *   v_pow2       2^n for an integral float n in [-126, 127]
 *   v_store_u8   lanes in [0, 255] truncated to bytes
 *
 * A lane is an output value and every lane does the same steps with one rounding each,
 * so all tables give the same bits. Sums across values have KERNEL_LANES lanes whatever
 * LANES is. Nothing here comes from libm but fmaf, sqrtf and floorf.
 *
 * The table is the only external symbol: code compiled for a newer CPU must not be
 * reachable under a name that another file could pick up.
 */
#include "engine/kernels.h"

#include <math.h>
#include <stdbool.h>

_Static_assert(KERNEL_LANES % LANES == 0, "fixed sums must be whole vectors");

#define INLINE static inline __attribute__((always_inline))

/* ---- convolution ---- */

/* Outputs of `vecs` vectors side by side, so that the fused adds overlap. */
INLINE void convolve_vectors(float *out, const float *in, const float *weights,
                             const ptrdiff_t *offsets, size_t n_taps, float bias,
                             const size_t vecs)
{
    vec sum[4];

    for (size_t v = 0; v < vecs; v++)
        sum[v] = v_set1(bias);
    for (size_t t = 0; t < n_taps; t++) {
        const vec weight = v_set1(weights[t]);
        const float *window = in + offsets[t];
        for (size_t v = 0; v < vecs; v++)
            sum[v] = v_madd(weight, v_load(window + v * LANES), sum[v]);
    }
    for (size_t v = 0; v < vecs; v++)
        v_store(out + v * LANES, sum[v]);
}

static void convolve_row(float *out, const float *in, const float *weights,
                         const ptrdiff_t *offsets, size_t n_taps, float bias, size_t n)
{
    size_t x = 0;

    for (; x + 4 * LANES <= n; x += 4 * LANES)
        convolve_vectors(out + x, in + x, weights, offsets, n_taps, bias, 4);
    for (; x + LANES <= n; x += LANES)
        convolve_vectors(out + x, in + x, weights, offsets, n_taps, bias, 1);
    if (x < n) {
        vec sum = v_set1(bias);
        for (size_t t = 0; t < n_taps; t++)
            sum = v_madd(v_set1(weights[t]), v_load_n(in + x + offsets[t], n - x), sum);
        v_store_n(out + x, sum, n - x);
    }
}

struct filters_call {
    size_t out_step, in_step, n_runs, run, padded;
    const ptrdiff_t *offsets;
};

/* One register block: `pixels` outputs x `vecs` vectors of filters, of which the first
 * `filters` floats are stored. */
INLINE void convolve_block(const struct filters_call *call, float *out, const float *in,
                           const float *weights, const float *bias, size_t filters,
                           const size_t pixels, const size_t vecs)
{
    vec sum[PIXELS][FILTER_VECS];

    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++)
            sum[p][v] = v_load(bias + v * LANES);

    for (size_t r = 0; r < call->n_runs; r++) {
        const float *window = in + call->offsets[r];
        for (size_t i = 0; i < call->run; i++, weights += call->padded) {
            vec w[FILTER_VECS];
            for (size_t v = 0; v < vecs; v++)
                w[v] = v_load(weights + v * LANES);
            for (size_t p = 0; p < pixels; p++) {
                const vec pixel = v_set1(window[p * call->in_step + i]);
                for (size_t v = 0; v < vecs; v++)
                    sum[p][v] = v_madd(pixel, w[v], sum[p][v]);
            }
        }
    }

    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            float *to = out + p * call->out_step + v * LANES;
            if ((v + 1) * LANES <= filters)
                v_store(to, sum[p][v]);
            else if (v * LANES < filters)
                v_store_n(to, sum[p][v], filters - v * LANES);
        }
}

INLINE void convolve_columns(const struct filters_call *call, float *out,
                             const float *in, const float *weights, const float *bias,
                             size_t filters, size_t n, const size_t vecs)
{
    size_t p = 0;

    for (; p + PIXELS <= n; p += PIXELS)
        convolve_block(call, out + p * call->out_step, in + p * call->in_step, weights,
                       bias, filters, PIXELS, vecs);
    for (; p < n; p++)
        convolve_block(call, out + p * call->out_step, in + p * call->in_step, weights,
                       bias, filters, 1, vecs);
}

static void convolve_filters(float *out, size_t out_step, const float *in,
                             size_t in_step, const ptrdiff_t *offsets, size_t n_runs,
                             size_t run, const float *weights, const float *bias,
                             size_t filters, size_t n)
{
    const size_t padded = (filters + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
    const struct filters_call call = {out_step, in_step, n_runs, run, padded, offsets};
    const size_t wide = FILTER_VECS * LANES;
    size_t f = 0;

    for (; f + wide <= padded; f += wide)
        convolve_columns(&call, out + f, in, weights + f, bias + f, filters - f, n,
                         FILTER_VECS);
    for (; f < padded; f += LANES)
        convolve_columns(&call, out + f, in, weights + f, bias + f, filters - f, n, 1);
}

/* ---- pooling ---- */

static void max_row(float *acc, const float *in, size_t step, size_t n)
{
    size_t i = 0;

    if (step == 1)
        for (; i + LANES <= n; i += LANES)
            v_store(acc + i, v_max(v_load(acc + i), v_load(in + i)));
    for (; i < n; i++)
        acc[i] = acc[i] > in[i * step] ? acc[i] : in[i * step];
}

static void add_row(float *acc, const float *in, size_t step, size_t n)
{
    size_t i = 0;

    if (step == 1)
        for (; i + LANES <= n; i += LANES)
            v_store(acc + i, v_add(v_load(acc + i), v_load(in + i)));
    for (; i < n; i++)
        acc[i] += in[i * step];
}

/* ---- activations ---- */

/*
 * e^x. x = n ln 2 + r with |r| <= ln(2) / 2; e^r by its Taylor polynomial of degree 7,
 * whose remainder is below r^8 / 8! < 6e-9 / 1.41, under a tenth of an ulp; ln 2 is
 * split in two floats (Cody and Waite), and 2^n is applied in two halves, so that
 * results down to the smallest subnormal and up to infinity come out. Within 1 ulp
 * where normal.
 */
INLINE vec v_exp(vec x)
{
    const vec least = v_set1(-104.0f), most = v_set1(89.0f); /* beyond: 0 and inf */
    x = v_min(most, v_max(least, x));                        /* a NaN passes through */
    const vec n = v_floor(v_madd(x, v_set1(0x1.715476p+0f), v_set1(0.5f)));
    vec r = v_madd(n, v_set1(-0x1.62e400p-1f), x);
    r = v_madd(n, v_set1(-0x1.7f7d1cp-20f), r);

    vec p = v_set1(1.0f / 5040);
    p = v_madd(p, r, v_set1(1.0f / 720));
    p = v_madd(p, r, v_set1(1.0f / 120));
    p = v_madd(p, r, v_set1(1.0f / 24));
    p = v_madd(p, r, v_set1(1.0f / 6));
    p = v_madd(p, r, v_set1(0.5f));
    p = v_madd(p, v_mul(r, r), r); /* e^r - 1 */

    /* A NaN must not reach the integer conversion with a range it does not have. */
    const vec safe = v_min(v_max(n, v_set1(-151.0f)), v_set1(129.0f));
    const vec half = v_floor(v_mul(safe, v_set1(0.5f)));
    const vec scaled = v_mul(v_add(p, v_set1(1.0f)), v_pow2(half));
    return v_mul(scaled, v_pow2(v_sub(safe, half)));
}

INLINE vec v_sigmoid(vec x)
{
    const vec one = v_set1(1.0f);
    return v_div(one, v_add(one, v_exp(v_sub(v_set1(0.0f), x))));
}

/*
 * tanh x. Below 0.625 an odd polynomial, x + x^3 P(x^2), with the coefficients of
 * Cephes' tanhf (Moshier 1992); above it 1 - 2 / (e^2x + 1). Within 2 ulp.
 */
INLINE vec v_tanh(vec x)
{
    const vec magnitude = v_abs(x), square = v_mul(x, x), one = v_set1(1.0f);

    vec p = v_set1(-5.70498872745e-3f);
    p = v_madd(p, square, v_set1(2.06390887954e-2f));
    p = v_madd(p, square, v_set1(-5.37397155531e-2f));
    p = v_madd(p, square, v_set1(1.33314422036e-1f));
    p = v_madd(p, square, v_set1(-3.33332819422e-1f));
    const vec small = v_madd(v_mul(p, square), x, x);

    const vec e = v_exp(v_add(magnitude, magnitude));
    const vec large = v_sub(one, v_div(v_set1(2.0f), v_add(e, one)));
    return v_less(magnitude, v_set1(0.625f), small, v_copysign(large, x));
}

/* 0 > x ? 0 : x, so that a NaN stays one. */
INLINE vec v_relu(vec x)
{
    return v_max(v_set1(0.0f), x);
}

#define ELEMENTWISE(name, formula)                                                     \
    static void name(float *x, size_t n)                                               \
    {                                                                                  \
        size_t i = 0;                                                                  \
        for (; i + LANES <= n; i += LANES)                                             \
            v_store(x + i, formula(v_load(x + i)));                                    \
        if (i < n)                                                                     \
            v_store_n(x + i, formula(v_load_n(x + i, n - i)), n - i);                  \
    }

ELEMENTWISE(relu, v_relu)
ELEMENTWISE(sigmoid, v_sigmoid)
ELEMENTWISE(hyperbolic_tangent, v_tanh)

/* Sum of KERNEL_LANES lanes, pairwise. */
static float sum_lanes(float *lanes)
{
    for (size_t half = KERNEL_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* One vector of channels: subtract the maximum, exponentiate, divide by the sum, whose
 * lane l adds the channels c with c % KERNEL_LANES == l. */
static void softmax_pixel(float *x, size_t channels)
{
    float lanes[KERNEL_LANES] = {0}, most = x[0];
    size_t c = 0;

    for (size_t i = 1; i < channels; i++)
        most = x[i] > most ? x[i] : most;
    for (; c + LANES <= channels; c += LANES)
        v_store(x + c, v_exp(v_sub(v_load(x + c), v_set1(most))));
    if (c < channels)
        v_store_n(x + c, v_exp(v_sub(v_load_n(x + c, channels - c), v_set1(most))),
                  channels - c);
    for (size_t i = 0; i < channels; i++)
        lanes[i % KERNEL_LANES] += x[i];
    const float sum = sum_lanes(lanes);
    for (size_t i = 0; i < channels; i++)
        x[i] /= sum;
}

static void activate(const struct activation *activation, float *x, size_t n,
                     size_t channels)
{
    switch (activation->id) {
    case ACTIVATION_RELU:
        relu(x, n);
        break;
    case ACTIVATION_SIGMOID:
        sigmoid(x, n);
        break;
    case ACTIVATION_TANH:
        hyperbolic_tangent(x, n);
        break;
    case ACTIVATION_SOFTMAX:
        for (size_t i = 0; i < n; i += channels)
            softmax_pixel(x + i, channels);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_COUNT:
        break;
    }
}

/* ---- pictures ---- */

/* The finite values, in order and without gaps; counts the others. */
static size_t gather_finite(float *to, const float *values, size_t n, size_t stride,
                            struct block_statistics *out)
{
    size_t finite = 0;

    for (size_t i = 0; i < n; i++) {
        const float v = values[i * stride];
        to[finite] = v;
        finite += v - v == 0; /* false for a NaN and the infinities */
        out->nan += v != v;
    }
    out->inf = n - finite - out->nan;
    return finite;
}

static double sum_double_lanes(double *lanes)
{
    for (size_t half = KERNEL_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static void statistics(const float *values, size_t n, size_t stride,
                       struct block_statistics *out)
{
    float block[STATISTICS_BLOCK + KERNEL_LANES];
    float low[KERNEL_LANES], high[KERNEL_LANES];
    double sum[KERNEL_LANES] = {0}, squares[KERNEL_LANES] = {0};

    *out = (struct block_statistics){0};
    const size_t finite = out->finite = gather_finite(block, values, n, stride, out);
    if (finite == 0)
        return;
    for (size_t l = 0; l < KERNEL_LANES; l++)
        low[l] = high[l] = block[0];

    const size_t whole = finite - finite % KERNEL_LANES;
    for (size_t i = 0; i < whole; i += KERNEL_LANES)
        for (size_t l = 0; l < KERNEL_LANES; l++) {
            const float v = block[i + l];
            low[l] = v < low[l] ? v : low[l];
            high[l] = v > high[l] ? v : high[l];
            sum[l] += (double)v;
        }
    for (size_t i = whole; i < finite; i++) {
        const size_t l = i - whole;
        low[l] = block[i] < low[l] ? block[i] : low[l];
        high[l] = block[i] > high[l] ? block[i] : high[l];
        sum[l] += (double)block[i];
    }
    out->sum = sum_double_lanes(sum);

    const double mean = out->sum / (double)finite;
    for (size_t i = 0; i < whole; i += KERNEL_LANES)
        for (size_t l = 0; l < KERNEL_LANES; l++) {
            const double d = (double)block[i + l] - mean;
            squares[l] += d * d;
        }
    for (size_t i = whole; i < finite; i++) {
        const double d = (double)block[i] - mean;
        squares[i - whole] += d * d;
    }
    out->deviations = sum_double_lanes(squares);

    out->min = low[0];
    out->max = high[0];
    for (size_t l = 1; l < KERNEL_LANES; l++) {
        out->min = low[l] < out->min ? low[l] : out->min;
        out->max = high[l] > out->max ? high[l] : out->max;
    }
}

INLINE vec index_of(vec v, vec low, vec span)
{
    const vec x = v_mul(v_div(v_sub(v, low), span), v_set1(256.0f));
    return v_min(v_max(x, v_set1(0.0f)), v_set1(255.0f));
}

static void quantize(uint8_t *index, const float *values, size_t n, size_t stride,
                     float low, float high)
{
    const vec lows = v_set1(low), spans = v_set1(high - low);
    float gathered[KERNEL_LANES] = {0};
    uint8_t bytes[KERNEL_LANES];
    size_t i = 0;

    if (stride == 1)
        for (; i + LANES <= n; i += LANES)
            v_store_u8(index + i, index_of(v_load(values + i), lows, spans));
    while (i < n) {
        const size_t part = n - i < LANES ? n - i : LANES;
        for (size_t l = 0; l < part; l++)
            gathered[l] = values[(i + l) * stride];
        v_store_u8(bytes, index_of(v_load(gathered), lows, spans));
        memcpy(index + i, bytes, part);
        i += part;
    }
}

#define TABLE_NAME(isa)   TABLE_PASTE(isa)
#define TABLE_PASTE(isa)  kernels_##isa
#define TABLE_STRING(isa) TABLE_QUOTE(isa)
#define TABLE_QUOTE(isa)  #isa

extern const struct kernels TABLE_NAME(ISA);
const struct kernels TABLE_NAME(ISA) = {
    .name = TABLE_STRING(ISA),
    .convolve_row = convolve_row,
    .convolve_filters = convolve_filters,
    .max_row = max_row,
    .add_row = add_row,
    .activate = activate,
    .statistics = statistics,
    .quantize = quantize,
};
