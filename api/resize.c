/*
 * resize.c - a picture of another size, row by row.
 *
 * Each row of the source is added, weighted, to every row of the result that it
 * reaches. Those are kept at the source's width in a ring; one that is complete is
 * resized along itself and goes to the sink. So no more of the source is kept than it
 * takes, and the sums that matter run over whole rows. The loops are the engine's.
 */
#include "api/resize.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* What the pixels of the result read along one axis. */
struct axis {
    size_t n;             /* pixels of the result */
    size_t stride;        /* weights between one pixel's and the next one's */
    size_t *first, *taps; /* of the source, for each pixel */
    float *weights;
};

/* The same of a row, as the kernels read it: groups of KERNEL_LANES pixels. */
struct spread {
    int32_t *first;
    struct weigh_group *groups;
};

struct resize {
    struct resize_sizes sizes;
    const struct kernels *kernels;
    struct axis down, along;
    struct spread spread; /* of along */
    size_t next;          /* row of the source */
    size_t opened, done;  /* rows of the result that were begun, that are complete */
    size_t n_sums;        /* rows of the ring */
    float *sums, *row;
    bool ended; /* by the sink */
    resize_sink *sink;
    void *context;
};

/* ---- weights ---- */

static double triangle(double t)
{
    return t < 1 ? 1 - t : 0;
}

/* Keys, "Cubic convolution interpolation" (1981), a = -0.5. */
static double cubic(double t)
{
    if (t < 1)
        return (1.5 * t - 2.5) * t * t + 1;
    return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

static const struct filter {
    double support; /* it is 0 from here on; the interpolating ones only */
    double (*weight)(double t);
} filters[] = {
    [RESIZE_BILINEAR] = {1, triangle},
    [RESIZE_NEAREST] = {0, NULL},
    [RESIZE_AREA] = {0, NULL},
    [RESIZE_BICUBIC] = {2, cubic},
};

/* How far from the centre pixels are read. */
static double reach(int method, double scale)
{
    return method == RESIZE_AREA ? scale / 2 : filters[method].support * fmax(scale, 1);
}

static size_t max_taps(int method, double scale)
{
    return 2 * (size_t)ceil(reach(method, scale)) + 1;
}

static void set_nearest(struct axis *axis, size_t i, size_t from)
{
    axis->first[i] = (2 * i + 1) * from / (2 * axis->n);
    axis->taps[i] = 1;
    axis->weights[i * axis->stride] = 1;
}

/* In units of 1/n of a source pixel everything is an integer. */
static void set_area(struct axis *axis, size_t i, size_t from)
{
    const size_t begin = i * from, end = begin + from;
    float *weights = axis->weights + i * axis->stride;

    axis->first[i] = begin / axis->n;
    axis->taps[i] = (end + axis->n - 1) / axis->n - axis->first[i];
    for (size_t k = 0; k < axis->taps[i]; k++) {
        const size_t left = (axis->first[i] + k) * axis->n, right = left + axis->n;
        const size_t overlap =
            (right < end ? right : end) - (left > begin ? left : begin);
        weights[k] = (float)((double)overlap / (double)from);
    }
}

static void set_filtered(struct axis *axis, size_t i, size_t from,
                         const struct filter *filter)
{
    const double scale = (double)from / (double)axis->n, spread = fmax(scale, 1);
    const double centre = ((double)i + 0.5) * scale, far = filter->support * spread;
    const size_t first = (size_t)fmax(centre - far + 0.5, 0);
    const size_t end = (size_t)fmin(centre + far + 0.5, (double)from);
    float *weights = axis->weights + i * axis->stride;
    double sum = 0;

    axis->first[i] = first;
    axis->taps[i] = end - first;
    for (size_t k = 0; k < end - first; k++)
        sum += filter->weight(fabs((double)(first + k) + 0.5 - centre) / spread);
    for (size_t k = 0; k < end - first; k++)
        weights[k] =
            (float)(filter->weight(fabs((double)(first + k) + 0.5 - centre) / spread) /
                    sum);
}

static bool set_axis(struct axis *axis, int method, size_t from, size_t to,
                     struct arena *arena)
{
    axis->n = to;
    axis->stride = max_taps(method, (double)from / (double)to);
    axis->first = arena_take(arena, to, sizeof *axis->first);
    axis->taps = arena_take(arena, to, sizeof *axis->taps);
    axis->weights = arena_take(arena, to * axis->stride, sizeof *axis->weights);
    if (!axis->first || !axis->taps || !axis->weights)
        return false;
    for (size_t i = 0; i < to; i++) {
        if (method == RESIZE_NEAREST)
            set_nearest(axis, i, from);
        else if (method == RESIZE_AREA)
            set_area(axis, i, from);
        else
            set_filtered(axis, i, from, &filters[method]);
        assert(axis->taps[i] >= 1 && axis->taps[i] <= axis->stride);
    }
    return true;
}

/* Leave out what has no weight at either end: NaN * 0 is not 0. */
static void trim(struct axis *axis)
{
    for (size_t i = 0; i < axis->n; i++) {
        float *weights = axis->weights + i * axis->stride;
        size_t n = axis->taps[i], skip = 0;
        while (weights[n - 1] == 0)
            n--;
        while (weights[skip] == 0)
            skip++;
        axis->first[i] += skip;
        axis->taps[i] = n - skip;
        memmove(weights, weights + skip, (n - skip) * sizeof *weights);
    }
}

/* Weights side by side; how many of them are for sure not 0. */
static void fill_group(struct weigh_group *group, int32_t *first, float *weights,
                       const struct axis *axis, size_t begin)
{
    bool all = true;

    *group = (struct weigh_group){.weights = weights};
    for (size_t l = 0; l < KERNEL_LANES; l++) {
        const size_t x = begin + l < axis->n ? begin + l : axis->n - 1;
        first[l] = (int32_t)axis->first[x];
        for (size_t k = 0; k < axis->taps[x]; k++)
            weights[k * KERNEL_LANES + l] = axis->weights[x * axis->stride + k];
        if (axis->taps[x] > group->taps)
            group->taps = axis->taps[x];
    }
    for (size_t k = 0; k < group->taps && all; k++) {
        for (size_t l = 0; l < KERNEL_LANES; l++)
            all = all && weights[k * KERNEL_LANES + l] != 0;
        group->all += all;
    }
}

static size_t groups_of(size_t n)
{
    return (n + KERNEL_LANES - 1) / KERNEL_LANES;
}

static bool set_spread(struct spread *spread, const struct axis *axis,
                       struct arena *arena)
{
    const size_t each = axis->stride * KERNEL_LANES, n = groups_of(axis->n);
    float *weights = arena_alloc(arena, n * each, sizeof *weights);

    spread->first = arena_take(arena, n * KERNEL_LANES, sizeof *spread->first);
    spread->groups = arena_take(arena, n, sizeof *spread->groups);
    if (!weights || !spread->first || !spread->groups)
        return false;
    for (size_t g = 0; g < n; g++)
        fill_group(&spread->groups[g], spread->first + g * KERNEL_LANES,
                   weights + g * each, axis, g * KERNEL_LANES);
    return true;
}

/* ---- rows ---- */

static double axis_bytes(int method, size_t from, size_t to)
{
    const double taps = (double)max_taps(method, (double)from / (double)to);

    return (double)to * (2 * sizeof(size_t) + taps * sizeof(float)) +
           3 * 2 * ARENA_ALIGN;
}

static double spread_bytes(int method, size_t from, size_t to)
{
    const double taps = (double)max_taps(method, (double)from / (double)to);
    const double cells = (double)(groups_of(to) * KERNEL_LANES);

    return cells * (sizeof(int32_t) + taps * sizeof(float)) +
           (double)groups_of(to) * sizeof(struct weigh_group) + 3 * 2 * ARENA_ALIGN;
}

/* Floats that the kernels may touch behind the rows that they read, and those that they
 * write. */
static size_t behind_in(const struct resize_sizes *s)
{
    const double scale = (double)s->from[1] / (double)s->to[1];

    return max_taps(s->method, scale) * s->channels + KERNEL_LANES;
}

static size_t behind_out(const struct resize_sizes *s)
{
    return KERNEL_LANES * s->channels + KERNEL_LANES;
}

/* Rows of the result that one row of the source can be between the first and the last
 * row of: their windows begin scale apart. */
static size_t max_open(const struct resize_sizes *s)
{
    const double scale = (double)s->from[0] / (double)s->to[0];
    const double open = ceil((2 * reach(s->method, scale) + 2) / scale) + 1;

    return open < (double)s->to[0] ? (size_t)open : s->to[0];
}

double resize_bytes(const struct resize_sizes *s)
{
    const double wide = (double)(s->from[1] * s->channels) * sizeof(float);
    const double narrow = (double)(s->to[1] * s->channels) * sizeof(float);

    return sizeof(struct resize) + axis_bytes(s->method, s->from[0], s->to[0]) +
           axis_bytes(s->method, s->from[1], s->to[1]) +
           spread_bytes(s->method, s->from[1], s->to[1]) + (double)max_open(s) * wide +
           narrow + (double)(behind_in(s) + behind_out(s)) * sizeof(float) +
           3 * 2 * ARENA_ALIGN;
}

struct resize *resize_new(const struct resize_sizes *s, const struct kernels *kernels,
                          resize_sink *sink, void *context, struct arena *arena)
{
    struct resize *resize = arena_take(arena, 1, sizeof *resize);

    if (!resize)
        return NULL;
    *resize = (struct resize){.sizes = *s,
                              .kernels = kernels,
                              .n_sums = max_open(s),
                              .sink = sink,
                              .context = context};
    resize->sums = arena_take(
        arena, resize->n_sums * s->from[1] * s->channels + behind_in(s), sizeof(float));
    resize->row =
        arena_take(arena, s->to[1] * s->channels + behind_out(s), sizeof(float));
    if (!resize->sums || !resize->row ||
        !set_axis(&resize->down, s->method, s->from[0], s->to[0], arena) ||
        !set_axis(&resize->along, s->method, s->from[1], s->to[1], arena))
        return NULL;
    trim(&resize->along); /* rows of the other must end in order */
    return set_spread(&resize->spread, &resize->along, arena) ? resize : NULL;
}

static float *sum_of(const struct resize *resize, size_t y)
{
    return resize->sums +
           y % resize->n_sums * resize->sizes.from[1] * resize->sizes.channels;
}

static void resize_along(const struct resize *resize, const float *pixels)
{
    const struct weigh_call call = {.out = resize->row,
                                    .in = pixels,
                                    .first = resize->spread.first,
                                    .groups = resize->spread.groups,
                                    .n = resize->along.n,
                                    .channels = resize->sizes.channels};

    resize->kernels->weigh(&call);
}

/* One row of the source, of floats or of bytes, to one of the result. */
static void add(const struct resize *resize, size_t y, const float *floats,
                const uint8_t *bytes)
{
    const struct axis *axis = &resize->down;
    const size_t k = resize->next - axis->first[y];
    const size_t n = resize->sizes.from[1] * resize->sizes.channels;
    const float weight = axis->weights[y * axis->stride + k];
    float *sum = sum_of(resize, y);

    assert(k < axis->taps[y]);
    if (weight == 0 && k == 0)
        memset(sum, 0, n * sizeof *sum);
    else if (weight != 0 && floats)
        resize->kernels->add_row(sum, floats, weight, n, k == 0);
    else if (weight != 0)
        resize->kernels->add_row_u8(sum, bytes, weight, n, k == 0);
}

static void take_row(struct resize *resize, const float *floats, const uint8_t *bytes)
{
    const struct axis *axis = &resize->down;

    if (resize->ended)
        return;
    while (resize->opened < axis->n && axis->first[resize->opened] <= resize->next)
        resize->opened++;
    assert(resize->opened - resize->done <= resize->n_sums);
    for (size_t y = resize->done; y < resize->opened; y++)
        add(resize, y, floats, bytes);
    resize->next++;
    while (!resize->ended && resize->done < resize->opened &&
           axis->first[resize->done] + axis->taps[resize->done] <= resize->next) {
        resize_along(resize, sum_of(resize, resize->done));
        resize->ended = !resize->sink(resize->context, resize->done++, resize->row);
    }
}

void resize_row(struct resize *resize, const float *pixels)
{
    take_row(resize, pixels, NULL);
}

void resize_row_u8(struct resize *resize, const uint8_t *pixels)
{
    take_row(resize, NULL, pixels);
}
