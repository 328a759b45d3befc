/*
 * png.h - PNG files to rows of samples (png.c) and back (png_write.c), by libpng but
 * for the deflated data.
 *
 * Reading is hardened for foreign bytes: ancillary chunks but tRNS are skipped
 * unparsed, memory comes from the arena, and what follows the last row is not read.
 * gAMA, sRGB and iCCP are ignored, as common decoders do by default: samples are used
 * as they are stored. 16-bit samples stay 16 bits. Of an APNG the default image is
 * read, which is mostly its first frame, with a warning.
 */
#ifndef API_PNG_H
#define API_PNG_H

#include "api/buffer.h"
#include "api/codec.h"
#include "engine/parallel.h"

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
 * of a byte on. Called in any order and by several threads at once. */
typedef void png_row_writer(const void *context, size_t y, uint8_t *row);

/* A file to be written, and where it is then. */
struct png_file {
    struct png_encoding encoding;
    png_row_writer *write;
    const void *context;
    struct bytes bytes;
};

/* Write n files into the arena, of one level, in parts that are shared among threads.
 * Rows are filtered where that makes them smaller. The bytes are the same whatever the
 * threads. False without memory, or when cancelled. */
bool png_write(struct png_file *files, size_t n, const struct parallel *parallel,
               struct arena *arena, struct error *err) MUST_CHECK;

/* Append one file to the buffer, whose failure is not an error here. What it takes of
 * the arena it gives back. */
bool png_encode(struct buffer *out, const struct png_encoding *encoding,
                png_row_writer *write, const void *context,
                const struct parallel *parallel, struct arena *arena,
                struct error *err) MUST_CHECK;

/* Bytes of arena that a file of height rows of so many bytes takes, at most; and what
 * the writing of it, or of any number of them, takes beside, in so many slots. */
double png_file_bytes(double row_bytes, double height);
double png_scratch_bytes(double row_bytes, double height, int level, size_t slots);

#endif
