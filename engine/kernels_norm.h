/*
 * kernels_norm.h - normalisation: mean and variance, and what is done with them.
 *
 * The part of kernels_body.h that computes with statistics of the values; the
 * vocabulary is described there. Sums are in double precision: KERNEL_LANES lanes over
 * blocks of STATISTICS_BLOCK values, lanes and blocks combined pairwise. Products of
 * doubles are not fused, so plain loops give the same bits for every table.
 */

INLINE double sum_double_lanes(double *lanes)
{
    for (size_t half = KERNEL_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* The sum over a block of x - center, or of its square. */
INLINE double sum_block(const float *x, size_t n, double center, const bool squared)
{
    enum { SUMS = KERNEL_LANES / DOUBLES };
    const dvec centers = d_set1(center);
    double lanes[KERNEL_LANES];
    dvec sums[SUMS];
    size_t i = 0;

    for (size_t s = 0; s < SUMS; s++)
        sums[s] = d_set1(0);
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES)
        for (size_t s = 0; s < SUMS; s++) {
            const dvec d = d_sub(d_load(x + i + s * DOUBLES), centers);
            sums[s] = d_add(sums[s], squared ? d_mul(d, d) : d);
        }
    for (size_t s = 0; s < SUMS; s++)
        d_store(lanes + s * DOUBLES, sums[s]);
    for (size_t l = 0; i < n; i++, l++) {
        const double d = (double)x[i] - center;
        lanes[l] += squared ? d * d : d;
    }
    return sum_double_lanes(lanes);
}

/* The same over any number of values: blocks are combined as a binary counter carries,
 * level k holding the sum of 2^k blocks. */
INLINE double sum_blocks(const float *x, size_t n, double center, const bool squared)
{
    double levels[64], total = 0;
    size_t blocks = 0, level;

    for (size_t i = 0; i < n; i += STATISTICS_BLOCK, blocks++) {
        const size_t part = n - i < STATISTICS_BLOCK ? n - i : STATISTICS_BLOCK;
        double sum = sum_block(x + i, part, center, squared);
        for (level = 0; blocks >> level & 1; level++)
            sum += levels[level];
        levels[level] = sum;
    }
    for (level = 0; blocks >> level; level++)
        if (blocks >> level & 1)
            total += levels[level];
    return total;
}

static void normalize(float *out, const float *in, const float *gamma,
                      const float *beta, size_t n, float epsilon, bool centered)
{
    const double mean = sum_blocks(in, n, 0, false) / (double)n;
    const double variance = sum_blocks(in, n, mean, true) / (double)n;
    const double factor = 1 / sqrt(variance + (double)epsilon);
    const double center = centered ? mean : 0;

    for (size_t i = 0; i < n; i++)
        out[i] = (float)(((double)in[i] - center) * factor * (double)gamma[i] +
                         (double)beta[i]);
}

/* out[i] = expression of x, in[i], and of p and q, the factors' entries i % period. */
#define PERIODIC(name, expression)                                                     \
    INLINE void name##_period(float *out, const float *in, const float *first,         \
                              const float *second, size_t n, const bool around)        \
    {                                                                                  \
        size_t i = 0;                                                                  \
        for (; i + LANES <= n; i += LANES) {                                           \
            const vec x = v_load(in + i), p = v_load(first + i);                       \
            const vec q = v_load(second + i);                                          \
            put(out + i, expression, around);                                          \
        }                                                                              \
        if (i < n) {                                                                   \
            const vec x = v_load_n(in + i, n - i), p = v_load_n(first + i, n - i);     \
            const vec q = v_load_n(second + i, n - i);                                 \
            v_store_n(out + i, expression, n - i);                                     \
        }                                                                              \
    }                                                                                  \
    static void name(float *out, const float *in, const float *first,                  \
                     const float *second, size_t period, size_t n, bool around)        \
    {                                                                                  \
        const bool lines = to_line(out) == 0 && period % KERNEL_LANES == 0;            \
        for (size_t i = 0; i < n; i += period) {                                       \
            const size_t part = n - i < period ? n - i : period;                       \
            if (around && lines)                                                       \
                name##_period(out + i, in + i, first, second, part, true);             \
            else                                                                       \
                name##_period(out + i, in + i, first, second, part, false);            \
        }                                                                              \
        if (around)                                                                    \
            v_fence();                                                                 \
    }

PERIODIC(scale, v_madd(x, p, q))
PERIODIC(standardize, v_div(v_sub(x, p), q))
PERIODIC(rectify, ((void)q, v_less(v_set1(0), x, x, v_mul(p, x))))
