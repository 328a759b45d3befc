/* animation_frame.c - one picture of an animation. */
#include "api/animation_frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/animation_window.h"

/* ---- colours ---- */

enum {
    PAPER = 0xffffff,
    INK = 0x212529,
    GRAY = 0x868e96,
    LINE = 0xced4da,
    PADDING = 0xe9ecef,
    OUTLINE = 0xe8590c,
    WINNER = 0xffc078,
    POSITIVE = 0xfff3bf,
    NEGATIVE = 0xe5dbff,
    ZERO = 0xf8f9fa,
};

enum { N_LEVELS = 8 };

/* From the palest to the strongest: of the input, of it under the window, of the
 * output. */
static const uint32_t ramps[3][2] = {
    {0xf1f8ff, 0x74b9f5}, {0xfff4e6, 0xffb875}, {0xf0faf1, 0x7ed488}};
enum ramp { RAMP_INPUT, RAMP_WINDOW, RAMP_OUTPUT, N_RAMPS };

static uint32_t mix(uint32_t a, uint32_t b, double t)
{
    uint32_t rgb = 0;

    for (int shift = 0; shift <= 16; shift += 8) {
        const double x = a >> shift & 255, y = b >> shift & 255;
        rgb |= (uint32_t)lround(x + (y - x) * t) << shift;
    }
    return rgb;
}

static uint32_t level_color(enum ramp ramp, int level)
{
    return mix(ramps[ramp][0], ramps[ramp][1], level / (N_LEVELS - 1.0));
}

static uint32_t value_color(enum ramp ramp, float v, const struct animation_range *r)
{
    if (!isfinite(v))
        return PADDING;
    const float x = r->low < r->high ? (v - r->low) / (r->high - r->low) : 0;
    return level_color(ramp, (int)lround((double)x * (N_LEVELS - 1)));
}

size_t animation_frame_colors(uint32_t *colors, size_t n)
{
    static const uint32_t fills[] = {PAPER,  LINE,     PADDING,  OUTLINE,
                                     WINNER, POSITIVE, NEGATIVE, ZERO};
    static const uint32_t inks[] = {INK, GRAY};
    enum { N_FILLS = sizeof fills / sizeof *fills, SHADES = 3 };
    uint32_t all[N_FILLS + N_RAMPS * N_LEVELS];
    size_t count = 0, used = 0;

    for (size_t i = 0; i < N_FILLS; i++)
        all[count++] = fills[i];
    for (int r = 0; r < N_RAMPS; r++)
        for (int k = 0; k < N_LEVELS; k++)
            all[count++] = level_color((enum ramp)r, k);
    for (size_t i = 0; i < count && used < n; i++)
        colors[used++] = all[i];
    for (size_t k = 0; k < 2 && used < n; k++)
        colors[used++] = inks[k];
    for (size_t k = 0; k < 2; k++) /* the soft edges of letters */
        for (size_t i = 0; i < count; i++)
            for (int s = 1; s <= SHADES && used < n; s++)
                colors[used++] = mix(all[i], inks[k], s / (SHADES + 1.0));
    return used;
}

/* ---- sizes ---- */

enum {
    MARGIN = 16,
    GAP = 36,
    MAX_WIDTH = 960,  /* of the whole, and */
    MAX_HEIGHT = 420, /* of the grids, unless their cells would be less than a pixel */
    LARGEST = 1600,   /* then too */
    PANEL = 132,      /* width that titles and results need */
    TITLE = 28,       /* baselines from the top */
    HEAD = 54,
    TOP = 64, /* of the grids */
};

static size_t padded(const struct animation *a, int axis)
{
    return axis ? a->input.width + a->pad.left + a->pad.right
                : a->input.height + a->pad.top + a->pad.bottom;
}

static double clamp(double x, double low, double high)
{
    return fmax(fmin(floor(x), high), low);
}

struct animation_layout animation_layout_of(const struct animation *a)
{
    const double pw = (double)padded(a, 1), ph = (double)padded(a, 0);
    const double ow = (double)a->output.width, oh = (double)a->output.height;
    const double kw = (double)a->window.width, kh = (double)a->window.height;
    const double big = clamp(fmin(240 / kw, MAX_HEIGHT / kh), 4, 54);
    const double room = MAX_WIDTH - 2 * MARGIN - 2 * GAP - fmax(big * kw, PANEL);
    const double cell = clamp(fmin(room / (pw + ow), MAX_HEIGHT / fmax(ph, oh)), 1, 36);
    const double widths[] = {fmax(cell * pw, PANEL), fmax(big * kw, PANEL),
                             fmax(cell * ow, PANEL)};
    const double tall = fmax(fmax(cell * ph, cell * oh), big * kh);
    struct animation_layout l = {.cell = cell, .big = big, .head = HEAD};
    const double left[] = {MARGIN, MARGIN + widths[0] + GAP,
                           MARGIN + widths[0] + widths[1] + 2 * GAP};

    if (left[2] + widths[2] > LARGEST || tall > LARGEST)
        return l;
    l.width = (size_t)(left[2] + widths[2]) + MARGIN;
    const double grids[3][2] = {
        {cell * pw, cell * ph}, {big * kw, big * kh}, {cell * ow, cell * oh}};
    double *const corners[] = {l.input, l.window, l.output};
    for (size_t i = 0; i < 3; i++) {
        corners[i][0] = floor(left[i] + (widths[i] - grids[i][0]) / 2);
        corners[i][1] = floor(TOP + (tall - grids[i][1]) / 2);
    }
    l.foot = l.window[1] + big * kh + 26;
    l.height = (size_t)fmax(TOP + tall + MARGIN, l.foot + MARGIN);
    return l;
}

/* ---- numbers ---- */

static void print(char text[NUMBER_TEXT_SIZE], float value)
{
    number_print(text, (double)value, fabsf(value) < 100 ? 3 : 4);
}

/* What the window shows in its enlarged cells. */
static void style_window(struct animation_frame *f)
{
    const struct animation *a = f->animation;
    const double big = f->layout.big, room = 0.9 * big;
    const struct canvas_font font = {true, big < 26 ? 0 : big / 3.4};
    const struct canvas_font small = {false, font.size < 11 ? 0 : 0.62 * font.size};

    f->product = animation_style_of(f->canvas, &f->range[0], font, room);
    if (a->op != OP_CONV)
        return;
    const struct animation_range weights = animation_range_of(&a->window);
    const struct animation_range product =
        animation_range_product(&f->range[0], &weights);
    f->product = animation_style_of(f->canvas, &product, font, room);
    f->value = animation_style_of(f->canvas, &f->range[0], small, room);
    f->weight =
        animation_style_of(f->canvas, &weights, small,
                           room - canvas_measure(f->canvas, &small, "\xc3\x97 ").width);
    f->in_one_line = f->range[0].whole && weights.whole;
}

void animation_frame_init(struct animation_frame *f)
{
    const struct animation_grid *grids[] = {&f->animation->input,
                                            &f->animation->output};
    const double cell = f->layout.cell;
    const struct canvas_font font = {false, cell < 18 ? 0 : 0.42 * cell};

    for (size_t i = 0; i < 2; i++) {
        f->range[i] = animation_range_of(grids[i]);
        f->number[i] = animation_style_of(f->canvas, &f->range[i], font, 0.84 * cell);
    }
    style_window(f);
}

/* ---- cells ---- */

/* The middle of the box, more or less: text whose capitals are centred. */
static void write_in(const struct animation_frame *f, const struct canvas_box *box,
                     double down, struct canvas_font font, uint32_t ink,
                     const char *text)
{
    if (font.size == 0)
        return;
    const struct canvas_extent e = canvas_measure(f->canvas, &font, text);
    font.size *= fmin(1, 0.92 * box->width / fmax(e.width, 1));
    canvas_text(f->canvas, &font, ink, 0.5, box->x + box->width / 2,
                box->y + box->height * down + 0.36 * font.size, text);
}

/* A number in the middle of its cell; most are not written, where cells are small. */
static void write_number(const struct animation_frame *f, const struct canvas_box *box,
                         const struct animation_style *style, float v)
{
    char text[NUMBER_TEXT_SIZE];

    if (style->font.size == 0)
        return;
    animation_number_print(text, v, style);
    write_in(f, box, 0.5, style->font, INK, text);
}

static void draw_cell(const struct animation_frame *f, const struct canvas_box *box,
                      uint32_t fill)
{
    struct canvas_box inner = *box;

    if (box->width >= 6) { /* a line at the right and below */
        canvas_fill(f->canvas, box, LINE);
        inner.width -= 1;
        inner.height -= 1;
    }
    canvas_fill(f->canvas, &inner, fill);
}

static struct canvas_box cell_box(const double corner[2], double side, size_t y,
                                  size_t x)
{
    return (struct canvas_box){corner[0] + side * (double)x,
                               corner[1] + side * (double)y, side, side};
}

static void draw_input(const struct animation_frame *f, size_t y, size_t x,
                       enum ramp ramp)
{
    const struct animation *a = f->animation;
    const struct canvas_box box = cell_box(f->layout.input, f->layout.cell, y, x);
    float v;

    if (animation_input(a, y, x, &v)) {
        draw_cell(f, &box, value_color(ramp, v, &f->range[0]));
        write_number(f, &box, &f->number[0], v);
        return;
    }
    draw_cell(f, &box, ramp == RAMP_WINDOW ? level_color(ramp, 0) : PADDING);
    if (a->op == OP_CONV)
        write_in(f, &box, 0.5, f->number[0].font, GRAY, "0");
}

static void draw_output(const struct animation_frame *f, size_t position,
                        enum ramp ramp)
{
    const struct animation *a = f->animation;
    const size_t y = position / a->output.width, x = position % a->output.width;
    const struct canvas_box box = cell_box(f->layout.output, f->layout.cell, y, x);
    const float v = animation_value(&a->output, y, x);

    draw_cell(f, &box, value_color(ramp, v, &f->range[1]));
    write_number(f, &box, &f->number[1], v);
}

void animation_frame_done(const struct animation_frame *f, size_t position)
{
    draw_output(f, position, RAMP_OUTPUT);
}

/* The lines at the left of a grid and above it; its cells have the others. */
static void draw_border(const struct animation_frame *f, const double corner[2],
                        double side, size_t h, size_t w)
{
    const struct canvas_box box = {corner[0] - 1, corner[1] - 1, side * (double)w + 1,
                                   side * (double)h + 1};

    if (side >= 6)
        canvas_fill(f->canvas, &box, LINE);
}

/* ---- what stays ---- */

static void draw_head(const struct animation_frame *f, const double corner[2],
                      double width, const char *name, size_t h, size_t w)
{
    const struct canvas_font font = {true, 14};
    char text[64];

    snprintf(text, sizeof text, "%s %zu\xc3\x97%zu", name, h, w);
    canvas_text(f->canvas, &font, INK, 0.5, corner[0] + width / 2, f->layout.head,
                text);
}

static void draw_title(const struct animation_frame *f)
{
    const struct canvas_font font = {false, 14};
    char text[CANVAS_TEXT_SIZE];

    canvas_clean(text, f->animation->title);
    canvas_cut(f->canvas, &font, text, (double)f->layout.width - 2 * MARGIN);
    canvas_text(f->canvas, &font, GRAY, 0, MARGIN, TITLE, text);
}

void animation_frame_base(const struct animation_frame *f)
{
    const struct animation *a = f->animation;
    const struct animation_layout *l = &f->layout;
    const size_t ph = padded(a, 0), pw = padded(a, 1);

    draw_title(f);
    draw_border(f, l->input, l->cell, ph, pw);
    draw_border(f, l->window, l->big, a->window.height, a->window.width);
    draw_border(f, l->output, l->cell, a->output.height, a->output.width);
    draw_head(f, l->input, l->cell * (double)pw, "Input", a->input.height,
              a->input.width);
    draw_head(f, l->window, l->big * (double)a->window.width,
              a->op == OP_CONV ? "Kernel" : "Window", a->window.height,
              a->window.width);
    draw_head(f, l->output, l->cell * (double)a->output.width, "Output",
              a->output.height, a->output.width);
    for (size_t i = 0; i < ph * pw; i++)
        draw_input(f, i / pw, i % pw, RAMP_INPUT);
    for (size_t i = 0; i < a->output.height * a->output.width; i++) {
        const struct canvas_box box =
            cell_box(l->output, l->cell, i / a->output.width, i % a->output.width);
        draw_cell(f, &box, PAPER);
    }
}

/* ---- the window ---- */

/* "53 x -1", or one below the other where they are long. Returns how far down the
 * middle of what is left is. */
static double draw_factors(const struct animation_frame *f,
                           const struct animation_tap *t, const struct canvas_box *box)
{
    char value[NUMBER_TEXT_SIZE], weight[NUMBER_TEXT_SIZE], text[80];

    if (f->value.font.size == 0 || f->weight.font.size == 0)
        return 0.5;
    animation_number_print(value, t->value, &f->value);
    animation_number_print(weight, t->weight, &f->weight);
    if (f->in_one_line) {
        snprintf(text, sizeof text, "%s \xc3\x97 %s", value, weight);
        write_in(f, box, 0.26, f->value.font, GRAY, text);
        return 0.66;
    }
    snprintf(text, sizeof text, "\xc3\x97 %s", weight);
    write_in(f, box, 0.18, f->value.font, GRAY, value);
    write_in(f, box, 0.4, f->weight.font, GRAY, text);
    return 0.73;
}

static void draw_product(const struct animation_frame *f, const struct animation_tap *t)
{
    const struct canvas_box box = cell_box(f->layout.window, f->layout.big, t->y, t->x);
    const float product = t->value * t->weight;
    char text[NUMBER_TEXT_SIZE];

    draw_cell(f, &box, product > 0 ? POSITIVE : product < 0 ? NEGATIVE : ZERO);
    const double down = draw_factors(f, t, &box);
    animation_number_print(text, product, &f->product);
    write_in(f, &box, down, f->product.font, INK, text);
}

static void draw_pooled(const struct animation_frame *f, const struct animation_tap *t,
                        const struct animation_seen *seen)
{
    const struct canvas_box box = cell_box(f->layout.window, f->layout.big, t->y, t->x);
    const bool wins =
        f->animation->op == OP_MAX_POOL && t->inside && t->value == seen->largest;

    draw_cell(f, &box, wins ? WINNER : t->inside ? ZERO : PADDING);
    if (t->inside)
        write_number(f, &box, &f->product, t->value);
}

/* "sum = 5", and what becomes of it: a bias, an activation, other channels. */
static void draw_result(const struct animation_frame *f, size_t position,
                        const struct animation_seen *seen)
{
    const struct animation *a = f->animation;
    const struct canvas_font font = {true, 15};
    const float out = a->output.values[position * a->output.step];
    const double width = f->layout.big * (double)a->window.width;
    char text[96], number[NUMBER_TEXT_SIZE];

    print(number, a->op == OP_CONV ? (float)seen->sum : out);
    if (a->op != OP_CONV && seen->n == 0)
        snprintf(text, sizeof text, "nothing but padding");
    else if (a->op == OP_AVERAGE_POOL)
        snprintf(text, sizeof text, "mean of %zu = %s", seen->n, number);
    else
        snprintf(text, sizeof text, "%s = %s", a->op == OP_CONV ? "sum" : "max",
                 number);
    if (a->op == OP_CONV && fabs(seen->sum - (double)out) > 1e-4 * fabs(seen->sum)) {
        print(number, out);
        snprintf(text + strlen(text), sizeof text - strlen(text), " \xe2\x86\x92 %s",
                 number);
    }
    canvas_text(f->canvas, &font, INK, 0.5, f->layout.window[0] + width / 2,
                f->layout.foot, text);
}

/* Around few pixels an outline is drawn at a distance, where it can be seen. */
static void outline(const struct animation_frame *f, struct canvas_box box,
                    double thick)
{
    enum { LEAST = 9 };
    const double wider = ceil(fmax(LEAST - box.width, 0) / 2);
    const double taller = ceil(fmax(LEAST - box.height, 0) / 2);

    box.x -= wider;
    box.y -= taller;
    box.width += 2 * wider;
    box.height += 2 * taller;
    canvas_outline(f->canvas, &box, thick, OUTLINE);
}

static void draw_outlines(const struct animation_frame *f, size_t position)
{
    const struct animation *a = f->animation;
    const struct animation_layout *l = &f->layout;
    const double thick = l->cell >= 12 ? 3 : l->cell >= 5 ? 2 : 1;
    const size_t last = a->window.height * a->window.width - 1;
    const struct animation_tap from = animation_tap(a, position, 0),
                               to = animation_tap(a, position, last);
    const struct canvas_box first = cell_box(l->input, l->cell, from.at_y, from.at_x);
    const struct canvas_box window = {first.x, first.y,
                                      l->cell * (double)(to.at_x - from.at_x + 1) - 1,
                                      l->cell * (double)(to.at_y - from.at_y + 1) - 1};
    struct canvas_box out = cell_box(l->output, l->cell, position / a->output.width,
                                     position % a->output.width);

    out.width -= 1;
    out.height -= 1;
    outline(f, window, thick);
    outline(f, out, thick);
}

void animation_frame_window(const struct animation_frame *f, size_t position)
{
    const struct animation *a = f->animation;
    const struct animation_seen seen = animation_look(a, position);

    for (size_t i = 0; i < a->window.height * a->window.width; i++) {
        const struct animation_tap t = animation_tap(a, position, i);
        draw_input(f, t.at_y, t.at_x, RAMP_WINDOW);
        if (a->op == OP_CONV)
            draw_product(f, &t);
        else
            draw_pooled(f, &t, &seen);
    }
    draw_output(f, position, RAMP_WINDOW);
    draw_result(f, position, &seen);
    draw_outlines(f, position);
}
