/*
 * png_head.h - what stands in a PNG file before its image data.
 *
 * libpng writes it; png_write.c adds the IDAT chunks, as libpng would copy and check
 * each of them again on one thread.
 */
#ifndef API_PNG_HEAD_H
#define API_PNG_HEAD_H

#include "api/png.h"

enum {
    PNG_HEAD_MAX = 896,       /* signature, IHDR, PLTE and tRNS of 256 entries */
    PNG_HEAD_BYTES = 16 << 10 /* of arena, given back: libpng's structs */
};

/* Write it to PNG_HEAD_MAX bytes and return where it ends; NULL on failure. */
uint8_t *png_write_head(uint8_t *to, const struct png_encoding *encoding,
                        struct arena *arena, struct error *err) MUST_CHECK;

#endif
