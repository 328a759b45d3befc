/*
 * test_kernels.c - the portable table against each loop's definition in double
 * precision, and every other table against the portable one, bit for bit.
 */
#include "tests/property/reference.h"
#include "tests/unit/check.h"

#include <float.h>
#include <stdio.h>

#include "engine/kernels.h"

/* Lengths around the ends of vectors and register blocks. */
static const size_t lengths[] = {1,  2,  7,  8,  9,  15,  16, 17,
                                 31, 33, 63, 64, 65, 100, 257};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static const struct kernels *portable(void)
{
    return kernels_find("portable");
}

/* Values that go wrong first. */
static const float extremes[] = {
    0.0f,    -0.0f,    1.0f,      -1.0f,      FLT_MAX,  -FLT_MAX, FLT_MIN, 1e-45f,
    -1e-45f, INFINITY, -INFINITY, NAN,        88.7228f, 88.73f,   -87.3f,  -103.9f,
    -104.1f, 89.1f,    0.625f,    0.6249999f, 1e-20f,   9.0f,     -9.0f,   0.3465736f};
enum { N_EXTREMES = sizeof extremes / sizeof *extremes };

Test(kernels, this_machine_runs)
{
    for (size_t i = 0; kernels_name(i); i++)
        printf("  ISA %-9s %s\n", kernels_name(i),
               kernels_find(kernels_name(i)) ? "tested"
                                             : "NOT on this CPU, not tested");
    cr_assert_not_null(portable());
    cr_assert_null(kernels_find("sse9"));
}

/* ---- pooling ---- */

static float fold(float a, float b, bool sum)
{
    return sum ? a + b : a > b ? a : b;
}

/* One channel of one output, folded as kernels.h declares. */
static float window_of(const struct pool_call *call, size_t x, size_t c)
{
    float all = 0;
    size_t columns = 0;

    for (size_t k = 0; k < call->window; k++) {
        const size_t at = x * call->step + k - call->before;
        if (at >= call->width) /* in the padding, on either side */
            continue;
        const float *in = call->in + at * call->channels + c;
        float column = in[0];
        for (size_t r = 1; r < call->rows; r++)
            column = fold(column, in[r * call->in_pitch], call->average);
        all = columns++ ? fold(all, column, call->average) : column;
    }
    return call->average ? all / (float)(call->rows * columns) : all;
}

static void check_pool_row(struct pool_call *call)
{
    const size_t row = call->width * call->channels, n = call->n * call->channels;
    float *in = guarded_floats(call->rows * row), *want = guarded_floats(n);

    fill_random(in, call->rows * row, 1, row);
    in[row / 2] = NAN;
    in[0] = -0.0f;
    call->in = in;
    call->in_pitch = row;
    call->columns = guarded_floats(row);
    call->out = guarded_floats(n);
    for (size_t i = 0; i < n; i++)
        want[i] = window_of(call, i / call->channels, i % call->channels);
    for (size_t k = 0; kernels_nth(k); k++) {
        memset(call->out, 0, n * sizeof *want);
        kernels_nth(k)->pool_row(call);
        cr_assert(same_bits(want, call->out, n),
                  "%s, %zu rows, width %zu, channels %zu, window %zu, step %zu, "
                  "before %zu, average %d",
                  kernels_nth(k)->name, call->rows, call->width, call->channels,
                  call->window, call->step, call->before, call->average);
    }
}

Test(kernels, pools_fold_windows_in_the_declared_order)
{
    static const size_t widths[] = {1, 2, 5, 19, 67}, channels[] = {1, 3, 16, 21, 70};

    for (size_t i = 0; i < 5; i++)
        for (size_t c = 0; c < 5; c++)
            for (size_t window = 1; window <= 5 && window <= widths[i]; window++)
                for (size_t step = 1; step <= 4; step++)
                    for (size_t round = 0; round < 8; round++) {
                        const size_t total = round / 2 % 2 * (window - 1);
                        struct pool_call call = {
                            .rows = round / 4 ? window : 1 + (window + step) % 4,
                            .width = widths[i],
                            .channels = channels[c],
                            .window = window,
                            .step = step,
                            .before = total / 2,
                            .n = (widths[i] + total - window) / step + 1,
                            .average = round % 2,
                            .around = c % 2 == 0,
                        };
                        check_pool_row(&call);
                    }
}

/* One channel of a block of cells, added as kernels.h declares. */
static float sum_of_cells(const float *in, size_t cells, size_t step)
{
    float sum = 0;

    for (; cells >= 4; cells -= 4, in += 4 * step)
        sum += (in[0] + in[2 * step]) + (in[step] + in[3 * step]);
    for (; cells > 0; cells--, in += step)
        sum += *in;
    return sum;
}

static float max_of_cells(const float *in, size_t cells, size_t channels)
{
    float most = -INFINITY;

    for (size_t i = 0; i < cells; i++)
        most = fold(most, in[i * channels], false);
    return most;
}

Test(kernels, cells_fold_in_the_declared_order)
{
    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t cells = 1; cells <= 64; cells += cells < 9 ? 1 : 11) {
            const size_t channels = lengths[i], n = cells * channels;
            float *in = guarded_floats(n), *sums = guarded_floats(channels),
                  *most = guarded_floats(channels);

            fill_random(in, n, 1, n);
            in[n / 2] = NAN;
            for (size_t k = 0; kernels_nth(k); k++) {
                for (size_t c = 0; c < channels; c++)
                    most[c] = -INFINITY;
                kernels_nth(k)->max_cells(most, in, cells, channels, channels);
                kernels_nth(k)->sum_cells(sums, in, cells, channels, channels, 3);
                for (size_t c = 0; c < channels; c++) {
                    const float sum = sum_of_cells(in + c, cells, channels) / 3;
                    const float largest = max_of_cells(in + c, cells, channels);
                    cr_assert(same_bits(&sum, sums + c, 1) &&
                                  same_bits(&largest, most + c, 1),
                              "%s, %zu x %zu", kernels_nth(k)->name, cells, channels);
                }
            }
        }
}

/* ---- resampling ---- */

static float between(float low, float high, float part)
{
    return fmaf(high - low, part, low);
}

/* Channel c of output x, as kernels.h declares. */
static float blended(const struct blend_call *call, size_t x, size_t c)
{
    const struct between *at = &call->at[x];
    float columns[2];

    for (size_t side = 0; side < 2; side++) {
        const float *low = call->in + (side ? at->high : at->low) * call->channels + c;
        columns[side] =
            call->apart ? between(*low, low[call->apart], call->part) : *low;
    }
    return at->low == at->high ? columns[0] : between(columns[0], columns[1], at->part);
}

Test(kernels, cells_are_blended)
{
    enum { CELLS = 5, N = 7 };
    static const struct between at[N] = {{0, 0, 0},     {0, 1, 0.5f}, {1, 4, 0.25f},
                                         {1, 4, 0.75f}, {4, 4, 0},    {4, 4, 0},
                                         {3, 4, 0.9f}};

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t round = 0; round < 4; round++) {
            const size_t n = lengths[i], rows = 1 + round % 2;
            float *in = guarded_floats(rows * CELLS * n), *out = guarded_floats(N * n);
            const struct blend_call call = {.out = out,
                                            .in = in,
                                            .apart = (rows - 1) * CELLS * n,
                                            .part = 0.3f,
                                            .at = at,
                                            .n = N,
                                            .channels = n,
                                            .around = round / 2};
            fill_random(in, rows * CELLS * n, 3, n);
            in[0] = INFINITY; /* taken as it is, not blended with itself */
            for (size_t k = 0; kernels_nth(k); k++) {
                kernels_nth(k)->blend(&call);
                for (size_t p = 0; p < N * n; p++) {
                    const float want = blended(&call, p / n, p % n);
                    cr_assert(same_bits(&want, out + p, 1), "%s, %zu channels",
                              kernels_nth(k)->name, n);
                }
            }
        }
}

Test(kernels, cells_are_repeated)
{
    enum { CELLS = 5, TIMES = 3 };

    for (size_t i = 0; i < N_LENGTHS; i++) {
        const size_t n = lengths[i];
        float *in = guarded_floats(CELLS * n), *out = guarded_floats(CELLS * TIMES * n);
        fill_random(in, CELLS * n, 3, n);
        for (size_t k = 0; kernels_nth(k / 2); k++) {
            kernels_nth(k / 2)->repeat(out, in, CELLS, n, TIMES, k % 2);
            for (size_t p = 0; p < CELLS * TIMES * n; p++)
                cr_assert_eq(out[p], in[p / n / TIMES * n + p % n]);
        }
    }
}

/* ---- gray ---- */

Test(kernels, gray_is_its_formula)
{
    const float factors[] = {1.0f, (float)(1.0 / 255), -2.5f};

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t f = 0; f < 3; f++) {
            const size_t n = lengths[i];
            float *rgb = guarded_floats(3 * n), *out = guarded_floats(n);
            fill_random(rgb, 3 * n, 255, n + f);
            rgb[n / 2] = f == 2 ? NAN : -0.0f;
            for (size_t k = 0; kernels_nth(k); k++) {
                kernels_nth(k)->gray(out, rgb, n, factors[f]);
                for (size_t x = 0; x < n; x++) {
                    const float *p = rgb + 3 * x;
                    const float want =
                        (p[0] * 0.2989f + p[1] * 0.587f + p[2] * 0.114f) * factors[f];
                    cr_assert(same_bits(&want, out + x, 1), "%s, %zu of %zu",
                              kernels_nth(k)->name, x, n);
                }
            }
        }
}

/* ---- activations ---- */

static struct activation named(enum activation_id id)
{
    return (struct activation){.id = id, .alpha = activation_row(id)->alpha};
}

/* The largest error over points of every magnitude between -87 and 88, where results
 * are normal floats. */
static double worst_error(const struct activation *activation)
{
    enum { POINTS = 1 << 18 };
    static float x[POINTS], y[POINTS];
    const struct reference_function *function = reference_function(activation->id);
    uint64_t seed = 11;
    double worst = 0;

    for (size_t i = 0; i < POINTS; i++) {
        const double spread = pow(10, 10 * generate_uniform(&seed) - 8);
        const double value = (2 * generate_uniform(&seed) - 1) * spread;
        x[i] = (float)(value < -87 ? -87 : value > 88 ? 88 : value);
    }
    memcpy(y, x, sizeof y);
    portable()->activate(activation, y, y, POINTS, 1, false);
    for (size_t i = 0; i < POINTS; i++) {
        const double want = function->exact((double)x[i], activation);
        const double size = fabs(want) + (function->against_x ? fabs((double)x[i]) : 0);
        cr_assert_not(isnan(y[i]), "of %g", (double)x[i]);
        worst = fmax(worst, fabs((double)y[i] - want) / (size * 0x1p-24 + 1e-38));
    }
    return worst;
}

Test(kernels, activations_are_their_formulas)
{
    for (size_t id = 0; id < ACTIVATION_COUNT; id++) {
        const struct activation activation = named((enum activation_id)id);
        const struct reference_function *function = reference_function(activation.id);

        if (activation_row(id)->keras == KERAS_NONE || !function->exact)
            continue; /* layers have them with parameters */
        const double worst = worst_error(&activation);
        printf("  %-15s worst error %5.2f x 2^-24, bound %.1f\n",
               activation_row(id)->name, worst, function->bound);
        cr_expect_leq(worst, function->bound, "%s", activation_row(id)->name);
    }
}

/* Works on the whole last axis: has a test of its own. */
static bool is_axial(size_t id)
{
    return id == ACTIVATION_SOFTMAX || id == ACTIVATION_LOG_SOFTMAX ||
           id == ACTIVATION_SPARSEMAX;
}

Test(kernels, every_activation_is_checked)
{
    for (size_t id = 0; id < ACTIVATION_COUNT; id++)
        cr_expect_neq(is_axial(id),
                      reference_function((enum activation_id)id)->exact != NULL, "%s",
                      activation_row(id)->name);
}

/* The layers with parameters: ReLU, LeakyReLU, ThresholdedReLU of Keras. */
Test(kernels, rectifiers_follow_their_parameters)
{
    static const struct {
        struct activation activation;
        float in[6], want[6];
    } rows[] = {
        {{ACTIVATION_RECTIFIER, 0.1f, 6, 1},
         {-9, 0, 1, 2, 6, 7},
         {-1, -0.1f, 1, 2, 6, 6}},
        {{ACTIVATION_RECTIFIER, 0, INFINITY, 0},
         {-1, 0, 1, 2, 6, 7},
         {0, 0, 1, 2, 6, 7}},
        {{ACTIVATION_LEAKY_RELU, 0.5f, 0, 0}, {-2, 0, 1, 2, 6, 7}, {-1, 0, 1, 2, 6, 7}},
        {{ACTIVATION_THRESHOLDED, 0, 0, 2}, {-2, 0, 1, 2, 3, 7}, {0, 0, 0, 0, 3, 7}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float x[6];
        memcpy(x, rows[i].in, sizeof x);
        portable()->activate(&rows[i].activation, x, x, 6, 1, false);
        for (size_t k = 0; k < 6; k++)
            cr_assert_float_eq(x[k], rows[i].want[k], 1e-6, "row %zu, x %g", i,
                               (double)rows[i].in[k]);
    }
}

Test(kernels, a_nan_stays_a_nan)
{
    for (size_t id = 0; id < ACTIVATION_COUNT; id++)
        for (size_t k = 0; kernels_nth(k); k++) {
            float x[17] = {1, 2, 3, NAN, 5};
            const struct activation activation = named((enum activation_id)id);
            kernels_nth(k)->activate(&activation, x, x, 17, 1, false);
            cr_expect(isnan(x[3]), "%s", activation_row(id)->name);
        }
}

Test(kernels, activations_at_the_ends)
{
    static const struct {
        enum activation_id id;
        float in[4], want[4];
    } rows[] = {
        {ACTIVATION_SIGMOID, {-INFINITY, INFINITY, -200, 200}, {0, 1, 0, 1}},
        {ACTIVATION_TANH, {-INFINITY, INFINITY, -200, 200}, {-1, 1, -1, 1}},
        {ACTIVATION_TANH, {-0.0f, 0, -1e-45f, 1e-45f}, {-0.0f, 0, -1e-45f, 1e-45f}},
        {ACTIVATION_GELU, {-FLT_MAX, FLT_MAX, -6, 6}, {0, FLT_MAX, 0, 6}},
        {ACTIVATION_SWISH,
         {-FLT_MAX, FLT_MAX, -200, 200},
         {-0.0f, FLT_MAX, -0.0f, 200}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float x[4];
        portable()->activate(&(struct activation){.id = rows[i].id}, x, rows[i].in, 4,
                             1, false);
        cr_expect_arr_eq(x, rows[i].want, sizeof x, "%s, row %zu",
                         activation_row(rows[i].id)->name, i);
    }
}

/* Where one factor rounds past 1 the other sign would come out. */
Test(kernels, gelu_keeps_the_sign)
{
    enum { POINTS = 1 << 16 };
    static float x[POINTS];

    for (size_t i = 0; i < POINTS; i++)
        x[i] = -8 * (float)i / POINTS;
    portable()->activate(&(struct activation){.id = ACTIVATION_GELU}, x, x, POINTS, 1,
                         false);
    for (size_t i = 0; i < POINTS; i++)
        cr_assert_leq(x[i], 0);
}

Test(kernels, softmax_is_its_formula)
{
    enum { CHANNELS = 37, PIXELS = 20 }; /* three blocks, the last one short */
    float x[PIXELS * CHANNELS], y[PIXELS * CHANNELS];

    fill_random(x, PIXELS * CHANNELS, 30, 4);
    memcpy(y, x, sizeof y);
    portable()->activate(&(struct activation){.id = ACTIVATION_SOFTMAX}, y, y,
                         PIXELS * CHANNELS, CHANNELS, false);
    for (size_t p = 0; p < PIXELS; p++) {
        const float *in = x + p * CHANNELS;
        double most = -INFINITY, sum = 0;
        for (size_t c = 0; c < CHANNELS; c++)
            most = fmax(most, (double)in[c]);
        for (size_t c = 0; c < CHANNELS; c++)
            sum += exp((double)in[c] - most);
        for (size_t c = 0; c < CHANNELS; c++)
            cr_assert_float_eq((double)y[p * CHANNELS + c],
                               exp((double)in[c] - most) / sum, 1e-6);
    }
}

Test(kernels, log_softmax_is_the_logarithm_of_softmax)
{
    enum { CHANNELS = 21 };
    float x[CHANNELS], y[CHANNELS];

    fill_random(x, CHANNELS, 9, 4);
    memcpy(y, x, sizeof y);
    portable()->activate(&(struct activation){.id = ACTIVATION_SOFTMAX}, x, x, CHANNELS,
                         CHANNELS, false);
    portable()->activate(&(struct activation){.id = ACTIVATION_LOG_SOFTMAX}, y, y,
                         CHANNELS, CHANNELS, false);
    for (size_t c = 0; c < CHANNELS; c++)
        cr_assert_float_eq((double)y[c], log((double)x[c]), 3e-6);
}

/* Its definition: non-negative, sums to 1, and x - result is one number where the
 * result is positive and no larger elsewhere. */
Test(kernels, sparsemax_is_the_projection)
{
    enum { CHANNELS = 33 };
    float x[CHANNELS], y[CHANNELS];

    for (uint64_t seed = 0; seed < 50; seed++) {
        double sum = 0, tau = NAN;
        fill_random(x, CHANNELS, pow(10, (double)(seed % 5) - 2), seed);
        memcpy(y, x, sizeof y);
        portable()->activate(&(struct activation){.id = ACTIVATION_SPARSEMAX}, y, y,
                             CHANNELS, CHANNELS, false);
        for (size_t c = 0; c < CHANNELS; c++) {
            sum += (double)y[c];
            if (y[c] > 0)
                tau = (double)x[c] - (double)y[c];
        }
        cr_assert_float_eq(sum, 1, 1e-6);
        for (size_t c = 0; c < CHANNELS; c++)
            cr_assert(y[c] > 0 ? fabs((double)x[c] - (double)y[c] - tau) < 1e-5
                               : (double)x[c] <= tau + 1e-5);
    }
}

/* Beside a large value the 1 that the result sums to must not be lost. */
Test(kernels, sparsemax_of_large_values_sums_to_1)
{
    float x[] = {3e29f, -1, 2e29f, 3e29f};

    portable()->activate(&(struct activation){.id = ACTIVATION_SPARSEMAX}, x, x, 4, 4,
                         false);
    cr_assert_arr_eq(x, ((float[]){0.5f, 0, 0, 0.5f}), sizeof x);
}

Test(kernels, activations_give_the_same_bits)
{
    for (size_t a = 0; a < ACTIVATION_COUNT; a++)
        for (size_t i = 0; i < N_LENGTHS; i++) {
            const size_t n = lengths[i];
            const struct activation activation = named((enum activation_id)a);
            float *in = guarded_floats(n), *want = guarded_floats(n),
                  *got = guarded_floats(n);

            fill_random(in, n, 20, n);
            for (size_t e = 0; e < N_EXTREMES && e < n; e++)
                in[(e * 7) % n] = extremes[e];
            for (size_t channels = 1; channels <= n; channels++) {
                if (n % channels)
                    continue;
                memcpy(want, in, n * sizeof *in);
                portable()->activate(&activation, want, want, n, channels, false);
                for (size_t k = 0; kernels_nth(k); k++) {
                    memcpy(got, in, n * sizeof *in);
                    kernels_nth(k)->activate(&activation, got, got, n, channels, false);
                    cr_assert(same_bits(want, got, n), "%s, %s, n %zu, channels %zu",
                              activation_row(a)->name, kernels_nth(k)->name, n,
                              channels);
                    memset(got, 0, n * sizeof *got);
                    kernels_nth(k)->activate(&activation, got, in, n, channels, true);
                    cr_assert(same_bits(want, got, n), "%s, %s, n %zu, around",
                              activation_row(a)->name, kernels_nth(k)->name, n);
                }
            }
        }
}

/* ---- two numbers for each value ---- */

static float with_numbers(int kind, float x, float p, float q)
{
    return kind == 0 ? fmaf(x, p, q) : kind == 1 ? (x - p) / q : x > 0 ? x : p * x;
}

static void apply_numbers(const struct kernels *k, int kind, float *out,
                          const float *in, const float *numbers, size_t period,
                          size_t n, bool around)
{
    (kind == 0   ? k->scale
     : kind == 1 ? k->standardize
                 : k->rectify)(out, in, numbers, numbers + period, period, n, around);
}

Test(kernels, numbers_come_again_after_a_period)
{
    static const size_t periods[] = {1, 3, 16, 48, 100};
    enum { N_PERIODS = sizeof periods / sizeof *periods, KINDS = 3 };

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t round = 0; round < N_PERIODS * KINDS * 2; round++) {
            const size_t n = lengths[i], period = periods[round % N_PERIODS];
            const int kind = (int)(round / N_PERIODS % KINDS);
            const bool around = round >= N_PERIODS * KINDS;
            float *in = guarded_floats(n), *out = guarded_floats(n);
            float *numbers = guarded_floats(2 * period);

            fill_random(in, n, 3, round);
            fill_random(numbers, 2 * period, 3, round + 1);
            for (size_t k = 0; kernels_nth(k); k++) {
                apply_numbers(kernels_nth(k), kind, out, in, numbers, period, n,
                              around);
                for (size_t v = 0; v < n; v++) {
                    const float *p = numbers + v % period;
                    const float want = with_numbers(kind, in[v], *p, p[period]);
                    cr_assert(same_bits(&want, out + v, 1), "%s, kind %d, %zu of %zu",
                              kernels_nth(k)->name, kind, period, n);
                }
            }
        }
}

/* ---- pictures ---- */

Test(kernels, quantize_is_matplotlibs_rule)
{
    static const float values[] = {-4, -1, 0, 2, 4, 3.999f, -5, 5};
    static const uint8_t want[] = {0, 96, 128, 192, 255, 255, 0, 255};
    const float low = -4, high = 4;
    uint8_t got[8], *map = got;

    portable()->quantize(&map, 0, values, 8, 1, 1, &low, &high);
    cr_assert_arr_eq(got, want, sizeof want);
}

/* Some channels of a map, each between limits of its own. */
static void check_quantize(size_t cells, size_t channels, size_t n)
{
    const size_t first = channels - n;
    float *in = guarded_floats(cells * channels), low[70], high[70];
    uint8_t want[70][258], got[70][258], *maps[2][70];

    fill_random(in, cells * channels, 3, cells);
    in[0] = NAN;
    in[cells * channels / 2] = -INFINITY;
    memset(want, 7, sizeof want);
    memset(got, 7, sizeof got);
    for (size_t c = 0; c < n; c++) {
        low[c] = -2 - (float)c;
        high[c] = c == 1 ? INFINITY : 2.5f * (float)c;
        maps[0][c] = want[c];
        maps[1][c] = got[c];
        for (size_t i = 0; i < cells; i++) {
            const float v = in[i * channels + first + c];
            const float x = (v - low[c]) / (high[c] - low[c]) * 256;
            want[c][1 + i] = (uint8_t)(x > 0 ? x < 255 ? x : 255.0f : 0.0f);
        }
    }
    for (size_t k = 0; kernels_nth(k); k++) {
        kernels_nth(k)->quantize(maps[1], 1, in + first, cells, channels, n, low, high);
        cr_assert_arr_eq(want, got, sizeof want, "%s, %zu cells, %zu of %zu channels",
                         kernels_nth(k)->name, cells, n, channels);
    }
}

Test(kernels, quantize_gives_the_same_bytes)
{
    static const size_t channels[] = {1, 2, 3, 4, 15, 16, 17, 70};

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
            check_quantize(lengths[i], channels[c], channels[c]);
            check_quantize(lengths[i], channels[c], (channels[c] + 1) / 2);
        }
}

Test(kernels, ranges_are_of_the_finite_values)
{
    static const size_t channels[] = {1, 2, 3, 15, 16, 17, 70};

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (size_t k = 0; kernels_nth(k); k++) {
                const size_t cells = lengths[i], n = channels[c];
                float *in = guarded_floats(cells * n);
                fill_random(in, cells * n, 3, n);
                in[0] = NAN;
                in[cells * n / 2] = -INFINITY;
                in[cells * n - 1] = INFINITY;
                for (size_t m = 0; m < n; m++) {
                    float low = 1, high = 1, odd = 0, want_low = 1, want_high = 1;
                    bool finite = true;
                    for (size_t p = m; p < cells * n; p += n) {
                        finite = finite && isfinite(in[p]);
                        want_low = isfinite(in[p]) ? fminf(want_low, in[p]) : want_low;
                        want_high =
                            isfinite(in[p]) ? fmaxf(want_high, in[p]) : want_high;
                    }
                    kernels_nth(k)->range(&low, &high, &odd, in + m, cells, n, 1);
                    cr_assert(low == want_low && high == want_high);
                    cr_assert_eq(odd == 0, finite);

                    float lows[70], highs[70], odds[70] = {0};
                    for (size_t l = 0; l < n; l++)
                        lows[l] = highs[l] = 1;
                    kernels_nth(k)->range(lows, highs, odds, in, cells, n, n);
                    cr_assert(lows[m] == want_low && highs[m] == want_high,
                              "%s, %zu cells, channel %zu of %zu", kernels_nth(k)->name,
                              cells, m, n);
                    cr_assert_eq(odds[m] == 0, finite);
                }
            }
}

Test(kernels, statistics_give_the_same_bits)
{
    for (size_t i = 0; i < N_LENGTHS; i++) {
        const size_t n = lengths[i];
        float *in = guarded_floats(n);
        struct block_statistics want, got;

        fill_random(in, n, 3, n);
        in[n / 2] = n > 2 ? NAN : 1;
        in[n / 3] = n > 8 ? INFINITY : -1;
        portable()->statistics(in, n, 1, &want);
        for (size_t k = 1; kernels_nth(k); k++) {
            kernels_nth(k)->statistics(in, n, 1, &got);
            cr_assert_eq(memcmp(&want, &got, sizeof want), 0, "%s, n %zu",
                         kernels_nth(k)->name, n);
        }
    }
}
