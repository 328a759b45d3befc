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

Test(kernels, rows_fold_with_the_same_bits)
{
    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t step = 1; step <= 3; step++) {
            const size_t n = lengths[i];
            float *in = guarded_floats((n - 1) * step + 1);
            float *want = guarded_floats(n), *got = guarded_floats(n);

            fill_random(in, (n - 1) * step + 1, 1, n);
            in[0] = NAN;
            for (int sum = 0; sum < 2; sum++)
                for (size_t k = 0; kernels_nth(k); k++) {
                    float *out = k == 0 ? want : got;
                    fill_random(out, n, 1, 5);
                    (sum ? kernels_nth(k)->add_row : kernels_nth(k)->max_row)(out, in,
                                                                              step, n);
                    cr_assert(same_bits(want, out, n), "%s, n %zu, step %zu",
                              kernels_nth(k)->name, n, step);
                }
        }
}

Test(kernels, max_row_takes_the_larger)
{
    float acc[] = {1, -2, -INFINITY, 0}, in[] = {0, -1, -5, 7};
    const float want[] = {1, -1, -5, 7};

    portable()->max_row(acc, in, 1, 4);
    cr_assert_arr_eq(acc, want, sizeof want);
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
    portable()->activate(activation, y, y, POINTS, 1);
    for (size_t i = 0; i < POINTS; i++) {
        const double want = function->exact((double)x[i], activation);
        const double size = fabs(want) + (function->against_x ? fabs((double)x[i]) : 0);
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
        portable()->activate(&rows[i].activation, x, x, 6, 1);
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
            kernels_nth(k)->activate(&activation, x, x, 17, 1);
            cr_expect(isnan(x[3]), "%s", activation_row(id)->name);
        }
}

Test(kernels, activations_at_the_ends)
{
    float x[] = {-INFINITY, INFINITY, -200, 200};

    portable()->activate(&(struct activation){.id = ACTIVATION_SIGMOID}, x, x, 4, 1);
    cr_assert_arr_eq(x, ((float[]){0, 1, 0, 1}), sizeof x);
    memcpy(x, ((float[]){-INFINITY, INFINITY, -200, 200}), sizeof x);
    portable()->activate(&(struct activation){.id = ACTIVATION_TANH}, x, x, 4, 1);
    cr_assert_arr_eq(x, ((float[]){-1, 1, -1, 1}), sizeof x);
}

Test(kernels, softmax_is_its_formula)
{
    enum { CHANNELS = 37, PIXELS = 5 };
    float x[PIXELS * CHANNELS], y[PIXELS * CHANNELS];

    fill_random(x, PIXELS * CHANNELS, 30, 4);
    memcpy(y, x, sizeof y);
    portable()->activate(&(struct activation){.id = ACTIVATION_SOFTMAX}, y, y,
                         PIXELS * CHANNELS, CHANNELS);
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
                         CHANNELS);
    portable()->activate(&(struct activation){.id = ACTIVATION_LOG_SOFTMAX}, y, y,
                         CHANNELS, CHANNELS);
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
                             CHANNELS, CHANNELS);
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

    portable()->activate(&(struct activation){.id = ACTIVATION_SPARSEMAX}, x, x, 4, 4);
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
                portable()->activate(&activation, want, want, n, channels);
                for (size_t k = 1; kernels_nth(k); k++) {
                    memcpy(got, in, n * sizeof *in);
                    kernels_nth(k)->activate(&activation, got, got, n, channels);
                    cr_assert(same_bits(want, got, n), "%s, %s, n %zu, channels %zu",
                              activation_row(a)->name, kernels_nth(k)->name, n,
                              channels);
                }
            }
        }
}

/* ---- pictures ---- */

Test(kernels, quantize_is_matplotlibs_rule)
{
    static const float values[] = {-4, -1, 0, 2, 4, 3.999f, -5, 5};
    static const uint8_t want[] = {0, 96, 128, 192, 255, 255, 0, 255};
    uint8_t got[8];

    portable()->quantize(got, values, 8, 1, -4, 4);
    cr_assert_arr_eq(got, want, sizeof want);
}

Test(kernels, quantize_gives_the_same_bytes)
{
    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t stride = 1; stride <= 3; stride++) {
            const size_t n = lengths[i];
            float *in = guarded_floats((n - 1) * stride + 1);
            uint8_t want[257], got[257];

            fill_random(in, (n - 1) * stride + 1, 3, n);
            in[0] = NAN;
            portable()->quantize(want, in, n, stride, -2, 2.5f);
            for (size_t k = 1; kernels_nth(k); k++) {
                kernels_nth(k)->quantize(got, in, n, stride, -2, 2.5f);
                cr_assert_arr_eq(want, got, n);
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
