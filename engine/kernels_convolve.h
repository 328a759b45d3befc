/*
 * kernels_convolve.h - the loops of convolutions.
 *
 * A part of kernels_body.h, where the vocabulary is described. Each loop keeps a block
 * of sums in registers and walks the taps in order, so that every output is one chain
 * of fused adds; a block is large enough that the chains hide each other's latency, and
 * its loads are few enough that the fused adds are the limit. The numbers are in
 * kernels_<isa>.c:
 *
 *   LINE_VECS               vectors of columns, of convolve_columns
 *   BLOCK_VECS              the same for 3x3, 5x5 and 7x7 windows
 */

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

/* The same of windows three floats apart, of side by side taps in threes: each float is
 * loaded once for the three vectors that it may be in. */
INLINE void columns_threes(const struct columns_call *call, float *out, const float *in,
                           const size_t vecs)
{
    const float *weights = call->weights;
    vec sum[LINE_VECS];

    for (size_t v = 0; v < vecs; v++)
        sum[v] = v_set1(call->bias);
    for (size_t y = 0; y < call->kernel_rows; y++) {
        const float *line = in + y * call->dilation * call->in_pitch;
        for (size_t t = 0; t < call->row_taps; t += 3, weights += 3)
            for (size_t v = 0; v < vecs; v++) {
                vec x[3];
                v_load_thirds(line + t + v * LANES * 3, x);
                for (size_t k = 0; k < 3; k++)
                    sum[v] = v_madd(v_set1(weights[k]), x[k], sum[v]);
            }
    }
    for (size_t v = 0; v < vecs; v++)
        v_store(out + v * LANES, at_least(call->floor, sum[v]));
}

/* `vecs` vectors of columns; step THREES: windows and taps as columns_threes wants. */
enum { THREES = 0 };

INLINE void columns_some(const struct columns_call *call, float *out, const float *in,
                         size_t x, const size_t step, const size_t vecs)
{
    if (step == THREES)
        columns_threes(call, out + x, in + x * 3, vecs);
    else
        columns_block(call, out + x, in + x * step, step, vecs);
}

/* A row of at least LANES columns; the last vector may begin inside the one before. */
INLINE void columns_row(const struct columns_call *call, float *out, const float *in,
                        const size_t step)
{
    size_t x = 0;

    for (; x + LINE_VECS * LANES <= call->n; x += LINE_VECS * LANES)
        columns_some(call, out, in, x, step, LINE_VECS);
    for (; x < call->n; x += LANES) {
        if (x + LANES > call->n)
            x = call->n - LANES;
        columns_some(call, out, in, x, step, 1);
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
    BLOCK_ROWS = 4,    /* or twice as many of a 3x3 window */
    BLOCK_HELD = 3,    /* windows up to so many rows keep their weights in registers */
    BLOCK_NEAR = 1024, /* floats from a line to the next. Of lines further apart, which
                        * meet in fewer sets of a cache, more in turn are too many */
};

struct square_weights {
    const float *each;
    vec held[BLOCK_HELD * BLOCK_HELD];
};

/* A tap at x of the windows that a line of input lies under: it serves the outputs
 * [first, last), one above the other. o is in sum[o], and the line lies under its
 * kernel row y - o. */
INLINE void square_tap(vec sum[][BLOCK_VECS], const float *weights, const float *x,
                       const size_t size, const size_t vecs, const size_t first,
                       const size_t last, const size_t y, const size_t t)
{
    vec in[BLOCK_VECS];

    for (size_t v = 0; v < vecs; v++) {
        in[v] = v_load(x + v * LANES);
        v_keep(in[v]);
    }
    /* gcc would rather keep weights in registers than sums. */
    __asm__ volatile("" : "+r"(weights));
    for (size_t o = first; o < last; o++) {
        const vec w = v_set1(weights[(y - o) * size + t]);
        for (size_t v = 0; v < vecs; v++)
            sum[o][v] = v_madd(w, in[v], sum[o][v]);
    }
}

/* The same with all weights in registers: no more than one input is live. */
INLINE void square_tap_held(vec sum[][BLOCK_VECS], const vec *weights, const float *x,
                            const size_t size, const size_t vecs, const size_t first,
                            const size_t last, const size_t y, const size_t t)
{
    for (size_t v = 0; v < vecs; v++) {
        vec in = v_load(x + v * LANES);
        v_keep(in);
        for (size_t o = first; o < last; o++)
            sum[o][v] = v_madd(weights[(y - o) * size + t], in, sum[o][v]);
    }
}

/* `rows` x `vecs` vectors of outputs. All is unrolled, so that each line of input and
 * output has instructions of its own: a CPU's prefetchers tell streams apart by the
 * addresses of the instructions. */
INLINE void square_block(const struct square_weights *weights, const vec bias,
                         const vec floor, float *out, const size_t out_pitch,
                         const float *in, const size_t in_pitch, const size_t size,
                         const size_t rows, const size_t vecs)
{
    vec sum[2 * BLOCK_ROWS][BLOCK_VECS];

    UNROLL
    for (size_t o = 0; o < rows; o++)
        for (size_t v = 0; v < vecs; v++)
            sum[o][v] = bias;
    UNROLL
    for (size_t y = 0; y < rows + size - 1; y++, in += in_pitch) {
        const size_t o = y - (size - 1); /* is whole after this line */
        const size_t first = y < size ? 0 : o, last = y < rows ? y + 1 : rows;
        UNROLL
        for (size_t t = 0; t < size; t++)
            if (size <= BLOCK_HELD)
                square_tap_held(sum, weights->held, in + t, size, vecs, first, last, y,
                                t);
            else
                square_tap(sum, weights->each, in + t, size, vecs, first, last, y, t);
        for (size_t v = 0; y + 1 >= size && v < vecs; v++)
            v_store(out + o * out_pitch + v * LANES, v_max(floor, sum[o][v]));
    }
}

/* In blocks; the last of a row may begin inside the one before, and so may the last
 * rows. */
INLINE void square_blocks(const struct columns_call *call, const size_t size,
                          const size_t rows, const size_t vecs)
{
    const size_t n = call->n, out_pitch = call->out_pitch, in_pitch = call->in_pitch;
    const vec bias = v_set1(call->bias), floor = v_set1(call->floor);
    struct square_weights weights = {.each = call->weights};

    for (size_t i = 0; size <= BLOCK_HELD && i < size * size; i++)
        weights.held[i] = v_set1(call->weights[i]);
    for (size_t y = 0; y < call->rows; y += rows) {
        if (y + rows > call->rows)
            y = call->rows - rows;
        float *out = call->out + y * out_pitch;
        const float *in = call->in + y * in_pitch;
        for (size_t x = 0; x < n; x += vecs * LANES) {
            if (x + vecs * LANES > n)
                x = n - vecs * LANES;
            square_block(&weights, bias, floor, out + x, out_pitch, in + x, in_pitch,
                         size, rows, vecs);
        }
    }
}

/* A square window, every step one cell. */
INLINE void columns_square(const struct columns_call *call, const size_t size)
{
    if (call->n < BLOCK_VECS * LANES)
        square_blocks(call, size, BLOCK_ROWS, 1);
    else if (size <= BLOCK_HELD && call->rows >= 2 * BLOCK_ROWS &&
             call->in_pitch <= BLOCK_NEAR)
        square_blocks(call, size, 2 * BLOCK_ROWS, BLOCK_VECS);
    else
        square_blocks(call, size, BLOCK_ROWS, BLOCK_VECS);
}

INLINE void columns_plain(const struct columns_call *call, const size_t step)
{
    for (size_t y = 0; y < call->rows; y++)
        columns_row(call, call->out + y * call->out_pitch,
                    call->in + y * call->stride * call->in_pitch, step);
}

/* Whether the taps of a row of the window lie side by side, from its first cell on. */
static bool is_joined(const struct columns_call *call)
{
    bool joined = true;

    for (size_t t = 0; joined && t < call->row_taps; t++)
        joined = call->offsets[t] == (ptrdiff_t)t;
    return joined;
}

static void columns_any(const struct columns_call *call)
{
    if (call->in_step == 1)
        columns_plain(call, 1);
    else if (call->in_step == 2)
        columns_plain(call, 2);
    else if (call->in_step == 3 && call->row_taps % 3 == 0 && is_joined(call))
        columns_plain(call, THREES);
    else if (call->in_step == 3)
        columns_plain(call, 3);
    else
        columns_plain(call, call->in_step);
}

/* A square window over one channel, every step one cell, and rows enough for a block.
 * In planes for each phase of a stride the last tap may lie where it would, and others
 * not. */
static bool is_square(const struct columns_call *call, size_t size)
{
    return call->kernel_rows == size && call->row_taps == size &&
           call->rows >= BLOCK_ROWS && call->in_step == 1 && call->stride == 1 &&
           call->dilation == 1 && is_joined(call);
}

static void convolve_columns(const struct columns_call *call)
{
    if (call->n < LANES)
        for (size_t y = 0; y < call->rows; y++)
            columns_short(call, call->out + y * call->out_pitch,
                          call->in + y * call->stride * call->in_pitch);
    else if (is_square(call, 3))
        columns_square(call, 3);
    else if (is_square(call, 5))
        columns_square(call, 5);
    else if (is_square(call, 7))
        columns_square(call, 7);
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

/* Panels that are walked side by side: what one stream brings from memory, or from the
 * third-level cache, is less than half of what four bring. 8 sums, 1 input. */
enum { VECTOR_PANELS = 4, LINE_VECTORS = LINE / LANES };

/* `panels` panels, of which the first `filters` sums are stored. */
INLINE void multiply_abreast(float *out, const float *in, const float *weights,
                             const float *bias, size_t n, size_t filters,
                             const size_t panels)
{
    const size_t apart = n * LINE;
    vec sum[VECTOR_PANELS * LINE_VECTORS];

    UNROLL
    for (size_t v = 0; v < panels * LINE_VECTORS; v++)
        sum[v] = v_load(bias + v * LANES);
    for (size_t k = 0; k < n; k++, weights += LINE) {
        const vec x = v_set1(in[k]);
        UNROLL
        for (size_t v = 0; v < panels * LINE_VECTORS; v++) {
            const float *w = weights + v / LINE_VECTORS * apart;
            sum[v] = v_madd(x, v_load(w + v % LINE_VECTORS * LANES), sum[v]);
        }
    }
    UNROLL
    for (size_t v = 0; v < panels * LINE_VECTORS; v++)
        if (v * LANES < filters)
            store_part(out + v * LANES, sum[v], filters - v * LANES);
}

static void multiply_panels(float *out, const float *in, const float *weights,
                            const float *bias, size_t n, size_t filters)
{
    enum { ABREAST = VECTOR_PANELS * LINE };

    for (size_t f = 0; f < filters; f += ABREAST) {
        const size_t left = filters - f;
        const float *const w = weights + f * n;
        if (left > 3 * LINE)
            multiply_abreast(out + f, in, w, bias + f, n, left, VECTOR_PANELS);
        else if (left > 2 * LINE)
            multiply_abreast(out + f, in, w, bias + f, n, left, 3);
        else if (left > LINE)
            multiply_abreast(out + f, in, w, bias + f, n, left, 2);
        else
            multiply_abreast(out + f, in, w, bias + f, n, left, 1);
    }
}
