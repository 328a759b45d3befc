/*
 * resize.c - a picture of another size, row by row.
 *
 * Each row of the source is added, weighted, to every row of the result that it
 * reaches. Those are kept at the source's width in a ring; one that is complete is
 * resized along itself and goes to the sink. So no more of the source is kept than it
 * takes, and the sums that matter run over whole rows.
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

struct resize {
    struct resize_sizes sizes;
    struct axis down, along;
    size_t next;         /* row of the source */
    size_t opened, done; /* rows of the result that were begun, that are complete */
    size_t n_sums;       /* rows of the ring */
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

/* ---- rows ---- */

static double axis_bytes(int method, size_t from, size_t to)
{
    const double taps = (double)max_taps(method, (double)from / (double)to);

    return (double)to * (2 * sizeof(size_t) + taps * sizeof(float)) +
           3 * 2 * ARENA_ALIGN;
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
           axis_bytes(s->method, s->from[1], s->to[1]) + (double)max_open(s) * wide +
           narrow + 3 * 2 * ARENA_ALIGN;
}

struct resize *resize_new(const struct resize_sizes *s, resize_sink *sink,
                          void *context, struct arena *arena)
{
    struct resize *resize = arena_take(arena, 1, sizeof *resize);

    if (!resize)
        return NULL;
    *resize = (struct resize){
        .sizes = *s, .n_sums = max_open(s), .sink = sink, .context = context};
    resize->sums = arena_take(arena, resize->n_sums,
                              s->from[1] * s->channels * sizeof *resize->sums);
    resize->row = arena_take(arena, s->to[1], s->channels * sizeof *resize->row);
    if (!resize->sums || !resize->row ||
        !set_axis(&resize->down, s->method, s->from[0], s->to[0], arena) ||
        !set_axis(&resize->along, s->method, s->from[1], s->to[1], arena))
        return NULL;
    trim(&resize->along); /* rows of the other must end in order */
    return resize;
}

static float *sum_of(const struct resize *resize, size_t y)
{
    return resize->sums +
           y % resize->n_sums * resize->sizes.from[1] * resize->sizes.channels;
}

static void add(float *restrict sum, const float *restrict row, float weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += row[i] * weight;
}

/* One row along itself; channels is a constant where this is compiled for 1 and 3. */
static inline void weigh(const struct axis *axis, float *out, const float *in,
                         size_t channels)
{
    for (size_t x = 0; x < axis->n; x++) {
        const float *weights = axis->weights + x * axis->stride;
        const float *pixels = in + axis->first[x] * channels;
        for (size_t c = 0; c < channels; c++) {
            float total = pixels[c] * weights[0];
            for (size_t k = 1; k < axis->taps[x]; k++)
                total += pixels[k * channels + c] * weights[k];
            out[x * channels + c] = total;
        }
    }
}

static void resize_along(const struct resize *resize, const float *pixels)
{
    const size_t channels = resize->sizes.channels;

    if (channels == 1)
        weigh(&resize->along, resize->row, pixels, 1);
    else if (channels == 3)
        weigh(&resize->along, resize->row, pixels, 3);
    else
        weigh(&resize->along, resize->row, pixels, channels);
}

void resize_row(struct resize *resize, const float *pixels)
{
    const struct axis *axis = &resize->down;
    const size_t i = resize->next++;
    const size_t n = resize->sizes.from[1] * resize->sizes.channels;

    if (resize->ended)
        return;
    for (; resize->opened < axis->n && axis->first[resize->opened] <= i;
         resize->opened++) {
        assert(resize->opened - resize->done < resize->n_sums);
        memset(sum_of(resize, resize->opened), 0, n * sizeof(float));
    }
    for (size_t y = resize->done; y < resize->opened; y++) {
        const size_t k = i - axis->first[y];
        assert(k < axis->taps[y]);
        const float weight = axis->weights[y * axis->stride + k];
        if (weight != 0)
            add(sum_of(resize, y), pixels, weight, n);
    }
    while (!resize->ended && resize->done < resize->opened &&
           axis->first[resize->done] + axis->taps[resize->done] <= i + 1) {
        resize_along(resize, sum_of(resize, resize->done));
        resize->ended = !resize->sink(resize->context, resize->done++, resize->row);
    }
}
