/* image.c - uploaded bytes become a tensor, behind one function. */
#include "api/image.h"

#include <stdio.h>
#include <string.h>

#include "api/fixed_limit.h"
#include "api/jpeg.h"
#include "api/npy.h"
#include "api/painting.h"
#include "api/png.h"
#include "api/webp.h"

static const struct codec *const codecs[] = {
    [IMAGE_PNG] = &png_codec,
    [IMAGE_JPEG] = &jpeg_codec,
    [IMAGE_WEBP] = &webp_codec,
};

enum { N_CODECS = sizeof codecs / sizeof *codecs };

/* What people send in place of an image that we read. */
static const struct foreign {
    size_t offset, size;
    const char *magic, *name;
} foreign[] = {
    {0, 4, "GIF8", "GIF"},
    {0, 2, "BM", "BMP"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {4, 8, "ftypavif", "AVIF"},
    {4, 8, "ftypheic", "HEIC"},
    {4, 8, "ftypmif1", "HEIF"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"},
    {0, 2, "\xff\x0a", "JPEG XL"},
    {0, 4, "\0\0\1\0", "ICO"},
    {0, 4, "8BPS", "Photoshop"},
    {0, 5, "%PDF-", "PDF"},
    {0, 4, "PK\3\4", "a zip archive (or .npz)"},
    {0, 2, "\x1f\x8b", "gzip"},
    {0, 8, "\x89HDF\r\n\x1a\n", "HDF5"},
    {0, 4, "<svg", "SVG"},
    {0, 5, "<?xml", "XML (or SVG)"},
    {0, 5, "<!DOC", "HTML"},
    {0, 5, "<html", "HTML"},
};

enum { N_FOREIGN = sizeof foreign / sizeof *foreign };

static bool has_magic(const struct bytes *file, const struct foreign *f)
{
    return file->size >= f->offset + f->size &&
           memcmp(file->data + f->offset, f->magic, f->size) == 0;
}

/* True for the name of a file, sent in place of it: a short word with a dot. */
static bool is_name(const struct bytes *file)
{
    enum { LONGEST = 80 };

    if (file->size > LONGEST)
        return false;
    for (size_t i = 0; i < file->size; i++)
        if (file->data[i] <= ' ' || file->data[i] >= 0x7f)
            return false;
    return memchr(file->data, '.', file->size) != NULL;
}

static bool unsupported(const struct bytes *file, struct error *err)
{
    char head[3 * 8 + 1] = "";

    if (file->size == 0)
        return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED, "the image is empty");
    for (size_t i = 0; i < N_FOREIGN; i++)
        if (has_magic(file, &foreign[i]))
            return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED,
                             "the image is %s, which is not supported; send PNG, JPEG, "
                             "WebP or .npy",
                             foreign[i].name);
    if (is_name(file))
        return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED,
                         "the image is the text '%.*s', no PNG, JPEG, WebP or .npy; to "
                         "send a file write image=@%.*s (curl -F)",
                         (int)file->size, file->data, (int)file->size, file->data);
    for (size_t i = 0; i < 8 && i < file->size; i++)
        snprintf(head + 3 * i, 4, " %02x", file->data[i]);
    return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED,
                     "the image is none of PNG, JPEG, WebP and .npy: it begins with "
                     "the bytes%s",
                     head);
}

/* A PNG that went through a text conversion, or lost a bit, is damaged rather than
 * something else. */
static bool is_damaged_png(const struct bytes *file)
{
    const size_t span = file->size < 24 ? file->size : 24;

    if (file->size > 4 && memcmp(file->data, "\x89PNG", 4) == 0)
        return true;
    for (size_t at = 0; at + 4 <= span; at++)
        if (memcmp(file->data + at, "IHDR", 4) == 0)
            return true;
    return false;
}

static bool bad_array(struct error *err, const char *reason)
{
    return error_set(err, ERROR_IMAGE_UNDECODABLE, "the .npy array: %s", reason);
}

/* HW, HWC or 1HWC */
static bool read_extent(const struct npy *npy, struct image_info *info,
                        struct error *err)
{
    const size_t *dim = npy->dim;
    const bool batch = npy->rank == 4;

    if (npy->rank < 2 || npy->rank > 4 || (batch && dim[0] != 1))
        return bad_array(err, "its shape is not (H, W), (H, W, C) or (1, H, W, C)");
    info->height = dim[batch];
    info->width = dim[batch + 1];
    info->channels = npy->rank == 2 ? 1 : dim[batch + 2];
    if (npy->count == 0)
        return bad_array(err, "it is empty: one of its dimensions is 0");
    if (info->channels > IMAGE_MAX_CHANNELS) {
        bad_array(err, "it has more than 64 channels");
        return fixed_limit_error(err, FIXED_LIMIT_ARRAY_CHANNELS,
                                 (double)info->channels);
    }
    return true;
}

static bool probe_npy(const struct bytes *file, struct image_info *info,
                      struct error *err)
{
    struct npy npy;
    const char *reason;

    if (!npy_open(file, &npy, &reason))
        return bad_array(err, reason);
    if (npy.type == NPY_I32 || npy.type == NPY_I64)
        return bad_array(err, "its dtype is a signed integer, whose range says nothing "
                              "of black and white");
    *info = (struct image_info){
        .format = IMAGE_NPY,
        .format_name = "npy",
        .bit_depth = (int)npy_type_size(npy.type) * 8,
    };
    return read_extent(&npy, info, err);
}

static bool check_size(double h, double w, const char *what,
                       const struct limits *limits, struct error *err)
{
    const enum error_code code = ERROR_IMAGE_TOO_MANY_PIXELS;

    return limit_check(LIMIT(limits, max_dimension), w > h ? w : h, code, err,
                       "the %s is %.15gx%.15g pixels", what, w, h) &&
           limit_check(LIMIT(limits, max_pixels), w * h, code, err,
                       "the %s has %.15g pixels (%.15gx%.15g)", what, w * h, w, h);
}

/* By the first bytes: a codec, or NULL. */
static const struct codec *codec_of(const struct bytes *file)
{
    for (size_t i = 0; i < N_CODECS; i++)
        if (codecs[i]->recognise(file))
            return codecs[i];
    return NULL;
}

bool image_probe(const struct bytes *file, const struct limits *limits,
                 struct image_info *info, struct error *err)
{
    const struct codec *codec = codec_of(file);
    bool known;

    if (codec)
        known = codec->probe(file, info, err);
    else if (npy_recognise(file))
        known = probe_npy(file, info, err);
    else if (is_damaged_png(file))
        return error_set(err, ERROR_IMAGE_UNDECODABLE,
                         "PNG: its first bytes are damaged, as by a transfer as text "
                         "(curl: --data-binary, not -d)");
    else
        return unsupported(file, err);
    return known &&
           check_size((double)info->height, (double)info->width, "image", limits, err);
}

bool image_size(const struct image_info *info, const struct options *options,
                const struct limits *limits, size_t size[2], struct error *err)
{
    const bool resized = OPTION_GIVEN(options, RESIZE);

    size[0] = resized ? (size_t)options->resize[0] : info->height;
    size[1] = resized ? (size_t)options->resize[1] : info->width;
    return !resized ||
           check_size(options->resize[0], options->resize[1], "resized image", limits,
                      err) ||
           error_blame(err, NULL, "resize");
}

/* The channels that color names; 0 for auto. */
static size_t named_channels(int color)
{
    static const size_t channels[] = {
        [COLOR_AUTO] = 0, [COLOR_GRAY] = 1, [COLOR_RGB] = 3, [COLOR_RGBA] = 4};

    return channels[color];
}

static bool array_channels(const struct image_info *info, size_t named,
                           size_t *channels, struct error *err)
{
    *channels = named ? named : info->channels;
    if (*channels == info->channels || (info->channels == 1 && named == 3) ||
        (info->channels == 3 && named == 1))
        return true;
    return error_option(err, ERROR_OPTION_INVALID, "color",
                        "an array of %zu channels cannot become one of %zu",
                        info->channels, named);
}

static bool image_can_have(size_t channels)
{
    return channels == 1 || channels == 3 || channels == 4;
}

bool image_channels(const struct image_info *info, const struct options *options,
                    size_t wanted, bool gray, size_t *channels, struct error *err)
{
    const size_t named = named_channels(options->color);

    if (info->format == IMAGE_NPY) {
        if (!array_channels(info, named, channels, err))
            return false;
    } else if (named) {
        *channels = named;
    } else if (image_can_have(wanted)) {
        *channels = wanted;
    } else {
        *channels = gray || info->channels == 1 ? 1 : 3;
    }
    if (!wanted || wanted == *channels)
        return true;
    if (named)
        return error_option(err, ERROR_OPTION_INVALID, "color",
                            "the network declares %zu input channels, this colour has "
                            "%zu",
                            wanted, named);
    error_set(err, ERROR_CONFIG_INVALID,
              "the network declares %zu input channels, the %s has %zu", wanted,
              info->format == IMAGE_NPY ? "array" : "image", *channels);
    return error_blame(err, NULL, "image");
}

/* ---- pixels ---- */

/* Of the file and what is read of it; of an array only where its values are no tensor
 * yet. */
static double decode_bytes(const struct image_info *info, bool same)
{
    const double values = (double)info->width * (double)info->height *
                          (double)info->channels * sizeof(float);

    if (info->format != IMAGE_NPY)
        return codecs[info->format]->bytes(info);
    return same ? 0 : values;
}

double image_bytes(const struct image_info *info, const struct options *options,
                   size_t channels)
{
    const bool resized = OPTION_GIVEN(options, RESIZE);
    const double h = resized ? options->resize[0] : (double)info->height;
    const double w = resized ? options->resize[1] : (double)info->width;
    const bool same = painting_keeps_size(info, options) && channels == info->channels;

    return painting_bytes(info, options, channels) +
           h * w * (double)channels * sizeof(float) + decode_bytes(info, same);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the image");
}

static bool decode_pixels(const struct bytes *file, struct image_info *info,
                          const struct options *options, const struct kernels *kernels,
                          const struct parallel *parallel, struct tensor *out,
                          struct arena *arena, struct error *err)
{
    const float full = info->bit_depth == 16 ? 65535.0f : 255.0f;
    struct painting p;
    const struct pixel_sink sink = {painting_row, &p, parallel};

    return painting_init(&p, info, options, kernels, full, parallel, out, arena, err) &&
           codecs[info->format]->decode(file, info, &sink, arena, err) &&
           !codec_cancelled(&sink, err);
}

static bool decode_npy(const struct bytes *file, struct image_info *info,
                       const struct options *options, const struct kernels *kernels,
                       const struct parallel *parallel, struct tensor *out,
                       struct arena *arena, struct error *err)
{
    struct painting p;
    const struct pixel_sink sink = {painting_row, &p, parallel};
    const size_t row = info->width * info->channels;
    const char *reason;
    struct npy npy;

    if (!npy_open(file, &npy, &reason))
        return bad_array(err, reason);
    if (!painting_init(&p, info, options, kernels, 1.0f, parallel, out, arena, err))
        return false;
    const bool same = !p.resize && info->channels == out->shape.dim[2];
    float *values = same ? out->values : arena_take(arena, npy.count, sizeof *values);
    if (!values)
        return no_memory(err);
    for (size_t y = 0; y < info->height; y++) {
        if (codec_cancelled(&sink, err))
            return false;
        npy_read(&npy, y * row, row, values + y * row);
        painting_floats(&p, y, values + y * row, info->channels);
    }
    return !codec_cancelled(&sink, err);
}

bool image_decode(const struct bytes *file, struct image_info *info,
                  const struct options *options, size_t channels,
                  const struct kernels *kernels, const struct parallel *parallel,
                  struct arena *arena, struct tensor *out, struct error *err)
{
    const bool resized = OPTION_GIVEN(options, RESIZE);

    out->shape = SHAPE(resized ? (size_t)options->resize[0] : info->height,
                       resized ? (size_t)options->resize[1] : info->width, channels);
    out->values = arena_take(arena, shape_elements(&out->shape), sizeof *out->values);
    if (!out->values)
        return no_memory(err);

    const size_t mark = arena->used;
    const bool done =
        info->format == IMAGE_NPY
            ? decode_npy(file, info, options, kernels, parallel, out, arena, err)
            : decode_pixels(file, info, options, kernels, parallel, out, arena, err);
    arena_rewind(arena, mark);
    return done;
}
