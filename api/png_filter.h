/*
 * png_filter.h - PNG's filters, undone for several rows at once; and one applied.
 *
 * A filter stores each byte as its difference from what its neighbours to the left,
 * above and above left foretell; so a row waits for the one above it, and a pixel for
 * the one before. Here a row runs one pixel behind the row above it and all of them
 * advance in the lanes of one vector.
 */
#ifndef API_PNG_FILTER_H
#define API_PNG_FILTER_H

#include <stddef.h>
#include <stdint.h>

enum {
    PNG_FILTERS = 5,      /* none, sub, up, average, Paeth */
    PNG_FILTER_ROWS = 8,  /* undone at once, at most */
    PNG_FILTER_SLACK = 32 /* bytes before and after every row that may be touched */
};

struct png_filtered {
    uint8_t filter[PNG_FILTER_ROWS]; /* below PNG_FILTERS */
    const uint8_t *in[PNG_FILTER_ROWS];
    uint8_t *out[PNG_FILTER_ROWS];
    const uint8_t *above; /* the row above the first, unfiltered */
};

/* Rows that are undone at once where a pixel has so many bytes: 8, 4, 2, 2. */
size_t png_filter_rows(size_t pixel_bytes);

/* Undo the filters of so many rows of n pixels. pixel_bytes is 1 to 4. out may be what
 * above was. */
void png_filter_undo(const struct png_filtered *rows, size_t n, size_t pixel_bytes);

/* Filter a row of n bytes by Paeth's predictor. Before row and above there are
 * pixel_bytes zeros. */
enum { PNG_FILTER_PAETH = 4 };
void png_filter_paeth(uint8_t *restrict out, const uint8_t *restrict row,
                      const uint8_t *restrict above, size_t n, size_t pixel_bytes);

#endif
