/*
 * webp.h - WebP files to rows of 8-bit samples; libwebp stays behind this header.
 *
 * Lossy, lossless and extended files, with alpha or without, become RGB or RGBA. Of an
 * animation the first frame is read, on a transparent canvas, with a warning. Metadata
 * (ICC profile, EXIF) is ignored. A file that is cut short is refused.
 *
 * libwebp takes its memory from the heap and knows no bound but the picture's size:
 * what webp_codec.bytes foretells holds for what encoders write; a hostile lossless
 * file of 4 megapixels or more can make it take 0.4 GB of Huffman tables besides.
 */
#ifndef API_WEBP_H
#define API_WEBP_H

#include "api/codec.h"

extern const struct codec webp_codec;

enum { WEBP_VERSION_SIZE = 16 };
/* Of the libwebp that runs: "1.2.4". Returns text. */
const char *webp_version(char text[WEBP_VERSION_SIZE]);

#endif
