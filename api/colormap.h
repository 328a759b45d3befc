/*
 * colormap.h - matplotlib's colour maps, 256 colours each.
 *
 * The 8-bit values are truncated, not rounded, from matplotlib's floats: what its
 * imshow paints.
 */
#ifndef API_COLORMAP_H
#define API_COLORMAP_H

#include <stddef.h>
#include <stdint.h>

struct colormap {
    const char *name;
    uint32_t rgb[256]; /* 0xRRGGBB */
};

/* In the order of the contract, magma first; NULL past the end. */
const struct colormap *colormap_at(size_t i);

/* Position of a map that is in the list. */
int colormap_find(const char *name);

#endif
