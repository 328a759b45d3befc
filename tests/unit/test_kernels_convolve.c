/*
 * test_kernels_convolve.c - the loops of convolutions: every table gives the bits of
 * the chain of fused adds in the declared order, and the chain is within its bound of
 * the definition in double precision. Arrays end and begin at unmapped pages; what is
 * not an output stays as it was.
 */
#include "engine/size.h"
#include "tests/unit/kernel_case.h"

/* Lengths around the ends of vectors and of register blocks. */
static const size_t lengths[] = {1,  2,  3,  7,  8,  9,  15, 16, 17,  24,  31,
                                 32, 33, 47, 48, 63, 64, 65, 79, 100, 129, 150};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

enum { OUT, WANT, IN, WEIGHTS, BIAS, OFFSETS };

static float floor_of(uint64_t seed)
{
    return seed % 2 ? 0.0f : -INFINITY;
}

/* n offsets, `apart` floats from one to the next. */
static ptrdiff_t *place_offsets(size_t n, size_t apart, int side)
{
    ptrdiff_t *offsets = (ptrdiff_t *)(void *)place(OFFSETS, 2 * n, side);

    _Static_assert(sizeof *offsets == 2 * sizeof(float), "two floats an offset");
    for (size_t i = 0; i < n; i++)
        offsets[i] = (ptrdiff_t)(i * apart);
    return offsets;
}

/* ---- lanes are columns ---- */

struct columns_case {
    size_t kernel_rows, row_taps, rows, n, in_step, stride, dilation;
    size_t apart, gap; /* floats between taps; and after a row of input or output */
};

static void columns_want(const struct columns_call *call)
{
    for (size_t y = 0; y < call->rows; y++)
        for (size_t x = 0; x < call->n; x++) {
            struct sum sum = sum_from(call->bias);
            for (size_t ky = 0; ky < call->kernel_rows; ky++)
                for (size_t t = 0; t < call->row_taps; t++) {
                    const size_t row = y * call->stride + ky * call->dilation;
                    sum_add(&sum, call->weights[ky * call->row_taps + t],
                            call->in[row * call->in_pitch + x * call->in_step +
                                     (size_t)call->offsets[t]]);
                }
            call->out[y * call->out_pitch + x] = sum_end(&sum, call->floor);
        }
}

static void check_columns_at(const struct columns_case *c, bool wild, uint64_t seed,
                             int side)
{
    const size_t span = (c->n - 1) * c->in_step + (c->row_taps - 1) * c->apart + 1;
    const size_t last_row =
        (c->rows - 1) * c->stride + (c->kernel_rows - 1) * c->dilation;
    const size_t n_in = last_row * (span + c->gap) + span;
    const size_t n_out = (c->rows - 1) * (c->n + c->gap) + c->n;
    float *in = place(IN, n_in, side), *want = place(WANT, n_out, side);
    float *weights = place(WEIGHTS, c->kernel_rows * c->row_taps, side);
    struct columns_call call = {.out = want,
                                .out_pitch = c->n + c->gap,
                                .in = in,
                                .in_pitch = span + c->gap,
                                .in_step = c->in_step,
                                .stride = c->stride,
                                .dilation = c->dilation,
                                .weights = weights,
                                .offsets = place_offsets(c->row_taps, c->apart, side),
                                .kernel_rows = c->kernel_rows,
                                .row_taps = c->row_taps,
                                .bias = wild && seed % 7 == 0 ? -0.0f : 0.75f,
                                .floor = floor_of(seed),
                                .rows = c->rows,
                                .n = c->n};

    fill_values(in, n_in, wild, seed);
    fill_values(weights, c->kernel_rows * c->row_taps, wild && seed % 3 == 0, seed + 1);
    fill_values(want, n_out, false, seed + 2);
    columns_want(&call);
    for (size_t k = 0; kernels_nth(k); k++) {
        call.out = place(OUT, n_out, side);
        fill_values(call.out, n_out, false, seed + 2);
        kernels_nth(k)->convolve_columns(&call);
        cr_assert(same_bits(want, call.out, n_out),
                  "%s: %zux%zu taps %zu apart, %zu rows of %zu, step %zu, stride %zu, "
                  "dilation %zu, gap %zu, seed %zu",
                  kernels_nth(k)->name, c->kernel_rows, c->row_taps, c->apart, c->rows,
                  c->n, c->in_step, c->stride, c->dilation, c->gap, (size_t)seed);
    }
}

static void check_columns(const struct columns_case *c, bool wild, uint64_t seed)
{
    for (int side = 0; side < SIDES; side++)
        check_columns_at(c, wild, seed, side);
}

/* The first four have loops of their own. */
static const size_t windows[][2] = {{3, 3}, {5, 5}, {7, 7}, {1, 1},
                                    {2, 3}, {3, 2}, {1, 9}, {9, 1}};
enum { N_WINDOWS = sizeof windows / sizeof *windows };

Test(kernels_convolve, columns_of_every_length_and_number_of_rows)
{
    uint64_t seed = 0;

    for (size_t w = 0; w < N_WINDOWS; w++)
        for (size_t rows = 1; rows <= 17; rows++)
            for (size_t i = 0; i < N_LENGTHS; i++) {
                const struct columns_case c = {.kernel_rows = windows[w][0],
                                               .row_taps = windows[w][1],
                                               .rows = rows,
                                               .n = lengths[i],
                                               .in_step = 1,
                                               .stride = 1,
                                               .dilation = 1,
                                               .apart = 1,
                                               .gap = i % 4};
                check_columns(&c, false, seed++);
            }
}

/* Lines that meet in few sets of a cache are worked fewer at a time. */
Test(kernels_convolve, columns_of_lines_far_apart)
{
    for (size_t w = 0; w < N_WINDOWS; w++)
        for (size_t rows = 1; rows <= 17; rows++) {
            const struct columns_case c = {.kernel_rows = windows[w][0],
                                           .row_taps = windows[w][1],
                                           .rows = rows,
                                           .n = 70,
                                           .in_step = 1,
                                           .stride = 1,
                                           .dilation = 1,
                                           .apart = 1,
                                           .gap = 1000};
            check_columns(&c, false, rows);
        }
}

Test(kernels_convolve, columns_with_steps_strides_and_dilations)
{
    uint64_t seed = 0;

    for (size_t step = 1; step <= 6; step++)
        for (size_t stride = 1; stride <= 6; stride++)
            for (size_t dilation = 1; dilation <= 3; dilation++)
                for (size_t i = 0; i < N_LENGTHS; i++) {
                    const size_t w = (i + step) % N_WINDOWS;
                    const struct columns_case c = {.kernel_rows = windows[w][0],
                                                   .row_taps = windows[w][1],
                                                   .rows = 1 + i % 5,
                                                   .n = lengths[i],
                                                   .in_step = step,
                                                   .stride = stride,
                                                   .dilation = dilation,
                                                   .apart = dilation,
                                                   .gap = i % 3};
                    check_columns(&c, false, seed++);
                }
}

Test(kernels_convolve, columns_with_nans_and_infinities)
{
    for (uint64_t round = 0; round < 2000; round++) {
        uint64_t seed = round;
        const struct columns_case c = {.kernel_rows = (size_t)draw(&seed, 1, 7),
                                       .row_taps = (size_t)draw(&seed, 1, 12),
                                       .rows = (size_t)draw(&seed, 1, 9),
                                       .n = (size_t)draw(&seed, 1, 90),
                                       .in_step = (size_t)draw(&seed, 1, 3),
                                       .stride = (size_t)draw(&seed, 1, 2),
                                       .dilation = (size_t)draw(&seed, 1, 2),
                                       .apart = (size_t)draw(&seed, 1, 5),
                                       .gap = (size_t)draw(&seed, 0, 5)};
        check_columns(&c, true, round);
    }
}

Test(kernels_convolve, columns_of_square_windows_with_nans_and_infinities)
{
    for (uint64_t round = 0; round < 600; round++) {
        uint64_t seed = round;
        const size_t size = 3 + 2 * (size_t)(round % 3);
        const struct columns_case c = {.kernel_rows = size,
                                       .row_taps = size,
                                       .rows = (size_t)draw(&seed, 1, 17),
                                       .n = (size_t)draw(&seed, 1, 90),
                                       .in_step = 1,
                                       .stride = 1,
                                       .dilation = 1,
                                       .apart = 1,
                                       .gap = (size_t)draw(&seed, 0, 5)};
        check_columns(&c, true, round);
    }
}

/* ---- lanes are filters ---- */

struct filters_case {
    size_t filters, n, in_step, out_gap, weight_gap;
    size_t n_runs, lengths[6], apart; /* floats between the ends of runs */
    bool goes_on;
};

static size_t whole_vectors(size_t filters)
{
    return (filters + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
}

static void filters_want(const struct filters_call *call)
{
    for (size_t p = 0; p < call->n; p++)
        for (size_t f = 0; f < call->filters; f++) {
            float *out = &call->out[p * call->out_step + f];
            struct sum sum = sum_from(call->bias ? call->bias[f] : *out);
            const float *weight = call->weights + f;
            for (size_t r = 0; r < call->n_runs; r++)
                for (size_t i = 0; i < call->runs[r].length; i++) {
                    const size_t at = (size_t)call->runs[r].offset + i;
                    sum_add(&sum, call->in[p * call->in_step + at], *weight);
                    weight += call->weight_step;
                }
            *out = sum_end(&sum, call->floor);
        }
}

/* Fills runs; returns how many taps there are, and in reach how many floats from the
 * first they need. */
static size_t list_runs(const struct filters_case *c, struct filters_run *runs,
                        size_t *reach)
{
    size_t taps = 0;

    *reach = 0;
    for (size_t r = 0; r < c->n_runs; r++) {
        runs[r] = (struct filters_run){(ptrdiff_t)(r * c->apart), c->lengths[r]};
        taps += c->lengths[r];
        if (c->lengths[r] && r * c->apart + c->lengths[r] > *reach)
            *reach = r * c->apart + c->lengths[r];
    }
    return taps;
}

static void check_filters_at(const struct filters_case *c, bool wild, uint64_t seed,
                             int side)
{
    const size_t padded = whole_vectors(c->filters), step = padded + c->weight_gap;
    const size_t out_step = c->filters + c->out_gap;
    const size_t n_out = (c->n - 1) * out_step + c->filters;
    struct filters_run runs[6];
    size_t reach;
    const size_t taps = list_runs(c, runs, &reach);
    const size_t n_in = reach ? (c->n - 1) * c->in_step + reach : 0;
    const size_t n_weights = taps ? (taps - 1) * step + padded : 0;
    float *in = place(IN, n_in, side), *weights = place(WEIGHTS, n_weights, side);
    float *bias = place(BIAS, padded, side), *want = place(WANT, n_out, side);
    struct filters_call call = {.out = want,
                                .out_step = out_step,
                                .in = in,
                                .in_step = c->in_step,
                                .runs = runs,
                                .n_runs = c->n_runs,
                                .weights = weights,
                                .weight_step = step,
                                .bias = c->goes_on ? NULL : bias,
                                .floor = floor_of(seed),
                                .filters = c->filters,
                                .n = c->n};

    fill_values(in, n_in, wild, seed);
    fill_values(weights, n_weights, wild && seed % 3 == 0, seed + 1);
    fill_values(bias, padded, wild, seed + 2);
    fill_values(want, n_out, wild, seed + 3);
    filters_want(&call);
    for (size_t k = 0; kernels_nth(k); k++) {
        call.out = place(OUT, n_out, side);
        fill_values(call.out, n_out, wild, seed + 3);
        kernels_nth(k)->convolve_filters(&call);
        cr_assert(same_bits(want, call.out, n_out),
                  "%s: %zu filters, %zu pixels, %zu runs of %zu taps, steps %zu, %zu, "
                  "%zu, goes on %d, seed %zu",
                  kernels_nth(k)->name, c->filters, c->n, c->n_runs, taps, c->in_step,
                  out_step, step, c->goes_on, (size_t)seed);
    }
}

static void check_filters(const struct filters_case *c, bool wild, uint64_t seed)
{
    for (int side = 0; side < SIDES; side++)
        check_filters_at(c, wild, seed, side);
}

Test(kernels_convolve, every_number_of_filters_and_pixels)
{
    uint64_t seed = 0;

    for (size_t filters = 1; filters <= 70; filters++)
        for (size_t n = 1; n <= 30; n++, seed++) {
            const struct filters_case c = {.filters = filters,
                                           .n = n,
                                           .in_step = 1 + seed % 4,
                                           .out_gap = seed % 3,
                                           .weight_gap = seed % 2 * KERNEL_LANES,
                                           .n_runs = 3,
                                           .lengths = {3, 1, 2},
                                           .apart = 7,
                                           .goes_on = seed % 5 == 0};
            check_filters(&c, false, seed);
        }
}

/* Of one channel: in threes, and with taps left over. */
Test(kernels_convolve, filters_of_windows_one_float_apart)
{
    uint64_t seed = 0;

    for (size_t filters = 1; filters <= 18; filters++)
        for (size_t n = 1; n <= 30; n++, seed++) {
            const size_t left = seed % 4 / 3;
            const struct filters_case c = {.filters = filters,
                                           .n = n,
                                           .in_step = 1,
                                           .out_gap = seed % 3,
                                           .n_runs = 3,
                                           .lengths = {3, 6 + left, 3},
                                           .apart = 40,
                                           .goes_on = seed % 5 == 0};
            check_filters(&c, seed % 7 == 0, seed);
        }
}

Test(kernels_convolve, filters_with_any_runs_nans_and_infinities)
{
    for (uint64_t round = 0; round < 3000; round++) {
        uint64_t seed = round;
        struct filters_case c = {.filters = (size_t)draw(&seed, 1, 70),
                                 .n = (size_t)draw(&seed, 1, 60),
                                 .in_step = (size_t)draw(&seed, 1, 40),
                                 .out_gap = (size_t)draw(&seed, 0, 20),
                                 .weight_gap = (size_t)draw(&seed, 0, 20),
                                 .n_runs = (size_t)draw(&seed, 0, 6),
                                 .apart = (size_t)draw(&seed, 1, 30),
                                 .goes_on = draw(&seed, 0, 1)};
        for (size_t r = 0; r < c.n_runs; r++)
            c.lengths[r] = (size_t)draw(&seed, 0, 9);
        check_filters(&c, round % 4 > 0, round);
    }
}

/* ---- lanes are channels ---- */

static void channels_want_row(const struct channels_call *call, float *out,
                              const float *in)
{
    for (size_t p = 0; p < call->n; p++)
        for (size_t c = 0; c < call->channels; c++) {
            struct sum sum = sum_from(call->bias[c]);
            for (size_t t = 0; t < call->taps; t++)
                sum_add(&sum, in[p * call->in_step + (size_t)call->offsets[t] + c],
                        call->weights[t * call->channels + c]);
            out[p * call->channels + c] = sum_end(&sum, call->floor);
        }
}

static void channels_want(const struct channels_call *call)
{
    for (size_t y = 0; y < call->rows; y++)
        channels_want_row(call, call->out + y * call->out_pitch,
                          call->in + y * call->in_pitch);
}

static void check_channels_at(size_t channels, size_t n, size_t taps, size_t in_step,
                              size_t apart, bool wild, uint64_t seed, int side)
{
    const size_t n_out = n * channels, n_weights = taps * channels;
    const size_t n_in = taps ? (n - 1) * in_step + (taps - 1) * apart + channels : 0;
    float *in = place(IN, n_in, side), *weights = place(WEIGHTS, n_weights, side);
    float *bias = place(BIAS, channels, side), *want = place(WANT, n_out, side);
    struct channels_call call = {.out = want,
                                 .in = in,
                                 .in_step = in_step,
                                 .weights = weights,
                                 .offsets = place_offsets(taps, apart, side),
                                 .taps = taps,
                                 .width = 1,
                                 .bias = bias,
                                 .floor = floor_of(seed),
                                 .channels = channels,
                                 .rows = 1,
                                 .n = n};

    fill_values(in, n_in, wild, seed);
    fill_values(weights, n_weights, wild && seed % 3 == 0, seed + 1);
    fill_values(bias, channels, wild, seed + 2);
    channels_want(&call);
    for (size_t k = 0; kernels_nth(k); k++) {
        call.out = place(OUT, n_out, side);
        fill_values(call.out, n_out, false, seed + 3);
        kernels_nth(k)->convolve_channels(&call);
        cr_assert(
            same_bits(want, call.out, n_out),
            "%s: %zu channels, %zu pixels, %zu taps %zu apart, step %zu, seed %zu",
            kernels_nth(k)->name, channels, n, taps, apart, in_step, (size_t)seed);
    }
}

/* A window of three rows, of cells side by side, goes down the rows of a map. */
static void check_near(size_t channels, size_t n, size_t width, size_t step, bool wild,
                       int side)
{
    const size_t rows = 1 + n % 4, taps = 3 * width, gap = rows % 3;
    const size_t pitch = ((n - 1) * step + width) * channels;
    const size_t n_in = ((rows - 1) * step + 3) * pitch;
    const size_t n_out = rows * (n * channels + gap) - gap;
    const uint64_t seed = channels * 1000 + n * 10 + rows;
    float *in = place(IN, n_in, side), *weights = place(WEIGHTS, taps * channels, side);
    float *bias = place(BIAS, channels, side), *want = place(WANT, n_out, side);
    ptrdiff_t offsets[3 * 5];
    struct channels_call call = {.out = want,
                                 .out_pitch = n * channels + gap,
                                 .in = in,
                                 .in_pitch = step * pitch,
                                 .in_step = step * channels,
                                 .weights = weights,
                                 .offsets = offsets,
                                 .taps = taps,
                                 .width = width,
                                 .bias = bias,
                                 .floor = floor_of(seed),
                                 .channels = channels,
                                 .rows = rows,
                                 .n = n};

    for (size_t t = 0; t < taps; t++)
        offsets[t] = (ptrdiff_t)(t / width * pitch + t % width * channels);
    fill_values(in, n_in, wild, seed);
    fill_values(weights, taps * channels, false, seed + 1);
    fill_values(bias, channels, wild, seed + 2);
    fill_values(want, n_out, false, seed + 3);
    channels_want(&call);
    for (size_t k = 0; kernels_nth(k); k++) {
        call.out = place(OUT, n_out, side);
        fill_values(call.out, n_out, false, seed + 3);
        kernels_nth(k)->convolve_channels(&call);
        cr_assert(same_bits(want, call.out, n_out),
                  "%s: %zu channels, %zu wide, %zu apart, %zu x %zu",
                  kernels_nth(k)->name, channels, width, step, rows, n);
    }
}

Test(kernels_convolve, windows_go_down_the_rows)
{
    for (size_t channels = 1; channels <= 40; channels += 3)
        for (size_t n = 1; n <= 19; n += 1 + n / 10)
            for (size_t width = 2; width <= 5; width++)
                for (size_t step = 1; step <= 3; step++)
                    check_near(channels, n, width, step, (n + width) % 4 == 0,
                               n % 2 ? AT_END : AT_BEGIN);
}

Test(kernels_convolve, every_number_of_channels_and_pixels)
{
    static const size_t taps[] = {0, 1, 2, 9, 25};
    uint64_t seed = 0;

    for (size_t channels = 1; channels <= 50; channels++)
        for (size_t n = 1; n <= 25; n++, seed++)
            for (int side = 0; side < SIDES; side++)
                check_channels_at(channels, n, taps[seed % 5],
                                  channels * (1 + seed % 3), channels * (1 + seed % 2),
                                  seed % 2, seed, side);
}

/* ---- one vector ---- */

static void check_vector_at(size_t n, size_t filters, size_t gap, bool wild,
                            uint64_t seed, int side)
{
    const size_t step = filters + gap, n_weights = n ? (n - 1) * step + filters : 0;
    float *in = place(IN, n, side), *weights = place(WEIGHTS, n_weights, side);
    float *bias = place(BIAS, filters, side), *want = place(WANT, filters, side);
    const float *start = seed % 3 ? bias : NULL;

    fill_values(in, n, wild, seed);
    fill_values(weights, n_weights, wild && seed % 2, seed + 1);
    fill_values(bias, filters, wild, seed + 2);
    for (size_t f = 0; f < filters; f++) {
        struct sum sum = sum_from(start ? start[f] : 0.0f);
        for (size_t k = 0; k < n; k++)
            sum_add(&sum, in[k], weights[k * step + f]);
        want[f] = sum_end(&sum, -INFINITY);
    }
    for (size_t k = 0; kernels_nth(k); k++) {
        float *out = place(OUT, filters, side);
        fill_values(out, filters, true, seed + 3);
        kernels_nth(k)->multiply_vector(out, in, weights, step, start, n, filters);
        cr_assert(same_bits(want, out, filters), "%s: %zu inputs, %zu filters, gap %zu",
                  kernels_nth(k)->name, n, filters, gap);
    }
}

/* In panels, whose last lanes are there but no filters: a NaN there stays there. */
static void check_panels_at(size_t n, size_t filters, bool wild, uint64_t seed,
                            int side)
{
    const size_t whole = size_whole(filters, KERNEL_LANES);
    float *in = place(IN, n, side), *weights = place(WEIGHTS, n * whole, side);
    float *bias = place(BIAS, whole, side), *want = place(WANT, filters, side);

    fill_values(in, n, wild, seed);
    fill_values(weights, n * whole, wild && seed % 2, seed + 1);
    fill_values(bias, whole, wild, seed + 2);
    for (size_t f = 0; f < filters; f++) {
        const float *panel = weights + f / KERNEL_LANES * KERNEL_LANES * n;
        struct sum sum = sum_from(bias[f]);
        for (size_t k = 0; k < n; k++)
            sum_add(&sum, in[k], panel[k * KERNEL_LANES + f % KERNEL_LANES]);
        want[f] = sum_end(&sum, -INFINITY);
    }
    for (size_t k = 0; kernels_nth(k); k++) {
        float *out = place(OUT, filters, side);
        fill_values(out, filters, true, seed + 3);
        kernels_nth(k)->multiply_panels(out, in, weights, bias, n, filters);
        cr_assert(same_bits(want, out, filters), "%s: %zu inputs, %zu filters",
                  kernels_nth(k)->name, n, filters);
    }
}

Test(kernels_convolve, a_vector_times_any_matrix_in_panels)
{
    uint64_t seed = 0;

    for (size_t n = 0; n <= 20; n++)
        for (size_t filters = 1; filters <= 140; filters++, seed++)
            for (int side = 0; side < SIDES; side++)
                check_panels_at(n, filters, seed % 5 == 0, seed, side);
}

Test(kernels_convolve, a_vector_times_any_matrix)
{
    uint64_t seed = 0;

    for (size_t n = 0; n <= 40; n++)
        for (size_t filters = 1; filters <= 70; filters++, seed++)
            for (int side = 0; side < SIDES; side++)
                check_vector_at(n, filters, seed % 4, seed % 5 == 0, seed, side);
}

/* ---- the floor ---- */

/* What the least value does to a NaN, to zeros of either sign and to infinities. */
Test(kernels_convolve, a_floor_keeps_nans_and_negative_zeros)
{
    static const float in[] = {NAN, -0.0f, 0.0f, -1, 1, -INFINITY, INFINITY};
    static const float want[2][7] = {{NAN, -0.0f, 0.0f, -1, 1, -INFINITY, INFINITY},
                                     {NAN, -0.0f, 0.0f, 0.0f, 1, 0.0f, INFINITY}};
    static const ptrdiff_t offset = 0;
    static const float one = 1;

    for (size_t rectify = 0; rectify < 2; rectify++)
        for (size_t k = 0; kernels_nth(k); k++)
            for (size_t i = 0; i < 7; i++) {
                float x[40], out[40];
                for (size_t l = 0; l < 40; l++)
                    x[l] = in[i];
                kernels_nth(k)->convolve_columns(&(struct columns_call){
                    .out = out,
                    .in = x,
                    .in_step = 1,
                    .stride = 1,
                    .dilation = 1,
                    .weights = &one,
                    .offsets = &offset,
                    .kernel_rows = 1,
                    .row_taps = 1,
                    .bias = -0.0f,
                    .floor = rectify ? 0.0f : -INFINITY,
                    .rows = 1,
                    .n = 40,
                });
                for (size_t l = 0; l < 40; l++)
                    cr_assert(same_bits(&out[l], &want[rectify][i], 1),
                              "%s, rectify %zu, %g gives %g", kernels_nth(k)->name,
                              rectify, (double)in[i], (double)out[l]);
            }
}
