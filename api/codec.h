/*
 * codec.h - what every decoder of uploaded images is like.
 *
 * A codec recognises its files by their first bytes, reads the header without touching
 * pixels, says how much memory decoding takes, and hands the samples over row by row.
 * image.h chooses among the codecs.
 */
#ifndef API_CODEC_H
#define API_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/bytes.h"
#include "engine/arena.h"
#include "engine/error.h"
#include "engine/parallel.h"

enum image_format { IMAGE_PNG, IMAGE_JPEG, IMAGE_WEBP, IMAGE_NPY };

/* What is known of an image before it is decoded. */
struct image_info {
    enum image_format format;
    const char *format_name; /* "png", "jpeg", "webp", "npy", "generated" */
    size_t width, height;    /* as it is to be seen, upright */
    size_t channels;         /* without alpha: 1 or 3; of an array: its own */
    bool alpha;              /* transparency of any kind */
    int bit_depth;           /* of a sample: 1..16; of an array 8, 16, 32, 64 */
    bool buffered;           /* interlaced or progressive: decoded as a whole */
    int orientation;         /* EXIF's 2..8: the stored rows are not upright */
    size_t file_size;
    const char *warning; /* static, for whoever sent it; NULL if all is well */
};

/* Of an animation the first frame is read, and this said. */
#define IMAGE_IS_ANIMATION "the image is an animation; its first frame was read"

/* One row of decoded samples as the file stores it: width * channels of them. */
struct pixel_row {
    size_t y, channels;  /* 1 or 3, or 2 or 4 with alpha */
    const uint8_t *u8;   /* one of these two, */
    const uint16_t *u16; /* the other is NULL; 65535 is white then */
};
typedef void pixel_row_reader(void *context, const struct pixel_row *row);

/* Where decoded rows go. Decoding ends once the parallel-for is cancelled: it is asked
 * at every row, or more often where rows come late; nothing runs on it. */
struct pixel_sink {
    pixel_row_reader *read;
    void *context;
    const struct parallel *parallel;
};

struct codec {
    /* True if the bytes begin as a file of this format does. */
    bool (*recognise)(const struct bytes *file);

    /* Read the header. Failures here and below are ERROR_IMAGE_UNDECODABLE. */
    bool (*probe)(const struct bytes *file, struct image_info *info, struct error *err);

    /* Bytes that decode takes at most, from the arena or from the heap. */
    double (*bytes)(const struct image_info *info);

    /* Decode a file that probe has seen; the sink gets every row once, from the top.
     * May set info->warning. ERROR_CLIENT_CLOSED if the sink's parallel-for is
     * cancelled. */
    bool (*decode)(const struct bytes *file, struct image_info *info,
                   const struct pixel_sink *sink, struct arena *arena,
                   struct error *err);
};

/* True, with the error recorded, if nobody wants the image any more. */
static inline bool codec_cancelled(const struct pixel_sink *sink, struct error *err)
{
    return parallel_cancelled(sink->parallel) &&
           !error_set(err, ERROR_CLIENT_CLOSED, "cancelled while decoding");
}

/* True if the stored rows are columns of what is to be seen. */
static inline bool image_is_turned(const struct image_info *info)
{
    return info->orientation >= 5;
}

#endif
