/* image.c - uploaded bytes become a tensor, behind one function. */
#include "api/image.h"

#include <stdio.h>
#include <string.h>

#include "api/npy.h"
#include "api/png.h"
#include "api/prepare.h"

enum { ARRAY_MAX_CHANNELS = 64 };

/* What people send in place of an image that we read. */
static const struct foreign {
    size_t offset, size;
    const char *magic, *name;
} foreign[] = {
    {0, 3, "\xff\xd8\xff", "JPEG"},
    {8, 4, "WEBP", "WebP"},
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

static bool unsupported(const struct bytes *file, struct error *err)
{
    char head[3 * 8 + 1] = "";

    if (file->size == 0)
        return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED, "the image is empty");
    for (size_t i = 0; i < N_FOREIGN; i++)
        if (has_magic(file, &foreign[i]))
            return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED,
                             "the image is %s, which is not supported yet; send PNG or "
                             ".npy",
                             foreign[i].name);
    for (size_t i = 0; i < 8 && i < file->size; i++)
        snprintf(head + 3 * i, 4, " %02x", file->data[i]);
    return error_set(err, ERROR_IMAGE_FORMAT_UNSUPPORTED,
                     "the image is neither PNG nor .npy: it begins with the bytes%s",
                     head);
}

/* A PNG that went through a text conversion, or lost a bit, is damaged rather than
 * something else. */
static bool is_damaged_png(const struct bytes *file)
{
    const size_t span = file->size < 24 ? file->size : 24;

    for (size_t at = 0; at + 4 <= span; at++)
        if (memcmp(file->data + at, "IHDR", 4) == 0)
            return true;
    return false;
}

static bool probe_png(const struct bytes *file, struct image_info *info,
                      struct error *err)
{
    struct png_header header;

    if (!png_probe(file, &header, err))
        return false;
    *info = (struct image_info){
        .format = IMAGE_PNG,
        .format_name = "png",
        .width = header.width,
        .height = header.height,
        .channels = header.channels,
        .alpha = header.alpha,
        .bit_depth = header.bit_depth,
        .interlaced = header.interlaced,
    };
    return true;
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
    if (info->channels > ARRAY_MAX_CHANNELS)
        return bad_array(err, "it has more than 64 channels");
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

static bool check_size(const struct image_info *info, const struct limits *limits,
                       struct error *err)
{
    const double w = (double)info->width, h = (double)info->height;
    const enum error_code code = ERROR_IMAGE_TOO_MANY_PIXELS;

    return limit_check(LIMIT(limits, max_dimension), w > h ? w : h, code, err,
                       "the image is %zux%zu pixels", info->width, info->height) &&
           limit_check(LIMIT(limits, max_pixels), w * h, code, err,
                       "the image has %.15g pixels (%zux%zu)", w * h, info->width,
                       info->height);
}

bool image_probe(const struct bytes *file, const struct limits *limits,
                 struct image_info *info, struct error *err)
{
    bool known;

    if (png_recognise(file))
        known = probe_png(file, info, err);
    else if (npy_recognise(file))
        known = probe_npy(file, info, err);
    else if (is_damaged_png(file))
        return error_set(err, ERROR_IMAGE_UNDECODABLE,
                         "PNG: its first bytes are damaged, as by a transfer as text");
    else
        return unsupported(file, err);
    return known && check_size(info, limits, err);
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

    if (info->format != IMAGE_PNG) {
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
    return error_set(err, ERROR_CONFIG_INVALID,
                     "the network declares %zu input channels, the %s has %zu", wanted,
                     info->format == IMAGE_PNG ? "image" : "array", *channels);
}

/* Of the header that png_decode is given; IMAGE_PNG only. */
static struct png_header png_header_of(const struct image_info *info)
{
    return (struct png_header){
        .width = info->width,
        .height = info->height,
        .channels = info->channels,
        .alpha = info->alpha,
        .bit_depth = info->bit_depth,
        .interlaced = info->interlaced,
    };
}

double image_bytes(const struct image_info *info, size_t channels)
{
    const double pixels = (double)info->width * (double)info->height;
    double bytes = pixels * (double)channels * sizeof(float) + 4 * ARENA_ALIGN;

    if (info->format == IMAGE_PNG) {
        const struct png_header header = png_header_of(info);
        bytes += png_decode_bytes(&header) + (double)info->width * 4 * sizeof(float);
    } else if (channels != info->channels) {
        bytes += pixels * (double)info->channels * sizeof(float);
    }
    return bytes;
}

/* Where the rows of a PNG go. */
struct painting {
    struct preparation prepare;
    size_t width;
    float *row; /* the samples of one row as floats, room for four channels */
    float *out;
};

static void paint_row(void *context, const struct png_row *row)
{
    const struct painting *p = context;
    const size_t n = p->width * row->channels;

    if (row->u8)
        for (size_t i = 0; i < n; i++)
            p->row[i] = (float)row->u8[i];
    else
        for (size_t i = 0; i < n; i++)
            p->row[i] = (float)row->u16[i];
    prepare_pixels(&p->prepare, p->out + row->y * p->width * p->prepare.channels,
                   p->row, row->channels, p->width);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the image");
}

static bool decode_png(const struct bytes *file, const struct image_info *info,
                       const struct options *options, struct tensor *out,
                       struct arena *arena, struct error *err)
{
    const struct png_header header = png_header_of(info);
    struct painting p = {
        .width = info->width,
        .row = arena_take(arena, info->width, 4 * sizeof *p.row),
        .out = out->values,
    };

    if (!p.row)
        return no_memory(err);
    return prepare_init(&p.prepare, options, info->bit_depth == 16 ? 65535.0f : 255.0f,
                        out->shape.dim[2], err) &&
           png_decode(file, &header, paint_row, &p, arena, err);
}

static bool decode_npy(const struct bytes *file, const struct image_info *info,
                       const struct options *options, struct tensor *out,
                       struct arena *arena, struct error *err)
{
    const bool same = info->channels == out->shape.dim[2];
    struct preparation prepare;
    const char *reason;
    struct npy npy;

    if (!npy_open(file, &npy, &reason))
        return bad_array(err, reason);
    if (!prepare_init(&prepare, options, 1.0f, out->shape.dim[2], err))
        return false;
    float *values = same ? out->values : arena_take(arena, npy.count, sizeof *values);
    if (!values)
        return no_memory(err);
    npy_values(&npy, values);
    prepare_pixels(&prepare, out->values, values, info->channels,
                   info->width * info->height);
    return true;
}

bool image_decode(const struct bytes *file, const struct image_info *info,
                  const struct options *options, size_t channels, struct arena *arena,
                  struct tensor *out, struct error *err)
{
    out->shape = SHAPE(info->height, info->width, channels);
    out->values = arena_take(arena, shape_elements(&out->shape), sizeof *out->values);
    if (!out->values)
        return no_memory(err);

    const size_t mark = arena->used;
    const bool done = info->format == IMAGE_PNG
                          ? decode_png(file, info, options, out, arena, err)
                          : decode_npy(file, info, options, out, arena, err);
    arena_rewind(arena, mark);
    return done;
}
