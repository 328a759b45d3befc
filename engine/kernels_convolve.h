/*
 * kernels_convolve.h - the loops of convolutions.
 *
 * A part of kernels_body.h, where the vocabulary is described. Each loop keeps a block
 * of sums in registers and walks the taps in order, so that every output is one chain
 * of fused adds; a block is large enough that the chains hide each other's latency, and
 * its loads are few enough that the fused adds are the limit. The numbers are in
 * kernels_<isa>.c:
 *
 *   PIXELS x FILTER_VECS    pixels x vectors of filters, of convolve_filters
 *   PIXELS_NARROW           pixels of one vector of filters
 *   LINE_VECS               vectors of columns, of convolve_columns
 *   STRIP_3, _5, _7         the same for 3x3, 5x5 and 7x7 windows, times 3, 5, 7 sums
 *   STRIP_SPREAD            the one of them whose weights are spread over vectors first
 */

INLINE vec at_least(float floor, vec x)
{
    return v_max(v_set1(floor), x); /* floor > x ? floor : x */
}

/* ---- lanes are filters ---- */

/* Bases for the pixels, three to each: the pixels of a base are 0, 1 and 2 steps away,
 * which an address can hold, so n pixels take n / 3 registers. */
enum { PER_BASE = 3, BASES = (PIXELS_NARROW + PER_BASE - 1) / PER_BASE };

/* Floats of weights that are called in from the second-level cache before their turn:
 * of a panel of 32 filters, 16 taps. */
enum { WEIGHTS_AHEAD = 512 };

/* One block: `pixels` outputs x `vecs` vectors of filters, of which the first `filters`
 * floats are stored. The lines that it writes are fetched while it computes: else each
 * store would wait for its own. Unrolled, or gcc would keep the sums in memory too. */
INLINE void filters_block(const struct filters_call *call, float *out, const float *in,
                          const float *weights, const float *bias, size_t filters,
                          const size_t pixels, const size_t vecs)
{
    const size_t step = call->in_step, out_step = call->out_step;
    const size_t last = filters - (vecs - 1) * LANES;
    const bool whole = last >= LANES;
    const struct filters_run *const end = call->runs + call->n_runs;
    const float floor = call->floor;
    vec sum[PIXELS_NARROW][FILTER_VECS];

    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            const float *from = out + p * out_step + v * LANES;
            if (bias && v % (KERNEL_LANES / LANES) == 0)
                __builtin_prefetch(from, 1);
            sum[p][v] = bias                    ? v_load(bias + v * LANES)
                        : whole || v + 1 < vecs ? v_load(from)
                                                : v_load_n(from, last);
        }

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

    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            float *to = out + p * out_step + v * LANES;
            const vec value = at_least(floor, sum[p][v]);
            if (whole || v + 1 < vecs)
                v_store(to, value);
            else
                v_store_n(to, value, last);
        }
}

typedef void filters_block_fn(const struct filters_call *call, float *out,
                              const float *in, const float *weights, const float *bias,
                              size_t filters);

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

#define DEFINE(pixels, width, vecs)                                                    \
    static void filters_##width##_##pixels(                                            \
        const struct filters_call *call, float *out, const float *in,                  \
        const float *weights, const float *bias, size_t filters)                       \
    {                                                                                  \
        filters_block(call, out, in, weights, bias, filters, pixels, vecs);            \
    }
#define DEFINE_WIDE(pixels)   DEFINE(pixels, wide, FILTER_VECS)
#define DEFINE_NARROW(pixels) DEFINE(pixels, narrow, 1)
FOR_EACH_PIXELS(DEFINE_WIDE)
FOR_EACH_PIXELS_NARROW(DEFINE_NARROW)
#undef DEFINE_WIDE
#undef DEFINE_NARROW
#undef DEFINE

#define ENTRY(pixels) filters_wide_##pixels,
static filters_block_fn *const filters_wide[] = {FOR_EACH_PIXELS(ENTRY)};
#undef ENTRY
#define ENTRY(pixels) filters_narrow_##pixels,
static filters_block_fn *const filters_narrow[] = {FOR_EACH_PIXELS_NARROW(ENTRY)};
#undef ENTRY

/* The pixels in as few blocks as there can be, and these as equal as they can be. */
static void convolve_filters(const struct filters_call *call)
{
    for (size_t f = 0, vecs; f < call->filters; f += vecs * LANES) {
        vecs = call->filters - f > LANES ? FILTER_VECS : 1;
        const size_t most = vecs > 1 ? PIXELS : PIXELS_NARROW;
        const size_t blocks = (call->n + most - 1) / most;
        for (size_t b = 0, p = 0, pixels; b < blocks; b++, p += pixels) {
            pixels = (call->n - p) / (blocks - b);
            filters_block_fn *const block =
                vecs > 1 ? filters_wide[pixels - 1] : filters_narrow[pixels - 1];
            block(call, call->out + p * call->out_step + f,
                  call->in + p * call->in_step, call->weights + f,
                  call->bias ? call->bias + f : NULL, call->filters - f);
        }
    }
}

/* ---- lanes are columns ---- */

/* p[0], p[step], p[2 * step] ... */
INLINE vec load_step(const float *p, const size_t step)
{
    switch (step) {
    case 1:
        return v_load(p);
    case 2:
        return v_load_2(p);
    case 3:
        return v_load_3(p);
    default:
        return v_gather(p, step);
    }
}

/* One row x `vecs` vectors of columns. */
INLINE void columns_block(const struct columns_call *call, float *out, const float *in,
                          const size_t step, const size_t vecs)
{
    const float *weights = call->weights;
    vec sum[LINE_VECS];

    for (size_t v = 0; v < vecs; v++)
        sum[v] = v_set1(call->bias);
    for (size_t y = 0; y < call->kernel_rows; y++) {
        const float *line = in + y * call->dilation * call->in_pitch;
        for (size_t t = 0; t < call->row_taps; t++) {
            const vec w = v_set1(*weights++);
            const float *x = line + call->offsets[t];
            for (size_t v = 0; v < vecs; v++)
                sum[v] = v_madd(w, load_step(x + v * LANES * step, step), sum[v]);
        }
    }
    for (size_t v = 0; v < vecs; v++)
        v_store(out + v * LANES, at_least(call->floor, sum[v]));
}

/* A row of at least LANES columns; the last vector may begin inside the one before. */
INLINE void columns_row(const struct columns_call *call, float *out, const float *in,
                        const size_t step)
{
    size_t x = 0;

    for (; x + LINE_VECS * LANES <= call->n; x += LINE_VECS * LANES)
        columns_block(call, out + x, in + x * step, step, LINE_VECS);
    for (; x < call->n; x += LANES) {
        if (x + LANES > call->n)
            x = call->n - LANES;
        columns_block(call, out + x, in + x * step, step, 1);
    }
}

/* Rows of fewer columns. */
static void columns_short(const struct columns_call *call, float *out, const float *in)
{
    vec sum = v_set1(call->bias);

    for (size_t y = 0; y < call->kernel_rows; y++)
        for (size_t t = 0; t < call->row_taps; t++) {
            const float *from =
                in + y * call->dilation * call->in_pitch + call->offsets[t];
            float x[LANES] = {0};
            for (size_t i = 0; i < call->n; i++)
                x[i] = from[i * call->in_step];
            sum = v_madd(v_set1(call->weights[y * call->row_taps + t]), v_load(x), sum);
        }
    v_store_n(out, at_least(call->floor, sum), call->n);
}

enum {
    STRIP_VECS = 6, /* the most of any */
    STRIP_SIZE = 7,
    STRIP_AHEAD = 192, /* floats to the right that are called in, of a far map */
};

/* The weights of a strip: as they are, or each spread over a vector. */
struct strip_weights {
    const float *each;
    const vec *spread; /* NULL: each is spread where it is used */
};

/* A row of input serves the outputs [first, last), one above the other: o is in sum[o],
 * and the row lies under its kernel row top - o. */
INLINE void strip_row(vec sum[][STRIP_VECS], const struct strip_weights *weights,
                      const float *line, const size_t size, const size_t vecs,
                      const size_t first, const size_t last, const size_t top)
{
    UNROLL
    for (size_t t = 0; t < size; t++) {
        vec x[STRIP_VECS];
        for (size_t v = 0; v < vecs; v++)
            x[v] = v_load(line + t + v * LANES);
        UNROLL
        for (size_t o = first; o < last; o++) {
            const size_t tap = (top - o) * size + t;
            const vec w =
                weights->spread ? weights->spread[tap] : v_set1(weights->each[tap]);
            for (size_t v = 0; v < vecs; v++)
                sum[o][v] = v_madd(w, x[v], sum[o][v]);
        }
    }
}

/* `vecs` vectors of columns, from the first row down to the last, at least size - 1 of
 * them: rows of input that only begin outputs, rows that end one, rows that end the
 * rest. */
INLINE void strip(const struct columns_call *call, struct strip_weights weights,
                  float *out, const float *in, const size_t size, const size_t vecs)
{
    const size_t in_pitch = call->in_pitch, out_pitch = call->out_pitch;
    const float floor = call->floor;
    const bool far = call->far;
    const vec bias = v_set1(call->bias);
    vec sum[STRIP_SIZE][STRIP_VECS];

    UNROLL
    for (size_t o = 0; o < size; o++)
        for (size_t v = 0; v < vecs; v++)
            sum[o][v] = bias;
    UNROLL
    for (size_t y = 0; y + 1 < size; y++, in += in_pitch)
        strip_row(sum, &weights, in, size, vecs, 0, y + 1, y);
    for (size_t y = size - 1; y < call->rows; y++, in += in_pitch, out += out_pitch) {
        for (size_t i = 0; far && i < vecs * LANES; i += KERNEL_LANES) {
            PREFETCH(in + STRIP_AHEAD + i);
            PREFETCH(out + STRIP_AHEAD + i);
        }
        if (!weights.spread) /* gcc would rather keep weights in registers than sums */
            __asm__("" : "+r"(weights.each));
        strip_row(sum, &weights, in, size, vecs, 0, size, size - 1);
        for (size_t v = 0; v < vecs; v++)
            v_store(out + v * LANES, at_least(floor, sum[0][v]));
        UNROLL
        for (size_t o = 0; o + 1 < size; o++)
            for (size_t v = 0; v < vecs; v++)
                sum[o][v] = sum[o + 1][v];
        for (size_t v = 0; v < vecs; v++)
            sum[size - 1][v] = bias;
    }
    UNROLL
    for (size_t y = 0; y + 1 < size; y++, in += in_pitch, out += out_pitch) {
        strip_row(sum, &weights, in, size, vecs, y, size - 1, size - 1 + y);
        for (size_t v = 0; v < vecs; v++)
            v_store(out + v * LANES, at_least(floor, sum[y][v]));
    }
}

/* A strip of `vecs` vectors from column x on, vecs <= most. */
INLINE void strip_at(const struct columns_call *call, struct strip_weights weights,
                     size_t x, size_t vecs, const size_t size, const size_t most)
{
#define CASE(count)                                                                    \
    case count:                                                                        \
        if (count <= most)                                                             \
            strip(call, weights, call->out + x, call->in + x, size, count);            \
        break;
    switch (vecs) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
    }
#undef CASE
}

/* The columns in as few strips as there can be, and these as equal as they can be; the
 * last may begin inside the one before. */
INLINE void columns_square(const struct columns_call *call, const size_t size,
                           const size_t most)
{
    const size_t vectors = (call->n + LANES - 1) / LANES;
    const size_t fewest = call->n % LANES == 0 ? 1 : 2; /* of whole vectors each */
    const size_t strips =
        vectors > fewest * most ? (vectors + most - 1) / most : fewest;
    vec spread[STRIP_SIZE * STRIP_SIZE];
    struct strip_weights weights = {call->weights, NULL};

    if (size == STRIP_SPREAD) {
        for (size_t i = 0; i < size * size; i++)
            spread[i] = v_set1(call->weights[i]);
        weights.spread = spread;
    }
    for (size_t s = 0, done = 0, vecs; s < strips; s++, done += vecs) {
        vecs = (vectors - done) / (strips - s);
        strip_at(call, weights, s + 1 < strips ? done * LANES : call->n - vecs * LANES,
                 vecs, size, most);
    }
}

INLINE void columns_plain(const struct columns_call *call, const size_t step)
{
    for (size_t y = 0; y < call->rows; y++)
        columns_row(call, call->out + y * call->out_pitch,
                    call->in + y * call->stride * call->in_pitch, step);
}

static void columns_any(const struct columns_call *call)
{
    if (call->in_step == 1)
        columns_plain(call, 1);
    else if (call->in_step == 2)
        columns_plain(call, 2);
    else if (call->in_step == 3)
        columns_plain(call, 3);
    else
        columns_plain(call, call->in_step);
}

/* A square window over one channel, every step one cell, and rows enough for a strip.
 * In planes for each phase of a stride the last tap may lie where it would, and others
 * not. */
static bool is_square(const struct columns_call *call, size_t size)
{
    bool square = call->kernel_rows == size && call->row_taps == size &&
                  call->rows + 1 >= size && call->in_step == 1 && call->stride == 1 &&
                  call->dilation == 1;

    for (size_t t = 0; square && t < size; t++)
        square = call->offsets[t] == (ptrdiff_t)t;
    return square;
}

static void convolve_columns(const struct columns_call *call)
{
    if (call->n < LANES)
        for (size_t y = 0; y < call->rows; y++)
            columns_short(call, call->out + y * call->out_pitch,
                          call->in + y * call->stride * call->in_pitch);
    else if (is_square(call, 3))
        columns_square(call, 3, STRIP_3);
    else if (is_square(call, 5))
        columns_square(call, 5, STRIP_5);
    else if (is_square(call, 7))
        columns_square(call, 7, STRIP_7);
    else
        columns_any(call);
}

/* ---- one vector ---- */

enum { VECTOR_ROWS = 8, LINE = KERNEL_LANES };

/* n, at most LANES, sums of `rows` more rows of weights. ahead: the next such rows are
 * fetched, as no CPU does by itself from one short stretch to the next. */
INLINE void multiply_lanes(float *out, const vec *x, const float *weights, size_t step,
                           size_t n, const size_t rows, const bool ahead)
{
    vec sum = load_part(out, n);

    for (size_t r = 0; r < rows; r++) {
        if (ahead)
            __builtin_prefetch(weights + (r + rows) * step, 0, 2);
        sum = v_madd(x[r], load_part(weights + r * step, n), sum);
    }
    store_part(out, sum, n);
}

INLINE void multiply_rows(float *out, const float *in, const float *weights,
                          size_t step, size_t filters, const size_t rows,
                          const bool ahead)
{
    vec x[VECTOR_ROWS];
    size_t f = 0;

    for (size_t r = 0; r < rows; r++)
        x[r] = v_set1(in[r]);
    for (; f + LINE <= filters; f += LINE)
        for (size_t v = 0; v < LINE; v += LANES)
            multiply_lanes(out + f + v, x, weights + f + v, step, LANES, rows,
                           ahead && v == 0);
    for (; f + LANES <= filters; f += LANES)
        multiply_lanes(out + f, x, weights + f, step, LANES, rows, false);
    if (f < filters)
        multiply_lanes(out + f, x, weights + f, step, filters - f, rows, false);
}

/* The sums rest in out, which stays in the nearest cache, while the weights pass. */
static void multiply_vector(float *out, const float *in, const float *weights,
                            size_t step, const float *bias, size_t n, size_t filters)
{
    size_t k = 0;

    for (size_t f = 0; f < filters; f++)
        out[f] = bias ? bias[f] : 0.0f;
    for (; k + 2 * VECTOR_ROWS <= n; k += VECTOR_ROWS)
        multiply_rows(out, in + k, weights + k * step, step, filters, VECTOR_ROWS,
                      true);
    for (; k + VECTOR_ROWS <= n; k += VECTOR_ROWS)
        multiply_rows(out, in + k, weights + k * step, step, filters, VECTOR_ROWS,
                      false);
    for (; k < n; k++)
        multiply_rows(out, in + k, weights + k * step, step, filters, 1, false);
}
