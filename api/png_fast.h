/*
 * png_fast.h - the common kind of PNG file, decoded without libpng.
 *
 * 8 bits, not interlaced, gray, RGB or palette, with alpha or without: ISA-L inflates
 * the whole of it at once and the filters are undone in vectors. It takes only what is
 * flawless to the last checksum and declines the rest before any row was handed over;
 * libpng then decodes or finds the words for what is wrong. Whatever is taken gives
 * libpng's samples. (ISA-L does not mind code tables that are incomplete where nothing
 * uses them; zlib does. The checksum of the samples is right then all the same.)
 */
#ifndef API_PNG_FAST_H
#define API_PNG_FAST_H

#include "api/codec.h"

/* Bytes of arena that png_fast_decode takes at most; 0 where it declines. */
double png_fast_bytes(const struct image_info *info);

/* Decode a file that png_codec.probe has seen. False: declined, nothing was read. Where
 * the sink's parallel-for is cancelled it ends early, either way. */
bool png_fast_decode(const struct bytes *file, const struct image_info *info,
                     const struct pixel_sink *sink, struct arena *arena) MUST_CHECK;

#endif
