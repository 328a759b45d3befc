/*
 * kernels_body.h - the kernels, written once over a vector of LANES floats.
 *
 * Included by kernels_<isa>.c, which first defines
 *
 *   ISA          name of the instruction set, e.g. avx2
 *   LANES        floats per vector, a divisor of KERNEL_LANES
 *   FILTER_VECS, PIXELS, LINE_VECS, STRIP_3, STRIP_5, STRIP_7
 *                the register blocks of kernels_convolve.h
 *   vec          the vector type
 *   v_set1, v_load, v_store, v_add, v_sub, v_mul, v_div, v_sqrt, v_floor, v_abs,
 *   v_copysign
 *   v_madd       (a, b, c) -> a * b + c, rounded once (fused)
 *   v_max, v_min (a, b) -> a > b ? a : b, a < b ? a : b
 *   v_less       (a, b, x, y) -> a < b ? x : y
 *   v_load_n, v_store_n  the first n < LANES lanes only; the others read as anything
 *   v_load_2, v_load_3   every second, every third float; v_gather (p, step) every
 *                step-th; none reads past the last one
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
#define UNROLL _Pragma("GCC unroll 16")

#include "engine/kernels_activations.h"
#include "engine/kernels_convolve.h"
#include "engine/kernels_winograd.h"

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

#include "engine/kernels_norm.h"

#define TABLE_NAME(isa)   TABLE_PASTE(isa)
#define TABLE_PASTE(isa)  kernels_##isa
#define TABLE_STRING(isa) TABLE_QUOTE(isa)
#define TABLE_QUOTE(isa)  #isa

extern const struct kernels TABLE_NAME(ISA);
const struct kernels TABLE_NAME(ISA) = {
    .name = TABLE_STRING(ISA),
    .convolve_columns = convolve_columns,
    .convolve_filters = convolve_filters,
    .convolve_channels = convolve_channels,
    .multiply_vector = multiply_vector,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .tame = tame,
    .max_row = max_row,
    .add_row = add_row,
    .scale_row = scale_row,
    .normalize = normalize,
    .standardize_row = standardize_row,
    .activate = activate,
    .statistics = statistics,
    .quantize = quantize,
};
