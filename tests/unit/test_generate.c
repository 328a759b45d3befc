/* test_generate.c - the lesson's circles against scikit-image's, and the named kernels.
 */
#include "tests/unit/check.h"

#include <stdio.h>

static double *draw_circle(size_t h, size_t w, const double *val, long r, uint64_t seed)
{
    double *out = calloc(h * w, sizeof *out);
    double *scratch = calloc(generate_circle_scratch(h, w), sizeof *scratch);

    cr_assert(generate_circle(out, scratch, h, w, val, r, seed, &parallel_serial));
    free(scratch);
    return out;
}

/* The next line that is no comment, read as far as h, w and r. */
static bool next_case(FILE *file, size_t *h, size_t *w, long *r)
{
    int c;

    while ((c = fgetc(file)) == '#')
        while ((c = fgetc(file)) != '\n' && c != EOF)
            ;
    ungetc(c, file);
    return fscanf(file, "%zu %zu %ld", h, w, r) == 3 && fgetc(file) == ' ';
}

static void skip_newline(FILE *file)
{
    const int c = fgetc(file);
    cr_assert(c == '\n' || c == EOF);
}

Test(generate, circles_are_scikit_images)
{
    FILE *file = fopen("tests/data/circles.txt", "r");
    size_t h, w, n, at, cases = 0;
    const double one = 1;
    long r;

    cr_assert_not_null(file, "run the tests from the top of the checkout");
    for (; next_case(file, &h, &w, &r); cases++) {
        double *got = draw_circle(h, w, &one, r, 0),
               *want = calloc(h * w, sizeof *want);

        cr_assert_eq(fscanf(file, "%zu", &n), 1);
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(fscanf(file, "%zu", &at), 1);
            want[at] = 1;
        }
        cr_assert_arr_eq(got, want, h * w * sizeof *want, "%zux%zu, r_shrink %ld", h, w,
                         r);
        skip_newline(file);
        free(got);
        free(want);
    }
    cr_assert_eq(cases, 117);
    fclose(file);
}

Test(generate, tiny_circles_are_blurred_as_scikit_image_does)
{
    FILE *file = fopen("tests/data/circles_tiny.txt", "r");
    size_t h, w, cases = 0;
    const double one = 1;
    double want;
    long r;

    cr_assert_not_null(file);
    for (; next_case(file, &h, &w, &r); cases++) {
        double *got = draw_circle(h, w, &one, r, 0);
        for (size_t i = 0; i < h * w; i++) {
            cr_assert_eq(fscanf(file, "%lf", &want), 1);
            cr_assert_float_eq(got[i], want, 1e-15, "%zux%zu, r_shrink %ld", h, w, r);
        }
        skip_newline(file);
        free(got);
    }
    cr_assert_gt(cases, 3);
    fclose(file);
}

Test(generate, random_circles_follow_their_seed)
{
    const double one = 1;
    double *a = draw_circle(20, 30, NULL, 2, 7), *b = draw_circle(20, 30, NULL, 2, 7);
    double *c = draw_circle(20, 30, NULL, 2, 8),
           *mask = draw_circle(20, 30, &one, 2, 0);

    cr_assert_arr_eq(a, b, 600 * sizeof *a);
    cr_assert_neq(memcmp(a, c, 600 * sizeof *a), 0);
    for (size_t i = 0; i < 600; i++)
        cr_assert(mask[i] ? a[i] >= 0 && a[i] < 1 : a[i] == 0);
    free(a);
    free(b);
    free(c);
    free(mask);
}

Test(generate, two_dots_are_mirrored)
{
    double out[36];

    generate_two_dots(out, 6, 3, 5);
    for (size_t i = 0; i < 36; i++)
        cr_assert_eq(out[i], i == 3 * 6 + 5 || i == 5 * 6 + 3);
}

/* First outputs of SplitMix64 from state 0, as its authors' code prints them. */
Test(generate, uniform_is_splitmix64)
{
    static const uint64_t outputs[] = {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4,
                                       0x06c45d188009454f};
    uint64_t state = 0;

    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(generate_uniform(&state),
                     (double)(outputs[i] >> 11) / 9007199254740992.0);
}

static void check_kernel(const char *name, const float want[9])
{
    const struct named_kernel *kernel = named_kernel_find(name);

    cr_assert_not_null(kernel, "%s", name);
    cr_assert_eq(kernel->height * kernel->width, 9);
    for (size_t i = 0; i < 9; i++)
        cr_assert_float_eq(kernel->values[i], want[i], 1e-7, "%s[%zu]", name, i);
}

Test(generate, the_lessons_kernels)
{
    check_kernel("edge", (float[]){-1, -1, -1, -1, 8, -1, -1, -1, -1});
    check_kernel("bottom_sobel", (float[]){-1, -2, -1, 0, 0, 0, 1, 2, 1});
    check_kernel("emboss", (float[]){-2, -1, 0, -1, 1, 1, 0, 1, 2});
    check_kernel("sharpen", (float[]){0, -1, 0, -1, 5, -1, 0, -1, 0});
    check_kernel("blur", (float[]){1 / 16.f, 2 / 16.f, 1 / 16.f, 2 / 16.f, 4 / 16.f,
                                   2 / 16.f, 1 / 16.f, 2 / 16.f, 1 / 16.f});
    cr_assert_null(named_kernel_find("Edge"));
}

/* top_x upside down is bottom_x, left_x mirrored is right_x, left_x is top_x
 * transposed. */
static void check_turned(const char *const names[4])
{
    const float *side[4]; /* top, bottom, left, right */

    for (size_t k = 0; k < 4; k++) {
        cr_assert_not_null(named_kernel_find(names[k]), "%s", names[k]);
        side[k] = named_kernel_find(names[k])->values;
    }
    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < 3; x++) {
            cr_assert_eq(side[0][y * 3 + x], side[1][(2 - y) * 3 + x]);
            cr_assert_eq(side[2][y * 3 + x], side[3][y * 3 + 2 - x]);
            cr_assert_eq(side[2][y * 3 + x], side[0][x * 3 + y]);
        }
}

Test(generate, directions_are_turned_copies)
{
    static const char *const families[][4] = {
        {"top_sobel", "bottom_sobel", "left_sobel", "right_sobel"},
        {"prewitt_top", "prewitt_bottom", "prewitt_left", "prewitt_right"},
        {"scharr_top", "scharr_bottom", "scharr_left", "scharr_right"},
    };

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        check_turned(families[i]);
}

Test(generate, gaussian_is_normalised_by_the_trapezoid_rule)
{
    const float *v = named_kernel_find("gaussian")->values;
    double sum = 0;

    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < 3; x++)
            sum += (double)v[y * 3 + x] * (y == 1 ? 1 : 0.5) * (x == 1 ? 1 : 0.5);
    cr_assert_float_eq(sum, 1, 1e-6);
    cr_assert_float_eq(v[1] / v[4], exp(-0.5), 1e-6);
    cr_assert_float_eq(v[0] / v[4], exp(-1), 1e-6);
}
