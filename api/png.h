/*
 * png.h - PNG files to rows of samples and back; libpng stays behind this header.
 *
 * Reading is hardened for foreign bytes: ancillary chunks but tRNS are skipped
 * unparsed, memory comes from the arena, and what follows the last row is not read.
 * gAMA, sRGB and iCCP are ignored, as common decoders do by default: samples are used
 * as they are stored. 16-bit samples stay 16 bits. Of an APNG the default image is
 * read.
 */
#ifndef API_PNG_H
#define API_PNG_H

#include "api/buffer.h"
#include "api/codec.h"

/* Any file becomes 8 or 16-bit samples: fewer bits and palettes are expanded. */
extern const struct codec png_codec;

/* Of the libpng that runs: "1.6.39". */
const char *png_version(void);

enum png_color { PNG_GRAY, PNG_PALETTE, PNG_RGB, PNG_RGBA };

/* What a file to be written is like. */
struct png_encoding {
    size_t width, height;
    enum png_color color;
    int bit_depth;          /* 1, 2, 4 or 8; of RGB and RGBA 8 */
    size_t n_palette;       /* entries of PNG_PALETTE */
    uint32_t palette[256];  /* 0xRRGGBB */
    bool transparent_first; /* palette entry 0 is transparent */
    int level;              /* of deflate.h */
};

/* Fill in row y, packed as PNG wants it: samples of less than 8 bits from the high bits
 * of a byte on. */
typedef void png_row_writer(void *context, size_t y, uint8_t *row);

/* Append a PNG file, rows unfiltered, for maps compress best so. The buffer's failure
 * is not an error here. */
bool png_encode(struct buffer *out, const struct png_encoding *encoding,
                png_row_writer *write, void *context, struct arena *arena,
                struct error *err) MUST_CHECK;

/* Bytes of arena that png_encode takes, at most; it gives them back. */
double png_encode_bytes(double width);

#endif
