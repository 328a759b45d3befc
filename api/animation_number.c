/* animation_number.c - how the numbers of a grid are written. */
#include "api/animation_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

enum {
    MOST_DIGITS = 3,  /* significant ones of the largest number */
    READABLE = 6,     /* pixels of a font */
    COMFORTABLE = 9,  /* what decimals are given up for */
    WHOLE_MAX = 99999 /* the largest integer written as one */
};

static bool is_whole(float v)
{
    return v == rintf(v) && fabsf(v) <= WHOLE_MAX;
}

struct animation_range animation_range_of(const struct animation_grid *g)
{
    struct animation_range r = {INFINITY, -INFINITY, true};

    for (size_t i = 0; i < g->height * g->width; i++) {
        const float v = g->values[i * g->step];
        if (!isfinite(v))
            continue;
        r.low = v < r.low ? v : r.low;
        r.high = v > r.high ? v : r.high;
        r.whole = r.whole && is_whole(v);
    }
    return r;
}

struct animation_range animation_range_product(const struct animation_range *a,
                                               const struct animation_range *b)
{
    if (!(a->low <= a->high && b->low <= b->high))
        return (struct animation_range){INFINITY, -INFINITY, true};

    const float ends[] = {a->low * b->low, a->low * b->high, a->high * b->low,
                          a->high * b->high};
    struct animation_range r = {ends[0], ends[0], a->whole && b->whole};

    for (size_t i = 1; i < 4; i++) {
        r.low = fminf(r.low, ends[i]);
        r.high = fmaxf(r.high, ends[i]);
    }
    r.whole = r.whole && is_whole(r.low) && is_whole(r.high);
    return r;
}

void animation_number_print(char text[NUMBER_TEXT_SIZE], float value,
                            const struct animation_style *style)
{
    const int n = style->decimals;

    if (n < 0 || isnan(value))
        number_print(text, (double)value, n < 0 ? -n : 1);
    else /* no -0.00 */
        snprintf(text, NUMBER_TEXT_SIZE, "%.*f", n,
                 fabs((double)value) <= 0.5 * pow(10, -n) ? 0 : (double)value);
}

/* Digits are all of one width: the ends of the range are as wide as any number. */
static double widest(struct canvas *canvas, const struct animation_range *r,
                     const struct animation_style *style)
{
    const float ends[] = {r->low, r->high};
    char text[NUMBER_TEXT_SIZE];
    double width = 1;

    if (style->decimals < 0)
        return canvas_measure(canvas, &style->font, "-8.8e-88").width;
    for (size_t i = 0; i < 2; i++) {
        animation_number_print(text, ends[i], style);
        width = fmax(width, canvas_measure(canvas, &style->font, text).width);
    }
    return width;
}

/* Decimals of which the largest number has so many significant digits; negative where
 * it is better written with an exponent. */
static int decimals_of(const struct animation_range *r, int digits)
{
    const double size = fmax(fabs((double)r->low), fabs((double)r->high));
    const double largest = fmin(size, FLT_MAX); /* a product may be infinite */
    const int exponent = largest > 0 ? (int)floor(log10(largest)) : 0;

    if (r->whole)
        return 0;
    if (exponent < -4 || exponent > 5)
        return -(digits < 2 ? digits : 2);
    return digits > exponent + 1 ? digits - 1 - exponent : 0;
}

struct animation_style animation_style_of(struct canvas *canvas,
                                          const struct animation_range *range,
                                          struct canvas_font font, double width)
{
    struct animation_style style = {font, 0};

    if (!(range->low <= range->high))
        return style;
    for (int digits = MOST_DIGITS; digits > 0; digits--) {
        style.font = font;
        style.decimals = decimals_of(range, digits);
        style.font.size *= fmin(1, width / widest(canvas, range, &style));
        if (style.font.size >= fmin(COMFORTABLE, font.size))
            break;
    }
    if (style.font.size < READABLE)
        style.font.size = 0;
    return style;
}
