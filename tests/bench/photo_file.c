/* photo_file.c - see photo_file.h */
#include "tests/bench/photo_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include "api/colormap.h"
#include "tests/bench/photo.h"

static const int jpeg_quality = 90;
static const float webp_quality = 90;

/* The photo in colours, or its luma. */
struct samples {
    size_t size, channels;
    uint8_t *bytes;
};

/* ITU-R BT.601, as JPEG has it. */
static void make_gray(struct samples *s)
{
    for (size_t i = 0; i < s->size * s->size; i++) {
        const uint8_t *rgb = s->bytes + i * 3;
        s->bytes[i] = (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000);
    }
    s->channels = 1;
}

static bool write_simply(struct buffer *out, const struct samples *s,
                         png_uint_32 format, const void *colormap)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)s->size,
                       .height = (png_uint_32)s->size,
                       .format = format,
                       .colormap_entries = colormap ? 256 : 0};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    unsigned char *to = buffer_reserve(out, bytes);

    if (!to || !png_image_write_to_memory(&image, to, &bytes, 0, s->bytes, 0, colormap))
        return false;
    out->size += bytes;
    return true;
}

static bool write_png(struct buffer *out, const struct samples *s)
{
    return write_simply(out, s, s->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY,
                        NULL);
}

/* Luma in the colours of a map, as this service and others show it. */
static bool write_palette(struct buffer *out, const struct samples *s)
{
    const struct colormap *map = colormap_at(0);
    uint8_t colors[256][3];

    for (size_t i = 0; i < 256; i++)
        for (size_t c = 0; c < 3; c++)
            colors[i][c] = (uint8_t)(map->rgb[i] >> (16 - 8 * c));
    return write_simply(out, s, PNG_FORMAT_RGB_COLORMAP, colors);
}

static bool write_jpeg(struct buffer *out, const struct samples *s)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors; /* ends the program, with a message */
    unsigned char *file = NULL;
    unsigned long size = 0;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &size);
    jpeg.image_width = jpeg.image_height = (JDIMENSION)s->size;
    jpeg.input_components = (int)s->channels;
    jpeg.in_color_space = s->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, jpeg_quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (size_t y = 0; y < s->size; y++)
        jpeg_write_scanlines(&jpeg, &(JSAMPROW){s->bytes + y * s->size * s->channels},
                             1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    buffer_append(out, file, size);
    free(file);
    return !out->failed;
}

static bool write_webp(struct buffer *out, const struct samples *s)
{
    const int size = (int)s->size;
    uint8_t *file;
    const size_t n = WebPEncodeRGB(s->bytes, size, size, 3 * size, webp_quality, &file);

    buffer_append(out, file, n);
    WebPFree(file);
    return n && !out->failed;
}

static const struct {
    const char *kind;
    bool gray; /* what is written; a palette's samples are RGB all the same */
    size_t channels;
    bool (*write)(struct buffer *out, const struct samples *samples);
} kinds[] = {
    {"png rgb", false, 3, write_png},        {"png gray", true, 1, write_png},
    {"png palette", true, 3, write_palette}, {"jpeg rgb", false, 3, write_jpeg},
    {"jpeg gray", true, 1, write_jpeg},      {"webp rgb", false, 3, write_webp},
};

bool photo_file(struct buffer *out, const char *kind, size_t size, size_t *channels)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct samples samples = {size, 3, NULL};
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        if (!(samples.bytes = malloc(size * size * 3)))
            return false;
        photo_draw(samples.bytes, size);
        if (kinds[i].gray)
            make_gray(&samples);
        const bool written = kinds[i].write(out, &samples);
        free(samples.bytes);
        *channels = kinds[i].channels;
        return written;
    }
    return false;
}
