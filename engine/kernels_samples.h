/*
 * kernels_samples.h - from 8-bit samples to the rows that a network sees: floats, gray,
 * another size.
 *
 * A part of kernels_body.h, where the vocabulary is described. A row's end that fills
 * no vector is done in arrays of a vector's size, so nothing is touched beyond it.
 */

/* ---- samples as floats ---- */

/* Bytes that are called in early: whole images, too, are handed over row by row. */
enum { SAMPLES_AHEAD = 2048 };

INLINE void widen_to(float *out, const uint8_t *in, size_t n, float factor,
                     const bool around)
{
    const vec by = v_set1(factor);
    uint8_t rest[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        if (around)
            PREFETCH(in + i + SAMPLES_AHEAD);
        put(out + i, v_mul(v_load_u8(in + i), by), around);
    }
    if (i == n)
        return;
    memcpy(rest, in + i, n - i);
    v_store_n(out + i, v_mul(v_load_u8(rest), by), n - i);
}

/* Floats before those that can be stored around the caches, at most n. */
INLINE size_t before_line(const float *out, size_t n)
{
    return to_line(out) < n ? to_line(out) : n;
}

static void widen(float *out, const uint8_t *in, size_t n, float factor, bool around)
{
    const size_t first = around ? before_line(out, n) : n;

    widen_to(out, in, first, factor, false);
    if (first == n)
        return;
    widen_to(out + first, in + first, n - first, factor, true);
    v_fence();
}

/* ---- gray ---- */

INLINE vec luma(const vec rgb[3], vec factor)
{
    const vec r = v_mul(rgb[0], v_set1(0.2989f));
    const vec g = v_mul(rgb[1], v_set1(0.587f));
    const vec b = v_mul(rgb[2], v_set1(0.114f));

    return v_mul(v_add(v_add(r, g), b), factor);
}

static void gray(float *out, const float *rgb, size_t n, float factor)
{
    const vec by = v_set1(factor);
    float rest[3 * LANES] = {0};
    vec thirds[3];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        v_load_thirds(rgb + 3 * i, thirds);
        v_store(out + i, luma(thirds, by));
    }
    if (i == n)
        return;
    memcpy(rest, rgb + 3 * i, 3 * (n - i) * sizeof *rest);
    v_load_thirds(rest, thirds);
    v_store_n(out + i, luma(thirds, by), n - i);
}

INLINE void gray_to(float *out, const uint8_t *rgb, size_t n, float factor,
                    const bool around)
{
    const vec by = v_set1(factor);
    uint8_t rest[3 * LANES] = {0};
    vec thirds[3];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        if (around)
            PREFETCH(rgb + 3 * i + SAMPLES_AHEAD);
        v_load_thirds_u8(rgb + 3 * i, thirds);
        put(out + i, luma(thirds, by), around);
    }
    if (i == n)
        return;
    memcpy(rest, rgb + 3 * i, 3 * (n - i));
    v_load_thirds_u8(rest, thirds);
    v_store_n(out + i, luma(thirds, by), n - i);
}

static void gray_u8(float *out, const uint8_t *rgb, size_t n, float factor, bool around)
{
    const size_t first = around ? before_line(out, n) : n;

    gray_to(out, rgb, first, factor, false);
    if (first == n)
        return;
    gray_to(out + first, rgb + 3 * first, n - first, factor, true);
    v_fence();
}

/* ---- another size ---- */

enum { ADD_VECS = 4 }; /* side by side, to loop less often */

INLINE void add_part(float *sum, vec samples, vec weight, const bool begin)
{
    const vec part = v_mul(samples, weight);

    v_store(sum, v_add(begin ? v_set1(0) : v_load(sum), part));
}

INLINE void add_floats(float *sum, const float *row, float weight, size_t n,
                       const bool begin)
{
    const vec by = v_set1(weight);
    size_t i = 0;

    for (; i + ADD_VECS * LANES <= n; i += ADD_VECS * LANES)
        UNROLL for (size_t v = 0; v < ADD_VECS * LANES; v += LANES)
            add_part(sum + i + v, v_load(row + i + v), by, begin);
    for (; i < n; i++)
        sum[i] = (begin ? 0 : sum[i]) + row[i] * weight;
}

INLINE void add_samples(float *sum, const uint8_t *row, float weight, size_t n,
                        const bool begin)
{
    const vec by = v_set1(weight);
    size_t i = 0;

    for (; i + ADD_VECS * LANES <= n; i += ADD_VECS * LANES) {
        PREFETCH(row + i + SAMPLES_AHEAD);
        UNROLL for (size_t v = 0; v < ADD_VECS * LANES; v += LANES)
            add_part(sum + i + v, v_load_u8(row + i + v), by, begin);
    }
    for (; i < n; i++)
        sum[i] = (begin ? 0 : sum[i]) + (float)row[i] * weight;
}

static void add_row(float *sum, const float *row, float weight, size_t n, bool begin)
{
    if (begin)
        add_floats(sum, row, weight, n, true);
    else
        add_floats(sum, row, weight, n, false);
}

static void add_row_u8(float *sum, const uint8_t *row, float weight, size_t n,
                       bool begin)
{
    if (begin)
        add_samples(sum, row, weight, n, true);
    else
        add_samples(sum, row, weight, n, false);
}

/* all: no weight is 0. */
INLINE vec add_tap(vec sum, vec x, vec weight, const bool all)
{
    const vec more = v_add(sum, v_mul(x, weight));

    return all ? more : v_less(v_set1(0), v_abs(weight), more, sum);
}

/* Taps from k to end of LANES cells of one channel: lanes are cells. */
INLINE vec weigh_cells(vec sum, const float *in, const int32_t *first,
                       const float *weights, size_t k, size_t end, const bool all)
{
    for (; k < end; k++)
        sum =
            add_tap(sum, v_at(in + k, first), v_load(weights + k * KERNEL_LANES), all);
    return sum;
}

static void weigh_one(const struct weigh_call *call)
{
    for (size_t x = 0; x < call->n; x += LANES) {
        const struct weigh_group *group = &call->groups[x / KERNEL_LANES];
        const int32_t *first = call->first + x;
        const float *weights = group->weights + x % KERNEL_LANES;
        vec sum = v_set1(0);

        sum = weigh_cells(sum, call->in, first, weights, 0, group->all, true);
        sum =
            weigh_cells(sum, call->in, first, weights, group->all, group->taps, false);
        v_store(call->out + x, sum);
    }
}

/* Two cells at a time, to hide the latency of the sums. Lanes are channels, and where
 * these do not fill a vector whatever comes after them: the next store puts it right.
 */
enum { WEIGH_CELLS = 2 };

INLINE void weigh_pixels(vec *sum, const float *const *in, size_t channels,
                         const float *weights, size_t k, size_t end, const bool all)
{
    for (; k < end; k++)
        for (size_t i = 0; i < WEIGH_CELLS; i++)
            sum[i] = add_tap(sum[i], v_load(in[i] + k * channels),
                             v_set1(weights[k * KERNEL_LANES + i]), all);
}

INLINE void weigh_with(const struct weigh_call *call, const size_t channels)
{
    for (size_t x = 0; x < call->n; x += WEIGH_CELLS) {
        const struct weigh_group *group = &call->groups[x / KERNEL_LANES];
        const float *weights = group->weights + x % KERNEL_LANES;
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t lanes = channels < LANES ? LANES : channels - c;
            const float *in[WEIGH_CELLS];
            vec sum[WEIGH_CELLS];
            for (size_t i = 0; i < WEIGH_CELLS; i++) {
                in[i] = call->in + (size_t)call->first[x + i] * channels + c;
                sum[i] = v_set1(0);
            }
            weigh_pixels(sum, in, channels, weights, 0, group->all, true);
            weigh_pixels(sum, in, channels, weights, group->all, group->taps, false);
            for (size_t i = 0; i < WEIGH_CELLS; i++)
                store_part(call->out + (x + i) * channels + c, sum[i], lanes);
        }
    }
}

static void weigh(const struct weigh_call *call)
{
    if (call->channels == 1)
        weigh_one(call);
    else if (call->channels == 3)
        weigh_with(call, 3);
    else
        weigh_with(call, call->channels);
}
