/*
 * kernels_channels.h - depthwise convolutions: lanes are channels.
 *
 * A part of kernels_body.h, where the vocabulary is described. The sums of
 * CHANNEL_PIXELS outputs, of one row or of two, are in registers; the number is in
 * kernels_<isa>.c.
 */

/* Outputs [p, p + pixels) x one vector of channels, of which `lanes` are there. */
INLINE void channels_block(const struct channels_call *call, size_t p, size_t c,
                           size_t lanes, const size_t pixels)
{
    const float *in = call->in + p * call->in_step + c;
    float *out = call->out + p * call->channels + c;
    vec sum[CHANNEL_PIXELS];

    for (size_t k = 0; k < pixels; k++)
        sum[k] = load_part(call->bias + c, lanes);
    for (size_t t = 0; t < call->taps; t++) {
        const vec w = load_part(call->weights + t * call->channels + c, lanes);
        const float *x = in + call->offsets[t];
        for (size_t k = 0; k < pixels; k++)
            sum[k] = v_madd(load_part(x + k * call->in_step, lanes), w, sum[k]);
    }
    for (size_t k = 0; k < pixels; k++)
        store_part(out + k * call->channels, at_least(call->floor, sum[k]), lanes);
}

/* The same where the taps of a row of the window are `width` neighbours and the windows
 * `step` cells apart: a cell is loaded once for all that it serves. */
INLINE void channels_near(const struct channels_call *call, size_t p, size_t c,
                          size_t lanes, const size_t pixels, const size_t width,
                          const size_t step)
{
    const float *in = call->in + p * call->in_step + c;
    const float *weights = call->weights + c;
    float *out = call->out + p * call->channels + c;
    vec sum[CHANNEL_PIXELS];

    for (size_t k = 0; k < pixels; k++)
        sum[k] = load_part(call->bias + c, lanes);
    for (size_t t = 0; t < call->taps; t += width) {
        const float *row = in + call->offsets[t];
        vec x[(CHANNEL_PIXELS - 1) * 2 + 5];
        for (size_t k = 0; k < (pixels - 1) * step + width; k++)
            x[k] = load_part(row + k * call->channels, lanes);
        for (size_t kx = 0; kx < width; kx++, weights += call->channels) {
            const vec w = load_part(weights, lanes);
            for (size_t k = 0; k < pixels; k++)
                sum[k] = v_madd(x[k * step + kx], w, sum[k]);
        }
    }
    for (size_t k = 0; k < pixels; k++)
        store_part(out + k * call->channels, at_least(call->floor, sum[k]), lanes);
}

/* 3x3 windows `step` rows and columns apart: outputs of two rows at once. Twice the
 * chains, and the rows of the input that both windows cover are loaded once: of four
 * pixels 8 sums, 6 inputs and a weight or two of each row are 16 registers. Cells are
 * loaded where they are multiplied: all of a row before that, gcc would put some into
 * memory. */
INLINE void channels_pair(const struct channels_call *call, size_t p, size_t c,
                          size_t lanes, const size_t pixels, const size_t step)
{
    enum { SIZE = 3 };
    const size_t channels = call->channels, pitch = (size_t)call->offsets[SIZE];
    const float *row = call->in + p * call->in_step + c, *weights = call->weights + c;
    float *out = call->out + p * channels + c;
    vec sum[2][CHANNEL_PIXELS];

    UNROLL
    for (size_t k = 0; k < pixels; k++)
        sum[0][k] = sum[1][k] = load_part(call->bias + c, lanes);
    UNROLL
    for (size_t r = 0; r < step + SIZE; r++, row += pitch) {
        UNROLL
        for (size_t kx = 0; kx < SIZE; kx++)
            for (size_t i = 0; i < 2; i++) {
                if (r < i * step || r - i * step >= SIZE)
                    continue;
                const size_t t = (r - i * step) * SIZE + kx;
                const vec w = load_part(weights + t * channels, lanes);
                const float *x = row + kx * channels;
                for (size_t k = 0; k < pixels; k++)
                    sum[i][k] =
                        v_madd(load_part(x + k * step * channels, lanes), w, sum[i][k]);
            }
    }
    UNROLL
    for (size_t i = 0; i < 2; i++, out += call->out_pitch)
        for (size_t k = 0; k < pixels; k++)
            store_part(out + k * channels, at_least(call->floor, sum[i][k]), lanes);
}

/* `lanes` channels of `pixels` outputs of one row, or two; width 0: taps anywhere. */
INLINE void channels_any(const struct channels_call *call, size_t p, size_t c,
                         size_t lanes, const size_t pixels, const size_t width,
                         const size_t step, const bool two)
{
    if (two)
        channels_pair(call, p, c, lanes, pixels, step);
    else if (width)
        channels_near(call, p, c, lanes, pixels, width, step);
    else
        channels_block(call, p, c, lanes, pixels);
}

/* All channels. */
INLINE void channels_pixels(const struct channels_call *call, size_t p,
                            const size_t pixels, const size_t width, const size_t step,
                            const bool two)
{
    size_t c = 0;

    for (; c + LANES <= call->channels; c += LANES)
        channels_any(call, p, c, LANES, pixels, width, step, two);
    if (c < call->channels)
        channels_any(call, p, c, call->channels - c, pixels, width, step, two);
}

/* Outputs [p, end) of one row, or two. */
INLINE void channels_row(const struct channels_call *call, size_t p, size_t end,
                         const size_t width, const size_t step, const bool two)
{
    for (; p + CHANNEL_PIXELS <= end; p += CHANNEL_PIXELS)
        channels_pixels(call, p, CHANNEL_PIXELS, width, step, two);
    for (; p < end; p++)
        channels_pixels(call, p, 1, width, step, two);
}

/* Down the rows, so many columns at a time that the rows of a window stay in the
 * first-level cache: 16 KiB of them. Two rows at once where `pairs`: of these only one
 * or two come back, which is less than whole rows gain as they are fetched. */
INLINE void channels_rows(const struct channels_call *call, const size_t width,
                          const size_t step, const bool pairs)
{
    enum { CACHED = 4096 };
    const size_t height = call->taps / call->width;
    const size_t some = CACHED / (height * call->in_step + 1) + 1;
    const size_t columns =
        pairs ? call->n : (some + CHANNEL_PIXELS - 1) / CHANNEL_PIXELS * CHANNEL_PIXELS;

    for (size_t x = 0; x < call->n; x += columns) {
        const size_t end = call->n - x < columns ? call->n : x + columns;
        struct channels_call row = *call;
        size_t y = 0;
        for (; pairs && y + 2 <= call->rows; y += 2) {
            channels_row(&row, x, end, width, step, true);
            row.in += 2 * row.in_pitch;
            row.out += 2 * row.out_pitch;
        }
        for (; y < call->rows; y++) {
            channels_row(&row, x, end, width, step, false);
            row.in += row.in_pitch;
            row.out += row.out_pitch;
        }
    }
}

/* Square windows of 3 cells side by side, as far apart down the rows as along them. */
static bool is_pair(const struct channels_call *call, size_t step)
{
    return call->width == 3 && call->taps == 9 &&
           (size_t)call->offsets[3] * step == call->in_pitch;
}

static void convolve_channels(const struct channels_call *call)
{
    const size_t step = call->in_step / call->channels;

    if (step == 1 && is_pair(call, 1))
        channels_rows(call, 3, 1, true);
    else if (step == 2 && is_pair(call, 2))
        channels_rows(call, 3, 2, true);
    else if (call->width == 3 && step == 1)
        channels_rows(call, 3, 1, false);
    else if (call->width == 3 && step == 2)
        channels_rows(call, 3, 2, false);
    else if (call->width == 5 && step == 1)
        channels_rows(call, 5, 1, false);
    else if (call->width == 5 && step == 2)
        channels_rows(call, 5, 2, false);
    else
        channels_rows(call, 0, 0, false);
}
