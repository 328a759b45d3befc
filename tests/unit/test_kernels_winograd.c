/*
 * test_kernels_winograd.c - the transforms of F(4x4, 3x3) against the matrices that
 * Cook and Toom's construction gives for their points, in double precision; a whole
 * tile against the 3x3 convolution; and every table against the portable one.
 */
#include "tests/unit/kernel_case.h"

enum { OUT, WANT, IN, BIAS };
enum { POINTS = 5, CELLS = 6, TAPS = 3, OUTPUTS = 4, POSITIONS = CELLS * CELLS };

/* The transforms of a line: what the input, the weights and the products go through. */
struct transforms {
    double input[CELLS][CELLS];    /* B' */
    double weights[CELLS][TAPS];   /* G */
    double output[OUTPUTS][CELLS]; /* A' */
};

/* The coefficients of the product of x - p over all points but one. */
static void polynomial(const double *points, size_t without, double to[CELLS])
{
    memset(to, 0, CELLS * sizeof *to);
    to[0] = 1;
    for (size_t i = 0; i < POINTS; i++) {
        if (i == without)
            continue;
        for (size_t k = CELLS - 1; k > 0; k--)
            to[k] = to[k - 1] - points[i] * to[k];
        to[0] *= -points[i];
    }
}

/* For the points and infinity, the last (Lavin and Gray 2016; Barabasz et al. 2020). */
static struct transforms cook_toom(void)
{
    const double a = sqrt(0.5), b = sqrt(2), points[POINTS] = {0, a, -a, b, -b};
    struct transforms t = {0};

    for (size_t i = 0; i < POINTS; i++) {
        double scale = 1;
        polynomial(points, i, t.input[i]);
        for (size_t k = 0; k < POINTS; k++)
            scale *= k == i ? 1 : points[i] - points[k];
        for (size_t k = 0; k < TAPS; k++)
            t.weights[i][k] = pow(points[i], (double)k) / scale;
        for (size_t k = 0; k < OUTPUTS; k++)
            t.output[k][i] = pow(points[i], (double)k);
    }
    polynomial(points, POINTS, t.input[POINTS]);
    t.weights[POINTS][TAPS - 1] = 1;
    t.output[OUTPUTS - 1][POINTS] = 1;
    return t;
}

/* A value and the sum of the magnitudes that made it. */
struct exact {
    double value, magnitude;
};

/* One cell of M d M', d[i][j] = values[i * 6 + j]. */
static struct exact transformed(const double *row_y, const double *row_x,
                                const struct exact *d, size_t n)
{
    struct exact sum = {0, 0};

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double factor = row_y[i] * row_x[j];
            sum.value += factor * d[i * n + j].value;
            sum.magnitude += fabs(factor) * d[i * n + j].magnitude;
        }
    return sum;
}

static struct exact exactly(float x)
{
    return (struct exact){(double)x, fabs((double)x)};
}

static void assert_close(float got, struct exact want, double roundings,
                         const char *what)
{
    cr_assert_leq(fabs((double)got - want.value), roundings * 0x1p-24 * want.magnitude,
                  "%s: %.9g, not %.9g", what, (double)got, want.value);
}

/* The roundings of a value: three a line, of constants, products and sums, on the way
 * in, four on the way out; and the second order. */
enum { ROUNDINGS_IN = 2 * 3 + 1, ROUNDINGS_OUT = 2 * 4 + 2 };

/* ---- the way in ---- */

struct in_case {
    size_t channels, tiles, pitch_gap, plane_gap;
};

/* Floats of the map and of the planes. */
static size_t map_floats(const struct winograd_call *call)
{
    return 5 * call->map_pitch + ((call->tiles - 1) * 4 + 6) * call->channels;
}

/* Where a value of a plane lies. */
static size_t plane_at(size_t pitch, size_t tile, size_t channel)
{
    return channel / KERNEL_LANES * pitch + tile * KERNEL_LANES +
           channel % KERNEL_LANES;
}

static size_t planes_floats(const struct winograd_call *call)
{
    return (POSITIONS - 1) * call->plane +
           plane_at(call->pitch, call->tiles - 1, call->channels - 1) + 1;
}

/* Floats of a plane without gaps. */
static size_t plane_floats(size_t pitch, size_t channels)
{
    return (channels + KERNEL_LANES - 1) / KERNEL_LANES * pitch;
}

static struct winograd_call in_call(const struct in_case *c, bool wild, uint64_t seed,
                                    int side)
{
    struct winograd_call call = {.channels = c->channels,
                                 .tiles = c->tiles,
                                 .map_pitch =
                                     (c->tiles * 4 + 2) * c->channels + c->pitch_gap,
                                 .pitch = c->tiles * KERNEL_LANES + c->pitch_gap};

    call.plane = plane_floats(call.pitch, c->channels) + c->plane_gap;
    call.map = place(IN, map_floats(&call), side);
    fill_values(call.map, map_floats(&call), wild, seed);
    return call;
}

Test(kernels_winograd, in_is_its_matrix)
{
    const struct transforms t = cook_toom();
    const struct in_case c = {.channels = 5, .tiles = 7, .pitch_gap = 3};
    struct winograd_call call = in_call(&c, false, 3, AT_END);

    call.planes = place(OUT, planes_floats(&call), AT_END);
    kernels_find("portable")->winograd_in(&call);
    for (size_t tile = 0; tile < c.tiles; tile++)
        for (size_t channel = 0; channel < c.channels; channel++) {
            struct exact d[POSITIONS];
            for (size_t i = 0; i < POSITIONS; i++)
                d[i] = exactly(call.map[i / CELLS * call.map_pitch +
                                        (tile * 4 + i % CELLS) * c.channels + channel]);
            for (size_t i = 0; i < POSITIONS; i++)
                assert_close(
                    call.planes[i * call.plane + plane_at(call.pitch, tile, channel)],
                    transformed(t.input[i / CELLS], t.input[i % CELLS], d, CELLS),
                    ROUNDINGS_IN, "in");
        }
}

static void check_in(const struct in_case *c, bool wild, uint64_t seed, int side)
{
    struct winograd_call call = in_call(c, wild, seed, side);
    const size_t n = planes_floats(&call);
    float *want = place(WANT, n, side), *out = place(OUT, n, side);

    for (size_t k = 0; kernels_nth(k); k++) {
        call.planes = k == 0 ? want : out;
        fill_values(call.planes, n, false, seed + 1);
        kernels_nth(k)->winograd_in(&call);
        cr_assert(same_bits(want, call.planes, n), "%s: %zu channels, %zu tiles",
                  kernels_nth(k)->name, c->channels, c->tiles);
    }
}

Test(kernels_winograd, in_gives_the_same_bits)
{
    uint64_t seed = 0;

    for (size_t channels = 1; channels <= 40; channels++)
        for (size_t tiles = 1; tiles <= 4; tiles++, seed++) {
            const struct in_case c = {.channels = channels,
                                      .tiles = tiles,
                                      .pitch_gap = seed % 5,
                                      .plane_gap = seed % 7};
            check_in(&c, seed % 2, seed, AT_END);
            check_in(&c, seed % 2, seed, AT_BEGIN);
        }
}

/* ---- the way back ---- */

struct out_case {
    size_t channels, rows, columns, step_gap, pitch_gap;
    float floor;
};

static struct winograd_call out_call(const struct out_case *c, bool wild, uint64_t seed,
                                     int side)
{
    const size_t tiles = (c->columns + 3) / 4, step = c->channels + c->step_gap;
    float *bias = place(BIAS, c->channels, side);
    struct winograd_call call = {.channels = c->channels,
                                 .tiles = tiles,
                                 .rows = c->rows,
                                 .columns = c->columns,
                                 .map_step = step,
                                 .map_pitch = c->columns * step + c->pitch_gap,
                                 .pitch = tiles * KERNEL_LANES + c->pitch_gap,
                                 .bias = bias,
                                 .floor = c->floor};

    call.plane = plane_floats(call.pitch, c->channels);
    call.planes = place(IN, planes_floats(&call), side);
    fill_values(call.planes, planes_floats(&call), wild, seed);
    fill_values(bias, c->channels, wild, seed + 1);
    return call;
}

/* Floats from the first output to the last. */
static size_t out_floats(const struct winograd_call *call)
{
    return (call->rows - 1) * call->map_pitch + (call->columns - 1) * call->map_step +
           call->channels;
}

Test(kernels_winograd, out_is_its_matrix)
{
    const struct transforms t = cook_toom();
    const struct out_case c = {
        .channels = 16, .rows = 4, .columns = 11, .step_gap = 3, .floor = -INFINITY};
    struct winograd_call call = out_call(&c, false, 5, AT_END);

    call.map = place(OUT, out_floats(&call), AT_END);
    kernels_find("portable")->winograd_out(&call);
    for (size_t x = 0; x < c.columns; x++)
        for (size_t y = 0; y < c.rows; y++)
            for (size_t f = 0; f < c.channels; f++) {
                struct exact m[POSITIONS];
                for (size_t i = 0; i < POSITIONS; i++)
                    m[i] = exactly(
                        call.planes[i * call.plane + plane_at(call.pitch, x / 4, f)]);
                struct exact want = transformed(t.output[y], t.output[x % 4], m, CELLS);
                want.value += (double)call.bias[f];
                want.magnitude += fabs((double)call.bias[f]);
                assert_close(call.map[y * call.map_pitch + x * call.map_step + f], want,
                             ROUNDINGS_OUT, "out");
            }
}

/* Only the rows and columns that lie in the map are written, and all of them; a row
 * before is the beginning of the next one. */
static void check_out(const struct out_case *c, bool wild, uint64_t seed, int side)
{
    struct winograd_call call = out_call(c, wild, seed, side);
    const size_t n = out_floats(&call), last = (c->columns - 1) * call.map_step;
    float *want = place(WANT, n, side), *out = place(OUT, n, side);

    for (size_t k = 0; kernels_nth(k); k++) {
        call.map = k == 0 ? want : out;
        fill_values(call.map, n, false, seed + 2);
        kernels_nth(k)->winograd_out(&call);
        cr_assert(same_bits(want, call.map, n), "%s: %zu channels, %zu x %zu",
                  kernels_nth(k)->name, c->channels, c->rows, c->columns);
    }
    fill_values(out, n, false, seed + 2); /* what was there */
    for (size_t i = 0; i < n; i++) {
        const size_t in_row = i % call.map_pitch;
        const bool inside =
            in_row < last + call.channels && in_row % call.map_step < call.channels;
        cr_assert_eq(memcmp(&want[i], &out[i], sizeof *want) != 0, inside,
                     "%zu channels, %zu x %zu: float %zu", c->channels, c->rows,
                     c->columns, i);
    }
}

Test(kernels_winograd, out_gives_the_same_bits_and_writes_only_the_map)
{
    uint64_t seed = 0;

    for (size_t channels = KERNEL_LANES; channels <= 4 * KERNEL_LANES;
         channels += KERNEL_LANES)
        for (size_t rows = 1; rows <= 4; rows++)
            for (size_t columns = 1; columns <= 13; columns++, seed++) {
                const struct out_case c = {.channels = channels,
                                           .rows = rows,
                                           .columns = columns,
                                           .step_gap = seed % 3 * KERNEL_LANES,
                                           .pitch_gap = seed % 5,
                                           .floor = seed % 2 ? 0.0f : -INFINITY};
                check_out(&c, seed % 3 == 0, seed, AT_END);
                check_out(&c, seed % 3 == 0, seed, AT_BEGIN);
            }
}

/* ---- the products ---- */

/* Each is one chain of fused adds in the order of the channels, in every table. */
static void check_products(struct tiles_call call, bool wild, uint64_t seed, int side)
{
    const size_t n_in = plane_at(call.in_pitch, call.tiles - 1, call.channels - 1) + 1;
    const size_t n_out = plane_at(call.out_pitch, call.tiles - 1, call.filters - 1) + 1;
    const size_t n_weights = call.channels * call.filters;
    float *in = place(IN, n_in, side), *weights = place(BIAS, n_weights, side);
    float *want = place(WANT, n_out, side), *out = place(OUT, n_out, side);

    fill_values(in, n_in, wild, seed);
    fill_values(weights, n_weights, false, seed + 1);
    fill_values(want, n_out, false, seed + 2); /* what lies between stays */
    for (size_t t = 0; t < call.tiles; t++)
        for (size_t f = 0; f < call.filters; f++) {
            float sum = 0;
            for (size_t c = 0; c < call.channels; c++)
                sum = fmaf(in[plane_at(call.in_pitch, t, c)],
                           weights[c * call.filters + f], sum);
            want[plane_at(call.out_pitch, t, f)] = sum;
        }
    call.in = in;
    call.out = out;
    call.weights = call.soon = weights;
    for (size_t k = 0; kernels_nth(k); k++) {
        fill_values(out, n_out, false, seed + 2);
        kernels_nth(k)->winograd_multiply(&call);
        cr_assert(same_bits(want, out, n_out),
                  "%s: %zu channels, %zu tiles, %zu filters", kernels_nth(k)->name,
                  call.channels, call.tiles, call.filters);
    }
}

Test(kernels_winograd, products_are_chains)
{
    static const size_t channels[] = {1, 15, 16, 17, 40};
    uint64_t seed = 0;

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t tiles = 1; tiles <= 45; tiles++)
            for (size_t vectors = 1; vectors <= 2; vectors++, seed++)
                check_products(
                    (struct tiles_call){.channels = channels[i],
                                        .tiles = tiles,
                                        .filters = vectors * KERNEL_LANES,
                                        .in_pitch = tiles * KERNEL_LANES + seed % 3,
                                        .out_pitch = (tiles + seed % 5) * KERNEL_LANES},
                    seed % 2, seed, seed % 3 ? AT_END : AT_BEGIN);
}

/* ---- there and back ---- */

/* One tile of a 3x3 convolution of `CHANNELS` channels with KERNEL_LANES filters. */
enum { CHANNELS = 24, PLANE = 2 * KERNEL_LANES, FILTERS = KERNEL_LANES };

struct tile {
    float map[POSITIONS * CHANNELS], kernel[TAPS * TAPS * CHANNELS * FILTERS];
    float bias[FILTERS], out[OUTPUTS * OUTPUTS * FILTERS];
};

/* G g G' of channel c and filter f. */
static struct exact weight(const struct transforms *t, const struct tile *tile,
                           size_t i, size_t c, size_t f)
{
    struct exact g[TAPS * TAPS];

    for (size_t k = 0; k < TAPS * TAPS; k++)
        g[k] = exactly(tile->kernel[(k * CHANNELS + c) * FILTERS + f]);
    return transformed(t->weights[i / CELLS], t->weights[i % CELLS], g, TAPS);
}

static void run_tile(const struct transforms *t, struct tile *tile,
                     const struct kernels *kernels)
{
    float in[POSITIONS * PLANE], products[POSITIONS * FILTERS];
    float weights[CHANNELS * FILTERS];

    kernels->winograd_in(&(struct winograd_call){.map = tile->map,
                                                 .planes = in,
                                                 .map_pitch = CELLS * CHANNELS,
                                                 .plane = PLANE,
                                                 .pitch = KERNEL_LANES,
                                                 .channels = CHANNELS,
                                                 .tiles = 1});
    for (size_t i = 0; i < POSITIONS; i++) {
        for (size_t c = 0; c < CHANNELS; c++)
            for (size_t f = 0; f < FILTERS; f++)
                weights[c * FILTERS + f] = (float)weight(t, tile, i, c, f).value;
        kernels->winograd_multiply(&(struct tiles_call){.out = products + i * FILTERS,
                                                        .in = in + i * PLANE,
                                                        .in_pitch = KERNEL_LANES,
                                                        .weights = weights,
                                                        .soon = weights,
                                                        .channels = CHANNELS,
                                                        .filters = FILTERS,
                                                        .tiles = 1});
    }
    kernels->winograd_out(&(struct winograd_call){.map = tile->out,
                                                  .planes = products,
                                                  .map_pitch = OUTPUTS * FILTERS,
                                                  .map_step = FILTERS,
                                                  .plane = FILTERS,
                                                  .channels = FILTERS,
                                                  .tiles = 1,
                                                  .rows = OUTPUTS,
                                                  .columns = OUTPUTS,
                                                  .bias = tile->bias,
                                                  .floor = -INFINITY});
}

/* The magnitudes that pass through the transforms on the way to an output. */
static double magnitude(const struct transforms *t, const struct tile *tile, size_t y,
                        size_t x, size_t f)
{
    struct exact sums[POSITIONS] = {0};

    for (size_t i = 0; i < POSITIONS; i++)
        for (size_t c = 0; c < CHANNELS; c++) {
            struct exact d[POSITIONS];
            for (size_t k = 0; k < POSITIONS; k++)
                d[k] = exactly(tile->map[k * CHANNELS + c]);
            sums[i].magnitude +=
                transformed(t->input[i / CELLS], t->input[i % CELLS], d, CELLS)
                    .magnitude *
                weight(t, tile, i, c, f).magnitude;
        }
    return transformed(t->output[y], t->output[x], sums, CELLS).magnitude;
}

Test(kernels_winograd, a_tile_is_the_convolution)
{
    static struct tile tile;
    const struct transforms t = cook_toom();

    fill_values(tile.map, POSITIONS * CHANNELS, false, 1);
    fill_values(tile.kernel, sizeof tile.kernel / sizeof *tile.kernel, false, 2);
    fill_values(tile.bias, FILTERS, false, 3);
    run_tile(&t, &tile, kernels_find(NULL));
    for (size_t i = 0; i < OUTPUTS * OUTPUTS * FILTERS; i++) {
        const size_t f = i % FILTERS, x = i / FILTERS % OUTPUTS,
                     y = i / FILTERS / OUTPUTS;
        struct exact want = {(double)tile.bias[f], magnitude(&t, &tile, y, x, f) +
                                                       fabs((double)tile.bias[f])};
        for (size_t k = 0; k < TAPS * TAPS; k++)
            for (size_t c = 0; c < CHANNELS; c++)
                want.value +=
                    (double)tile
                        .map[((y + k / TAPS) * CELLS + x + k % TAPS) * CHANNELS + c] *
                    (double)tile.kernel[(k * CHANNELS + c) * FILTERS + f];
        assert_close(tile.out[i], want, ROUNDINGS_IN + CHANNELS + 1 + ROUNDINGS_OUT,
                     "tile");
        /* a bound over magnitudes is wide: also what is expected of it */
        cr_assert_float_eq((double)tile.out[i], want.value, 2e-3);
    }
}

/* ---- what the transforms can take ---- */

/* One value anywhere that the transforms would spread is found, and nothing else is. */
Test(kernels_winograd, tame_is_every_value_below_2_48)
{
    static const struct {
        float value;
        bool tame;
    } rows[] = {{0x1p48f, false},        {-0x1p48f, false},  {0x1p50f, false},
                {INFINITY, false},       {-INFINITY, false}, {NAN, false},
                {FLT_MAX, false},        {-NAN, false},      {0x1.fffffep47f, true},
                {-0x1.fffffep47f, true}, {1e-45f, true},     {-0.0f, true}};

    for (size_t k = 0; kernels_nth(k); k++)
        for (size_t n = 0; n <= 70; n++) {
            float *x = place(IN, n, n % 2 ? AT_END : AT_BEGIN);
            fill_values(x, n, false, n);
            cr_assert(kernels_nth(k)->tame(x, n), "%s, n %zu", kernels_nth(k)->name, n);
            for (size_t i = 0; i < n; i++)
                for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                    const float before = x[i];
                    x[i] = rows[r].value;
                    cr_assert_eq(kernels_nth(k)->tame(x, n), rows[r].tame,
                                 "%s: %g at %zu of %zu", kernels_nth(k)->name,
                                 (double)rows[r].value, i, n);
                    x[i] = before;
                }
        }
}
