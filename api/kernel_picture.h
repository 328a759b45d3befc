/*
 * kernel_picture.h - a kernel as the lesson's show_kernel draws it: its cells coloured
 * from the lowest to the highest, each with its number.
 *
 * Numbers look as Python prints them: as given if all of them are integers, else as the
 * shortest decimal that is the same double. Dark text (the colour map's first colour)
 * stands on values above the middle of the range, light (its last) on the others.
 */
#ifndef API_KERNEL_PICTURE_H
#define API_KERNEL_PICTURE_H

#include "api/figure.h"

struct kernel_picture {
    size_t height, width;
    const double *values;
    bool integers; /* written without a point; only if all of them are */
    bool label;
    double text_size; /* points; less where it would not fit a cell */
    int colormap;
    double figsize[2], dpi;
};

/* Round as numpy does: halves to even, in decimal digits. */
double kernel_picture_round(double value, int digits);

/* How Python prints the number; at most KERNEL_NUMBER_SIZE bytes. */
enum { KERNEL_NUMBER_SIZE = 32 };
void kernel_picture_number(double value, bool integer, char text[KERNEL_NUMBER_SIZE]);

/* Draw it into out, a PNG of the given level. */
bool kernel_picture_draw(const struct kernel_picture *kernel, int png_level,
                         struct arena *arena, struct buffer *out,
                         struct error *err) MUST_CHECK;

#endif
