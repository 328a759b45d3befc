/*
 * kernels_picture.h - what pictures are made of: statistics, ranges, colour indices,
 * samples.
 *
 * The part of kernels_body.h that looks at whole maps; the vocabulary is described
 * there.
 */

/* ---- ranges ---- */

/* The least and the largest finite value so far, lane by lane, and in `odd` a NaN where
 * a value was not finite. Comparisons with a NaN are false: it takes no place. */
struct extremes {
    vec low, high, odd;
};

/* finite: x is, or what comes of it is not used. */
INLINE void extremes_add(struct extremes *e, vec x, const bool finite)
{
    const vec most = v_set1(INFINITY), least = v_set1(-INFINITY);

    e->low = v_min(finite ? x : v_less(least, x, x, most), e->low);
    e->high = v_max(finite ? x : v_less(x, most, x, least), e->high);
    e->odd = v_madd(x, v_set1(0), e->odd);
}

/* Ranges of some channels, each of cells `step` floats apart. */
struct ranges {
    float *low, *high, *odd;
    const float *values;
    size_t cells, step;
};

enum {
    RANGE_BLOCK = 4096, /* floats that stay in the first-level cache */
    RANGE_VECS = 4,     /* side by side: 12 extremes, a vector, a constant */
    RANGE_RUN = 8 * RANGE_VECS * LANES
};

/* Lanes are channels, from c on. False if a value was not finite: then nothing has
 * changed. */
INLINE bool range_vecs(const struct ranges *r, size_t c, size_t lanes,
                       const size_t vecs, const bool finite)
{
    struct extremes e[RANGE_VECS];
    vec odd = v_set1(0);
    float odds[LANES];
    bool good = true;

    for (size_t v = 0; v < vecs; v++) {
        const size_t at = c + v * LANES;
        e[v] = (struct extremes){load_part(r->low + at, lanes),
                                 load_part(r->high + at, lanes), v_set1(0)};
    }
    for (size_t i = 0; i < r->cells; i++)
        for (size_t v = 0; v < vecs; v++) {
            const float *x = r->values + i * r->step + c + v * LANES;
            if (v * LANES % KERNEL_LANES == 0)
                PREFETCH(x + AHEAD);
            extremes_add(&e[v], load_part(x, lanes), finite);
        }
    for (size_t v = 0; v < vecs; v++)
        odd = v_add(odd, e[v].odd);
    store_part(odds, odd, lanes);
    for (size_t l = 0; l < lanes; l++)
        good = good && odds[l] == 0;
    if (finite && !good)
        return false;
    for (size_t v = 0; v < vecs; v++) {
        const size_t at = c + v * LANES;
        store_part(r->low + at, e[v].low, lanes);
        store_part(r->high + at, e[v].high, lanes);
        store_part(r->odd + at, v_add(load_part(r->odd + at, lanes), e[v].odd), lanes);
    }
    return true;
}

/* Most maps hold numbers only, and that is quicker to find out than to see to. */
INLINE void range_block(const struct ranges *r, size_t c, size_t lanes,
                        const size_t vecs)
{
    if (!range_vecs(r, c, lanes, vecs, true))
        range_vecs(r, c, lanes, vecs, false);
}

static void range_wide(const struct ranges *all, size_t n)
{
    const size_t block = RANGE_BLOCK / all->step + 1;
    struct ranges r = *all;

    for (size_t i = 0, c; i < all->cells; i += r.cells) {
        r.values = all->values + i * all->step;
        r.cells = all->cells - i < block ? all->cells - i : block;
        for (c = 0; c + RANGE_VECS * LANES <= n; c += RANGE_VECS * LANES)
            range_block(&r, c, LANES, RANGE_VECS);
        for (; c + LANES <= n; c += LANES)
            range_block(&r, c, LANES, 1);
        if (c < n)
            range_block(&r, c, n - c, 1);
    }
}

/* Cells that fill whole rows of vectors. */
INLINE size_t cells_in_run(size_t channels)
{
    size_t cells = RANGE_VECS * LANES;

    for (; cells % 2 == 0 && channels % 2 == 0; channels /= 2)
        cells /= 2;
    return cells;
}

/* All of few channels, as if a run of cells were one of many. Takes whole runs; returns
 * how many cells these were. */
static size_t range_runs(const struct ranges *r, size_t channels, size_t run)
{
    const size_t width = run * channels;
    float low[RANGE_RUN], high[RANGE_RUN], odd[RANGE_RUN] = {0};

    for (size_t i = 0; i < width; i++) {
        low[i] = INFINITY;
        high[i] = -INFINITY;
    }
    range_wide(&(struct ranges){low, high, odd, r->values, r->cells / run, width},
               width);
    for (size_t i = 0; i < width; i++) {
        const size_t c = i % channels;
        r->low[c] = low[i] < r->low[c] ? low[i] : r->low[c];
        r->high[c] = high[i] > r->high[c] ? high[i] : r->high[c];
        r->odd[c] += odd[i];
    }
    return r->cells / run * run;
}

static void range(float *low, float *high, float *odd, const float *values,
                  size_t cells, size_t step, size_t n)
{
    const size_t run = cells_in_run(n);
    struct ranges r = {low, high, odd, values, cells, step};

    if (n == step && run > 1 && run * n <= RANGE_RUN) {
        const size_t done = range_runs(&r, n, run);
        r.values += done * step;
        r.cells -= done;
    }
    range_wide(&r, n);
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

/* The least or the largest of the lanes. */
INLINE float fold_vec(vec x, const bool least)
{
    float lanes[LANES];

    v_store(lanes, x);
    for (size_t l = 1; l < LANES; l++)
        if (least ? lanes[l] < lanes[0] : lanes[l] > lanes[0])
            lanes[0] = lanes[l];
    return lanes[0];
}

/* Least, largest, sum and deviations of n >= 1 values, all finite, or false. Sums are
 * taken about the first value c: with d = value - c, the deviations from the mean are
 * sum(d^2) - sum(d)^2 / n. As c is one of the values, what cancels is at most n times
 * what is left, and a double has 28 bits more than a value's square needs. */
static bool sum_finite(const float *values, size_t n, struct block_statistics *out)
{
    enum { SUMS = KERNEL_LANES / DOUBLES };
    const dvec center = d_set1((double)values[0]), one = d_set1(1);
    double lanes[KERNEL_LANES], squares[KERNEL_LANES];
    dvec sums[SUMS], products[SUMS];
    vec least = v_set1(INFINITY), most = v_set1(-INFINITY);
    size_t i = 0;

    for (size_t s = 0; s < SUMS; s++)
        sums[s] = products[s] = d_set1(0);
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        PREFETCH(values + i + AHEAD);
        for (size_t v = 0; v < KERNEL_LANES; v += LANES) {
            const vec x = v_load(values + i + v);
            least = v_min(x, least);
            most = v_max(x, most);
        }
        for (size_t s = 0; s < SUMS; s++) {
            const dvec d = d_sub(d_load(values + i + s * DOUBLES), center);
            sums[s] = d_madd(d, one, sums[s]); /* an add: what adds converts, too */
            products[s] = d_madd(d, d, products[s]);
        }
    }
    for (size_t s = 0; s < SUMS; s++) {
        d_store(lanes + s * DOUBLES, sums[s]);
        d_store(squares + s * DOUBLES, products[s]);
    }
    float low = fold_vec(least, true), high = fold_vec(most, false);
    for (size_t l = 0; i < n; i++, l++) {
        const double d = (double)values[i] - (double)values[0];
        lanes[l] += d;
        squares[l] = fma(d, d, squares[l]);
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    const double sum = sum_double_lanes(lanes);
    if (sum - sum != 0) /* not finite, and finite floats do not overflow it */
        return false;
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
    if (i == cells)
        return;
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
        for (size_t i = 0; i < cells; i++) {
            const float *at_cell = values + i * step + c;
            if (c % KERNEL_LANES == 0)
                PREFETCH(at_cell + AHEAD);
            v_store_u8(bytes + i * TILE + c,
                       index_of(load_part(at_cell, lanes), lows, spans));
        }
    }
    transpose_tile(tile);
    for (size_t m = 0; m < n; m++) {
        /* each map is a stream of its own: too many for the CPU to foresee */
        __builtin_prefetch(maps[m] + at + LINE * sizeof(float), 1);
        if (cells == TILE)
            memcpy(maps[m] + at, &tile[m], TILE);
        else
            memcpy(maps[m] + at, &tile[m], cells);
    }
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
        for (size_t m = 0; m < n; m += TILE) {
            const float *from = values + i * step + m;
            if (cells - i >= TILE && n - m >= TILE)
                quantize_tile(maps + m, at + i, from, TILE, step, TILE, low + m,
                              high + m);
            else
                quantize_tile(maps + m, at + i, from,
                              cells - i < TILE ? cells - i : TILE, step,
                              n - m < TILE ? n - m : TILE, low + m, high + m);
        }
}

/* ---- samples of colours ---- */

INLINE vec sample_of(vec v, vec low, vec span)
{
    const vec x = v_div(v_sub(v, low), span);

    return v_mul(v_min(v_max(x, v_set1(0.0f)), v_set1(1.0f)), v_set1(255.0f));
}

/* Whole pixels that are whole vectors. */
enum { COLORS_RUN = 3 * LANES };

INLINE void colors_run(uint8_t *out, const float *values, const float *lows,
                       const float *spans)
{
    for (size_t v = 0; v < COLORS_RUN; v += LANES)
        v_store_u8(out + v,
                   sample_of(v_load(values + v), v_load(lows + v), v_load(spans + v)));
}

static void colors(uint8_t *out, const float *values, size_t n, const float *low,
                   const float *high)
{
    float lows[COLORS_RUN], spans[COLORS_RUN], rest[COLORS_RUN] = {0};
    uint8_t bytes[COLORS_RUN];
    size_t i = 0;

    for (size_t l = 0; l < COLORS_RUN; l++) {
        lows[l] = low[l % 3];
        spans[l] = high[l % 3] - low[l % 3];
    }
    for (; i + COLORS_RUN <= 3 * n; i += COLORS_RUN)
        colors_run(out + i, values + i, lows, spans);
    if (i == 3 * n)
        return;
    memcpy(rest, values + i, (3 * n - i) * sizeof *rest);
    colors_run(bytes, rest, lows, spans);
    memcpy(out + i, bytes, 3 * n - i);
}
