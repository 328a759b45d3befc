/* figure_png.c - pixels become the smallest PNG that shows them exactly. */
#include "api/figure.h"

#include <string.h>

#include "api/png.h"

/* The colours of a page, up to 256, found by hashing. */
struct colors {
    size_t n;
    uint32_t rgb[256];
    int16_t slots[1024]; /* position in rgb, -1: free */
};

struct page_writer {
    const uint32_t *pixels;
    size_t width;
    int bit_depth;
    struct colors *colors;
};

/* Position of a colour, which is added if it is new; -1 if there are too many. */
static int find_color(struct colors *colors, uint32_t rgb)
{
    size_t slot = (rgb * UINT32_C(2654435761)) >> 22;

    while (colors->slots[slot] >= 0) {
        if (colors->rgb[colors->slots[slot]] == rgb)
            return colors->slots[slot];
        slot = (slot + 1) % 1024;
    }
    if (colors->n == 256)
        return -1;
    colors->rgb[colors->n] = rgb;
    colors->slots[slot] = (int16_t)colors->n;
    return (int)colors->n++;
}

/* False if there are more than 256. */
static bool find_colors(struct colors *colors, const uint32_t *pixels, size_t n)
{
    uint32_t last = 0;

    memset(colors->slots, 0xff, sizeof colors->slots);
    for (size_t i = 0; i < n; i++) {
        if (pixels[i] == last)
            continue;
        last = pixels[i];
        if (find_color(colors, last & 0xffffff) < 0)
            return false;
    }
    return true;
}

static void write_indices(const void *context, size_t y, uint8_t *row)
{
    const struct page_writer *w = context;
    const uint32_t *from = w->pixels + y * w->width;
    const size_t bits = (size_t)w->bit_depth;

    memset(row, 0, (w->width * bits + 7) / 8);
    for (size_t x = 0; x < w->width; x++) {
        const int index = find_color(w->colors, from[x] & 0xffffff);
        row[x * bits / 8] |= (uint8_t)(index << (8 - bits - x * bits % 8));
    }
}

static void write_colors(const void *context, size_t y, uint8_t *row)
{
    const struct page_writer *w = context;
    const uint32_t *from = w->pixels + y * w->width;

    for (size_t x = 0; x < w->width; x++, row += 3) {
        row[0] = (uint8_t)(from[x] >> 16);
        row[1] = (uint8_t)(from[x] >> 8);
        row[2] = (uint8_t)from[x];
    }
}

bool figure_png(struct buffer *out, const struct canvas_page *page,
                const uint32_t *pixels, int level, const struct parallel *parallel,
                struct arena *arena, struct error *err)
{
    struct colors colors = {0};
    struct png_encoding e = {.width = page->width,
                             .height = page->height,
                             .color = PNG_RGB,
                             .bit_depth = 8,
                             .level = level};
    struct page_writer w = {.pixels = pixels, .width = page->width, .colors = &colors};

    if (!find_colors(&colors, pixels, page->width * page->height))
        return png_encode(out, &e, write_colors, &w, parallel, arena, err);
    e.color = PNG_PALETTE;
    e.n_palette = colors.n;
    memcpy(e.palette, colors.rgb, sizeof e.palette);
    e.bit_depth = colors.n <= 2 ? 1 : colors.n <= 4 ? 2 : colors.n <= 16 ? 4 : 8;
    w.bit_depth = e.bit_depth;
    return png_encode(out, &e, write_indices, &w, parallel, arena, err);
}

double figure_png_bytes(const struct canvas_page *page, int level, size_t slots)
{
    const double row = 3 * (double)page->width, height = (double)page->height;

    return png_file_bytes(row, height) + png_scratch_bytes(row, height, level, slots);
}
