/*
 * picture.h - tensors become pictures as matplotlib's imshow paints them, one pixel
 * per cell, and pictures become PNG files.
 */
#ifndef API_PICTURE_H
#define API_PICTURE_H

#include "api/buffer.h"
#include "api/bytes.h"
#include "api/colormap.h"
#include "api/options.h"
#include "engine/arena.h"
#include "engine/kernels.h"
#include "engine/parallel.h"
#include "engine/statistics.h"
#include "engine/tensor.h"

/* How a stage is painted. */
struct render {
    int colormap; /* row of colormap.h */
    enum option_normalize normalize;
    enum option_layout layout;
    bool has_range;
    double range[2];
    double gamma; /* 1: none */
    int channel;  /* -1: all */
    int columns;  /* 0: ceil(sqrt(channels)) */
    int gap, scale;
    uint32_t ground; /* 0xffRRGGBB, where no map is; 0: that has index 0 */
};

/* What painting works with. */
struct picture_context {
    const struct render *render;
    const struct kernels *kernels;
    const struct parallel *parallel;
    struct arena *arena;
};

/* The render options of a request. gamma is the caller's to clear for a stage to
 * which it does not apply. */
void render_from_options(struct render *render, const struct options *options);

/* One picture of a stage: 8-bit colour indices, or RGB(A) samples. Of an indexed
 * picture the cells that hold no finite number are transparent: those of index `hole`,
 * or where all 256 indices are in use, those that holes marks. Where there is a ground
 * they have its colour, and what is no map is of them. */
struct picture {
    int channel; /* that it shows; -1: a mosaic or a composite */
    size_t width, height;
    enum { PICTURE_INDEXED, PICTURE_RGB, PICTURE_RGBA } kind;
    const struct colormap *colormap; /* of PICTURE_INDEXED */
    bool transparent;
    uint8_t hole;
    uint32_t ground;  /* 0: none */
    uint8_t *holes;   /* NULL, or as many bytes as samples: 1 is transparent */
    uint8_t *samples; /* height rows of width * (1, 3 or 4) bytes */
};

struct picture_set {
    size_t n;
    struct picture *pictures;
    bool rgb;           /* three channels in their own colours */
    size_t columns;     /* of the mosaic, 1 of a single map */
    size_t gap;         /* between its maps, 0 of a single one */
    size_t cell[2];     /* pixels that a cell takes: height, width */
    size_t n_ranges;    /* 1, or the number of maps with normalize=channel */
    float *vmin, *vmax; /* n_ranges of them; NaN where a map has no finite value */
};

/* False if the options do not suit a stage of this shape: no such channel, layout=rgb
 * without three channels, an empty range. picture_paint asks too. */
bool picture_check(const struct shape *shape, const struct render *render,
                   struct error *err) MUST_CHECK;

/* For the plan: bytes of arena that painting a stage of this shape and writing its
 * pictures may take, and what writing them takes beside for a while, in so many slots;
 * what measuring takes; the number of its pictures, and how many pixels they have
 * together, gaps included. */
double picture_bytes(const struct shape *shape, bool input,
                     const struct render *render);
double picture_scratch(const struct shape *shape, bool input,
                       const struct render *render, int level, size_t slots);
double picture_measure_bytes(const struct shape *shape, const struct render *render);
size_t picture_count(const struct shape *shape, bool input,
                     const struct render *render);
double picture_cells(const struct shape *shape, bool input,
                     const struct render *render);

/* Height and width in cells of each picture of a stage that is no Input. */
void picture_cells_of(const struct shape *shape, const struct render *render,
                      size_t cells[2]);

/* Paint a stage. A map is a height x width slice, of rank 4 for each of the last two
 * axes (filters of a convolution), and a stage of rank 2 one map; a
 * vector is one row, shown as a strip 16 pixels high, whose cells are as many pixels
 * wide as fit into 256, at least 1 and at most 16. input: an Input of three channels is
 * shown as RGB, values clipped to 0..1 (or the range that was asked for). With
 * layout=rgb the values are normalised first; 8-bit samples are truncated, not rounded,
 * as matplotlib does. Memory is the arena's; false if it is spent. */
bool picture_paint(const struct tensor *stage, bool input,
                   const struct picture_context *context, struct picture_set *out,
                   struct error *err) MUST_CHECK;

/* Find out all that painting would, and paint nothing: n is 0. It takes no more than
 * picture_measure_bytes. */
bool picture_measure(const struct tensor *stage, bool input,
                     const struct picture_context *context, struct picture_set *out,
                     struct error *err) MUST_CHECK;

/* Make every cell a square of scale x scale; 0 is as good as 1. */
bool picture_enlarge(struct picture *picture, size_t scale, struct arena *arena,
                     struct error *err) MUST_CHECK;

/* Make each of n pictures a PNG file in the arena: the smallest legal colour type and
 * bit depth, only the palette entries used. level 0 to 9. The work is shared among
 * threads, and its result does not depend on them. False without memory, or when
 * cancelled. */
bool picture_write(const struct picture *const *pictures, size_t n, int level,
                   const struct parallel *parallel, struct arena *arena,
                   struct bytes *files, struct error *err) MUST_CHECK;

/* Append one picture as such a file. */
bool picture_png(struct buffer *out, const struct picture *picture, int level,
                 struct arena *arena, struct error *err) MUST_CHECK;

/* Bytes of arena that picture_write takes for each picture of that size, at most, and
 * in passing for all of them, the largest like this. */
double picture_write_bytes(double width, double height);
double picture_write_scratch(double width, double height, int level, size_t slots);

#endif
