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

INLINE void winograd_in_tile(const struct winograd_call *call, float *out,
                             const float *in, const bool whole, size_t lanes)
{
    vec half[6][6];

    for (size_t x = 0; x < 6; x++) {
        vec d[6], to[6];
        for (size_t y = 0; y < 6; y++)
            d[y] =
                load_lanes(in + y * call->map_pitch + x * call->channels, whole, lanes);
        winograd_forward(d, to);
        for (size_t y = 0; y < 6; y++)
            half[y][x] = to[y];
    }
    for (size_t y = 0; y < 6; y++) {
        vec to[6];
        winograd_forward(half[y], to);
        for (size_t x = 0; x < 6; x++)
            store_lanes(out + (y * 6 + x) * call->plane, to[x], whole, lanes);
    }
}

static void winograd_in(const struct winograd_call *call)
{
    for (size_t t = 0; t < call->tiles; t++) {
        const float *in = call->map + t * 4 * call->channels;
        float *out = call->planes + t * call->pitch;
        size_t c = 0;

        for (; c + LANES <= call->channels; c += LANES)
            winograd_in_tile(call, out + c, in + c, true, LANES);
        if (c < call->channels)
            winograd_in_tile(call, out + c, in + c, false, call->channels - c);
    }
}

/* The outputs that lie in the map: `rows` x `columns` of the tile's. */
INLINE void winograd_out_tile(const struct winograd_call *call, float *out,
                              const float *in, const float *bias, size_t columns)
{
    vec half[4][6];

    for (size_t x = 0; x < 6; x++) {
        vec m[6], to[4];
        for (size_t y = 0; y < 6; y++)
            m[y] = v_load(in + (y * 6 + x) * call->plane);
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

static void winograd_out(const struct winograd_call *call)
{
    for (size_t t = 0; t < call->tiles; t++) {
        const size_t left = call->columns - t * 4, columns = left < 4 ? left : 4;
        const float *in = call->planes + t * call->pitch;
        float *out = call->map + t * 4 * call->map_step;

        for (size_t f = 0; f < call->channels; f += LANES)
            winograd_out_tile(call, out + f, in + f, call->bias + f, columns);
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
