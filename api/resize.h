/*
 * resize.h - a picture of another size, row by row.
 *
 * Separable, in float32, one fixed order of additions: first down the columns, then
 * along the rows. Pixel i covers [i, i + 1); with scale = from / to, the pixel at x of
 * the result has its centre at c = (x + 0.5) * scale of the source. It becomes
 *
 *     nearest    the source pixel floor(c)
 *     area       the mean of what [x * scale, (x + 1) * scale) covers
 *     bilinear   the mean weighted by 1 - |t|, for |t| < 1
 *     bicubic    the mean weighted by Keys' cubic with a = -0.5, for |t| < 2
 *
 * where t is the distance of a source pixel's centre from c, divided by scale where
 * the picture shrinks: so nothing is skipped (no aliasing). The weights add up to 1,
 * also at the border, beyond which nothing is. That is Pillow's resampling (its
 * Resample.c) but for area, which is exact here where Pillow's BOX rounds to pixels.
 * What weighs 0 is left out, even NaN.
 */
#ifndef API_RESIZE_H
#define API_RESIZE_H

#include "api/options.h"
#include "engine/arena.h"
#include "engine/kernels.h"

struct resize_sizes {
    int method;            /* enum option_resize_method */
    size_t from[2], to[2]; /* height, width */
    size_t channels;
};

struct resize;

/* Receives row y of the result, from the top; it may change the pixels. False: nobody
 * wants more of them, and nothing more is made. */
typedef bool resize_sink(void *context, size_t y, float *pixels);

/* Bytes of arena that resize_new takes, at most. */
double resize_bytes(const struct resize_sizes *sizes);

/* NULL if the arena is spent. */
struct resize *resize_new(const struct resize_sizes *sizes,
                          const struct kernels *kernels, resize_sink *sink,
                          void *context, struct arena *arena) MUST_CHECK;

/* Add the next row of the source, from the top. */
void resize_row(struct resize *resize, const float *pixels);
void resize_row_u8(struct resize *resize, const uint8_t *pixels);

#endif
