/* webp.c - WebP files to rows of samples. */
#include "api/webp.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum {
    LIBWEBP_BYTES = 2 << 20, /* its structs and tables */
    BYTES_PER_PIXEL = 6,     /* of the lossless decoder, and a plane of alpha */
    BYTES_PER_COLUMN = 512,  /* rows being filtered and up-sampled */
};

const char *webp_version(char text[WEBP_VERSION_SIZE])
{
    const int version = WebPGetDecoderVersion();

    snprintf(text, WEBP_VERSION_SIZE, "%d.%d.%d", version >> 16, version >> 8 & 255,
             version & 255);
    return text;
}

static bool recognise(const struct bytes *file)
{
    return file->size >= 12 && memcmp(file->data, "RIFF", 4) == 0 &&
           memcmp(file->data + 8, "WEBP", 4) == 0;
}

static bool undecodable(struct error *err, const char *reason)
{
    return error_set(err, ERROR_IMAGE_UNDECODABLE, "WebP: %s", reason);
}

/* An opened file and its first frame; webp_close releases both. */
struct opened {
    WebPDemuxer *demuxer;
    WebPIterator frame;
    size_t width, height; /* of the canvas */
};

static bool open_file(struct opened *opened, const struct bytes *file,
                      struct error *err)
{
    const WebPData data = {file->data, file->size};

    *opened = (struct opened){.demuxer = WebPDemux(&data)};
    if (!opened->demuxer)
        return undecodable(err, "the file is damaged or ends too early");
    opened->width = WebPDemuxGetI(opened->demuxer, WEBP_FF_CANVAS_WIDTH);
    opened->height = WebPDemuxGetI(opened->demuxer, WEBP_FF_CANVAS_HEIGHT);
    return WebPDemuxGetFrame(opened->demuxer, 1, &opened->frame) ||
           undecodable(err, "it has no frame");
}

static void close_file(struct opened *opened)
{
    WebPDemuxReleaseIterator(&opened->frame);
    WebPDemuxDelete(opened->demuxer);
}

static bool covers_canvas(const struct opened *opened)
{
    return (size_t)opened->frame.width == opened->width &&
           (size_t)opened->frame.height == opened->height;
}

static void describe(const struct opened *opened, struct image_info *info)
{
    const uint32_t flags = WebPDemuxGetI(opened->demuxer, WEBP_FF_FORMAT_FLAGS);

    *info = (struct image_info){
        .format = IMAGE_WEBP,
        .format_name = "webp",
        .width = opened->width,
        .height = opened->height,
        .channels = 3,
        .alpha = opened->frame.has_alpha || !covers_canvas(opened),
        .bit_depth = 8,
    };
    if (flags & ANIMATION_FLAG)
        info->warning = IMAGE_IS_ANIMATION;
}

static bool probe(const struct bytes *file, struct image_info *info, struct error *err)
{
    struct opened opened;
    const bool done = open_file(&opened, file, err);

    if (done)
        describe(&opened, info);
    close_file(&opened);
    return done;
}

static double bytes(const struct image_info *info)
{
    const double pixels = (double)info->width * (double)info->height;

    return LIBWEBP_BYTES + (double)info->width * BYTES_PER_COLUMN +
           pixels * (BYTES_PER_PIXEL + 3 + info->alpha);
}

/* In pieces of the file, so that it can be interrupted: as many as there are megapixels
 * to be made of them. */
static VP8StatusCode decode_frame(const WebPIterator *frame, WebPDecoderConfig *config,
                                  const struct parallel *parallel)
{
    const size_t pixels = (size_t)frame->width * (size_t)frame->height;
    const size_t pieces = 1 + (pixels >> 20), size = frame->fragment.size;
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, config);
    VP8StatusCode status = decoder ? VP8_STATUS_SUSPENDED : VP8_STATUS_OUT_OF_MEMORY;

    for (size_t i = 1; i <= pieces && status == VP8_STATUS_SUSPENDED; i++)
        status =
            parallel_cancelled(parallel)
                ? VP8_STATUS_USER_ABORT
                : WebPIUpdate(decoder, frame->fragment.bytes,
                              size / pieces * i + (i == pieces ? size % pieces : 0));
    if (decoder)
        WebPIDelete(decoder);
    return status;
}

/* Decode the frame into its place on the canvas. */
static bool fill_canvas(const struct opened *opened, uint8_t *canvas, size_t channels,
                        const struct pixel_sink *sink, struct error *err)
{
    const WebPIterator *frame = &opened->frame;
    const size_t stride = opened->width * channels;
    const size_t first =
        (size_t)frame->y_offset * stride + (size_t)frame->x_offset * channels;
    WebPDecoderConfig config;

    if (!WebPInitDecoderConfig(&config))
        return error_set(err, ERROR_INTERNAL, "libwebp is of another version");
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){
        .rgba = canvas + first,
        .stride = (int)stride,
        .size = opened->height * stride - first,
    };
    const VP8StatusCode status = decode_frame(frame, &config, sink->parallel);
    if (status == VP8_STATUS_OK)
        return true;
    if (status == VP8_STATUS_OUT_OF_MEMORY)
        return error_set(err, ERROR_MEMORY_PRESSURE, "no memory to decode the image");
    return !codec_cancelled(sink, err) && undecodable(err, "the image data is damaged");
}

static bool decode_canvas(const struct opened *opened, const struct image_info *info,
                          const struct pixel_sink *sink, struct arena *arena,
                          struct error *err)
{
    const size_t channels = info->alpha ? 4 : 3, stride = info->width * channels;
    uint8_t *canvas = arena_alloc(arena, info->height, stride);

    if (!canvas)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory to decode the image");
    if (!fill_canvas(opened, canvas, channels, sink, err))
        return false;
    for (size_t y = 0; y < info->height; y++) {
        const struct pixel_row row = {y, channels, canvas + y * stride, NULL};
        if (codec_cancelled(sink, err))
            return false;
        sink->read(sink->context, &row);
    }
    return true;
}

static bool decode(const struct bytes *file, struct image_info *info,
                   const struct pixel_sink *sink, struct arena *arena,
                   struct error *err)
{
    const size_t mark = arena->used;
    struct opened opened;
    const bool done =
        open_file(&opened, file, err) && decode_canvas(&opened, info, sink, arena, err);

    close_file(&opened);
    arena_rewind(arena, mark);
    return done;
}

const struct codec webp_codec = {recognise, probe, bytes, decode};
