/*
 * kernels_softmax.h - the activations over the channels of a cell.
 *
 * The part of kernels_activations.h that sums; the vocabulary is described in
 * kernels_body.h. Sums have KERNEL_LANES lanes, lane l adding the values i with
 * i % KERNEL_LANES == l, which are then added pairwise, 8 apart, 4, 2 and 1.
 */

/* A run of KERNEL_LANES values, and a sum of as many lanes. */
enum { RUN = KERNEL_LANES / LANES };

/* The values x[0 .. n), n <= KERNEL_LANES, and none where there is none. */
INLINE void load_run(vec *run, const float *x, size_t n, vec none)
{
    for (size_t v = 0; v < RUN; v++) {
        const size_t at = v * LANES;
        run[v] = n >= at + LANES ? v_load(x + at)
                 : n > at        ? v_first(v_load_n(x + at, n - at), none, n - at)
                                 : none;
    }
}

INLINE void store_run(float *out, const vec *run, size_t n)
{
    for (size_t v = 0; v < RUN; v++)
        if (n >= (v + 1) * LANES)
            v_store(out + v * LANES, run[v]);
        else if (n > v * LANES)
            v_store_n(out + v * LANES, run[v], n - v * LANES);
}

/* In every lane the largest, or the sum, of a run. */
INLINE vec fold_run(const vec *run, const bool sum)
{
    vec lanes[RUN];

    for (size_t v = 0; v < RUN; v++)
        lanes[v] = run[v];
    for (size_t half = RUN / 2; half > 0; half /= 2)
        for (size_t v = 0; v < half; v++)
            lanes[v] = fold(lanes[v], lanes[v + half], sum);
    vec all = lanes[0];
#if LANES > 8
    all = fold(all, v_swap_8(all), sum);
#endif
#if LANES > 4
    all = fold(all, v_swap_4(all), sum);
#endif
#if LANES > 2
    all = fold(all, v_swap_2(all), sum);
    all = fold(all, v_swap_1(all), sum);
#endif
    return all;
}

/* The same of n values. */
INLINE vec fold_values(const float *x, size_t n, const bool sum)
{
    const vec none = sum ? C(0.0f) : C(-INFINITY);
    vec all[RUN], run[RUN];

    load_run(all, x, n < KERNEL_LANES ? n : KERNEL_LANES, none);
    for (size_t i = KERNEL_LANES; i < n; i += KERNEL_LANES) {
        load_run(run, x + i, n - i < KERNEL_LANES ? n - i : KERNEL_LANES, none);
        for (size_t v = 0; v < RUN; v++)
            all[v] = fold(run[v], all[v], sum);
    }
    return fold_run(all, sum);
}

static vec largest(const float *x, size_t n)
{
    return fold_values(x, n, false);
}

/* The sum of exp(x - most) over all values, which are kept unless out is NULL. */
static vec sum_exp(float *out, const float *x, size_t n, vec most)
{
    vec sums[RUN], run[RUN];

    for (size_t v = 0; v < RUN; v++)
        sums[v] = C(0.0f);
    for (size_t i = 0; i < n; i += KERNEL_LANES) {
        const size_t part = n - i < KERNEL_LANES ? n - i : KERNEL_LANES;
        load_run(run, x + i, part, C(-INFINITY)); /* exp of it is 0 */
        for (size_t v = 0; v < RUN; v++)
            run[v] = v_exp_down(v_sub(run[v], most));
        for (size_t v = 0; v < RUN; v++)
            sums[v] = v_add(sums[v], run[v]);
        if (out)
            store_run(out + i, run, part);
    }
    return fold_run(sums, true);
}

/* Each cell less its largest value. Vectors reach into the next cell, whose turn comes.
 */
INLINE void lower(float *out, const float *x, size_t cells, size_t n)
{
    for (size_t left = cells * n; left > 0; left -= n, out += n, x += n) {
        const vec most = fold_values(x, n, false);
        for (size_t i = 0; i < n; i += LANES)
            store_part(out + i, v_sub(load_part(x + i, left - i), most), left - i);
    }
}

/* Each cell by its sum. */
INLINE void share(float *out, const float *x, size_t cells, size_t n)
{
    for (size_t left = cells * n; left > 0; left -= n, out += n, x += n) {
        const vec inverse = v_div(C(1.0f), fold_values(x, n, true));
        for (size_t i = 0; i < n; i += LANES)
            store_part(out + i, v_mul(load_part(x + i, left - i), inverse), left - i);
    }
}

/* Some cells at a time, step by step, as the steps of one cell wait for each other; no
 * more than what the stores of one block can queue behind the next. Larger cells keep
 * the CPU busy by themselves. */
enum { SOFTMAX_BLOCK = 256, SOFTMAX_CELL = 64 };

INLINE void softmax_cells(float *out, const float *x, size_t cells, size_t n)
{
    float block[SOFTMAX_BLOCK];

    for (size_t some; cells > 0; cells -= some, out += some * n, x += some * n) {
        some = cells < SOFTMAX_BLOCK / n ? cells : SOFTMAX_BLOCK / n;
        lower(block, x, some, n);
        for (size_t i = 0; i < some * n; i += LANES) {
            const vec power = v_exp_down(load_part(block + i, some * n - i));
            store_part(block + i, power, some * n - i);
        }
        share(out, block, some, n);
    }
}

static void softmax(float *out, const float *x, size_t cells, size_t n)
{
    if (n == KERNEL_LANES) { /* constants: no masks */
        softmax_cells(out, x, cells, KERNEL_LANES);
        return;
    }
    if (n <= SOFTMAX_CELL) {
        softmax_cells(out, x, cells, n);
        return;
    }
    for (; cells > 0; cells--, out += n, x += n) {
        const vec sum = sum_exp(out, x, n, largest(x, n));
        const vec inverse = v_div(C(1.0f), sum);
        size_t i = 0;
        for (; i + LANES <= n; i += LANES)
            v_store(out + i, v_mul(v_load(out + i), inverse));
        if (i < n)
            v_store_n(out + i, v_mul(v_load_n(out + i, n - i), inverse), n - i);
    }
}

/* x - most - ln(sum exp(x - most)) */
static void log_softmax_cell(float *out, const float *x, size_t n)
{
    const vec most = largest(x, n);
    float lanes[LANES], mosts[LANES];

    v_store(lanes, sum_exp(NULL, x, n, most));
    v_store(mosts, most);
    const float sum = *lanes;
    const float log =
        sum - sum == 0 ? (float)activation_log((double)sum) : sum; /* NaN stays */
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] - *mosts - log;
}

static void log_softmax(float *out, const float *x, size_t cells, size_t n)
{
    for (; cells > 0; cells--, out += n, x += n)
        log_softmax_cell(out, x, n);
}

/* The first of the largest. */
static float largest_of(const float *x, size_t n)
{
    float most = x[0];

    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* Projection on the simplex (Michelot 1986): x - tau clipped at 0, where tau makes the
 * rest sum to 1; values at or below tau leave the sum until none does. Counted from the
 * largest value, so that the 1 is not lost beside it. */
static void sparsemax_cell(float *out, const float *x, size_t n)
{
    const double most = (double)largest_of(x, n);
    double tau = -1; /* nothing below it can stay */
    size_t kept = 0, before;

    do {
        double sum = -1;
        before = kept;
        kept = 0;
        for (size_t i = 0; i < n; i++)
            if ((double)x[i] - most > tau) {
                sum += (double)x[i] - most;
                kept++;
            }
        if (kept > 0 && kept != before)
            tau = sum / (double)kept;
    } while (kept != before && kept > 0);
    for (size_t i = 0; i < n; i++) {
        const double above = (double)x[i] - most - tau;
        out[i] = above > 0 ? (float)above : x[i] - x[i];
    }
}

static void sparsemax(float *out, const float *x, size_t cells, size_t n)
{
    for (; cells > 0; cells--, out += n, x += n)
        sparsemax_cell(out, x, n);
}
