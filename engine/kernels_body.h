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
 *   v_set1, v_load, v_store, v_add, v_sub, v_mul, v_div, v_sqrt, v_floor, v_abs,
 *   v_copysign
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

#include "engine/kernels_activations.h"

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

    for (; f < filters && f + wide <= padded; f += wide)
        convolve_columns(&call, out + f, in, weights + f, bias + f, filters - f, n,
                         FILTER_VECS);
    for (; f < filters; f += LANES)
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

/* ---- normalisation ---- */

static void scale_row(float *out, const float *in, const float *factors,
                      const float *shifts, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        v_store(out + i,
                v_madd(v_load(in + i), v_load(factors + i), v_load(shifts + i)));
    if (i < n)
        v_store_n(out + i,
                  v_madd(v_load_n(in + i, n - i), v_load_n(factors + i, n - i),
                         v_load_n(shifts + i, n - i)),
                  n - i);
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
    .scale_row = scale_row,
    .activate = activate,
    .statistics = statistics,
    .quantize = quantize,
};
