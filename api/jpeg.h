/*
 * jpeg.h - JPEG files to rows of 8-bit samples; libjpeg-turbo stays behind this header.
 *
 * Baseline, extended, progressive and arithmetic files of 8 bits: gray, YCbCr, RGB, and
 * CMYK or YCCK with inverted inks, as Adobe writes them and every reader expects. Gray
 * stays one channel, all else becomes RGB: a gray picture of it is made from that,
 * because the file's own luma differs from the luma of its RGB wherever that clips (by
 * up to 20 of 255 beside saturated colours). Luma alone would be decoded in 57 to 86 %
 * of the time; but where RGB clips, only its colours tell: taking YCbCr and mending
 * luma there takes 1.3 to 1.6 times as long as libjpeg's RGB and its luma.
 *
 * Reading is hardened for foreign bytes: data that libjpeg would mend by guessing is
 * refused, the scans of a progressive file are counted, memory is bounded by
 * jpeg_bytes.
 */
#ifndef API_JPEG_H
#define API_JPEG_H

#include "api/codec.h"

extern const struct codec jpeg_codec;

/* Of the libjpeg-turbo that was built against: "2.1.5". */
const char *jpeg_version(void);

/* EXIF's orientation, 1 to 8, of a JPEG file; 1 if it has none or an invalid one. */
int jpeg_orientation(const struct bytes *file);

#endif
