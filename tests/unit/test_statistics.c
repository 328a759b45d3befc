/* test_statistics.c - statistics against sums in long double. */
#include "tests/unit/check.h"

#include "engine/statistics.h"

static void check(const float *x, size_t n, size_t stride)
{
    const struct statistics s = statistics_of(kernels_find(NULL), x, n, stride);
    long double sum = 0, squares = 0;
    float low = INFINITY, high = -INFINITY;
    size_t finite = 0;

    for (size_t i = 0; i < n; i++) {
        const float v = x[i * stride];
        if (!isfinite(v))
            continue;
        finite++;
        sum += (long double)v;
        low = fminf(low, v);
        high = fmaxf(high, v);
    }
    const long double mean = sum / finite;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i * stride]))
            squares += ((long double)x[i * stride] - mean) *
                       ((long double)x[i * stride] - mean);
    cr_assert_eq(s.finite, finite);
    cr_assert_eq(s.min, low);
    cr_assert_eq(s.max, high);
    const double scale = fabs((double)low) + fabs((double)high);
    cr_assert_float_eq(s.mean, (double)mean, 1e-14 * scale);
    cr_assert_float_eq(s.std, (double)sqrtl(squares / finite), 1e-12 * scale);
}

Test(statistics, agree_with_long_double)
{
    static float x[3 * 100000];

    fill_random(x, 3 * 100000, 100, 1);
    for (size_t i = 0; i < 3 * 100000; i++)
        x[i] += 1000;
    for (size_t n = 1; n <= 100000; n = n * 3 + 1)
        for (size_t stride = 1; stride <= 3; stride++)
            check(x, n, stride);
}

Test(statistics, leave_out_what_is_not_finite)
{
    const float x[] = {1, NAN, 3, INFINITY, -INFINITY, NAN, 5};
    const struct statistics s = statistics_of(kernels_find(NULL), x, 7, 1);

    cr_assert_eq(s.finite, 3);
    cr_assert_eq(s.nan, 2);
    cr_assert_eq(s.inf, 2);
    cr_assert_eq(s.mean, 3.0);
    cr_assert_float_eq(s.std, sqrt(8.0 / 3), 1e-15);
}

Test(statistics, constant_maps_are_called_so)
{
    const float same[] = {2, 2, NAN, 2}, none[] = {NAN, INFINITY}, two[] = {1, 2};
    const struct kernels *k = kernels_find(NULL);
    struct statistics s = statistics_of(k, same, 4, 1);

    cr_assert(statistics_constant(&s));
    cr_assert_eq(s.std, 0.0);
    s = statistics_of(k, none, 2, 1);
    cr_assert(statistics_constant(&s));
    s = statistics_of(k, two, 2, 1);
    cr_assert_not(statistics_constant(&s));
}
