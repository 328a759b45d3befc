/*
 * animation_number.h - how the numbers of a grid are written; the workings of
 * animation.c.
 *
 * All numbers of a grid have the same size and as many decimals: as many as fit, down
 * to one significant digit of the largest. Integers are written whole.
 */
#ifndef API_ANIMATION_NUMBER_H
#define API_ANIMATION_NUMBER_H

#include "api/animation.h"
#include "api/number.h"

/* Of the finite values; low > high if there are none. */
struct animation_range {
    float low, high;
    bool whole; /* they are integers, not too large to be written so */
};
struct animation_range animation_range_of(const struct animation_grid *grid);

/* Of the products of numbers of both. */
struct animation_range animation_range_product(const struct animation_range *a,
                                               const struct animation_range *b);

struct animation_style {
    struct canvas_font font; /* size 0: they are not written */
    int decimals;            /* negative: so many significant digits */
};

/* The style in which all numbers of the range fit into a width; font is the largest. */
struct animation_style animation_style_of(struct canvas *canvas,
                                          const struct animation_range *range,
                                          struct canvas_font font, double width);

void animation_number_print(char text[NUMBER_TEXT_SIZE], float value,
                            const struct animation_style *style);

#endif
