/* figure.c - pictures side by side with their titles. */
#include "api/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/number.h"

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
    double pitch;    /* width of a column */
    double room;     /* for a title: of it what is no colour bar */
    double unit;     /* pixels of a point, */
    double bar_unit; /* and beside a colour bar */
    int digits;      /* of its labels */
};

/* What is drawn of a title: clean text and its tail. */
enum { TAIL_SIZE = 24, TITLE_SIZE = CANVAS_TEXT_SIZE + TAIL_SIZE };

static void join_title(char out[TITLE_SIZE], const char *title, const char *tail)
{
    canvas_clean(out, title);
    if (tail)
        snprintf(out + strlen(out), TAIL_SIZE, "%s", tail);
}

static double widest(const struct drawing *d, const struct canvas_font *font, bool note)
{
    char text[TITLE_SIZE];
    double width = 0;

    for (size_t i = 0; i < d->figure->n; i++) {
        const struct figure_panel *panel = &d->figure->panels[i];
        const char *from = note ? panel->note : panel->title;
        if (!from)
            continue;
        join_title(text, from, note ? NULL : panel->tail);
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

/* ---- colour bars ---- */

/* Points, where there is room. */
enum { BAR_GAP = 4, BAR_WIDTH = 8, BAR_TEXT_GAP = 3, BAR_TEXT = 10 };

static bool has_bar(const struct figure *f, const struct figure_panel *panel)
{
    return f->colorbar && panel->picture->kind == PICTURE_INDEXED;
}

static bool has_bars(const struct figure *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (has_bar(f, &f->panels[i]))
            return true;
    return false;
}

static void label_of(const struct drawing *d, float value, char text[NUMBER_TEXT_SIZE])
{
    text[0] = '\0';
    if (!isnan(value))
        number_print(text, (double)value, d->digits);
}

/* The widest label in points, beside bars of full size. */
static double label_width(const struct drawing *d)
{
    const struct canvas_font font = {false, BAR_TEXT * d->unit};
    char text[NUMBER_TEXT_SIZE];
    double width = 0;

    for (size_t i = 0; i < d->figure->n; i++) {
        const struct figure_panel *panel = &d->figure->panels[i];
        if (!has_bar(d->figure, panel))
            continue;
        label_of(d, panel->low, text);
        width = fmax(width, canvas_measure(d->canvas, &font, text).width);
        label_of(d, panel->high, text);
        width = fmax(width, canvas_measure(d->canvas, &font, text).width);
    }
    return width / d->unit;
}

/* A bar and its labels take a quarter of a column at most: else there are fewer digits,
 * then all of it is smaller; labels that could not be read are left out. */
static void measure_bar(struct drawing *d)
{
    enum { MOST_DIGITS = 4, FEWEST = 2, SMALL = 7, READABLE = 5 }; /* points */
    const double bar = BAR_GAP + BAR_WIDTH, most = 0.25 * d->pitch;
    double room = 0;

    if (!has_bars(d->figure))
        return;
    for (d->digits = MOST_DIGITS;; d->digits--) {
        const double width = label_width(d);
        room = bar + (width > 0 ? BAR_TEXT_GAP + width : 0);
        d->bar_unit = fmin(d->unit, most / room);
        if (d->digits == FEWEST || d->bar_unit >= d->unit * SMALL / BAR_TEXT)
            break;
    }
    d->text.label.size = BAR_TEXT * d->bar_unit;
    if (d->text.label.size < READABLE * d->unit) {
        d->text.label.size = 0;
        room = bar;
        d->bar_unit = fmin(d->unit, most / 2 / room);
    }
    d->text.bar = ceil(room * d->bar_unit);
}

static void measure_text(struct drawing *d)
{
    struct figure_text *text = &d->text;
    const double size = 18 * d->unit;

    measure_bar(d);
    d->room = d->pitch - text->bar - 4;
    text->title = (struct canvas_font){true, fitting_size(d, size, true, false)};
    text->title_pad = 10 * d->unit * text->title.size / size;
    if (text->title.size > 0)
        text->ascent = line_ascent(d, &text->title);
    text->note = (struct canvas_font){
        false, fitting_size(d, text->title.size * 2 / 3, false, true)};
    text->note_height = ceil(1.4 * text->note.size);
    text->ascent += text->note_height;
}

/* ---- panels ---- */

static void draw_line(const struct drawing *d, const struct canvas_font *font,
                      const char *text, const char *tail, double x, double y)
{
    char line[TITLE_SIZE];

    if (!text || font->size == 0)
        return;
    const double taken = tail ? canvas_measure(d->canvas, font, tail).width : 0;
    canvas_clean(line, text);
    canvas_cut(d->canvas, font, line, d->room - taken);
    if (tail)
        snprintf(line + strlen(line), TAIL_SIZE, "%s", tail);
    canvas_text(d->canvas, font, black, 0.5, x, y, line);
}

/* The highest at the bar's top, the lowest at its end; beside a low bar both around its
 * middle. */
static void draw_labels(const struct drawing *d, const struct figure_panel *panel,
                        const struct canvas_box *bar)
{
    const struct canvas_font *font = &d->text.label;
    const double x = bar->x + bar->width + BAR_TEXT_GAP * d->bar_unit;
    const double digit = canvas_measure(d->canvas, font, "0").ascent;
    const double beyond = fmax(2.5 * digit - bar->height, 0) / 2;
    char label[NUMBER_TEXT_SIZE];

    label_of(d, panel->high, label);
    canvas_text(d->canvas, font, black, 0, x, bar->y - beyond + digit, label);
    label_of(d, panel->low, label);
    canvas_text(d->canvas, font, black, 0, x, bar->y + bar->height + beyond, label);
}

/* The colours from the highest at the top to the lowest. */
static void draw_bar(const struct drawing *d, const struct figure_panel *panel,
                     const struct canvas_box *box)
{
    uint8_t indices[256];
    const struct picture colors = {.width = 1,
                                   .height = 256,
                                   .kind = PICTURE_INDEXED,
                                   .colormap = panel->picture->colormap,
                                   .samples = indices};
    const struct canvas_box bar = {box->x + box->width + BAR_GAP * d->bar_unit, box->y,
                                   BAR_WIDTH * d->bar_unit, box->height};

    for (size_t i = 0; i < 256; i++)
        indices[i] = (uint8_t)(255 - i);
    canvas_picture(d->canvas, &bar, &colors);
    if (d->text.label.size > 0)
        draw_labels(d, panel, &bar);
}

static void draw_panel(const struct drawing *d, const struct figure_panel *panel,
                       const struct canvas_box *box)
{
    const struct figure_text *text = &d->text;
    const double middle = box->x + box->width / 2;
    const double line = box->y - text->title_pad;

    draw_line(d, &text->title, panel->title, panel->tail, middle,
              line - text->note_height);
    draw_line(d, &text->note, panel->note, NULL, middle, line);
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
        .pitch = (double)page.width / (double)f->columns,
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
