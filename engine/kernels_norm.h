/*
 * kernels_norm.h - normalisation: mean and variance, and what is done with them.
 *
 * The part of kernels_body.h that computes with statistics of the values; the
 * vocabulary is described there. Sums are in double precision: KERNEL_LANES lanes over
 * blocks of STATISTICS_BLOCK values, lanes and blocks combined pairwise. Products of
 * doubles are not fused, so plain loops give the same bits for every table.
 */

/* The sum over a block of x - center, or of its square. */
INLINE double sum_block(const float *x, size_t n, double center, const bool squared)
{
    const size_t whole = n - n % KERNEL_LANES;
    double lanes[KERNEL_LANES] = {0};

    for (size_t i = 0; i < whole; i += KERNEL_LANES)
        for (size_t l = 0; l < KERNEL_LANES; l++) {
            const double d = (double)x[i + l] - center;
            lanes[l] += squared ? d * d : d;
        }
    for (size_t i = whole; i < n; i++) {
        const double d = (double)x[i] - center;
        lanes[i - whole] += squared ? d * d : d;
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

static void standardize_row(float *out, const float *in, const float *means,
                            const float *deviations, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        v_store(out + i, v_div(v_sub(v_load(in + i), v_load(means + i)),
                               v_load(deviations + i)));
    for (; i < n; i++)
        out[i] = (in[i] - means[i]) / deviations[i];
}
