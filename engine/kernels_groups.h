/*
 * kernels_groups.h - convolutions of groups with few filters: lanes are the filters of
 * neighbouring groups.
 *
 * A part of kernels_body.h, where the vocabulary is described. A vector holds as many
 * whole groups as fit. Their input channels lie side by side and, being no more than
 * the filters, fit a vector too: for each channel of the groups, v_pick hands every
 * filter the one of its own group. Short vectors may be one group's alone, or a part of
 * it: the filters then share each channel. Each output is one chain of fused adds in
 * the order of the taps, as everywhere.
 */

enum {
    GROUP_PIXELS = 8,                 /* sums; enough to hide the latency of each */
    GROUP_FILTERS = KERNEL_LANES / 2, /* the most of a group */
};

/* For each channel of a group, where in a vector of input the filters find it. */
INLINE void list_picks(const struct groups_call *call, int32_t *picks)
{
    for (size_t c = 0; c < call->channels; c++)
        for (size_t i = 0, g = 0; i < LANES; i++) {
            g += i > 0 && i % call->filters == 0;
            *picks++ = (int32_t)(g * call->channels + c);
        }
}

/* Filters f to f + filters - 1, which a vector holds, and their channels of input. */
struct groups_piece {
    size_t f, filters, c, channels;
    const int32_t *picks;
};

/* `pixels` outputs of a piece; whole: vectors of filters and channels are full; alone:
 * of one group, however many its channels. */
INLINE void groups_block(const struct groups_call *call,
                         const struct groups_piece *piece, float *out, const float *in,
                         const bool whole, const bool alone, const size_t pixels)
{
    const float *weights = call->weights + piece->f, *biases = call->bias + piece->f;
    const vec bias = whole ? v_load(biases) : v_load_n(biases, piece->filters);
    const size_t step = call->in_step;
    vec sum[GROUP_PIXELS];

    UNROLL
    for (size_t p = 0; p < pixels; p++)
        sum[p] = bias;
    for (size_t t = 0; t < call->taps; t++) {
        const float *x = in + call->offsets[t];
        for (size_t c = 0; c < call->channels; c++, weights += KERNEL_LANES) {
            const vec w = whole ? v_load(weights) : v_load_n(weights, piece->filters);
            const ivec pick = i_load(piece->picks + c * LANES);
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                const float *from = x + p * step;
                const vec mine = alone   ? v_set1(from[c])
                                 : whole ? v_pick(from, pick)
                                         : v_pick_n(from, piece->channels, pick);
                sum[p] = v_madd(mine, w, sum[p]);
            }
        }
    }
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        const vec value = at_least(call->floor, sum[p]);
        if (whole)
            v_store(out + p * call->out_step, value);
        else
            v_store_n(out + p * call->out_step, value, piece->filters);
    }
}

/* A row in as few blocks as there can be, and these as equal as they can be. */
INLINE void groups_row(const struct groups_call *call, const struct groups_piece *piece,
                       float *out, const float *in, const bool whole, const bool alone)
{
    size_t blocks = (call->n + GROUP_PIXELS - 1) / GROUP_PIXELS;

    for (size_t p = 0, pixels; blocks > 0; blocks--, p += pixels) {
        float *to = out + p * call->out_step;
        const float *from = in + p * call->in_step;
        pixels = (call->n - p) / blocks;
        switch (pixels) {
#define CASE(count)                                                                    \
    case count:                                                                        \
        groups_block(call, piece, to, from, whole, alone, count);                      \
        break;
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
            CASE(8)
#undef CASE
        }
    }
}

INLINE void groups_rows(const struct groups_call *call,
                        const struct groups_piece *piece, const bool whole,
                        const bool alone)
{
    for (size_t y = 0; y < call->rows; y++)
        groups_row(call, piece, call->out + y * call->out_pitch + piece->f,
                   call->in + y * call->in_pitch + piece->c, whole, alone);
}

static void convolve_groups(const struct groups_call *call)
{
    const bool alone = LANES < GROUP_FILTERS && call->filters > LANES;
    const size_t all = call->groups * call->filters;
    const size_t width = alone ? LANES : LANES / call->filters * call->filters;
    int32_t picks[GROUP_FILTERS * LANES];
    struct groups_piece piece = {.f = 0, .picks = picks};

    list_picks(call, picks);
    for (; piece.f < all; piece.f += piece.filters) {
        const size_t left =
            alone ? call->filters - piece.f % call->filters : all - piece.f;
        piece.filters = left < width ? left : width;
        piece.c = piece.f / call->filters * call->channels;
        piece.channels =
            (piece.filters + call->filters - 1) / call->filters * call->channels;
        if (alone && piece.filters == LANES)
            groups_rows(call, &piece, true, true);
        else if (alone)
            groups_rows(call, &piece, false, true);
        else if (piece.filters == LANES && piece.channels == LANES)
            groups_rows(call, &piece, true, false);
        else
            groups_rows(call, &piece, false, false);
    }
}
