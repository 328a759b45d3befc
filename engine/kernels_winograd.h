/*
 * kernels_winograd.h - the transforms of F(4x4, 3x3): sixteen outputs of a 3x3 window
 * from 36 products, where the definition takes 144.
 *
 * Cook and Toom's construction with the points 0, +-a, +-b and infinity, a^2 = 1/2 and
 * b^2 = 2 (Winograd 1980; Lavin and Gray 2016). With these the entries stay between 1/3
 * and 3, which costs a third of the error of the usual points +-1, +-2.
 *
 * A part of kernels_body.h. Lanes are channels; steps are in a declared order.
 */

#define WINOGRAD_A 0.70710678118654752f
#define WINOGRAD_B 1.41421356237309505f

/* B' d: six cells of a line to six values. */
INLINE void winograd_forward(const vec d[6], vec to[6])
{
    const vec far = v_madd(v_set1(-2.0f), d[2], d[4]);
    const vec far_odd = v_madd(v_set1(-2.0f), d[1], d[3]);
    const vec near = v_madd(v_set1(-0.5f), d[2], d[4]);
    const vec near_odd = v_madd(v_set1(-0.5f), d[1], d[3]);

    to[0] = v_madd(v_set1(-2.5f), d[2], v_add(d[0], d[4]));
    to[1] = v_madd(v_set1(WINOGRAD_A), far_odd, far);
    to[2] = v_madd(v_set1(-WINOGRAD_A), far_odd, far);
    to[3] = v_madd(v_set1(WINOGRAD_B), near_odd, near);
    to[4] = v_madd(v_set1(-WINOGRAD_B), near_odd, near);
    to[5] = v_madd(v_set1(-2.5f), d[3], v_add(d[1], d[5]));
}

/* A' m: six values to four outputs of a line. */
INLINE void winograd_back(const vec m[6], vec to[4])
{
    const vec near = v_add(m[1], m[2]), near_odd = v_sub(m[1], m[2]);
    const vec far = v_add(m[3], m[4]), far_odd = v_sub(m[3], m[4]);

    to[0] = v_add(v_add(m[0], near), far);
    to[1] = v_madd(v_set1(WINOGRAD_B), far_odd, v_mul(v_set1(WINOGRAD_A), near_odd));
    to[2] = v_madd(v_set1(2.0f), far, v_mul(v_set1(0.5f), near));
    to[3] = v_madd(v_set1(2 * WINOGRAD_B), far_odd,
                   v_madd(v_set1(WINOGRAD_A / 2), near_odd, m[5]));
}

/* Where a channel lies in a plane. */
INLINE size_t plane_at(size_t pitch, size_t channel)
{
    return channel / KERNEL_LANES * pitch + channel % KERNEL_LANES;
}

INLINE void winograd_in_tile(const struct winograd_call *call, float *out,
                             const float *in, size_t lanes)
{
    vec half[6][6];

    for (size_t x = 0; x < 6; x++) {
        vec d[6], to[6];
        for (size_t y = 0; y < 6; y++)
            d[y] = load_part(in + y * call->map_pitch + x * call->channels, lanes);
        winograd_forward(d, to);
        for (size_t y = 0; y < 6; y++)
            half[y][x] = to[y];
    }
    for (size_t y = 0; y < 6; y++) {
        vec to[6];
        winograd_forward(half[y], to);
        for (size_t x = 0; x < 6; x++) {
            float *at = out + (y * 6 + x) * call->plane;
            store_part(at, to[x], lanes);
            PREFETCH(at + 2 * KERNEL_LANES);
        }
    }
}

static void winograd_in(const struct winograd_call *call)
{
    for (size_t c = 0; c < call->channels; c += LANES) {
        const size_t left = call->channels - c;
        const float *in = call->map + c;
        float *out = call->planes + plane_at(call->pitch, c);

        for (size_t t = 0; t < call->tiles; t++) {
            if (left >= LANES)
                winograd_in_tile(call, out, in, LANES);
            else
                winograd_in_tile(call, out, in, left);
            in += 4 * call->channels;
            out += KERNEL_LANES;
        }
    }
}

/* The outputs that lie in the map: `rows` x `columns` of the tile's. */
INLINE void winograd_out_tile(const struct winograd_call *call, float *out,
                              const float *in, const float *bias, size_t columns)
{
    vec half[4][6];

    for (size_t x = 0; x < 6; x++) {
        vec m[6], to[4];
        for (size_t y = 0; y < 6; y++) {
            const float *from = in + (y * 6 + x) * call->plane;
            m[y] = v_load(from);
            PREFETCH(from + 2 * KERNEL_LANES);
        }
        winograd_back(m, to);
        for (size_t y = 0; y < 4; y++)
            half[y][x] = to[y];
    }
    for (size_t y = 0; y < call->rows; y++) {
        vec to[4];
        winograd_back(half[y], to);
        for (size_t x = 0; x < columns; x++)
            v_store(out + y * call->map_pitch + x * call->map_step,
                    at_least(call->floor, v_add(to[x], v_load(bias))));
    }
}

/* The filters of some lines of memory at a time: their outputs lie side by side. */
static void winograd_out(const struct winograd_call *call)
{
    enum { TOGETHER = 4 * KERNEL_LANES };

    for (size_t first = 0; first < call->channels; first += TOGETHER) {
        const size_t end = first + TOGETHER, all = call->channels;

        for (size_t t = 0; t < call->tiles; t++) {
            const size_t left = call->columns - t * 4, columns = left < 4 ? left : 4;
            for (size_t f = first; f < end && f < all; f += LANES)
                winograd_out_tile(call, call->map + t * 4 * call->map_step + f,
                                  call->planes + plane_at(call->pitch, f) +
                                      t * KERNEL_LANES,
                                  call->bias + f, columns);
        }
    }
}

/* ---- between them: the products ---- */

/* One block: `pixels` tiles x `vecs` vectors of filters. On the way the tiles of the
 * block after it, a line of the weights for each channel, and the lines that will be
 * written are called into the second-level cache. */
INLINE void tiles_block(const struct tiles_call *call, float *out, const float *in,
                        const float *weights, const float *soon, const size_t pixels,
                        const size_t vecs)
{
    vec sum[PIXELS][FILTER_VECS];

    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++) {
            sum[p][v] = v_set1(0.0f);
            PREFETCH(out + plane_at(call->out_pitch, v * LANES) + p * KERNEL_LANES);
        }
    for (size_t c = 0; c < call->channels; in += call->in_pitch - KERNEL_LANES)
        for (size_t i = 0; i < KERNEL_LANES && c < call->channels; i++, c++, in++) {
            vec w[FILTER_VECS];
            for (size_t v = 0; v < vecs; v++)
                w[v] = v_load(weights + v * LANES);
            PREFETCH(soon);
            PREFETCH(in + (pixels + i) * KERNEL_LANES);
            weights += call->filters;
            soon += KERNEL_LANES;
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                const vec pixel = v_set1(in[p * KERNEL_LANES]);
                for (size_t v = 0; v < vecs; v++)
                    sum[p][v] = v_madd(pixel, w[v], sum[p][v]);
            }
        }
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        for (size_t v = 0; v < vecs; v++)
            v_store(out + plane_at(call->out_pitch, v * LANES) + p * KERNEL_LANES,
                    sum[p][v]);
}

typedef void tiles_block_fn(const struct tiles_call *call, float *out, const float *in,
                            const float *weights, const float *soon);

#define DEFINE(pixels)                                                                 \
    static void tiles_wide_##pixels(const struct tiles_call *call, float *out,         \
                                    const float *in, const float *weights,             \
                                    const float *soon)                                 \
    {                                                                                  \
        tiles_block(call, out, in, weights, soon, pixels, FILTER_VECS);                \
    }                                                                                  \
    static void tiles_narrow_##pixels(const struct tiles_call *call, float *out,       \
                                      const float *in, const float *weights,           \
                                      const float *soon)                               \
    {                                                                                  \
        tiles_block(call, out, in, weights, soon, pixels, 1);                          \
    }
FOR_EACH_PIXELS(DEFINE)
#undef DEFINE

static tiles_block_fn *const tiles_blocks[][2] = {
#define ROW(pixels) {tiles_narrow_##pixels, tiles_wide_##pixels},
    FOR_EACH_PIXELS(ROW)
#undef ROW
};

/* The tiles in as few blocks as there can be, and these as equal as they can be. */
static void winograd_multiply(const struct tiles_call *call)
{
    const size_t blocks = (call->tiles + PIXELS - 1) / PIXELS;
    const size_t lines = call->channels * KERNEL_LANES;

    for (size_t f = 0, vecs; f < call->filters; f += vecs * LANES) {
        vecs = call->filters - f > LANES ? FILTER_VECS : 1;
        for (size_t b = 0, p = 0, pixels; b < blocks; b++, p += pixels) {
            pixels = (call->tiles - p) / (blocks - b);
            tiles_blocks[pixels - 1][vecs > 1](
                call, call->out + plane_at(call->out_pitch, f) + p * KERNEL_LANES,
                call->in + p * KERNEL_LANES, call->weights + f,
                call->soon + b % (call->filters / KERNEL_LANES) * lines);
        }
    }
}

/* Products with 0 stay 0 but for infinities and NaNs, and what is not tame becomes
 * infinite on the way. */
static bool tame(const float *x, size_t n)
{
    const vec large = v_set1(0x1p80f), zero = v_set1(0.0f);
    vec sum = zero;
    size_t i = 0;
    float lanes[LANES], rest = 0;

    for (; i + LANES <= n; i += LANES)
        sum = v_madd(v_mul(v_load(x + i), large), zero, sum);
    v_store(lanes, sum);
    for (size_t l = 0; l < LANES; l++)
        rest += lanes[l];
    for (; i < n; i++)
        rest += x[i] * 0x1p80f * 0.0f;
    return rest == 0;
}
