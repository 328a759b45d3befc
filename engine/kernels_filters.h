/*
 * kernels_filters.h - convolutions with many filters: lanes are filters.
 *
 * A part of kernels_body.h, where the vocabulary is described. A block of sums is in
 * registers and walks the taps in order, as in kernels_convolve.h; its size is in
 * kernels_<isa>.c:
 *
 *   PIXELS x FILTER_VECS    pixels x vectors of filters
 *   PIXELS_NARROW           pixels of one vector of filters
 */

/* Bases for the pixels, three to each: the pixels of a base are 0, 1 and 2 steps away,
 * which an address can hold, so n pixels take n / 3 registers. */
enum { PER_BASE = 3, BASES = (PIXELS_NARROW + PER_BASE - 1) / PER_BASE };

/* Floats of weights that are called in from the second-level cache before their turn:
 * of a panel of 32 filters, 16 taps. */
enum { WEIGHTS_AHEAD = 512 };

/* Neighbouring taps that are taken together where windows are one float apart: 12 sums,
 * 3 weights and a pixel are 16 registers. */
enum { NEAR_TAPS = 3 };

/* Begin with the bias, or with what the sums came to; `last` lanes of the last vector
 * are there. The lines that a block writes are fetched while it computes: else each
 * store would wait for its own. Unrolled, or gcc would keep the sums in memory too. */
INLINE void filters_begin(vec sum[][FILTER_VECS], const struct filters_call *call,
                          const float *out, const float *bias, size_t last,
                          const size_t pixels, const size_t vecs)
{
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            const float *from = out + p * call->out_step + v * LANES;
            if (bias && v % (KERNEL_LANES / LANES) == 0)
                __builtin_prefetch(from, 1);
            sum[p][v] = bias                            ? v_load(bias + v * LANES)
                        : last >= LANES || v + 1 < vecs ? v_load(from)
                                                        : v_load_n(from, last);
        }
}

INLINE void filters_end(float *out, vec sum[][FILTER_VECS],
                        const struct filters_call *call, size_t last,
                        const size_t pixels, const size_t vecs)
{
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            float *to = out + p * call->out_step + v * LANES;
            const vec value = at_least(call->floor, sum[p][v]);
            if (last >= LANES || v + 1 < vecs)
                v_store(to, value);
            else
                v_store_n(to, value, last);
        }
}

/* One block: `pixels` outputs x `vecs` vectors of filters, of which the first `filters`
 * floats are stored. */
INLINE void filters_block(const struct filters_call *call, float *out, const float *in,
                          const float *weights, const float *bias, size_t filters,
                          const size_t pixels, const size_t vecs)
{
    const size_t step = call->in_step, last = filters - (vecs - 1) * LANES;
    const struct filters_run *const end = call->runs + call->n_runs;
    vec sum[PIXELS_NARROW][FILTER_VECS];

    filters_begin(sum, call, out, bias, last, pixels, vecs);
    for (const struct filters_run *run = call->runs; run < end; run++) {
        const float *base[BASES];
        UNROLL
        for (size_t b = 0; b * PER_BASE < pixels; b++)
            base[b] = in + run->offset + b * PER_BASE * step;
        for (size_t i = run->length; i > 0; i--) {
            vec w[FILTER_VECS];
            for (size_t v = 0; v < vecs; v++)
                w[v] = v_load(weights + v * LANES);
            for (size_t v = 0; v < vecs; v += KERNEL_LANES / LANES)
                __builtin_prefetch(weights + WEIGHTS_AHEAD + v * LANES);
            weights += call->weight_step;
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                const vec pixel = v_set1(base[p / PER_BASE][p % PER_BASE * step]);
                for (size_t v = 0; v < vecs; v++)
                    sum[p][v] = v_madd(pixel, w[v], sum[p][v]);
            }
            UNROLL
            for (size_t b = 0; b * PER_BASE < pixels; b++)
                base[b]++;
        }
    }
    filters_end(out, sum, call, last, pixels, vecs);
}

/* NEAR_TAPS taps of windows one float apart: each float is spread once for all that it
 * lies under. */
INLINE void near_taps(vec sum[][FILTER_VECS], const float *in, const float *weights,
                      size_t step, const size_t pixels)
{
    vec w[NEAR_TAPS];

    UNROLL
    for (size_t t = 0; t < NEAR_TAPS; t++)
        w[t] = v_load(weights + t * step);
    UNROLL
    for (size_t i = 0; i < pixels + NEAR_TAPS - 1; i++) {
        __asm__(""
                : "+r"(in)); /* gcc would rather load all at once, and not keep them */
        const vec pixel = v_set1(in[i]);
        UNROLL
        for (size_t t = 0; t < NEAR_TAPS; t++)
            if (i >= t && i - t < pixels)
                sum[i - t][0] = v_madd(pixel, w[t], sum[i - t][0]);
    }
}

/* A block of one vector of filters over a map of one channel. Of nine taps, a third
 * quicker than a filters_block; with taps left over, slower. */
INLINE void filters_near(const struct filters_call *call, float *out, const float *in,
                         const float *weights, const float *bias, size_t filters,
                         const size_t pixels)
{
    const struct filters_run *const end = call->runs + call->n_runs;
    const size_t step = call->weight_step;
    vec sum[PIXELS_NARROW][FILTER_VECS];

    filters_begin(sum, call, out, bias, filters, pixels, 1);
    for (const struct filters_run *run = call->runs; run < end; run++)
        for (size_t i = 0; i < run->length; i += NEAR_TAPS) {
            near_taps(sum, in + run->offset + i, weights, step, pixels);
            weights += NEAR_TAPS * step;
        }
    filters_end(out, sum, call, filters, pixels, 1);
}

static bool is_near(const struct filters_call *call)
{
    bool near = call->in_step == 1 && call->filters <= LANES;

    for (size_t r = 0; near && r < call->n_runs; r++)
        near = call->runs[r].length % NEAR_TAPS == 0;
    return near;
}

/* So many blocks, side by side. */
typedef void filters_blocks_fn(const struct filters_call *call, float *out,
                               const float *in, const float *weights, const float *bias,
                               size_t filters, size_t blocks);

/* A function for each number of pixels, so that the sums stay in registers. */
#define FOR_EACH_PIXELS_UP_TO_2(X) X(1) X(2)
#define FOR_EACH_PIXELS_UP_TO_6(X) FOR_EACH_PIXELS_UP_TO_2(X) X(3) X(4) X(5) X(6)
#define FOR_EACH_PIXELS_UP_TO_12(X)                                                    \
    FOR_EACH_PIXELS_UP_TO_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define FOR_EACH_PIXELS_UP_TO_14(X) FOR_EACH_PIXELS_UP_TO_12(X) X(13) X(14)
#define FOR_EACH_PIXELS_PASTE(n, X) FOR_EACH_PIXELS_UP_TO_##n(X)
#define FOR_EACH_PIXELS_OF(n, X)    FOR_EACH_PIXELS_PASTE(n, X)
#define FOR_EACH_PIXELS(X)          FOR_EACH_PIXELS_OF(PIXELS, X)
#define FOR_EACH_PIXELS_NARROW(X)   FOR_EACH_PIXELS_OF(PIXELS_NARROW, X)

#define DEFINE(pixels, width, BLOCK)                                                   \
    static void filters_##width##_##pixels(                                            \
        const struct filters_call *call, float *out, const float *in,                  \
        const float *weights, const float *bias, size_t filters, size_t blocks)        \
    {                                                                                  \
        for (; blocks > 0; blocks--) {                                                 \
            BLOCK;                                                                     \
            out += pixels * call->out_step;                                            \
            in += pixels * call->in_step;                                              \
        }                                                                              \
    }
/* A call for each wide block: inside the loop gcc would keep its sums in memory. */
#define DEFINE_WIDE(pixels)                                                            \
    static __attribute__((noinline)) void filters_one_##pixels(                        \
        const struct filters_call *call, float *out, const float *in,                  \
        const float *weights, const float *bias, size_t filters)                       \
    {                                                                                  \
        filters_block(call, out, in, weights, bias, filters, pixels, FILTER_VECS);     \
    }                                                                                  \
    DEFINE(pixels, wide, filters_one_##pixels(call, out, in, weights, bias, filters))
#define DEFINE_NARROW(pixels)                                                          \
    DEFINE(pixels, narrow,                                                             \
           filters_block(call, out, in, weights, bias, filters, pixels, 1))
#define DEFINE_NEAR(pixels)                                                            \
    DEFINE(pixels, near, filters_near(call, out, in, weights, bias, filters, pixels))
FOR_EACH_PIXELS(DEFINE_WIDE)
FOR_EACH_PIXELS_NARROW(DEFINE_NARROW)
FOR_EACH_PIXELS_NARROW(DEFINE_NEAR)
#undef DEFINE_WIDE
#undef DEFINE_NARROW
#undef DEFINE_NEAR
#undef DEFINE

#define ENTRY(pixels) filters_wide_##pixels,
static filters_blocks_fn *const filters_wide[] = {FOR_EACH_PIXELS(ENTRY)};
#undef ENTRY
#define ENTRY(pixels) filters_narrow_##pixels,
static filters_blocks_fn *const filters_narrow[] = {FOR_EACH_PIXELS_NARROW(ENTRY)};
#undef ENTRY
#define ENTRY(pixels) filters_near_##pixels,
static filters_blocks_fn *const filters_nearest[] = {FOR_EACH_PIXELS_NARROW(ENTRY)};
#undef ENTRY

/* The pixels in as few blocks of at most so many as there can be, and these as equal as
 * they can be. */
static void filters_row(const struct filters_call *call, filters_blocks_fn *const *of,
                        size_t most, size_t f)
{
    const size_t blocks = (call->n + most - 1) / most, pixels = call->n / blocks;
    const size_t wider = call->n % blocks, at = (blocks - wider) * pixels;
    const float *const weights = call->weights + f;
    const float *const bias = call->bias ? call->bias + f : NULL;
    float *const out = call->out + f;

    of[pixels - 1](call, out, call->in, weights, bias, call->filters - f,
                   blocks - wider);
    if (wider > 0)
        of[pixels](call, out + at * call->out_step, call->in + at * call->in_step,
                   weights, bias, call->filters - f, wider);
}

static void convolve_filters(const struct filters_call *call)
{
    size_t f = 0;

    for (; f + (FILTER_VECS - 1) * LANES < call->filters; f += FILTER_VECS * LANES)
        filters_row(call, filters_wide, PIXELS, f);
    for (; f < call->filters; f += LANES)
        filters_row(call, is_near(call) ? filters_nearest : filters_narrow,
                    PIXELS_NARROW, f);
}
