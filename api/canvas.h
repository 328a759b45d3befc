/*
 * canvas.h - a page to draw text, cells and boxes on: pixels, SVG or PDF.
 *
 *     struct canvas *canvas = canvas_new(CANVAS_PDF, &page, arena, &body, err);
 *     canvas_text(canvas, &style, x, y, "Filter");
 *     ...
 *     if (!canvas_finish(canvas)) ...
 *
 * Lengths are pixels from the upper left corner, y downwards; a page of dots per inch
 * (dpi) says how large a pixel is on paper. Drawing does not fail: what goes wrong is
 * told by canvas_finish, which must be called for every canvas. The only files
 * that know cairo and FreeType are canvas.c and canvas_version.c. The same drawing
 * gives the same bytes.
 */
#ifndef API_CANVAS_H
#define API_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/buffer.h"
#include "api/picture.h"
#include "engine/arena.h"
#include "engine/error.h"

enum canvas_kind { CANVAS_PIXELS, CANVAS_SVG, CANVAS_PDF };

struct canvas_page {
    size_t width, height;
    double dpi;
};

struct canvas;

/* A white page. The file of an SVG or a PDF goes into out, which is NULL for pixels.
 * NULL, with the error recorded, if there is no memory. */
struct canvas *canvas_new(enum canvas_kind kind, const struct canvas_page *page,
                          struct arena *arena, struct buffer *out,
                          struct error *err) MUST_CHECK;

/* Close the file, and release what the canvas holds, on failure too; the error is
 * recorded where canvas_new was told to. out's own failure is not one. */
bool canvas_finish(struct canvas *canvas) MUST_CHECK;

/* Of the cairo that runs: "1.16.0"; and of its FreeType. Returns text. */
const char *canvas_version(void);
enum { CANVAS_VERSION_SIZE = 36 };
const char *canvas_freetype_version(char text[CANVAS_VERSION_SIZE]);

/* Rows of 0xRRGGBB (the uppermost byte is 0xff), width * height of them in the arena;
 * they outlive the canvas. Only of CANVAS_PIXELS. */
const uint32_t *canvas_pixels(struct canvas *canvas);

/* Put back what canvas_pixels showed once. */
void canvas_restore(struct canvas *canvas, const uint32_t *pixels);

struct canvas_box {
    double x, y, width, height;
};

struct canvas_font {
    bool bold;
    double size; /* pixels of an em */
};

/* Where a text is when it is drawn at 0,0: ink above and below the baseline, and the
 * width of all its letters. */
struct canvas_extent {
    double ascent, descent, width;
};
struct canvas_extent canvas_measure(struct canvas *canvas,
                                    const struct canvas_font *font, const char *text);

/* Clean text to be drawn: UTF-8 without control characters, in which U+FFFD stands for
 * what is none, of at most CANVAS_TEXT_SIZE - 1 bytes, with an ellipsis where it was
 * cut. */
enum { CANVAS_TEXT_SIZE = 256 };
void canvas_clean(char out[CANVAS_TEXT_SIZE], const char *text);

/* Cut clean text until it is at most width wide, and end it with an ellipsis. */
void canvas_cut(struct canvas *canvas, const struct canvas_font *font,
                char text[CANVAS_TEXT_SIZE], double width);

/* Draw clean text; y is the baseline, x the left end (align 0), the middle (0.5) or the
 * right end (1). */
void canvas_text(struct canvas *canvas, const struct canvas_font *font, uint32_t rgb,
                 double align, double x, double y, const char *text);

/* Fill a box. */
void canvas_fill(struct canvas *canvas, const struct canvas_box *box, uint32_t rgb);

/* Draw along a box's edge; on pixels in the middle of those that it lies on, as
 * matplotlib snaps its lines. */
void canvas_outline(struct canvas *canvas, const struct canvas_box *box,
                    double thickness, uint32_t rgb);

/* Stretch a picture over a box, every cell a sharp rectangle of exactly its colour. On
 * pixels a box is snapped as matplotlib does it; cells smaller than a pixel are
 * averaged, and so are neighbours on a side of more than 16384, but in an SVG. */
void canvas_picture(struct canvas *canvas, const struct canvas_box *box,
                    const struct picture *picture);

/* Bytes of arena, and of memory that the library takes for itself, for such a page. */
double canvas_bytes(enum canvas_kind kind, const struct canvas_page *page);

/* The same for a picture of so many cells on it. */
double canvas_picture_bytes(enum canvas_kind kind, double cells);

#endif
