/*
 * canvas_steps.h - which cell of a picture a pixel shows; the workings of canvas.c.
 */
#ifndef API_CANVAS_STEPS_H
#define API_CANVAS_STEPS_H

#include <stddef.h>
#include <stdint.h>

/* The cells of a row of pixels, as Agg's interpolator steps through them for
 * matplotlib: 1/256 of a cell at a time, spread evenly between the ends of the row. */
struct canvas_steps {
    int64_t first, count, whole, rest;
    size_t last_cell;
};

struct canvas_steps canvas_steps_of(size_t cells, size_t pixels);
size_t canvas_cell_at(const struct canvas_steps *steps, size_t x);

/* Of a column of pixels, the cell that its middle lies in. */
size_t canvas_row_at(size_t y, size_t cells, size_t pixels);

#endif
