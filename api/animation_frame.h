/*
 * animation_frame.h - one picture of an animation; the workings of animation.c.
 */
#ifndef API_ANIMATION_FRAME_H
#define API_ANIMATION_FRAME_H

#include "api/animation_number.h"

/* Where everything is, in pixels. */
struct animation_layout {
    size_t width, height;                  /* of the whole */
    double cell, big;                      /* side of a cell; of one in the window */
    double input[2], window[2], output[2]; /* upper left corners: x, y; of the input
                                              its padding's */
    double head, foot;                     /* baselines of the titles, of the result */
};

struct animation_frame {
    const struct animation *animation;
    struct animation_layout layout;
    struct canvas *canvas;
    struct animation_range range[2];  /* of the input, of the output, and */
    struct animation_style number[2]; /* how they are written */
    struct animation_style product, value, weight; /* in the window */
    bool in_one_line;                              /* value and weight */
};

/* The sizes alone; also says whether the animation fits (width 0: it does not). */
struct animation_layout animation_layout_of(const struct animation *animation);

/* Measure the numbers, once there is a canvas. */
void animation_frame_init(struct animation_frame *frame);

/* What all frames share: titles, the input, the empty output. */
void animation_frame_base(const struct animation_frame *frame);

/* A finished cell of the output. */
void animation_frame_done(const struct animation_frame *frame, size_t position);

/* The window at a position, what it sees, and the cell that comes of it. */
void animation_frame_window(const struct animation_frame *frame, size_t position);

/* Every colour that a frame is made of, letters' soft edges aside. Returns how many, at
 * most n. */
size_t animation_frame_colors(uint32_t *colors, size_t n);

#endif
