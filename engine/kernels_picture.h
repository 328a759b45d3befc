/*
 * kernels_picture.h - what pictures are made of: statistics, ranges, colour indices.
 *
 * The part of kernels_body.h that looks at whole maps; the vocabulary is described
 * there.
 */

/* The least and the largest finite value so far, lane by lane, and in `odd` a NaN where
 * a value was not finite. Comparisons with a NaN are false: it takes no place. */
struct extremes {
    vec low, high, odd;
};

INLINE void extremes_add(struct extremes *e, vec x)
{
    const vec most = v_set1(INFINITY), least = v_set1(-INFINITY);

    e->low = v_min(v_less(least, x, x, most), e->low);
    e->high = v_max(v_less(x, most, x, least), e->high);
    e->odd = v_madd(x, v_set1(0), e->odd);
}

/* Lane l belongs to channel (first + l) % channels. */
INLINE void extremes_fold(const struct extremes *e, size_t first, size_t channels,
                          float *low, float *high, float *odd)
{
    float lows[LANES], highs[LANES], odds[LANES];

    v_store(lows, e->low);
    v_store(highs, e->high);
    v_store(odds, e->odd);
    for (size_t l = 0; l < LANES; l++) {
        const size_t c = (first + l) % channels;
        low[c] = lows[l] < low[c] ? lows[l] : low[c];
        high[c] = highs[l] > high[c] ? highs[l] : high[c];
        odd[c] += odds[l];
    }
}

/* ---- ranges ---- */

enum { RANGE_BLOCK = 4096 }; /* floats that stay in the first-level cache */

/* Lanes are channels. */
static void range_wide(float *low, float *high, float *odd, const float *values,
                       size_t cells, size_t step, size_t n)
{
    for (size_t c = 0; c < n; c += LANES) {
        const size_t lanes = n - c < LANES ? n - c : LANES;
        struct extremes e = {load_part(low + c, lanes), load_part(high + c, lanes),
                             load_part(odd + c, lanes)};
        for (size_t i = 0; i < cells; i++)
            extremes_add(&e, load_part(values + i * step + c, lanes));
        store_part(low + c, e.low, lanes);
        store_part(high + c, e.high, lanes);
        store_part(odd + c, e.odd, lanes);
    }
}

/* Few channels, all of them: LANES cells are `channels` vectors. Takes whole such runs;
 * returns how many cells these were. */
static size_t range_narrow(float *low, float *high, float *odd, const float *values,
                           size_t cells, size_t channels)
{
    const size_t runs = cells / LANES, period = LANES * channels;

    for (size_t v = 0; v < channels; v++) {
        struct extremes e = {v_set1(INFINITY), v_set1(-INFINITY), v_set1(0)};
        for (size_t i = 0; i < runs; i++)
            extremes_add(&e, v_load(values + i * period + v * LANES));
        extremes_fold(&e, v * LANES, channels, low, high, odd);
    }
    return runs * LANES;
}

static void range(float *low, float *high, float *odd, const float *values,
                  size_t cells, size_t step, size_t n)
{
    const size_t block = RANGE_BLOCK / step > LANES ? RANGE_BLOCK / step : LANES;

    for (size_t i = 0, part; i < cells; i += part) {
        const float *at = values + i * step;
        part = cells - i < block ? cells - i : block;
        const size_t done =
            n == step && n < LANES ? range_narrow(low, high, odd, at, part, n) : 0;
        range_wide(low, high, odd, at + done * step, part - done, step, n);
    }
    for (size_t c = 0; c < n; c++) { /* -0 or 0 must not depend on the lanes */
        low[c] += 0.0f;
        high[c] += 0.0f;
    }
}

/* ---- statistics of a block ---- */

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

/* Least, largest, sum and deviations of n >= 1 values, all finite, or false. Sums are
 * taken about the first value c: with d = value - c, the deviations from the mean are
 * sum(d^2) - sum(d)^2 / n. As c is one of the values, what cancels is at most n times
 * what is left, and a double has 28 bits more than a value's square needs. */
static bool sum_finite(const float *values, size_t n, struct block_statistics *out)
{
    enum { SUMS = KERNEL_LANES / DOUBLES };
    const dvec center = d_set1((double)values[0]);
    double lanes[KERNEL_LANES], squares[KERNEL_LANES];
    dvec sums[SUMS], products[SUMS];
    struct extremes e = {v_set1(INFINITY), v_set1(-INFINITY), v_set1(0)};
    float low = INFINITY, high = -INFINITY, odd = 0;
    size_t i = 0;

    for (size_t s = 0; s < SUMS; s++)
        sums[s] = products[s] = d_set1(0);
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        for (size_t v = 0; v < KERNEL_LANES; v += LANES) {
            const vec x = v_load(values + i + v);
            e = (struct extremes){v_min(x, e.low), v_max(x, e.high),
                                  v_madd(x, v_set1(0), e.odd)};
        }
        for (size_t s = 0; s < SUMS; s++) {
            const dvec d = d_sub(d_load(values + i + s * DOUBLES), center);
            sums[s] = d_add(sums[s], d);
            products[s] = d_add(products[s], d_mul(d, d));
        }
    }
    for (size_t s = 0; s < SUMS; s++) {
        d_store(lanes + s * DOUBLES, sums[s]);
        d_store(squares + s * DOUBLES, products[s]);
    }
    extremes_fold(&e, 0, 1, &low, &high, &odd);
    for (size_t l = 0; i < n; i++, l++) {
        const double d = (double)values[i] - (double)values[0];
        lanes[l] += d;
        squares[l] += d * d;
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        odd += values[i] - values[i];
    }
    if (odd != 0)
        return false;
    const double sum = sum_double_lanes(lanes);
    out->min = low + 0.0f; /* -0 or 0 must not depend on the lanes */
    out->max = high + 0.0f;
    out->sum = (double)values[0] * (double)n + sum;
    out->deviations = sum_double_lanes(squares) - sum * sum / (double)n;
    return true;
}

static void statistics(const float *values, size_t n, size_t stride,
                       struct block_statistics *out)
{
    float block[STATISTICS_BLOCK];

    *out = (struct block_statistics){.finite = n, .min = INFINITY, .max = -INFINITY};
    if (stride == 1 && n > 0 && sum_finite(values, n, out))
        return;
    out->finite = gather_finite(block, values, n, stride, out);
    if (out->finite > 0)
        sum_finite(block, out->finite, out);
}

/* ---- colour indices ---- */

INLINE vec index_of(vec v, vec low, vec span)
{
    const vec x = v_mul(v_div(v_sub(v, low), span), v_set1(256.0f));
    return v_min(v_max(x, v_set1(0.0f)), v_set1(255.0f));
}

/* One map: lanes are cells. */
static void quantize_map(uint8_t *to, const float *values, size_t cells, size_t step,
                         float low, float high)
{
    const vec lows = v_set1(low), spans = v_set1(high - low);
    float rest[LANES] = {0};
    uint8_t bytes[KERNEL_LANES];
    size_t i = 0;

    if (step == 1)
        for (; i + LANES <= cells; i += LANES)
            v_store_u8(to + i, index_of(v_load(values + i), lows, spans));
    else
        for (; i + LANES <= cells; i += LANES)
            v_store_u8(to + i,
                       index_of(load_step(values + i * step, step), lows, spans));
    for (size_t l = 0; i + l < cells; l++)
        rest[l] = values[(i + l) * step];
    v_store_u8(bytes, index_of(v_load(rest), lows, spans));
    memcpy(to + i, bytes, cells - i);
}

enum { TILE = 16 };
typedef uint8_t tile_row __attribute__((vector_size(TILE)));

/* Rows become columns: four perfect shuffles of the 16 rows. */
INLINE void transpose_tile(tile_row *a)
{
    tile_row b[TILE];

    for (size_t round = 0; round < 4; round++) {
        for (size_t k = 0; k < TILE / 2; k++) {
            b[2 * k] = __builtin_shufflevector(a[k], a[k + TILE / 2], 0, 16, 1, 17, 2,
                                               18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            b[2 * k + 1] =
                __builtin_shufflevector(a[k], a[k + TILE / 2], 8, 24, 9, 25, 10, 26, 11,
                                        27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(a, b, sizeof b);
    }
}

/* At most TILE cells of TILE maps: lanes are maps, until the tile is turned. */
INLINE void quantize_tile(uint8_t *const *maps, size_t at, const float *values,
                          size_t cells, size_t step, size_t n, const float *low,
                          const float *high)
{
    tile_row tile[TILE] = {{0}};
    uint8_t *bytes = (uint8_t *)tile;

    for (size_t c = 0; c < n; c += LANES) {
        const size_t lanes = n - c < LANES ? n - c : LANES;
        const vec lows = load_part(low + c, lanes);
        const vec spans = v_sub(load_part(high + c, lanes), lows);
        for (size_t i = 0; i < cells; i++)
            v_store_u8(bytes + i * TILE + c,
                       index_of(load_part(values + i * step + c, lanes), lows, spans));
    }
    transpose_tile(tile);
    for (size_t m = 0; m < n; m++)
        if (cells == TILE)
            memcpy(maps[m] + at, &tile[m], TILE);
        else
            memcpy(maps[m] + at, &tile[m], cells);
}

static void quantize(uint8_t *const *maps, size_t at, const float *values, size_t cells,
                     size_t step, size_t n, const float *low, const float *high)
{
    if (n < 4) { /* most of a tile would be empty */
        for (size_t m = 0; m < n; m++)
            quantize_map(maps[m] + at, values + m, cells, step, low[m], high[m]);
        return;
    }
    for (size_t i = 0; i < cells; i += TILE)
        for (size_t m = 0; m < n; m += TILE)
            quantize_tile(maps + m, at + i, values + i * step + m,
                          cells - i < TILE ? cells - i : TILE, step,
                          n - m < TILE ? n - m : TILE, low + m, high + m);
}
