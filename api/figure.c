/* figure.c - pictures side by side with their titles. */
#include "api/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint32_t black = 0x000000;

/* matplotlib drops a broken pixel. */
static size_t pixels_of(double inches, double dpi)
{
    const double pixels = floor(inches * dpi + 1e-9);

    return pixels > 1 ? (size_t)pixels : 1;
}

struct canvas_page figure_page(const struct figure *f)
{
    return (struct canvas_page){pixels_of(f->figsize[0], f->dpi),
                                pixels_of(f->figsize[1], f->dpi), f->dpi};
}

bool figure_check(const struct figure *f, enum canvas_kind kind,
                  const struct limits *limits, struct error *err)
{
    const struct canvas_page page = figure_page(f);
    const double w = (double)page.width, h = (double)page.height;

    if (kind != CANVAS_PIXELS)
        return true;
    return (limit_check(LIMIT(limits, max_dimension), w > h ? w : h,
                        ERROR_PLAN_TOO_LARGE, err, "the figure is %gx%g pixels", w,
                        h) &&
            limit_check(LIMIT(limits, max_pixels), w * h, ERROR_PLAN_TOO_LARGE, err,
                        "the figure is %gx%g pixels", w, h)) ||
           error_blame(err, NULL, "figsize");
}

/* ---- text ---- */

/* What is being drawn. */
struct drawing {
    const struct figure *figure;
    struct canvas *canvas;
    const struct parallel *parallel;
    struct figure_text text;
    double room; /* for a title: the width of a column */
    double unit; /* pixels of a point */
};

static double widest(const struct drawing *d, const struct canvas_font *font, bool note)
{
    char text[CANVAS_TEXT_SIZE];
    double width = 0;

    for (size_t i = 0; i < d->figure->n; i++) {
        const struct figure_panel *panel = &d->figure->panels[i];
        const char *from = note ? panel->note : panel->title;
        if (!from)
            continue;
        canvas_clean(text, from);
        width = fmax(width, canvas_measure(d->canvas, font, text).width);
    }
    return width;
}

/* The size at which the widest text fits, if that can be read; 0: none is drawn. */
static double fitting_size(const struct drawing *d, double size, bool bold, bool note)
{
    const double readable = 5 * d->unit;
    const struct canvas_page page = figure_page(d->figure);
    const double pitch = (double)page.height / (double)d->figure->rows;
    const struct canvas_font font = {bold, fmin(size, 0.2 * pitch)};
    const double width = widest(d, &font, note);

    if (width == 0 || font.size < readable)
        return 0;
    if (width <= d->room)
        return font.size;
    return fmax(font.size * d->room / width, readable);
}

/* As high as matplotlib takes a line to be: at least "lp", in whole pixels. */
static double line_ascent(const struct drawing *d, const struct canvas_font *font)
{
    char text[CANVAS_TEXT_SIZE];
    double ascent = canvas_measure(d->canvas, font, "lp").ascent;

    for (size_t i = 0; i < d->figure->n; i++)
        if (d->figure->panels[i].title) {
            canvas_clean(text, d->figure->panels[i].title);
            ascent = fmax(ascent, canvas_measure(d->canvas, font, text).ascent);
        }
    return round(ascent);
}

static void label_of(float value, char text[32])
{
    if (isnan(value))
        text[0] = '\0';
    else
        snprintf(text, 32, "%.4g", (double)value);
}

enum { BAR_GAP = 4, BAR_WIDTH = 8, BAR_TEXT_GAP = 3, BAR_TEXT = 10 }; /* points */

static bool has_bar(const struct figure *f, const struct figure_panel *panel)
{
    return f->colorbar && panel->picture->kind == PICTURE_INDEXED;
}

static double bar_room(const struct drawing *d)
{
    double width = 0, room = 0;
    char low[32], high[32];

    for (size_t i = 0; i < d->figure->n; i++) {
        const struct figure_panel *panel = &d->figure->panels[i];
        if (!has_bar(d->figure, panel))
            continue;
        label_of(panel->low, low);
        label_of(panel->high, high);
        width = fmax(width, canvas_measure(d->canvas, &d->text.label, low).width);
        width = fmax(width, canvas_measure(d->canvas, &d->text.label, high).width);
        room = (BAR_GAP + BAR_WIDTH + BAR_TEXT_GAP) * d->unit + width;
    }
    return ceil(room);
}

static void measure_text(struct drawing *d)
{
    struct figure_text *text = &d->text;
    const double size = 18 * d->unit;

    text->title = (struct canvas_font){true, fitting_size(d, size, true, false)};
    text->title_pad = 10 * d->unit * text->title.size / size;
    if (text->title.size > 0)
        text->ascent = line_ascent(d, &text->title);
    text->note = (struct canvas_font){
        false, fitting_size(d, text->title.size * 2 / 3, false, true)};
    text->note_height = ceil(1.4 * text->note.size);
    text->ascent += text->note_height;
    text->label = (struct canvas_font){false, BAR_TEXT * d->unit};
    text->bar = bar_room(d);
}

/* ---- panels ---- */

static void draw_line(const struct drawing *d, const struct canvas_font *font,
                      const char *text, double x, double y)
{
    char line[CANVAS_TEXT_SIZE];

    if (!text || font->size == 0)
        return;
    canvas_clean(line, text);
    canvas_cut(d->canvas, font, line, d->room);
    canvas_text(d->canvas, font, black, 0.5, x, y, line);
}

/* The colours from the highest at the top to the lowest. */
static void draw_bar(const struct drawing *d, const struct figure_panel *panel,
                     const struct canvas_box *box)
{
    const struct canvas_font *font = &d->text.label;
    uint8_t indices[256];
    char label[32];
    const struct picture colors = {.width = 1,
                                   .height = 256,
                                   .kind = PICTURE_INDEXED,
                                   .colormap = panel->picture->colormap,
                                   .samples = indices};
    const double right = box->x + box->width;
    const struct canvas_box bar = {right + BAR_GAP * d->unit, box->y,
                                   BAR_WIDTH * d->unit, box->height};
    const double x = bar.x + bar.width + BAR_TEXT_GAP * d->unit;
    const double digit = canvas_measure(d->canvas, font, "0").ascent;

    for (size_t i = 0; i < 256; i++)
        indices[i] = (uint8_t)(255 - i);
    canvas_picture(d->canvas, &bar, &colors);
    label_of(panel->high, label);
    canvas_text(d->canvas, font, black, 0, x, bar.y + digit, label);
    label_of(panel->low, label);
    if (bar.height > 2.5 * digit)
        canvas_text(d->canvas, font, black, 0, x, bar.y + bar.height, label);
}

static void draw_panel(const struct drawing *d, const struct figure_panel *panel,
                       const struct canvas_box *box)
{
    const struct figure_text *text = &d->text;
    const double middle = box->x + box->width / 2;
    const double line = box->y - text->title_pad;

    draw_line(d, &text->title, panel->title, middle, line - text->note_height);
    draw_line(d, &text->note, panel->note, middle, line);
    canvas_picture(d->canvas, box, panel->picture);
    if (has_bar(d->figure, panel))
        draw_bar(d, panel, box);
}

static bool draw_panels(struct drawing *d, struct arena *arena, struct error *err)
{
    const struct figure *f = d->figure;
    const struct parallel *parallel = d->parallel;
    struct canvas_box *boxes = arena_take(arena, f->n, sizeof *boxes);

    if (!boxes)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the figure");
    measure_text(d);
    figure_layout(f, &d->text, boxes);
    for (size_t i = 0; i < f->n; i++) {
        if (parallel->cancelled(parallel->self))
            return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while drawing");
        draw_panel(d, &f->panels[i], &boxes[i]);
    }
    return true;
}

bool figure_draw(const struct figure *f, enum canvas_kind kind, int png_level,
                 const struct parallel *parallel, struct arena *arena,
                 struct buffer *out, struct error *err)
{
    const struct canvas_page page = figure_page(f);
    struct drawing d = {
        .figure = f,
        .canvas = canvas_new(kind, &page, arena, out, err),
        .parallel = parallel,
        .room = (double)page.width / (double)f->columns - 4,
        .unit = f->dpi / 72,
    };

    if (!d.canvas)
        return false;
    const bool drawn = draw_panels(&d, arena, err);
    const uint32_t *pixels = kind == CANVAS_PIXELS ? canvas_pixels(d.canvas) : NULL;
    return canvas_finish(d.canvas) && drawn &&
           (!pixels || figure_png(out, &page, pixels, png_level, parallel, arena, err));
}

double figure_bytes(const struct figure *f, enum canvas_kind kind, double cells,
                    int png_level, size_t slots)
{
    const struct canvas_page page = figure_page(f);
    const double file =
        kind == CANVAS_PIXELS ? figure_png_bytes(&page, png_level, slots) : 0;

    return canvas_bytes(kind, &page) + file + canvas_picture_bytes(kind, cells) +
           (double)f->n * (sizeof(struct canvas_box) + 16384);
}
