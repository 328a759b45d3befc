/*
 * kernels_body.h - the kernels, written once over a vector of LANES floats.
 *
 * Included by kernels_<isa>.c, which first defines
 *
 *   ISA          name of the instruction set, e.g. avx2
 *   LANES        floats per vector, a divisor of KERNEL_LANES
 *   FILTER_VECS, PIXELS, PIXELS_NARROW, LINE_VECS, BLOCK_VECS, CHANNEL_PIXELS
 *                the register blocks of kernels_filters.h, _convolve.h and _channels.h
 *   vec          the vector type
 *   v_set1, v_load, v_store, v_add, v_sub, v_mul, v_div, v_sqrt, v_abs
 *   v_stream     a store around the caches, to a multiple of the vector's size; v_fence
 *                when they are done
 *   v_madd       (a, b, c) -> a * b + c, rounded once (fused)
 *   v_max, v_min (a, b) -> a > b ? a : b, a < b ? a : b
 *   v_copysign   (a, b) -> a with the sign of b; a is not negative
 *   v_less       (a, b, x, y) -> a < b ? x : y
 *   v_load_n, v_store_n  the first n <= LANES lanes only; the others read as anything
 *   v_even, v_odd        of two vectors side by side: every second lane
 *   v_load_2, v_load_3   every second, every third float; v_gather (p, step) every
 *                step-th; none reads past the last one
 *   v_load_thirds  (p, x) -> x[k] is every third float from p + k on, k < 3
 *   v_load_u8, v_load_thirds_u8  v_load and v_load_thirds of bytes, as floats
 *   v_at (p, at)         lane l is p[at[l]], of LANES int32_t
 *   ivec         a vector of LANES int32_t; i_load
 *   v_pick       (p, i) -> lane l is p[i[l]], of the LANES floats at p; v_pick_n
 *                (p, n, i) of the first n <= LANES, the other lanes as anything
 *   v_pow2       POW2_ZERO + n -> 2^n, for an integral n in [-127, 128]: its last bits
 *                as an exponent, so that -127 gives 0 and 128 infinity
 *   v_first      (a, b, n) -> a in the first n < LANES lanes, b in the others
 *   v_swap_8, v_swap_4, v_swap_2, v_swap_1  lanes so far apart change places; of those
 *                below LANES
 *   v_keep       holds a vector in a register, where gcc would load it for each use
 *   v_store_u8   lanes in [0, 255] truncated to bytes
 *   dvec, DOUBLES        a vector of doubles and its lanes, a divisor of KERNEL_LANES;
 *   d_load               from so many floats
 *   d_set1, d_store, d_add, d_sub, d_mul, d_madd
 *
 * A lane is an output value and every lane does the same steps with one rounding each,
 * so all tables give the same bits. Sums across values have KERNEL_LANES lanes whatever
 * LANES is. Nothing here comes from libm but fmaf, fma and sqrtf.
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

/* What is added to a small number to round it to an integer, as the last bit of so
 * large a float is 1, and to leave it there with the bias of an exponent. */
#define POW2_ZERO (0x1.8p23f + 127)

/* The first n lanes; whole vectors without a mask. */
INLINE vec load_part(const float *p, size_t n)
{
    return n < LANES ? v_load_n(p, n) : v_load(p);
}

INLINE void store_part(float *p, vec a, size_t n)
{
    if (n < LANES)
        v_store_n(p, a, n);
    else
        v_store(p, a);
}

/* A store as the caller wishes, who sees to the fence. */
INLINE void put(float *p, vec a, const bool around)
{
    if (around)
        v_stream(p, a);
    else
        v_store(p, a);
}

/* Floats from p on to the next whole line. */
INLINE size_t to_line(const float *p)
{
    return -((uintptr_t)p / sizeof *p) % KERNEL_LANES;
}

/* Call a line into the second-level cache; p may point anywhere. */
#define PREFETCH(p) __builtin_prefetch(p, 0, 2)

INLINE vec at_least(float floor, vec x)
{
    return v_max(v_set1(floor), x); /* floor > x ? floor : x */
}

#include "engine/kernels_filters.h"
#include "engine/kernels_convolve.h"
#include "engine/kernels_channels.h"
#include "engine/kernels_groups.h"
#include "engine/kernels_pool.h"
#include "engine/kernels_activations.h"
#include "engine/kernels_winograd.h"

/* ---- resampling: lanes are channels ---- */

enum { BLEND_VECS = 4 };

/* Vectors of a column of the map, between two rows unless they are one. */
INLINE void blend_rows(vec *to, const struct blend_call *call, size_t column, size_t c,
                       size_t lanes, const size_t vecs, const bool one)
{
    const float *in = call->in + column * call->channels + c;
    const vec part = v_set1(call->part);

    for (size_t v = 0; v < vecs; v++) {
        const vec low = load_part(in + v * LANES, lanes);
        to[v] = low;
        if (!one)
            to[v] = v_madd(v_sub(load_part(in + call->apart + v * LANES, lanes), low),
                           part, low);
    }
}

/* How many outputs from x on lie between the same two columns. */
INLINE size_t count_same(const struct blend_call *call, size_t x)
{
    const struct between *at = call->at + x, first = *at;
    size_t n = 1;

    while (x + n < call->n && at[n].low == first.low && at[n].high == first.high)
        n++;
    return n;
}

/* Some vectors of channels, from left to right: a column is blended once for all that
 * lie beside it. A copy of the call, as a store might change the caller's. */
INLINE void blend_columns(const struct blend_call call, size_t c, size_t lanes,
                          const size_t vecs, const bool one)
{
    float *out = call.out + c;
    size_t last = call.at->low; /* the column that high holds */
    vec low[BLEND_VECS], high[BLEND_VECS], apart[BLEND_VECS];

    blend_rows(high, &call, last, c, lanes, vecs, one);
    for (size_t x = 0, same; x < call.n; x += same) {
        const size_t left = call.at[x].low, right = call.at[x].high;
        same = count_same(&call, x);
        if (left != last)
            blend_rows(high, &call, left, c, lanes, vecs, one);
        for (size_t v = 0; v < vecs; v++)
            low[v] = high[v];
        if (right != left)
            blend_rows(high, &call, right, c, lanes, vecs, one);
        last = right;
        for (size_t v = 0; v < vecs; v++)
            apart[v] = v_sub(high[v], low[v]);
        for (size_t k = x; k < x + same; k++, out += call.channels) {
            const vec part = v_set1(call.at[k].part);
            for (size_t v = 0; v < vecs; v++) {
                const vec cell =
                    right == left ? low[v] : v_madd(apart[v], part, low[v]);
                if (call.around)
                    v_stream(out + v * LANES, cell);
                else
                    store_part(out + v * LANES, cell, lanes);
            }
        }
    }
}

INLINE void blend_with(const struct blend_call *call, const bool one)
{
    const size_t channels = call->channels;
    size_t c = 0;

    for (; c + BLEND_VECS * LANES <= channels; c += BLEND_VECS * LANES)
        blend_columns(*call, c, LANES, BLEND_VECS, one);
    for (; c + LANES <= channels; c += LANES)
        blend_columns(*call, c, LANES, 1, one);
    if (c < channels)
        blend_columns(*call, c, channels - c, 1, one);
}

static void blend(const struct blend_call *call)
{
    struct blend_call lines = *call;

    lines.around &= to_line(call->out) == 0 && call->channels % KERNEL_LANES == 0;
    if (call->apart == 0)
        blend_with(&lines, true);
    else
        blend_with(&lines, false);
    if (lines.around)
        v_fence();
}

INLINE void repeat_to(float *out, const float *in, size_t cells, size_t channels,
                      size_t times, const bool around)
{
    for (size_t i = 0; i < cells; i++, in += channels, out += times * channels)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t lanes = channels - c < LANES ? channels - c : LANES;
            const vec cell = load_part(in + c, lanes);
            for (size_t t = 0; t < times; t++)
                if (around)
                    v_stream(out + t * channels + c, cell);
                else
                    store_part(out + t * channels + c, cell, lanes);
        }
}

static void repeat(float *out, const float *in, size_t cells, size_t channels,
                   size_t times, bool around)
{
    if (around && to_line(out) == 0 && channels % KERNEL_LANES == 0) {
        repeat_to(out, in, cells, channels, times, true);
        v_fence();
    } else {
        repeat_to(out, in, cells, channels, times, false);
    }
}

#include "engine/kernels_norm.h"
#include "engine/kernels_picture.h"
#include "engine/kernels_samples.h"

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
    .convolve_groups = convolve_groups,
    .multiply_vector = multiply_vector,
    .multiply_panels = multiply_panels,
    .winograd_in = winograd_in,
    .winograd_multiply = winograd_multiply,
    .winograd_out = winograd_out,
    .tame = tame,
    .pool_row = pool_row,
    .sum_cells = sum_cells,
    .max_cells = max_cells,
    .blend = blend,
    .repeat = repeat,
    .scale = scale,
    .standardize = standardize,
    .rectify = rectify,
    .normalize = normalize,
    .activate = activate,
    .range = range,
    .widen = widen,
    .gray = gray,
    .gray_u8 = gray_u8,
    .add_row = add_row,
    .add_row_u8 = add_row_u8,
    .weigh = weigh,
    .statistics = statistics,
    .quantize = quantize,
    .colors = colors,
};
