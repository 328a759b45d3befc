/* canvas_steps.c - which cell of a picture a pixel shows. */
#include "api/canvas_steps.h"

#include <math.h>

struct canvas_steps canvas_steps_of(size_t cells, size_t pixels)
{
    const double step = (double)cells / (double)pixels;
    const int64_t first = (int64_t)round(0.5 * step * 256);
    const int64_t last = (int64_t)round(((double)pixels + 0.5) * step * 256);
    const int64_t count = (int64_t)pixels, length = last - first;

    return (struct canvas_steps){first, count, length / count, length % count,
                                 cells - 1};
}

size_t canvas_cell_at(const struct canvas_steps *s, size_t x)
{
    const int64_t i = (int64_t)x;
    const int64_t carried = (s->rest * (i + 1) + s->count - 1) / s->count;
    const int64_t at = s->first + i * s->whole + carried - (s->rest > 0);
    const size_t cell = (size_t)at / 256;

    return cell < s->last_cell ? cell : s->last_cell;
}

size_t canvas_row_at(size_t y, size_t cells, size_t pixels)
{
    const double step = (double)cells / (double)pixels;

    const size_t cell = (size_t)round(((double)y + 0.5) * step * 256) / 256;
    return cell < cells ? cell : cells - 1;
}
