/*
 * png_filter.c - PNG's filters, undone for several rows at once.
 *
 * Written in the compilers' generic vectors; little endian only, which png_fast.c sees
 * to. A step is the number of bytes of a pixel.
 */
#include "api/png_filter.h"

#include <stdbool.h>
#include <string.h>
#ifdef __SSE2__ /* for what compilers do not find in vectors of their own */
#include <emmintrin.h>
#endif

/* The step must be a constant where the loops are compiled. */
#define INLINED static inline __attribute__((always_inline))

enum { LANES = PNG_FILTER_ROWS };

/* Eight bytes, each in a lane of 16 bits to calculate in. */
typedef uint8_t bytes8 __attribute__((vector_size(8)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t longs2 __attribute__((vector_size(16)));
typedef int16_t lanes __attribute__((vector_size(16)));

static inline lanes widen(uint64_t bytes)
{
    return (lanes)__builtin_shufflevector((bytes16)(longs2){bytes}, (bytes16){0}, 0, 16,
                                          1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                                          23);
}

static inline uint64_t narrow(lanes values)
{
    return (uint64_t) __builtin_convertvector(values, bytes8);
}

/* The lanes of the rows one row further down, those of the first from top. */
static inline lanes move_down(lanes top, lanes rows, size_t step)
{
#ifdef __SSE2__
    const __m128i moved = step == 1   ? _mm_slli_si128((__m128i)rows, 2)
                          : step == 2 ? _mm_slli_si128((__m128i)rows, 4)
                                      : _mm_slli_si128((__m128i)rows, 8);
    return (lanes)moved | top;
#else
    return step == 1   ? __builtin_shufflevector(top, rows, 0, 8, 9, 10, 11, 12, 13, 14)
           : step == 2 ? __builtin_shufflevector(top, rows, 0, 1, 8, 9, 10, 11, 12, 13)
                       : __builtin_shufflevector(top, rows, 0, 1, 2, 3, 8, 9, 10, 11);
#endif
}

/* Modulo 256 in every lane. */
static inline lanes sum(lanes a, lanes b)
{
    return (lanes)((bytes16)a + (bytes16)b);
}

static inline lanes choose(lanes mask, lanes yes, lanes no)
{
    return (mask & yes) | (~mask & no);
}

/* Of left, above and above left the one that is nearest to left + above - corner; of
 * equally near ones the first. The same as PNG's definition: with low and high the
 * lesser and the greater of left and above, low is nearest where the corner is so
 * great that 3 corner - left - above >= high, and high where that is <= low. */
static inline lanes paeth(lanes left, lanes above, lanes corner)
{
    const lanes threshold = corner + corner + corner - left - above;
#ifdef __SSE2__
    const lanes low = (lanes)_mm_min_epi16((__m128i)left, (__m128i)above);
    const lanes high = (lanes)_mm_max_epi16((__m128i)left, (__m128i)above);
#else
    const lanes less = left < above;
    const lanes low = choose(less, left, above), high = choose(less, above, left);
#endif
    const lanes other = choose(high > threshold, corner, low);

    return choose(threshold > low, other, high);
}

/* Lanes of a pixel. */
static inline size_t lanes_of(size_t step)
{
    return step == 3 ? 4 : step;
}

size_t png_filter_rows(size_t step)
{
    return LANES / lanes_of(step);
}

/* The rows as they are undone: by filter, all ones in the lanes of those that use it.
 */
struct group {
    const struct png_filtered *rows;
    lanes uses[PNG_FILTERS];
    bool all_paeth; /* as encoders choose for most of a photograph */
};

static struct group group_of(const struct png_filtered *rows, size_t step)
{
    struct group group = {.rows = rows, .all_paeth = true};

    for (size_t i = 0; i < LANES; i++) {
        const unsigned filter = rows->filter[i / lanes_of(step)];
        group.uses[filter][i] = -1;
        group.all_paeth = group.all_paeth && filter == 4;
    }
    return group;
}

/* The pixels at each row's place; before the begin and beyond the end there is slack.
 */
static inline uint64_t collect(const struct png_filtered *rows, size_t at, size_t step)
{
    const size_t width = lanes_of(step);
    uint64_t bytes = 0;

    for (size_t r = 0; r < LANES / width; r++) {
        uint64_t pixel = 0;
        memcpy(&pixel, rows->in[r] + at - r * step, width);
        bytes |= pixel << (8 * width * r);
    }
    return bytes;
}

static inline void spread(const struct png_filtered *rows, size_t at, size_t step,
                          uint64_t bytes)
{
    const size_t width = lanes_of(step);

    for (size_t r = 0; r < LANES / width; r++) {
        const uint64_t pixel = bytes >> (8 * width * r);
        memcpy(rows->out[r] + at - r * step, &pixel, width);
    }
}

static inline lanes predict(const struct group *g, lanes left, lanes above,
                            lanes corner)
{
    return (left & g->uses[1]) | (above & g->uses[2]) |
           (((left + above) >> 1) & g->uses[3]) |
           (paeth(left, above, corner) & g->uses[4]);
}

/* What is left of a pixel is the result before, and what is above it is that of the
 * row above, moved by a row's lanes. */
INLINED void undo(const struct group *g, size_t n, size_t step, bool all_paeth)
{
    const size_t n_rows = LANES / lanes_of(step);
    lanes left = {0}, above = {0};

    for (size_t x = 0; x < n + n_rows - 1; x++) {
        uint64_t top = 0;
        memcpy(&top, g->rows->above + x * step, lanes_of(step));
        const lanes corner = above;
        above = move_down(widen(top), left, step);
        const lanes guess =
            all_paeth ? paeth(left, above, corner) : predict(g, left, above, corner);
        left = sum(widen(collect(g->rows, x * step, step)), guess);
        if (x < n_rows - 1) /* the rows further down have not begun */
            left = widen(narrow(left) &
                         ~(uint64_t)0 >> (64 - 8 * lanes_of(step) * (x + 1)));
        spread(g->rows, x * step, step, narrow(left));
    }
}

INLINED void undo_step(const struct group *g, size_t n, size_t step)
{
    if (g->all_paeth)
        undo(g, n, step, true);
    else
        undo(g, n, step, false);
}

/* With the step known, the loops above unroll. */
void png_filter_undo(const struct png_filtered *rows, size_t n, size_t step)
{
    const struct group group = group_of(rows, step);

    if (step == 1)
        undo_step(&group, n, 1);
    else if (step == 2)
        undo_step(&group, n, 2);
    else if (step == 3)
        undo_step(&group, n, 3);
    else
        undo_step(&group, n, 4);
}

/* The choice is that of paeth() above. */
void png_filter_paeth(uint8_t *restrict out, const uint8_t *restrict row,
                      const uint8_t *restrict above, size_t n, size_t pixel_bytes)
{
    for (size_t i = 0; i < n; i++) {
        const int16_t a = row[i - pixel_bytes], b = above[i],
                      c = above[i - pixel_bytes];
        const int16_t low = a < b ? a : b, high = a < b ? b : a;
        const int16_t threshold = (int16_t)(3 * c - a - b);
        const int16_t other = high > threshold ? c : low;
        out[i] = (uint8_t)(row[i] - (threshold > low ? other : high));
    }
}
