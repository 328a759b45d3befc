/* generate.c - the lesson's generated inputs and named kernels. */
#include "engine/generate.h"

#include <math.h>
#include <string.h>

double generate_uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* ---- circle ---- */

struct canvas {
    double *cells;
    long height, width;
};

static void plot(const struct canvas *canvas, unsigned char *marked, long y, long x)
{
    if (y >= 0 && y < canvas->height && x >= 0 && x < canvas->width)
        marked[y * canvas->width + x] = 1;
}

/* scikit-image's circle_perimeter: the midpoint circle (Bresenham), clipped. */
static void mark_circle(const struct canvas *canvas, unsigned char *marked, long cy,
                        long cx, long radius)
{
    long r = radius, c = 0, d = 3 - 2 * radius;

    while (r >= c) {
        for (int turn = 0; turn < 8; turn++) {
            const long a = turn & 1 ? r : c, b = turn & 1 ? c : r;
            plot(canvas, marked, cy + (turn & 2 ? a : -a), cx + (turn & 4 ? b : -b));
        }
        if (d < 0) {
            d += 4 * c + 6;
        } else {
            d += 4 * (c - r) + 10;
            r--;
        }
        c++;
    }
}

/* One axis of SciPy's gaussian_filter with sigma = 1 / (2n), cut off at 4 sigma,
 * mirrored at the ends: what scikit-image's resize does before it shrinks n + 1 cells
 * to n. From n = 5 on the filter is one tap. A weight is exp(-x^2 / (2 sigma^2)) =
 * exp(-2)^(n^2 x^2). */
static void blur_line(double *line, double *copy, size_t length, size_t step, size_t n)
{
    const double exp_minus_2 = 0x1.152aaa3bf81ccp-3;
    const size_t radius = (size_t)(4 / (2 * (double)n) + 0.5);
    double weights[3] = {1, 0, 0}, sum = 1;

    for (size_t x = 1; x <= radius; x++) {
        weights[x] = 1;
        for (size_t k = 0; k < n * n * x * x; k++)
            weights[x] *= exp_minus_2;
        sum += 2 * weights[x];
    }
    for (size_t i = 0; i < length; i++)
        copy[i] = line[i * step];
    for (size_t i = 0; i < length; i++) {
        double value = copy[i] * (weights[0] / sum);
        for (size_t x = radius; x >= 1; x--) {
            const size_t period = 2 * (length - 1); /* of the mirrored line */
            const size_t a = (i + period * x - x) % period, b = (i + x) % period;
            value += (copy[a < length ? a : period - a] +
                      copy[b < length ? b : period - b]) *
                     (weights[x] / sum);
        }
        line[i * step] = value;
    }
}

static void blur(const struct canvas *canvas, double *copy)
{
    const size_t height = (size_t)canvas->height, width = (size_t)canvas->width;

    if (height - 1 < 5)
        for (size_t x = 0; x < width; x++)
            blur_line(canvas->cells + x, copy, height, width, height - 1);
    if (width - 1 < 5)
        for (size_t y = 0; y < height; y++)
            blur_line(canvas->cells + y * width, copy, width, 1, width - 1);
}

/* Row of the n + 1 that the k-th of n comes from; in doubles and in this order, as the
 * ties of odd n fall by rounding. */
static size_t source_row(size_t k, size_t n)
{
    const double scale = ((double)n + 1) / (double)n;
    const double row = ((double)k + 0.5) * scale - 0.5;

    return (size_t)floor(row + 0.5);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t generate_circle_scratch(size_t height, size_t width)
{
    const size_t cells = (height + 1) * (width + 1);
    const size_t marks = (cells + sizeof(double) - 1) / sizeof(double);

    return cells + larger(marks, larger(height, width) + 1);
}

/* What is marked gets the value, or without one each cell its own by the seed. */
static bool fill_marked(const struct canvas *canvas, const unsigned char *marked,
                        const double *val, uint64_t seed,
                        const struct parallel *parallel)
{
    const size_t width = (size_t)canvas->width;

    for (size_t y = 0; y < (size_t)canvas->height; y++) {
        if (parallel_cancelled(parallel))
            return false;
        for (size_t i = y * width; i < (y + 1) * width; i++) {
            const double value = val ? *val : generate_uniform(&seed);
            canvas->cells[i] = marked[i] ? value : 0;
        }
    }
    return true;
}

bool generate_circle(double *out, double *scratch, size_t height, size_t width,
                     const double *val, long r_shrink, uint64_t seed,
                     const struct parallel *parallel)
{
    const struct canvas canvas = {scratch, (long)height + 1, (long)width + 1};
    const size_t cells = (height + 1) * (width + 1);
    unsigned char *marked = (unsigned char *)(scratch + cells);

    memset(marked, 0, cells);
    mark_circle(&canvas, marked, (long)height / 2, (long)width / 2,
                (long)height / 2 - r_shrink);
    if (!fill_marked(&canvas, marked, val, seed, parallel))
        return false;
    blur(&canvas, scratch + cells); /* the marks are no longer needed */
    for (size_t y = 0; y < height; y++) {
        if (parallel_cancelled(parallel))
            return false;
        for (size_t x = 0; x < width; x++)
            out[y * width + x] =
                canvas
                    .cells[source_row(y, height) * (width + 1) + source_row(x, width)];
    }
    return true;
}

void generate_two_dots(double *out, size_t size, size_t x, size_t y)
{
    memset(out, 0, size * size * sizeof *out);
    out[x * size + y] = out[y * size + x] = 1;
}

/* ---- named kernels ---- */

#define K3(kernel, ...)                                                                \
    {                                                                                  \
        .name = kernel, .height = 3, .width = 3, .values = { __VA_ARGS__ }             \
    }

/* exp(-1/2), exp(-1), and their sum by the trapezoid rule over -1, 0, 1 on both axes.
 */
#define SIDE   0.60653066f
#define CORNER 0.36787944f
#define TOTAL  ((1 + SIDE) * (1 + SIDE))

static const struct named_kernel named[] = {
    K3("edge", -1, -1, -1, -1, 8, -1, -1, -1, -1),
    K3("blur", 0.0625f, 0.125f, 0.0625f, 0.125f, 0.25f, 0.125f, 0.0625f, 0.125f,
       0.0625f),
    K3("bottom_sobel", -1, -2, -1, 0, 0, 0, 1, 2, 1),
    K3("top_sobel", 1, 2, 1, 0, 0, 0, -1, -2, -1),
    K3("left_sobel", 1, 0, -1, 2, 0, -2, 1, 0, -1),
    K3("right_sobel", -1, 0, 1, -2, 0, 2, -1, 0, 1),
    K3("emboss", -2, -1, 0, -1, 1, 1, 0, 1, 2),
    K3("sharpen", 0, -1, 0, -1, 5, -1, 0, -1, 0),
    K3("identity", 0, 0, 0, 0, 1, 0, 0, 0, 0),
    K3("outline", -1, -1, -1, -1, 8, -1, -1, -1, -1),
    K3("laplacian", 0, 1, 0, 1, -4, 1, 0, 1, 0),
    K3("prewitt_bottom", -1, -1, -1, 0, 0, 0, 1, 1, 1),
    K3("prewitt_top", 1, 1, 1, 0, 0, 0, -1, -1, -1),
    K3("prewitt_left", 1, 0, -1, 1, 0, -1, 1, 0, -1),
    K3("prewitt_right", -1, 0, 1, -1, 0, 1, -1, 0, 1),
    K3("scharr_bottom", -3, -10, -3, 0, 0, 0, 3, 10, 3),
    K3("scharr_top", 3, 10, 3, 0, 0, 0, -3, -10, -3),
    K3("scharr_left", 3, 0, -3, 10, 0, -10, 3, 0, -3),
    K3("scharr_right", -3, 0, 3, -10, 0, 10, -3, 0, 3),
    K3("gaussian", CORNER / TOTAL, SIDE / TOTAL, CORNER / TOTAL, SIDE / TOTAL,
       1 / TOTAL, SIDE / TOTAL, CORNER / TOTAL, SIDE / TOTAL, CORNER / TOTAL),
};

const struct named_kernel *named_kernel_at(size_t i)
{
    return i < sizeof named / sizeof *named ? &named[i] : NULL;
}

const struct named_kernel *named_kernel_find(const char *name)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i].name, name) == 0)
            return &named[i];
    return NULL;
}
