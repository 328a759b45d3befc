/*
 * figure.h - pictures side by side with their titles, as matplotlib lays them out.
 *
 * A figure is figsize inches of dots per inch (dpi), a grid of rows x columns, filled
 * row by row. The layout is matplotlib 3.6's tight_layout of imshow panels without
 * axes, titles bold, 18 points, 10 points above their panel. Where the grid is so fine
 * that such titles or margins would not fit, both shrink, titles then end in an
 * ellipsis (and a map's number) and are left out when they could not be read. Colour
 * bars and their numbers, 10 points, take a quarter of a column at most.
 */
#ifndef API_FIGURE_H
#define API_FIGURE_H

#include "api/canvas.h"
#include "engine/limits.h"
#include "engine/parallel.h"

struct figure_panel {
    const struct picture *picture;
    const char *title; /* NULL: none */
    const char *tail;  /* of the title, which is never cut: " 54"; NULL: none */
    const char *note;  /* a line under the title; NULL: none */
    float low, high;   /* of the colour bar; NaN: each map has its own */
    bool strip;        /* of a vector: is not drawn thinner than can be seen */
};

struct figure {
    double figsize[2]; /* inches: width, height */
    double dpi;
    size_t rows, columns;
    bool colorbar; /* beside each panel that has a colour map */
    bool frame;    /* there are axes: room for ticks at the left and below */
    size_t n;
    const struct figure_panel *panels;
};

/* Its size in pixels. */
struct canvas_page figure_page(const struct figure *figure);

/* False if the figure is larger than the limits of a picture allow, or has no room. */
bool figure_check(const struct figure *figure, enum canvas_kind kind,
                  const struct limits *limits, struct error *err) MUST_CHECK;

/* What stands around the pictures, in pixels. */
struct figure_text {
    struct canvas_font title, note, label; /* size 0: not drawn */
    double title_pad;                      /* from a panel to the title's baseline */
    double ascent;                         /* of the titles, notes included */
    double note_height;                    /* of the notes' line */
    double bar;                            /* room for a colour bar */
};

/* Where the pictures go; n boxes. Needs only the panels' sizes. */
void figure_layout(const struct figure *figure, const struct figure_text *text,
                   struct canvas_box *boxes);

/* Draw it into out: a PNG of the given level, an SVG or a PDF. */
bool figure_draw(const struct figure *figure, enum canvas_kind kind, int png_level,
                 const struct parallel *parallel, struct arena *arena,
                 struct buffer *out, struct error *err) MUST_CHECK;

/* Bytes of memory that drawing takes beside the panels' pictures, of so many cells in
 * all; a PNG of that level is made in so many slots. */
double figure_bytes(const struct figure *figure, enum canvas_kind kind, double cells,
                    int png_level, size_t slots);

/* Append 0xRRGGBB pixels as a PNG: with a palette where 256 colours are enough. */
bool figure_png(struct buffer *out, const struct canvas_page *page,
                const uint32_t *pixels, int level, const struct parallel *parallel,
                struct arena *arena, struct error *err) MUST_CHECK;

/* Bytes of arena that figure_png takes; it gives them back. */
double figure_png_bytes(const struct canvas_page *page, int level, size_t slots);

#endif
