/* kernel_mosaic.c - how the kernels of a layer look. */
#include "api/kernel_mosaic.h"

#include <math.h>

/* How far from a square n things in so many columns are; 0: they are one. */
static double distance(size_t columns, size_t n)
{
    return fabs(log((double)columns * (double)columns / (double)n));
}

/* Columns such that a filter's kernels stand under each other: a divisor of the filters
 * or, if rows hold several channels, a multiple. 0, as ever, if there is one channel or
 * filter, or the mosaic would be a strip. */
static size_t columns_of(size_t channels, size_t filters)
{
    const double strip = log(6); /* times as wide as high */
    const size_t n = channels * filters;
    size_t best = filters;

    if (channels == 1 || filters == 1)
        return 0;
    for (size_t c = 1; c < filters; c++)
        if (filters % c == 0 && distance(c, n) < distance(best, n))
            best = c;
    for (size_t k = 2; k <= channels; k++)
        if (channels % k == 0 && distance(k * filters, n) < distance(best, n))
            best = k * filters;
    return distance(best, n) < strip ? best : 0;
}

/* Cells become as many pixels as fit into a picture of WIDE. */
static size_t scale_of(const struct shape *shape, const struct render *render)
{
    enum { WIDE = 512, MOST = 32 };
    size_t cells[2];

    picture_cells_of(shape, render, cells);
    const size_t longest = cells[0] > cells[1] ? cells[0] : cells[1];
    const size_t scale = WIDE / longest;
    return scale < 1 ? 1 : scale < MOST ? scale : MOST;
}

static bool is_point(const struct shape *shape)
{
    return shape->rank == 4 && shape->dim[0] == 1 && shape->dim[1] == 1;
}

void kernel_mosaic_look(struct render *render, const struct shape *shape,
                        const struct options *options)
{
    if (is_point(shape) && !OPTION_GIVEN(options, NORMALIZE))
        render->normalize = NORMALIZE_STAGE;
    if (is_point(shape) && !OPTION_GIVEN(options, GAP))
        render->gap = 0;
    render->ground = 0xffadb5bd; /* like no colour of the maps but those of gray */
    if (!render->columns && shape->rank == 4)
        render->columns = (int)columns_of(shape->dim[2], shape->dim[3]);
    if (!OPTION_GIVEN(options, SCALE))
        render->scale = (int)scale_of(shape, render);
}
