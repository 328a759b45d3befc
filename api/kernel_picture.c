/* kernel_picture.c - a kernel as the lesson's show_kernel draws it. */
#include "api/kernel_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double kernel_picture_round(double value, int digits)
{
    const double power = pow(10, abs(digits));

    return digits >= 0 ? rint(value * power) / power : rint(value / power) * power;
}

/* The fewest digits that are this double again. */
static void print_shortest(double value, char text[KERNEL_NUMBER_SIZE])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, KERNEL_NUMBER_SIZE, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void kernel_picture_number(double value, bool integer, char text[KERNEL_NUMBER_SIZE])
{
    char shortest[KERNEL_NUMBER_SIZE];

    if (integer && fabs(value) < 1e16) {
        snprintf(text, KERNEL_NUMBER_SIZE, "%.0f", value);
        return;
    }
    print_shortest(value, shortest);
    const char *e = strchr(shortest, 'e');
    const int exponent = (int)strtol(e + 1, NULL, 10);
    const int digits = (int)(e - shortest) - (value < 0 || signbit(value)) - 1;
    const int decimals = (digits < 1 ? 0 : digits - 1) - exponent;
    if (exponent >= -4 && exponent < 16)
        snprintf(text, KERNEL_NUMBER_SIZE, "%.*f", decimals > 1 ? decimals : 1, value);
    else
        memcpy(text, shortest, sizeof shortest);
}

/* ---- drawing ---- */

struct drawing {
    const struct kernel_picture *kernel;
    struct canvas *canvas;
    struct canvas_box box;
    double middle; /* of the range */
    uint32_t dark, light;
};

static double cell_width(const struct drawing *d)
{
    return d->box.width / (double)d->kernel->width;
}

static double cell_height(const struct drawing *d)
{
    return d->box.height / (double)d->kernel->height;
}

/* As large as asked for, but that every number fits into its cell; 0: it would be too
 * small to read. */
static struct canvas_font choose_font(const struct drawing *d)
{
    const struct kernel_picture *k = d->kernel;
    struct canvas_font font = {false, k->text_size * k->dpi / 72};
    char text[KERNEL_NUMBER_SIZE];
    double widest = 1;

    for (size_t i = 0; i < k->height * k->width; i++) {
        kernel_picture_number(k->values[i], k->integers, text);
        widest = fmax(widest, canvas_measure(d->canvas, &font, text).width);
    }
    const double fit =
        fmin(0.92 * cell_width(d) / widest, 0.8 * cell_height(d) / font.size);
    font.size *= fmin(fit, 1);
    return font.size < 5 ? (struct canvas_font){false, 0} : font;
}

static void draw_numbers(const struct drawing *d)
{
    const struct kernel_picture *k = d->kernel;
    const struct canvas_font font = choose_font(d);
    char text[KERNEL_NUMBER_SIZE];

    if (font.size == 0)
        return;
    /* matplotlib centres a line as high as "lp". */
    const struct canvas_extent line = canvas_measure(d->canvas, &font, "lp");
    const double down = (round(line.ascent) - round(line.descent)) / 2;
    for (size_t i = 0; i < k->height * k->width; i++) {
        const double x = (double)(i % k->width) + 0.5, y = (double)(i / k->width) + 0.5;
        kernel_picture_number(k->values[i], k->integers, text);
        canvas_text(d->canvas, &font, k->values[i] > d->middle ? d->dark : d->light,
                    0.5, d->box.x + x * cell_width(d),
                    d->box.y + y * cell_height(d) + down, text);
    }
}

static void draw(struct drawing *d, const struct figure *figure)
{
    const struct figure_text none = {0};
    const struct picture *picture = figure->panels->picture;
    const struct kernel_picture *k = d->kernel;
    double low = k->values[0], high = low;

    for (size_t i = 1; i < k->height * k->width; i++) {
        low = fmin(low, k->values[i]);
        high = fmax(high, k->values[i]);
    }
    d->middle = (high + low) / 2;
    d->dark = picture->colormap->rgb[0];
    d->light = picture->colormap->rgb[255];
    figure_layout(figure, &none, &d->box);
    canvas_picture(d->canvas, &d->box, picture);
    canvas_outline(d->canvas, &d->box, 0.8 * k->dpi / 72, 0x000000);
    if (k->label)
        draw_numbers(d);
}

/* What matplotlib's imshow computes with: doubles, or floats for an array of integers.
 */
static double rounded(double x, bool single)
{
    return single ? (double)(float)x : x;
}

/* Into 0.1..0.9 of the range and back, as imshow does on its way to the screen. */
static double detour(double x, double low, double high, bool single)
{
    const double span = rounded((high - low) / 0.8, single);
    const double offset = rounded(0.1, single);

    x = rounded(rounded(x - low, single) / span, single);
    x = rounded(rounded(x + offset, single) - offset, single);
    return rounded(rounded(x * span, single) + low, single);
}

static uint8_t index_of(const struct kernel_picture *k, double value, double low,
                        double high)
{
    const bool single = k->integers && high - low <= 1e8;

    if (!(low < high))
        return 0;
    const double from = detour(low, low, high, single);
    const double range = rounded(detour(high, low, high, single) - from, single);
    const double x = rounded(detour(value, low, high, single) - from, single);
    const double index = rounded(rounded(x / range, single) * 256, single);
    return (uint8_t)(index < 0 ? 0 : index < 255 ? index : 255);
}

static bool paint(const struct kernel_picture *k, struct arena *arena,
                  struct picture *picture, struct error *err)
{
    const size_t n = k->height * k->width;
    uint8_t *indices = arena_take(arena, n, 1);
    double low = k->values[0], high = low;

    if (!indices)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the kernel");
    for (size_t i = 1; i < n; i++) {
        low = fmin(low, k->values[i]);
        high = fmax(high, k->values[i]);
    }
    for (size_t i = 0; i < n; i++)
        indices[i] = index_of(k, k->values[i], low, high);
    *picture = (struct picture){.width = k->width,
                                .height = k->height,
                                .kind = PICTURE_INDEXED,
                                .colormap = colormap_at((size_t)k->colormap),
                                .samples = indices};
    return true;
}

bool kernel_picture_draw(const struct kernel_picture *k, int png_level,
                         struct arena *arena, struct buffer *out, struct error *err)
{
    struct picture picture;

    if (!paint(k, arena, &picture, err))
        return false;
    const struct figure_panel panel = {.picture = &picture};
    const struct figure figure = {
        .figsize = {k->figsize[0], k->figsize[1]},
        .dpi = k->dpi,
        .rows = 1,
        .columns = 1,
        .frame = true,
        .n = 1,
        .panels = &panel,
    };
    const struct canvas_page page = figure_page(&figure);
    struct drawing d = {.kernel = k};
    d.canvas = canvas_new(CANVAS_PIXELS, &page, arena, NULL, err);
    if (!d.canvas)
        return false;
    draw(&d, &figure);
    const uint32_t *pixels = canvas_pixels(d.canvas);
    return canvas_finish(d.canvas) &&
           figure_png(out, &page, pixels, png_level, &parallel_serial, arena, err);
}
