/*
 * kernels_pool.h - pooling: rows of windows, and blocks of cells for global pools.
 *
 * The part of kernels_body.h that folds cells to their largest or their sum; the
 * vocabulary is described there. A window is folded down its columns first, then along
 * the row, from its first cell on, so that columns may be shared by windows.
 */

/* Sums or maxima: a constant, so that each has loops of its own. */
INLINE vec fold(vec a, vec b, const bool sum)
{
    return sum ? v_add(a, b) : v_max(a, b);
}

/* Rows of `columns` cells, `step` floats apart: n lanes of their fold. */
INLINE vec fold_window(const float *in, size_t pitch, size_t rows, size_t columns,
                       size_t step, size_t n, const bool sum)
{
    vec all = load_part(in, n);

    for (size_t r = 1; r < rows; r++)
        all = fold(all, load_part(in + r * pitch, n), sum);
    for (size_t k = 1; k < columns; k++) {
        const float *at = in + k * step;
        vec column = load_part(at, n);
        for (size_t r = 1; r < rows; r++)
            column = fold(column, load_part(at + r * pitch, n), sum);
        all = fold(all, column, sum);
    }
    return all;
}

/* All channels of one output; cells is by how many a sum is divided. */
INLINE void pool_cell(const struct pool_call *call, float *out, const float *in,
                      size_t rows, size_t columns, size_t cells, const bool sum)
{
    const size_t channels = call->channels;
    const vec divisor = v_set1((float)cells);

    for (size_t c = 0; c < channels; c += LANES) {
        const size_t n = channels - c < LANES ? channels - c : LANES;
        const vec all =
            fold_window(in + c, call->in_pitch, rows, columns, channels, n, sum);
        store_part(out + c, sum ? v_div(all, divisor) : all, n);
    }
}

/* An output whose window may reach into the padding. */
INLINE void pool_clipped(const struct pool_call *call, const float *in, size_t rows,
                         size_t x, const bool sum)
{
    const size_t start = x * call->step, stop = start + call->window - call->before;
    const size_t begin = start > call->before ? start - call->before : 0;
    const size_t end = stop < call->width ? stop : call->width;

    pool_cell(call, call->out + x * call->channels, in + begin * call->channels, rows,
              end - begin, call->rows * (end - begin), sum);
}

/* The outputs whose windows lie inside: [first, last). */
INLINE void find_inside(const struct pool_call *call, size_t *first, size_t *last)
{
    const size_t reach = call->width + call->before;
    const size_t begin = (call->before + call->step - 1) / call->step;
    const size_t end =
        reach >= call->window ? (reach - call->window) / call->step + 1 : 0;

    *first = begin < call->n ? begin : call->n;
    *last = end < *first ? *first : end < call->n ? end : call->n;
}

/* Each window by itself: lanes are channels. Rows and columns may be constants. */
INLINE void pool_inside(const struct pool_call *call, size_t first, size_t last,
                        size_t rows, size_t columns, const bool sum)
{
    const size_t channels = call->channels;
    const float *in = call->in + (first * call->step - call->before) * channels;

    for (size_t x = first; x < last; x++, in += call->step * channels)
        pool_cell(call, call->out + x * channels, in, rows, columns, rows * columns,
                  sum);
}

INLINE void pool_apart(const struct pool_call *call, const bool sum)
{
    size_t first, last;

    find_inside(call, &first, &last);
    for (size_t x = 0; x < first; x++)
        pool_clipped(call, call->in, call->rows, x, sum);
    if (call->rows == 2 && call->window == 2)
        pool_inside(call, first, last, 2, 2, sum);
    else
        pool_inside(call, first, last, call->rows, call->window, sum);
    for (size_t x = last; x < call->n; x++)
        pool_clipped(call, call->in, call->rows, x, sum);
}

/* Floats [from, to) of the columns' folds; four vectors at a time. */
INLINE void fold_columns(const struct pool_call *call, size_t from, size_t to,
                         const bool sum)
{
    enum { VECS = 4 };
    size_t i = from;

    for (; i + VECS * LANES <= to; i += VECS * LANES) {
        vec all[VECS];
        for (size_t v = 0; v < VECS; v++)
            all[v] = v_load(call->in + i + v * LANES);
        for (size_t r = 1; r < call->rows; r++) {
            const float *row = call->in + r * call->in_pitch + i;
            for (size_t v = 0; v < VECS; v++)
                all[v] = fold(all[v], v_load(row + v * LANES), sum);
        }
        for (size_t v = 0; v < VECS; v++)
            v_store(call->columns + i + v * LANES, all[v]);
    }
    for (; i < to; i += LANES) {
        const size_t n = to - i < LANES ? to - i : LANES;
        store_part(call->columns + i,
                   fold_window(call->in + i, call->in_pitch, call->rows, 1, 0, n, sum),
                   n);
    }
}

/* One channel: lanes are outputs, [first, last) of them, whose windows lie inside. The
 * last vector may begin inside the one before. */
INLINE void pool_lanes(const struct pool_call *call, size_t first, size_t last,
                       const size_t step, const size_t window, const bool sum)
{
    const vec divisor = v_set1((float)(call->rows * window));

    for (size_t x = first; x < last; x += LANES) {
        if (x + LANES > last)
            x = last - LANES;
        const float *at = call->columns + x * step - call->before;
        vec all = load_step(at, step);
        for (size_t k = 1; k < window; k++)
            all = fold(all, load_step(at + k, step), sum);
        v_store(call->out + x, sum ? v_div(all, divisor) : all);
    }
}

INLINE void pool_single(const struct pool_call *call, size_t first, size_t last,
                        const bool sum)
{
    if (last - first < LANES)
        for (size_t x = first; x < last; x++)
            pool_clipped(call, call->columns, 1, x, sum);
    else if (call->step == 2 && call->window == 2)
        pool_lanes(call, first, last, 2, 2, sum);
    else if (call->step == 2)
        pool_lanes(call, first, last, 2, call->window, sum);
    else if (call->step == 3)
        pool_lanes(call, first, last, 3, call->window, sum);
    else
        pool_lanes(call, first, last, call->step, call->window, sum);
}

/* Outputs [first, last), whose windows lie inside: from the columns' folds. */
INLINE void pool_along(const struct pool_call *call, size_t first, size_t last,
                       const bool sum)
{
    const size_t channels = call->channels, window = call->window;
    const vec divisor = v_set1((float)(call->rows * window));

    if (call->step > 1 && channels == 1) {
        pool_single(call, first, last, sum);
    } else if (call->step > 1) {
        const float *at =
            call->columns + (first * call->step - call->before) * channels;
        for (size_t x = first; x < last; x++, at += call->step * channels)
            pool_cell(call, call->out + x * channels, at, 1, window,
                      call->rows * window, sum);
    } else { /* neighbours in the output are neighbours in the input */
        const float *in = call->columns;
        const size_t skipped = call->before * channels;
        for (size_t i = first * channels; i < last * channels; i += LANES) {
            const size_t left = last * channels - i, n = left < LANES ? left : LANES;
            const vec all =
                fold_window(in + i - skipped, 0, 1, window, channels, n, sum);
            store_part(call->out + i, sum ? v_div(all, divisor) : all, n);
        }
    }
}

/* Windows share columns: these are folded first, just ahead of the windows, so that
 * they are still in the first-level cache: 4 KiB of them at a time, with as much of
 * each row and of the output. */
INLINE void pool_shared(const struct pool_call *call, const bool sum)
{
    const size_t channels = call->channels, outputs = 1024 / (call->step * channels);
    const size_t part = outputs ? outputs : 1;
    size_t first, last, folded = 0;

    find_inside(call, &first, &last);
    for (size_t x = 0; x < call->n; x += part) {
        const size_t end = x + part < call->n ? x + part : call->n;
        const size_t reach = (end - 1) * call->step + call->window - call->before;
        const size_t needed = (reach < call->width ? reach : call->width) * channels;
        fold_columns(call, folded, needed, sum);
        folded = needed;

        const size_t begin = x > first ? x : first, stop = end < last ? end : last;
        for (size_t i = x; i < end && i < first; i++)
            pool_clipped(call, call->columns, 1, i, sum);
        if (begin < stop)
            pool_along(call, begin, stop, sum);
        for (size_t i = x > last ? x : last; i < end; i++)
            pool_clipped(call, call->columns, 1, i, sum);
    }
}

/* 3x3 windows, `step` apart: `pixels` of them x one vector of channels. Columns are
 * folded once for all the windows that share them. */
INLINE void pool_strip(const struct pool_call *call, size_t x, size_t c, size_t lanes,
                       bool around, const size_t pixels, const size_t step,
                       const bool sum)
{
    const float *in = call->in + (x * step - call->before) * call->channels + c;
    float *out = call->out + x * call->channels + c;
    const vec divisor = v_set1(9.0f);
    vec column[2 * CHANNEL_PIXELS + 1];

    for (size_t k = 0; k < (pixels - 1) * step + 3; k++)
        column[k] =
            fold_window(in + k * call->channels, call->in_pitch, 3, 1, 0, lanes, sum);
    for (size_t k = 0; k < pixels; k++) {
        const vec *at = column + k * step;
        const vec all = fold(fold(at[0], at[1], sum), at[2], sum);
        const vec value = sum ? v_div(all, divisor) : all;
        if (around)
            v_stream(out + k * call->channels, value);
        else
            store_part(out + k * call->channels, value, lanes);
    }
}

INLINE void pool_pixels(const struct pool_call *call, size_t x, bool around,
                        const size_t pixels, const size_t step, const bool sum)
{
    size_t c = 0;

    for (; c + LANES <= call->channels; c += LANES)
        pool_strip(call, x, c, LANES, around, pixels, step, sum);
    if (c < call->channels)
        pool_strip(call, x, c, call->channels - c, false, pixels, step, sum);
}

INLINE void pool_strips(const struct pool_call *call, const size_t step, const bool sum)
{
    const bool around =
        call->around && to_line(call->out) == 0 && call->channels % KERNEL_LANES == 0;
    size_t first, last, x;

    find_inside(call, &first, &last);
    for (x = 0; x < first; x++)
        pool_clipped(call, call->in, call->rows, x, sum);
    for (; x + CHANNEL_PIXELS <= last; x += CHANNEL_PIXELS)
        pool_pixels(call, x, around, CHANNEL_PIXELS, step, sum);
    for (; x < last; x++)
        pool_pixels(call, x, around, 1, step, sum);
    for (; x < call->n; x++)
        pool_clipped(call, call->in, call->rows, x, sum);
    if (around)
        v_fence();
}

/* 2x2 windows side by side over one channel: rows, then neighbours, in registers. At
 * least LANES of them; the last vector may begin inside the one before. */
INLINE void pool_pairs(const struct pool_call *call, size_t n, const bool sum)
{
    const float *top = call->in, *bottom = call->in + call->in_pitch;
    const vec divisor = v_set1(4.0f);

    for (size_t x = 0; x < n; x += LANES) {
        if (x + LANES > n)
            x = n - LANES;
        const size_t i = 2 * x, k = i + LANES;
        const vec a = fold(v_load(top + i), v_load(bottom + i), sum);
        const vec b = fold(v_load(top + k), v_load(bottom + k), sum);
        const vec all = fold(v_even(a, b), v_odd(a, b), sum);
        v_store(call->out + x, sum ? v_div(all, divisor) : all);
    }
}

/* Whether pool_pairs does; it computes the first *n outputs. */
INLINE bool are_pairs(const struct pool_call *call, size_t *n)
{
    *n = call->width / 2 < call->n ? call->width / 2 : call->n;
    return call->channels == 1 && call->rows == 2 && call->window == 2 &&
           call->step == 2 && call->before == 0 && *n >= LANES;
}

INLINE void pool_with(const struct pool_call *call, const bool sum)
{
    size_t n;

    if (are_pairs(call, &n)) {
        pool_pairs(call, n, sum);
        for (size_t x = n; x < call->n; x++)
            pool_clipped(call, call->in, call->rows, x, sum);
    } else if (call->step >= call->window && call->channels > 1) {
        pool_apart(call, sum);
    } else if (call->rows == 3 && call->window == 3 && call->channels >= LANES &&
               LANES > 1) {
        if (call->step == 1)
            pool_strips(call, 1, sum);
        else
            pool_strips(call, 2, sum);
    } else {
        pool_shared(call, sum);
    }
}

static void pool_row(const struct pool_call *call)
{
    if (call->average)
        pool_with(call, true);
    else
        pool_with(call, false);
}

/* ---- all cells of a map ---- */

/* Of four cells. */
INLINE vec sum_four(const float *in, size_t step, size_t lanes)
{
    return v_add(v_add(load_part(in, lanes), load_part(in + 2 * step, lanes)),
                 v_add(load_part(in + step, lanes), load_part(in + 3 * step, lanes)));
}

/* Vectors of channels with their sums in registers. */
INLINE void sum_columns(float *out, const float *in, size_t cells, size_t step,
                        size_t lanes, vec divisor, const size_t vecs)
{
    vec sums[4];

    for (size_t v = 0; v < vecs; v++)
        sums[v] = v_set1(0);
    for (; cells >= 4; cells -= 4, in += 4 * step)
        for (size_t v = 0; v < vecs; v++)
            sums[v] = v_add(sums[v], sum_four(in + v * LANES, step, lanes));
    for (; cells > 0; cells--, in += step)
        for (size_t v = 0; v < vecs; v++)
            sums[v] = v_add(sums[v], load_part(in + v * LANES, lanes));
    for (size_t v = 0; v < vecs; v++)
        store_part(out + v * LANES, v_div(sums[v], divisor), lanes);
}

/* Cells so far apart that a few vectors of each would be a line here and there. */
static void sum_rows(float *out, const float *in, size_t cells, size_t step,
                     size_t channels, vec divisor)
{
    memset(out, 0, channels * sizeof *out);
    for (; cells >= 4; cells -= 4, in += 4 * step)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t n = channels - c < LANES ? channels - c : LANES;
            store_part(out + c, v_add(load_part(out + c, n), sum_four(in + c, step, n)),
                       n);
        }
    for (; cells > 0; cells--, in += step)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t n = channels - c < LANES ? channels - c : LANES;
            store_part(out + c, v_add(load_part(out + c, n), load_part(in + c, n)), n);
        }
    for (size_t c = 0; c < channels; c += LANES) {
        const size_t n = channels - c < LANES ? channels - c : LANES;
        store_part(out + c, v_div(load_part(out + c, n), divisor), n);
    }
}

static void sum_cells(float *out, const float *in, size_t cells, size_t step,
                      size_t channels, float divisor)
{
    const vec by = v_set1(divisor);
    size_t c = 0;

    if (step > 256) {
        sum_rows(out, in, cells, step, channels, by);
        return;
    }
    for (; c + 4 * LANES <= channels; c += 4 * LANES)
        sum_columns(out + c, in + c, cells, step, LANES, by, 4);
    for (; c + 2 * LANES <= channels; c += 2 * LANES)
        sum_columns(out + c, in + c, cells, step, LANES, by, 2);
    for (; c + LANES <= channels; c += LANES)
        sum_columns(out + c, in + c, cells, step, LANES, by, 1);
    if (c < channels)
        sum_columns(out + c, in + c, cells, step, channels - c, by, 1);
}

static void max_cells(float *out, const float *in, size_t cells, size_t step,
                      size_t channels)
{
    enum { CELLS = 8 }; /* read side by side: as many streams as are fetched ahead */

    for (size_t i = 0; i < cells; i += CELLS, in += CELLS * step)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t n = channels - c < LANES ? channels - c : LANES;
            vec most = load_part(out + c, n);
            for (size_t k = 0; k < CELLS && i + k < cells; k++)
                most = v_max(most, load_part(in + k * step + c, n));
            store_part(out + c, most, n);
        }
}
