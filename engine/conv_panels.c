/* conv_panels.c - sums over runs of input for many filters, panel by panel. */
#include "engine/conv_panels.h"

#include <math.h>

enum {
    PARTS = 16,          /* of a layer, if they are worth a hand-over */
    PIXELS = 224,        /* of a part, at most, */
    PIXELS_SMALL = 2048, /* or if they are no more than */
    VALUES = 1 << 18,    /* under all windows: each part copies rows around its own */
    PIXELS_SPLIT = 56, /* at least: they pay for fetching a panel; the filters are split
                        * rather, where they may be */
    PIXELS_MIN = 14,   /* a register block */
    STEPS_MIN = 16384, /* some 5 us: many times a hand-over */
};

size_t conv_panels_width(size_t filters, size_t f)
{
    return size_least(CONV_PANEL, size_whole(filters, KERNEL_LANES) - f);
}

size_t conv_panels_packed(size_t taps, size_t filters)
{
    return (taps + 1) * size_whole(filters, KERNEL_LANES);
}

size_t conv_panels_cut(struct filters_run *runs, size_t n, size_t offset, size_t length)
{
    for (size_t i = 0; i < length; i += CONV_TAPS)
        runs[n++] = (struct filters_run){(ptrdiff_t)(offset + i),
                                         size_least(CONV_TAPS, length - i)};
    return n;
}

/* As many of n runs as make a block of taps. */
static size_t take_block(const struct filters_run *runs, size_t n, size_t *taps)
{
    size_t taken = 0;

    *taps = 0;
    while (taken < n && (taken == 0 || *taps + runs[taken].length <= CONV_TAPS))
        *taps += runs[taken++].length;
    return taken;
}

static size_t count_taps(const struct filters_run *runs, size_t n)
{
    size_t taps = 0;

    for (size_t r = 0; r < n; r++)
        taps += runs[r].length;
    return taps;
}

/* Runs first to last - 1 of one row, as far as they are its own: the sum begins with
 * the first of these and ends with the last. */
static void run_row(const struct conv_panels *p, size_t y, struct conv_range block,
                    struct filters_call row)
{
    const struct conv_range all = {0, p->n_runs}, own = p->ranges ? p->ranges[y] : all;
    const size_t first = block.first > own.first ? block.first : own.first;
    const size_t last = size_least(block.last, own.last);
    const bool none = own.first >= own.last; /* there is still the bias */

    if (none ? block.first > 0 : first >= last)
        return;
    row.runs = p->runs + first;
    row.n_runs = none ? 0 : last - first;
    if (!none && first > own.first)
        row.bias = NULL;
    if (none || last == own.last)
        row.floor = p->floor;
    if (!none)
        row.weights +=
            count_taps(p->runs + block.first, first - block.first) * row.weight_step;
    p->kernels->convolve_filters(&row);
}

static void run_panel(const struct conv_panels *p, size_t f)
{
    struct filters_call row = {
        .out_step = p->out_step,
        .in_step = p->in_step,
        .weights = p->weights + f * p->taps,
        .weight_step = conv_panels_width(p->filters, f),
        .bias = p->biases + f,
        .floor = -INFINITY,
        .filters = size_least(CONV_PANEL, p->last - f),
        .n = p->n,
    };
    struct conv_range block = {0, 0};
    size_t taps;

    do { /* without a run there is still the bias */
        block.last += take_block(p->runs + block.first, p->n_runs - block.first, &taps);
        row.out = p->out + f;
        row.in = p->in;
        for (size_t y = 0; y < p->rows; y++) {
            run_row(p, y, block, row);
            row.out += p->out_pitch;
            row.in += p->in_pitch;
        }
        row.weights += taps * row.weight_step;
        block.first = block.last;
    } while (block.first < p->n_runs);
}

void conv_panels_run(const struct conv_panels *panels)
{
    for (size_t f = panels->first; f < panels->last; f += CONV_PANEL)
        run_panel(panels, f);
}

/* Rows of a part, of about as many pixels, where all parts have nearly the same. An
 * even number where that changes little or leaves many parts: pools of two rows can
 * follow then. */
static double rows_of(double height, double across, double pixels, double most)
{
    const double rows = fmin(height, fmax(1, floor(pixels)));
    const double equal = ceil(height / ceil(height / rows));
    const bool odd = fmod(equal, 2) > 0;

    return odd && equal + 1 <= fmin(height, most) &&
                   (equal > 1 || across * height / 2 >= PARTS)
               ? equal + 1
               : equal;
}

/* Filters of a part: all, or whole panels, equally many in each, where without that the
 * parts would be half as many as wanted or would take too long. steps: those of a part
 * with all filters. */
static double filters_of(double filters, double parts, double steps)
{
    const double panels = ceil(filters / CONV_PANEL);
    const double wanted = floor(fmin(PARTS / parts, steps / STEPS_MIN));
    const double shares = fmax(wanted, ceil(steps / CONV_STEPS_MAX));
    const double most = fmax(1, floor(panels / fmax(1, shares)));

    return fmin(filters, ceil(panels / ceil(panels / most)) * CONV_PANEL);
}

struct extent conv_panels_tile(const struct extent *out, size_t taps, size_t filters,
                               bool split)
{
    const double width = (double)out->width, height = (double)out->height;
    const double padded = (double)size_whole(filters, KERNEL_LANES);
    const double pixel = fmax(1, (double)taps * padded / KERNEL_LANES); /* in steps */
    const double most = CONV_STEPS_MAX / pixel;
    const double panel = (double)taps * (CONV_PANEL / KERNEL_LANES);
    const double least =
        split && PIXELS_SPLIT * panel <= CONV_STEPS_MAX ? PIXELS_SPLIT : PIXELS_MIN;
    const double small = fmin(PIXELS_SMALL, floor(VALUES / fmax(1, (double)taps)));
    double pixels = fmin(fmax(PIXELS, small), floor(width * height / PARTS));

    pixels = fmax(pixels, fmax(least, floor(STEPS_MIN / pixel)));
    if (pixels > most)
        pixels = fmax(least, floor(most));

    const double columns = width <= 2 * pixels ? width : floor(pixels);
    const double across = ceil(width / columns);
    const double rows = rows_of(height, across, pixels / columns, most / columns);
    double part = padded;
    if (split)
        part = filters_of(padded, across * ceil(height / rows), rows * columns * pixel);
    return (struct extent){.height = (size_t)rows,
                           .width = (size_t)columns,
                           .channels = part >= padded ? out->channels : (size_t)part};
}
