/*
 * animation_window.h - what an animation's window sees; the workings of animation.c.
 */
#ifndef API_ANIMATION_WINDOW_H
#define API_ANIMATION_WINDOW_H

#include "api/animation.h"

/* The value of row y, column x. */
float animation_value(const struct animation_grid *grid, size_t y, size_t x);

/* The value at a place of the padded input; false: there is none, it is padding. */
bool animation_input(const struct animation *animation, size_t y, size_t x,
                     float *value);

/* One cell of the window: where it lies in the padded input, and what is there. */
struct animation_tap {
    size_t y, x; /* in the window */
    size_t at_y, at_x;
    bool inside;
    float value, weight;
};
struct animation_tap animation_tap(const struct animation *animation, size_t position,
                                   size_t i);

struct animation_seen {
    size_t n;      /* cells that are no padding */
    double sum;    /* of the products, or of the values */
    float largest; /* value; -inf where all is padding */
};
struct animation_seen animation_look(const struct animation *animation,
                                     size_t position);

#endif
