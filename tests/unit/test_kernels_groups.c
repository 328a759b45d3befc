/*
 * test_kernels_groups.c - the loop of convolutions of groups with few filters: every
 * table gives the bits of the chain of fused adds in the declared order. Arrays end and
 * begin at unmapped pages; what is not an output stays as it was.
 */
#include "tests/unit/kernel_case.h"

enum { OUT, WANT, IN, WEIGHTS, BIAS };
enum { TAPS_MAX = 9, FILTERS_MAX = KERNEL_LANES / 2 };

struct groups_case {
    size_t groups, channels, filters, taps, rows, n;
    size_t cell, apart,
        gap; /* floats: of a step, between taps, after a row of output */
};

static float want_one(const struct groups_call *call, const float *in, size_t f)
{
    const size_t first = f / call->filters * call->channels;
    struct sum sum = sum_from(call->bias[f]);

    for (size_t t = 0; t < call->taps; t++)
        for (size_t c = 0; c < call->channels; c++)
            sum_add(&sum, in[(size_t)call->offsets[t] + first + c],
                    call->weights[(t * call->channels + c) * KERNEL_LANES + f]);
    return sum_end(&sum, call->floor);
}

static void want_all(const struct groups_call *call)
{
    for (size_t y = 0; y < call->rows; y++)
        for (size_t p = 0; p < call->n; p++)
            for (size_t f = 0; f < call->groups * call->filters; f++)
                call->out[y * call->out_pitch + p * call->out_step + f] = want_one(
                    call, call->in + y * call->in_pitch + p * call->in_step, f);
}

static void check_at(const struct groups_case *c, bool wild, uint64_t seed, int side)
{
    const size_t filters = c->groups * c->filters, in_pitch = c->n * c->cell;
    const size_t out_step = filters + c->gap, out_pitch = c->n * out_step + c->gap;
    const size_t n_out = (c->rows - 1) * out_pitch + (c->n - 1) * out_step + filters;
    const size_t n_in = (c->rows - 1) * in_pitch + (c->n - 1) * c->cell +
                        (c->taps - 1) * c->apart + c->groups * c->channels;
    const size_t n_weights = c->taps * c->channels * KERNEL_LANES;
    float *in = place(IN, n_in, side), *weights = place(WEIGHTS, n_weights, side);
    float *bias = place(BIAS, KERNEL_LANES, side), *want = place(WANT, n_out, side);
    ptrdiff_t offsets[TAPS_MAX];
    struct groups_call call = {.out = want,
                               .out_pitch = out_pitch,
                               .out_step = out_step,
                               .in = in,
                               .in_pitch = in_pitch,
                               .in_step = c->cell,
                               .weights = weights,
                               .offsets = offsets,
                               .taps = c->taps,
                               .groups = c->groups,
                               .channels = c->channels,
                               .filters = c->filters,
                               .bias = bias,
                               .floor = seed % 2 ? 0.0f : -INFINITY,
                               .rows = c->rows,
                               .n = c->n};

    for (size_t t = 0; t < c->taps; t++)
        offsets[t] = (ptrdiff_t)(t * c->apart);
    fill_values(in, n_in, wild, seed);
    fill_values(weights, n_weights, wild && seed % 3 == 0, seed + 1);
    fill_values(bias, KERNEL_LANES, wild, seed + 2);
    fill_values(want, n_out, false, seed + 3);
    want_all(&call);
    for (size_t k = 0; kernels_nth(k); k++) {
        call.out = place(OUT, n_out, side);
        fill_values(call.out, n_out, false, seed + 3);
        kernels_nth(k)->convolve_groups(&call);
        cr_assert(same_bits(want, call.out, n_out),
                  "%s: %zu groups of %zu channels and %zu filters, %zu taps, %zu x %zu "
                  "pixels, seed %zu",
                  kernels_nth(k)->name, c->groups, c->channels, c->filters, c->taps,
                  c->rows, c->n, (size_t)seed);
    }
}

static void check(const struct groups_case *c, bool wild, uint64_t seed)
{
    for (int side = 0; side < SIDES; side++)
        check_at(c, wild, seed, side);
}

Test(kernels_groups, every_number_of_groups_channels_and_filters)
{
    uint64_t seed = 0;

    for (size_t filters = 1; filters <= FILTERS_MAX; filters++)
        for (size_t channels = 1; channels <= filters; channels++)
            for (size_t groups = 1; groups * filters <= KERNEL_LANES; groups++, seed++)
                check(&(struct groups_case){.groups = groups,
                                            .channels = channels,
                                            .filters = filters,
                                            .taps = 3,
                                            .rows = 2,
                                            .n = 11,
                                            .cell = groups * channels + seed % 3,
                                            .apart = 7,
                                            .gap = seed % 4},
                      seed % 2, seed);
}

Test(kernels_groups, every_number_of_pixels)
{
    for (size_t n = 1; n <= 40; n++)
        for (size_t filters = 2; filters <= FILTERS_MAX; filters++)
            check(&(struct groups_case){.groups = KERNEL_LANES / filters,
                                        .channels = filters,
                                        .filters = filters,
                                        .taps = 1 + n % TAPS_MAX,
                                        .rows = 1 + n % 3,
                                        .n = n,
                                        .cell = KERNEL_LANES,
                                        .apart = 5},
                  false, n * 10 + filters);
}
