/*
 * canvas.c - a page to draw on, see canvas.h; the one file that knows cairo.
 *
 * Pixels and PDF are cairo's surfaces. SVG is written here: cairo's numbers its
 * elements by a counter of the process and smooths enlarged pictures, so neither would
 * the bytes repeat nor the cells be sharp. Text becomes outlines there, which cairo
 * gives.
 *
 * The fonts are made once and live as long as the process. cairo locks a face while it
 * uses it, and each has a FreeType library of its own, so that lock is enough.
 */
#include "api/canvas.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <cairo/cairo-ft.h>
#include <cairo/cairo-pdf.h>

#include "api/canvas_steps.h"
#include "api/font.h"

struct canvas {
    enum canvas_kind kind;
    struct canvas_page page;
    struct arena *arena;
    struct buffer *out;
    uint32_t *pixels;
    cairo_surface_t *surface;
    cairo_t *cr;
    bool no_memory;
    bool failed; /* with its error recorded */
    struct error *err;
};

/* ---- fonts ---- */

static cairo_font_face_t *faces[2]; /* regular, bold; NULL without memory */

static void load_fonts(void)
{
    for (size_t i = 0; i < 2; i++) {
        const struct bytes file = font_file(i == 1);
        FT_Library library;
        FT_Face face;
        if (!FT_Init_FreeType(&library) &&
            !FT_New_Memory_Face(library, file.data, (FT_Long)file.size, 0, &face))
            faces[i] = cairo_ft_font_face_create_for_ft_face(face, 0);
    }
}

/* Letters stand on whole pixels as matplotlib's do; on paper they keep their shape. */
static void set_text_options(struct canvas *c)
{
    cairo_font_options_t *options = cairo_font_options_create();

    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, c->kind == CANVAS_PIXELS
                                                   ? CAIRO_HINT_STYLE_SLIGHT
                                                   : CAIRO_HINT_STYLE_NONE);
    cairo_set_font_options(c->cr, options);
    cairo_font_options_destroy(options);
}

static void set_font(struct canvas *c, const struct canvas_font *font)
{
    cairo_set_font_face(c->cr, faces[font->bold]);
    cairo_set_font_size(c->cr, font->size);
}

/* ---- pages ---- */

static cairo_status_t write_bytes(void *context, const unsigned char *bytes, unsigned n)
{
    struct buffer *out = context;

    buffer_append(out, bytes, n);
    return out->failed ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *new_pixels(struct canvas *c)
{
    const size_t w = c->page.width, h = c->page.height;

    c->pixels = arena_take(c->arena, h, w * sizeof *c->pixels);
    if (!c->pixels)
        return NULL;
    memset(c->pixels, 0xff, h * w * sizeof *c->pixels);
    return cairo_image_surface_create_for_data((unsigned char *)c->pixels,
                                               CAIRO_FORMAT_ARGB32, (int)w, (int)h,
                                               (int)(w * sizeof *c->pixels));
}

/* Points are 1/72 inch. */
static double points(const struct canvas *c, size_t pixels)
{
    return (double)pixels * 72 / c->page.dpi;
}

static cairo_surface_t *new_pdf(struct canvas *c)
{
    cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(
        write_bytes, c->out, points(c, c->page.width), points(c, c->page.height));

    /* Two equal requests get equal bytes: the time is none of the picture's. */
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE,
                                   "1980-01-01T00:00:00Z");
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATOR, "convscope");
    return pdf;
}

/* What cairo draws on here is only measured. */
static cairo_surface_t *new_svg(struct canvas *c)
{
    buffer_print(c->out,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                 "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%.6gpt\" "
                 "height=\"%.6gpt\" viewBox=\"0 0 %zu %zu\">\n"
                 "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                 points(c, c->page.width), points(c, c->page.height), c->page.width,
                 c->page.height);
    return cairo_recording_surface_create(CAIRO_CONTENT_ALPHA, NULL);
}

static void release(struct canvas *c)
{
    if (c->cr)
        cairo_destroy(c->cr);
    if (c->surface)
        cairo_surface_destroy(c->surface);
    c->cr = NULL;
    c->surface = NULL;
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY_PRESSURE, "no memory to draw the figure");
}

static struct canvas *open_page(struct canvas *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cairo_surface_t *(*const makers[])(struct canvas *) = {
        [CANVAS_PIXELS] = new_pixels, [CANVAS_SVG] = new_svg, [CANVAS_PDF] = new_pdf};

    pthread_once(&once, load_fonts);
    c->surface = makers[c->kind](c);
    if (!c->surface || !faces[0] || !faces[1])
        return NULL;
    c->cr = cairo_create(c->surface);
    if (cairo_status(c->cr) != CAIRO_STATUS_SUCCESS)
        return NULL;
    if (c->kind == CANVAS_PDF)
        cairo_scale(c->cr, 72 / c->page.dpi, 72 / c->page.dpi);
    set_text_options(c);
    return c;
}

struct canvas *canvas_new(enum canvas_kind kind, const struct canvas_page *page,
                          struct arena *arena, struct buffer *out, struct error *err)
{
    struct canvas *c = arena_alloc(arena, 1, sizeof *c);

    if (!c) {
        no_memory(err);
        return NULL;
    }
    *c = (struct canvas){
        .kind = kind, .page = *page, .arena = arena, .out = out, .err = err};
    if (open_page(c))
        return c;
    release(c);
    no_memory(err);
    return NULL;
}

bool canvas_finish(struct canvas *c)
{
    if (c->kind == CANVAS_SVG)
        buffer_text(c->out, "</svg>\n");
    const bool drawn = cairo_status(c->cr) == CAIRO_STATUS_SUCCESS;
    cairo_surface_finish(c->surface);
    const bool closed = cairo_surface_status(c->surface) == CAIRO_STATUS_SUCCESS;
    release(c);
    if (c->failed)
        return false;
    return (c->out && c->out->failed) || (drawn && closed && !c->no_memory) ||
           no_memory(c->err);
}

const uint32_t *canvas_pixels(struct canvas *c)
{
    cairo_surface_flush(c->surface);
    return c->pixels;
}

void canvas_restore(struct canvas *c, const uint32_t *pixels)
{
    cairo_surface_flush(c->surface);
    memcpy(c->pixels, pixels, c->page.width * c->page.height * sizeof *pixels);
    cairo_surface_mark_dirty(c->surface);
}

/* ---- text ---- */

struct canvas_extent canvas_measure(struct canvas *c, const struct canvas_font *font,
                                    const char *text)
{
    cairo_text_extents_t e;

    set_font(c, font);
    cairo_text_extents(c->cr, text, &e);
    return (struct canvas_extent){-e.y_bearing, e.y_bearing + e.height, e.x_advance};
}

static void set_color(struct canvas *c, uint32_t rgb)
{
    cairo_set_source_rgb(c->cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0,
                         (rgb & 255) / 255.0);
}

static void write_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            buffer_text(out, "&amp;");
            break;
        case '<':
            buffer_text(out, "&lt;");
            break;
        case '"':
            buffer_text(out, "&quot;");
            break;
        default:
            buffer_append(out, text, 1);
        }
}

/* The outline of the text that cairo holds as its path. */
static void write_outline(struct canvas *c, uint32_t rgb, const char *text)
{
    static const char letters[] = {[CAIRO_PATH_MOVE_TO] = 'M',
                                   [CAIRO_PATH_LINE_TO] = 'L',
                                   [CAIRO_PATH_CURVE_TO] = 'C',
                                   [CAIRO_PATH_CLOSE_PATH] = 'Z'};
    cairo_path_t *path = cairo_copy_path(c->cr);

    buffer_text(c->out, "<path role=\"img\" aria-label=\"");
    write_escaped(c->out, text);
    buffer_print(c->out, "\" fill=\"#%06x\" d=\"", rgb);
    for (int i = 0; i < path->num_data; i += path->data[i].header.length) {
        const cairo_path_data_t *data = &path->data[i];
        buffer_append(c->out, &letters[data->header.type], 1);
        for (int k = 1; k < data->header.length; k++)
            buffer_print(c->out, "%s%.2f %.2f", k > 1 ? " " : "", data[k].point.x,
                         data[k].point.y);
    }
    buffer_text(c->out, "\"/>\n");
    cairo_path_destroy(path);
    cairo_new_path(c->cr);
}

void canvas_text(struct canvas *c, const struct canvas_font *font, uint32_t rgb,
                 double align, double x, double y, const char *text)
{
    double left = x - align * canvas_measure(c, font, text).width;

    if (c->kind == CANVAS_PIXELS) {
        left = round(left);
        y = round(y);
    }
    set_color(c, rgb);
    cairo_move_to(c->cr, left, y);
    if (c->kind == CANVAS_PDF) {
        cairo_show_text(c->cr, text);
        return;
    }
    cairo_text_path(c->cr, text);
    if (c->kind == CANVAS_SVG)
        write_outline(c, rgb, text);
    else
        cairo_fill(c->cr);
}

/* ---- boxes ---- */

/* Whole pixels, of which cairo would make a path, a polygon and boxes. */
static void fill_pixels(struct canvas *c, const struct canvas_box *b, uint32_t rgb)
{
    const long left = lround(fmax(b->x, 0)), top = lround(fmax(b->y, 0));
    const long right = lround(fmin(b->x + b->width, (double)c->page.width));
    const long bottom = lround(fmin(b->y + b->height, (double)c->page.height));

    cairo_surface_flush(c->surface);
    for (long y = top; y < bottom; y++) {
        uint32_t *row = c->pixels + (size_t)y * c->page.width;
        for (long x = left; x < right; x++)
            row[x] = 0xff000000 | rgb;
    }
    cairo_surface_mark_dirty(c->surface);
}

void canvas_fill(struct canvas *c, const struct canvas_box *box, uint32_t rgb)
{
    if (c->kind == CANVAS_SVG) {
        buffer_print(c->out,
                     "<rect x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" height=\"%.3f\" "
                     "fill=\"#%06x\"/>\n",
                     box->x, box->y, box->width, box->height, rgb);
        return;
    }
    if (c->kind == CANVAS_PIXELS) {
        fill_pixels(c, box, rgb);
        return;
    }
    set_color(c, rgb);
    cairo_rectangle(c->cr, box->x, box->y, box->width, box->height);
    cairo_fill(c->cr);
}

/* To the middle of a pixel, if an odd number of them is covered. */
static double snap(double x, double thickness)
{
    return round(x) + (fmod(round(fmax(thickness, 1)), 2) == 1 ? 0.5 : 0);
}

void canvas_outline(struct canvas *c, const struct canvas_box *box, double thickness,
                    uint32_t rgb)
{
    double x = box->x, y = box->y, right = x + box->width, bottom = y + box->height;

    if (c->kind == CANVAS_SVG) {
        buffer_print(c->out,
                     "<rect x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" height=\"%.3f\" "
                     "fill=\"none\" stroke=\"#%06x\" stroke-width=\"%.3f\"/>\n",
                     x, y, box->width, box->height, rgb, thickness);
        return;
    }
    if (c->kind == CANVAS_PIXELS) {
        x = snap(x, thickness);
        y = snap(y, thickness);
        right = snap(right, thickness);
        bottom = snap(bottom, thickness);
    }
    set_color(c, rgb);
    cairo_set_line_width(c->cr, thickness);
    cairo_rectangle(c->cr, x, y, right - x, bottom - y);
    cairo_stroke(c->cr);
}

/* ---- pictures ---- */

/* 0xffRRGGBB, or 0 where the cell is transparent. */
static uint32_t cell_color(const struct picture *p, size_t i)
{
    const uint8_t *sample = p->samples + i * (p->kind == PICTURE_RGB    ? 3
                                              : p->kind == PICTURE_RGBA ? 4
                                                                        : 1);

    if (p->kind == PICTURE_INDEXED) {
        const bool hole =
            p->transparent && (p->holes ? p->holes[i] : *sample == p->hole);
        return hole ? p->ground : 0xff000000 | p->colormap->rgb[*sample];
    }
    if (p->kind == PICTURE_RGBA && !sample[3])
        return 0;
    return 0xff000000 | (uint32_t)sample[0] << 16 | (uint32_t)sample[1] << 8 |
           sample[2];
}

/* The pixels of a picture, and which of them the box lets through. matplotlib rounds
 * the size up, places the lower left corner, and clips to the box, ends included. */
struct placed {
    long left, top, width, height;
    long first_x, end_x, first_y, end_y;
};

static struct placed place(const struct canvas *c, const struct canvas_box *box)
{
    const double small = 1e-6; /* of rounding errors in the layout */
    const double w = ceil(box->width - small), h = ceil(box->height - small);
    const double right = fmin(round(box->x + box->width) + 1, (double)c->page.width);
    const double bottom = fmin(round(box->y + box->height) + 1, (double)c->page.height);
    struct placed p = {.left = lround(box->x),
                       .top = lround(box->y + box->height - h),
                       .width = (long)w,
                       .height = (long)h};

    p.first_x = p.left > 0 ? p.left : 0;
    p.first_y = lround(fmax(box->y, 0));
    p.end_x = p.left + p.width < (long)right ? p.left + p.width : (long)right;
    p.end_x = p.end_x > p.first_x ? p.end_x : p.first_x;
    p.end_y = p.top + p.height < (long)bottom ? p.top + p.height : (long)bottom;
    return p;
}

/* Every pixel takes the cell that its middle lies in; those of a row are the same in
 * all. */
static void paint_nearest(struct canvas *c, const struct placed *at,
                          const struct picture *p)
{
    const size_t before = c->arena->used, width = (size_t)(at->end_x - at->first_x);
    const struct canvas_steps steps = canvas_steps_of(p->width, (size_t)at->width);
    uint32_t *cells = arena_take(c->arena, width, sizeof *cells);

    c->no_memory |= !cells;
    for (size_t x = 0; cells && x < width; x++)
        cells[x] =
            (uint32_t)canvas_cell_at(&steps, (size_t)(at->first_x - at->left) + x);
    for (long y = at->first_y; cells && y < at->end_y; y++) {
        const size_t row =
            canvas_row_at((size_t)(y - at->top), p->height, (size_t)at->height) *
            p->width;
        uint32_t *to = c->pixels + (size_t)y * c->page.width + at->first_x;
        for (size_t x = 0; x < width; x++) {
            const uint32_t color = cell_color(p, row + cells[x]);
            if (color)
                to[x] = color;
        }
    }
    arena_rewind(c->arena, before);
}

/* cairo has no surfaces with a side of more than 32767, and leaves out those almost as
 * long where it averages them. */
enum { SURFACE_SIDE = 16384 };

/* Cells of a side that become one pixel of the surface. */
static size_t cells_a_pixel(size_t side)
{
    return (side + SURFACE_SIDE - 1) / SURFACE_SIDE;
}

/* The mean of height x width cells from (x, y) on, of those that there are. */
static uint32_t mean_color(const struct picture *p, size_t x, size_t y, size_t width,
                           size_t height)
{
    const size_t end_x = x + width < p->width ? x + width : p->width;
    const size_t end_y = y + height < p->height ? y + height : p->height;
    const size_t n = (end_x - x) * (end_y - y);
    size_t sums[4] = {0};
    uint32_t color = 0;

    for (size_t v = y; v < end_y; v++)
        for (size_t u = x; u < end_x; u++)
            for (size_t i = 0; i < 4; i++)
                sums[i] += cell_color(p, v * p->width + u) >> 8 * i & 255;
    for (size_t i = 0; i < 4; i++)
        color |= (uint32_t)((sums[i] + n / 2) / n) << 8 * i;
    return color;
}

/* kx and ky: cells that become a pixel. */
static cairo_surface_t *picture_surface(struct canvas *c, const struct picture *p,
                                        size_t kx, size_t ky)
{
    const size_t width = (p->width + kx - 1) / kx, height = (p->height + ky - 1) / ky;
    uint32_t *pixels = arena_take(c->arena, width * height, sizeof *pixels);

    c->no_memory |= !pixels;
    if (!pixels)
        return NULL;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            pixels[y * width + x] = kx * ky == 1
                                        ? cell_color(p, y * width + x)
                                        : mean_color(p, x * kx, y * ky, kx, ky);
    return cairo_image_surface_create_for_data((unsigned char *)pixels,
                                               CAIRO_FORMAT_ARGB32, (int)width,
                                               (int)height, (int)(4 * width));
}

static void paint_surface(struct canvas *c, const struct canvas_box *b,
                          const struct picture *p, cairo_filter_t filter)
{
    const size_t before = c->arena->used;
    const size_t kx = cells_a_pixel(p->width), ky = cells_a_pixel(p->height);
    cairo_surface_t *surface = picture_surface(c, p, kx, ky);

    if (surface) {
        cairo_save(c->cr);
        cairo_rectangle(c->cr, b->x, b->y, b->width, b->height);
        cairo_clip(c->cr);
        cairo_translate(c->cr, b->x, b->y);
        cairo_scale(c->cr, b->width * (double)kx / (double)p->width,
                    b->height * (double)ky / (double)p->height);
        cairo_set_source_surface(c->cr, surface, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(c->cr), filter);
        if (c->kind == CANVAS_PIXELS) /* a PDF would hold a copy with margins */
            cairo_pattern_set_extend(cairo_get_source(c->cr), CAIRO_EXTEND_PAD);
        cairo_paint(c->cr);
        cairo_restore(c->cr);
        cairo_surface_finish(surface);
        cairo_surface_destroy(surface);
    }
    arena_rewind(c->arena, before);
}

static void paint_pixels(struct canvas *c, const struct canvas_box *box,
                         const struct picture *p)
{
    const struct placed at = place(c, box);

    if (at.width < 1 || at.height < 1)
        return;
    if ((size_t)at.width < p->width || (size_t)at.height < p->height) {
        const struct canvas_box whole = {(double)at.left, (double)at.top,
                                         (double)at.width, (double)at.height};
        paint_surface(c, &whole, p, CAIRO_FILTER_GOOD);
        return;
    }
    cairo_surface_flush(c->surface);
    paint_nearest(c, &at, p);
    cairo_surface_mark_dirty(c->surface);
}

/* Some viewers smooth what they enlarge, whatever the file says: small maps come with
 * several pixels for a cell, so that only the cells' edges are soft there. */
static void write_image(struct canvas *c, const struct canvas_box *b,
                        const struct picture *p)
{
    const size_t before = c->arena->used;
    const size_t side = p->width > p->height ? p->width : p->height;
    struct picture large = *p;
    struct buffer png;

    buffer_init(&png, c->out->limit);
    buffer_watch(&png, c->out->parallel);
    if (picture_enlarge(&large, side < 16 ? 16 : 256 / side, c->arena, c->err) &&
        picture_png(&png, &large, 9, c->arena, c->err)) {
        c->out->failed |= png.failed;
        c->out->over_limit |= png.over_limit;
        buffer_print(c->out,
                     "<image x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" height=\"%.3f\" "
                     "preserveAspectRatio=\"none\" image-rendering=\"pixelated\" "
                     "xlink:href=\"data:image/png;base64,",
                     b->x, b->y, b->width, b->height);
        buffer_base64(c->out, png.bytes, png.size);
        buffer_text(c->out, "\"/>\n");
    } else {
        c->failed = true;
    }
    buffer_release(&png);
    arena_rewind(c->arena, before);
}

void canvas_picture(struct canvas *c, const struct canvas_box *box,
                    const struct picture *picture)
{
    if (c->kind == CANVAS_SVG)
        write_image(c, box, picture);
    else if (c->kind == CANVAS_PDF)
        paint_surface(c, box, picture, CAIRO_FILTER_NEAREST);
    else
        paint_pixels(c, box, picture);
}

/* ---- what it takes ---- */

double canvas_bytes(enum canvas_kind kind, const struct canvas_page *page)
{
    const double pixels = (double)page->width * (double)page->height;

    return 65536 + (kind == CANVAS_PIXELS ? 4 * (pixels + (double)page->width) : 0);
}

/* Its colours; a PDF keeps a copy, and what it is compressed to. An SVG holds a PNG, as
 * it is and as base64. */
double canvas_picture_bytes(enum canvas_kind kind, double cells)
{
    return (kind == CANVAS_SVG ? 1 << 20 : 4096) + cells * (kind == CANVAS_PIXELS ? 4
                                                            : kind == CANVAS_PDF  ? 16
                                                                                  : 10);
}
