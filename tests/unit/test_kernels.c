/*
 * test_kernels.c - the portable table against each loop's definition in double
 * precision, and every other table against the portable one, bit for bit.
 */
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

/* Keras' formulas in double precision. */
static double exact_linear(double x)
{
    return x;
}
static double exact_relu(double x)
{
    return x > 0 ? x : 0;
}
static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double exact_elu(double x)
{
    return x > 0 ? x : expm1(x);
}
static double exact_selu(double x)
{
    return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
}
static double exact_softplus(double x)
{
    return x > 30 ? x : log1p(exp(x));
}
static double exact_softsign(double x)
{
    return x / (1 + fabs(x));
}
static double exact_hard_sigmoid(double x)
{
    return fmin(fmax(x / 6 + 0.5, 0), 1);
}
static double exact_hard_sigmoid_2(double x)
{
    return fmin(fmax(0.2 * x + 0.5, 0), 1);
}
static double exact_gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2));
}
static double exact_swish(double x)
{
    return x / (1 + exp(-x));
}
static double exact_mish(double x)
{
    return x * tanh(exact_softplus(x));
}
static double exact_relu6(double x)
{
    return fmin(fmax(x, 0), 6);
}
static double exact_leaky_relu(double x)
{
    return x > 0 ? x : (double)0.2f * x;
}
static double exact_hard_silu(double x)
{
    return x * exact_hard_sigmoid(x);
}
static double exact_log_sigmoid(double x)
{
    return -exact_softplus(-x);
}
static double exact_hard_tanh(double x)
{
    return fmin(fmax(x, -1), 1);
}
static double exact_hard_shrink(double x)
{
    return fabs(x) > 0.5 ? x : 0;
}
static double exact_soft_shrink(double x)
{
    return copysign(fmax(fabs(x) - 0.5, 0), x);
}
static double exact_tanh_shrink(double x)
{
    return x - tanh(x);
}
static double exact_squareplus(double x)
{
    return (x + sqrt(x * x + 4)) / 2;
}
static double exact_sparse_plus(double x)
{
    return x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4;
}
static double exact_sparse_sigmoid(double x)
{
    return fmin(fmax((x + 1) / 2, 0), 1);
}

/* bound: the error in units of 2^-24 of the result, or of x too where the formula takes
 * a difference that cancels (against_x). */
static const struct {
    enum activation_id id;
    double (*exact)(double);
    double bound;
    bool against_x;
} elementwise[] = {
    {ACTIVATION_LINEAR, exact_linear, 0, false},
    {ACTIVATION_RELU, exact_relu, 0, false},
    {ACTIVATION_SIGMOID, exact_sigmoid, 5, false},
    {ACTIVATION_TANH, tanh, 4, false},
    {ACTIVATION_ELU, exact_elu, 4, false},
    {ACTIVATION_SELU, exact_selu, 8, false},
    {ACTIVATION_SOFTPLUS, exact_softplus, 5, false},
    {ACTIVATION_SOFTSIGN, exact_softsign, 3, false},
    {ACTIVATION_EXPONENTIAL, exp, 2.5, false},
    {ACTIVATION_HARD_SIGMOID, exact_hard_sigmoid, 3, true},
    {ACTIVATION_HARD_SIGMOID_2, exact_hard_sigmoid_2, 3, true},
    {ACTIVATION_GELU, exact_gelu, 4, true},
    {ACTIVATION_SWISH, exact_swish, 6, false},
    {ACTIVATION_SILU, exact_swish, 6, false},
    {ACTIVATION_MISH, exact_mish, 10, false},
    {ACTIVATION_RELU6, exact_relu6, 0, false},
    {ACTIVATION_LEAKY_RELU, exact_leaky_relu, 1, false},
    {ACTIVATION_HARD_SILU, exact_hard_silu, 4, true},
    {ACTIVATION_HARD_SWISH, exact_hard_silu, 4, true},
    {ACTIVATION_LOG_SIGMOID, exact_log_sigmoid, 5, false},
    {ACTIVATION_CELU, exact_elu, 4, false},
    {ACTIVATION_HARD_TANH, exact_hard_tanh, 0, false},
    {ACTIVATION_HARD_SHRINK, exact_hard_shrink, 0, false},
    {ACTIVATION_SOFT_SHRINK, exact_soft_shrink, 1, true},
    {ACTIVATION_TANH_SHRINK, exact_tanh_shrink, 4, true},
    {ACTIVATION_SQUAREPLUS, exact_squareplus, 4, true},
    {ACTIVATION_SPARSE_PLUS, exact_sparse_plus, 4, true},
    {ACTIVATION_SPARSE_SIGMOID, exact_sparse_sigmoid, 2, true},
};
enum { N_ELEMENTWISE = sizeof elementwise / sizeof *elementwise };

static struct activation named(enum activation_id id)
{
    return (struct activation){.id = id, .alpha = activation_row(id)->alpha};
}

/* The largest error over points of every magnitude between -87 and 88, where results
 * are normal floats. */
static double worst_error(size_t row)
{
    enum { POINTS = 1 << 18 };
    static float x[POINTS], y[POINTS];
    const struct activation activation = named(elementwise[row].id);
    uint64_t seed = 11;
    double worst = 0;

    for (size_t i = 0; i < POINTS; i++) {
        const double spread = pow(10, 10 * generate_uniform(&seed) - 8);
        const double value = (2 * generate_uniform(&seed) - 1) * spread;
        x[i] = (float)(value < -87 ? -87 : value > 88 ? 88 : value);
    }
    memcpy(y, x, sizeof y);
    portable()->activate(&activation, y, y, POINTS, 1);
    for (size_t i = 0; i < POINTS; i++) {
        const double want = elementwise[row].exact((double)x[i]);
        const double size =
            fabs(want) + (elementwise[row].against_x ? fabs((double)x[i]) : 0);
        worst = fmax(worst, fabs((double)y[i] - want) / (size * 0x1p-24 + 1e-38));
    }
    return worst;
}

Test(kernels, activations_are_their_formulas)
{
    for (size_t row = 0; row < N_ELEMENTWISE; row++) {
        const double worst = worst_error(row);

        printf("  %-15s worst error %5.2f x 2^-24, bound %.1f\n",
               activation_row(elementwise[row].id)->name, worst,
               elementwise[row].bound);
        cr_expect_leq(worst, elementwise[row].bound, "%s",
                      activation_row(elementwise[row].id)->name);
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
    for (size_t id = 0; id < ACTIVATION_COUNT; id++) {
        bool found = is_axial(id) || activation_row(id)->keras == KERAS_NONE;
        for (size_t row = 0; row < N_ELEMENTWISE; row++)
            found |= elementwise[row].id == id;
        cr_expect(found, "%s", activation_row(id)->name);
    }
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
