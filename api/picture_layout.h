/*
 * picture_layout.h - where the maps of a stage lie in its pictures.
 */
#ifndef API_PICTURE_LAYOUT_H
#define API_PICTURE_LAYOUT_H

#include "api/picture.h"

/* The maps of one picture: those after the last one of a row begin the next. */
struct mosaic {
    size_t n, columns, gap;
    size_t width, height; /* of the whole, in cells */
};

/* Pixels that a cell takes. */
struct cell {
    size_t width, height;
};

struct picture_layout {
    struct extent maps;   /* the stage as maps of height x width */
    size_t first, n;      /* the maps that are shown */
    bool rgb;             /* three of them are one picture in their own colours */
    size_t pictures;      /* 1, or n */
    struct mosaic mosaic; /* of each */
    struct cell cell;
};

/* Options that do not suit the stage are picture_check's matter. */
void picture_lay_out(struct picture_layout *layout, const struct shape *shape,
                     bool input, const struct render *render);

/* Where map i of a picture begins, in cells. */
size_t picture_place(const struct picture_layout *layout, size_t i);

/* A stage is measured and painted in so many bands of rows at most. */
enum { PICTURE_BANDS = 16 };

#endif
