/*
 * png.c - libpng: PNG files to rows of samples, and the heads of files.
 *
 * libpng reports an error by longjmp. One small function has the setjmp; its state
 * lives in a struct outside of it, so no local can be clobbered.
 */
#include "api/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "api/isal.h"
#include "api/png_fast.h"
#include "api/png_head.h"

enum {
    SIGNATURE_SIZE = 8,
    IHDR_SIZE = 13,
    CHUNK_OVERHEAD = 12, /* length, type, CRC */
    CHUNK_MAX = 1 << 20, /* bytes of a chunk other than IDAT */
    CHUNKS_KEPT = 4,
    LIBPNG_BYTES = 1 << 20, /* its structs, zlib's window, small change */
};

static const uint8_t signature[SIGNATURE_SIZE] = "\x89PNG\r\n\x1a\n";

const char *png_version(void)
{
    return png_get_libpng_ver(NULL);
}

static bool recognise(const struct bytes *file)
{
    return file->size >= SIGNATURE_SIZE &&
           memcmp(file->data, signature, SIGNATURE_SIZE) == 0;
}

static bool undecodable(struct error *err, const char *reason)
{
    return error_set(err, ERROR_IMAGE_UNDECODABLE, "PNG: %s", reason);
}

/* The bit depths that each colour type may have, as a set of their values. */
static bool depth_is_legal(int color_type, int depth)
{
    static const int legal[7] = {
        [PNG_COLOR_TYPE_GRAY] = 1 | 2 | 4 | 8 | 16,
        [PNG_COLOR_TYPE_RGB] = 8 | 16,
        [PNG_COLOR_TYPE_PALETTE] = 1 | 2 | 4 | 8,
        [PNG_COLOR_TYPE_GA] = 8 | 16,
        [PNG_COLOR_TYPE_RGBA] = 8 | 16,
    };

    return color_type < 7 && (depth & (depth - 1)) == 0 && (legal[color_type] & depth);
}

static bool read_ihdr(const uint8_t *chunk, struct image_info *info, struct error *err)
{
    const uint8_t *data = chunk + 8;
    const int color_type = data[9];

    if (png_get_uint_32(chunk) != IHDR_SIZE || memcmp(chunk + 4, "IHDR", 4) != 0)
        return undecodable(err, "the first chunk is not IHDR");
    if (isal_crc(chunk + 4, 4 + IHDR_SIZE) != png_get_uint_32(data + IHDR_SIZE))
        return undecodable(err, "IHDR: CRC error");

    info->width = png_get_uint_32(data);
    info->height = png_get_uint_32(data + 4);
    info->bit_depth = data[8];
    info->channels = color_type & PNG_COLOR_MASK_COLOR ? 3 : 1;
    info->alpha = color_type & PNG_COLOR_MASK_ALPHA;
    info->buffered = data[12] != 0;
    if (info->width == 0 || info->height == 0)
        return undecodable(err, "width or height is 0");
    if (info->width > PNG_UINT_31_MAX || info->height > PNG_UINT_31_MAX)
        return undecodable(err, "width or height is over 2^31 - 1");
    if (!depth_is_legal(color_type, info->bit_depth))
        return error_set(err, ERROR_IMAGE_UNDECODABLE,
                         "PNG: colour type %d cannot have a bit depth of %d",
                         color_type, info->bit_depth);
    if (data[10] != 0 || data[11] != 0 || data[12] > 1)
        return undecodable(err, "unknown compression, filter or interlace method");
    return true;
}

/* APNG's acTL, of more than one frame. */
static bool is_animation(const uint8_t *chunk, size_t length)
{
    enum { ACTL_SIZE = 8 };

    return length == ACTL_SIZE && memcmp(chunk + 4, "acTL", 4) == 0 &&
           png_get_uint_32(chunk + 8) > 1;
}

static bool probe(const struct bytes *file, struct image_info *info, struct error *err)
{
    size_t at = SIGNATURE_SIZE;

    if (file->size < SIGNATURE_SIZE + CHUNK_OVERHEAD + IHDR_SIZE)
        return undecodable(err, "the file ends inside its header");
    *info = (struct image_info){
        .format = IMAGE_PNG,
        .format_name = "png",
        .file_size = file->size,
    };
    if (!read_ihdr(file->data + at, info, err))
        return false;

    while (file->size - at >= CHUNK_OVERHEAD) {
        const uint8_t *chunk = file->data + at;
        const size_t length = png_get_uint_32(chunk);
        if (memcmp(chunk + 4, "IDAT", 4) == 0)
            return true;
        if (length > file->size - at - CHUNK_OVERHEAD)
            break;
        if (memcmp(chunk + 4, "tRNS", 4) == 0)
            info->alpha = true;
        else if (is_animation(chunk, length))
            info->warning = IMAGE_IS_ANIMATION;
        at += CHUNK_OVERHEAD + length;
    }
    return undecodable(err, "the file ends before its image data");
}

/* Where libpng's memory comes from and what it complained of. */
struct session {
    struct arena *arena;
    char message[160];
};

static png_voidp take(png_structp png, png_alloc_size_t size)
{
    struct session *session = png_get_mem_ptr(png);

    return arena_take(session->arena, 1, size);
}

static void leave(png_structp png, png_voidp memory)
{
    (void)png;
    (void)memory; /* the arena is rewound at the end */
}

static void fail(png_structp png, png_const_charp message)
{
    struct session *session = png_get_error_ptr(png);

    snprintf(session->message, sizeof session->message, "%s", message);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

struct reader {
    struct session session;
    png_structp png;
    png_infop info;
    struct bytes rest; /* of the file */
    const struct image_info *header;
    const struct pixel_sink *sink;
};

static void feed(png_structp png, png_bytep to, size_t n)
{
    struct reader *reader = png_get_io_ptr(png);

    if (n > reader->rest.size)
        png_error(png, "the file ends too early");
    memcpy(to, reader->rest.data, n);
    reader->rest.data += n;
    reader->rest.size -= n;
}

static void harden(png_structp png, const struct image_info *header)
{
    png_set_user_limits(png, (png_uint_32)header->width, (png_uint_32)header->height);
    png_set_chunk_cache_max(png, CHUNKS_KEPT);
    png_set_chunk_malloc_max(png, CHUNK_MAX);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    /* -1: unknown chunks, and every known ancillary one but tRNS. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
}

/* Any file becomes 8 or 16-bit samples of gray or RGB, with alpha if it has any. */
static void set_transforms(png_structp png, png_infop info)
{
    png_set_expand(png); /* palettes, low depths and tRNS */
    if (png_get_bit_depth(png, info) == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        png_set_swap(png);
}

static void hand_over(const struct reader *reader, size_t y, const uint8_t *samples)
{
    struct pixel_row row = {y, png_get_channels(reader->png, reader->info), NULL, NULL};

    if (png_get_bit_depth(reader->png, reader->info) == 16)
        row.u16 = (const uint16_t *)(const void *)samples;
    else
        row.u8 = samples;
    reader->sink->read(reader->sink->context, &row);
}

static void heed(const struct reader *reader)
{
    if (parallel_cancelled(reader->sink->parallel))
        png_error(reader->png, "cancelled");
}

static void read_rows(struct reader *reader)
{
    const size_t height = reader->header->height;
    const size_t row = png_get_rowbytes(reader->png, reader->info);
    const int passes = png_set_interlace_handling(reader->png);
    const size_t step = passes > 1 ? row : 0; /* one row serves for all */
    uint8_t *samples = arena_take(reader->session.arena, step ? height : 1, row);

    if (!samples)
        png_error(reader->png, "out of memory");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) {
            heed(reader);
            png_read_row(reader->png, samples + y * step, NULL);
            if (!step)
                hand_over(reader, y, samples);
        }
    for (size_t y = 0; step && y < height; y++) {
        heed(reader);
        hand_over(reader, y, samples + y * step);
    }
}

static bool try_decode(struct reader *reader)
{
    if (setjmp(png_jmpbuf(reader->png)))
        return false;
    harden(reader->png, reader->header);
    png_set_read_fn(reader->png, reader, feed);
    png_read_info(reader->png, reader->info);
    set_transforms(reader->png, reader->info);
    png_set_interlace_handling(reader->png);
    png_read_update_info(reader->png, reader->info);
    read_rows(reader);
    return true;
}

static bool decode(const struct bytes *file, struct image_info *info,
                   const struct pixel_sink *sink, struct arena *arena,
                   struct error *err)
{
    if (png_fast_decode(file, info, sink, arena))
        return !codec_cancelled(sink, err);

    const size_t mark = arena->used;
    struct reader reader = {
        .session.arena = arena,
        .rest = *file,
        .header = info,
        .sink = sink,
    };

    reader.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &reader.session, fail,
                                          ignore, &reader.session, take, leave);
    reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
    const bool done = reader.info && try_decode(&reader);
    if (reader.png)
        png_destroy_read_struct(&reader.png, &reader.info, NULL);
    arena_rewind(arena, mark);
    if (!done && codec_cancelled(sink, err))
        return false;
    if (!reader.session.message[0] && !done)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory to decode the image");
    return done || undecodable(err, reader.session.message);
}

static double bytes(const struct image_info *info)
{
    const double row = (double)info->width * (info->channels + info->alpha) *
                       (info->bit_depth == 16 ? 2 : 1);

    /* libpng itself keeps two rows, unexpanded or not. */
    const double slow =
        LIBPNG_BYTES + row * (3 + (info->buffered ? (double)info->height : 1));
    const double fast = png_fast_bytes(info);
    return slow > fast ? slow : fast;
}

const struct codec png_codec = {recognise, probe, bytes, decode};

/* ---- heads ---- */

struct writer {
    struct session session;
    png_structp png;
    png_infop info;
    const struct png_encoding *encoding;
    uint8_t *to;
    size_t room;
};

static void drain(png_structp png, png_bytep bytes, size_t n)
{
    struct writer *writer = png_get_io_ptr(png);

    if (n > writer->room)
        png_error(png, "the head is longer than was planned");
    memcpy(writer->to, bytes, n);
    writer->to += n;
    writer->room -= n;
}

static void flush(png_structp png)
{
    (void)png;
}

static void set_palette(const struct writer *writer)
{
    const struct png_encoding *e = writer->encoding;
    static const png_byte transparent = 0;
    png_color colors[256];

    for (size_t i = 0; i < e->n_palette; i++)
        colors[i] =
            (png_color){(png_byte)(e->palette[i] >> 16), (png_byte)(e->palette[i] >> 8),
                        (png_byte)e->palette[i]};
    png_set_PLTE(writer->png, writer->info, colors, (int)e->n_palette);
    if (e->transparent_first)
        png_set_tRNS(writer->png, writer->info, &transparent, 1, NULL);
}

static bool try_head(struct writer *writer)
{
    static const int color_types[] = {
        [PNG_GRAY] = PNG_COLOR_TYPE_GRAY,
        [PNG_PALETTE] = PNG_COLOR_TYPE_PALETTE,
        [PNG_RGB] = PNG_COLOR_TYPE_RGB,
        [PNG_RGBA] = PNG_COLOR_TYPE_RGBA,
    };
    const struct png_encoding *e = writer->encoding;

    if (setjmp(png_jmpbuf(writer->png)))
        return false;
    png_set_write_fn(writer->png, writer, drain, flush);
    png_set_user_limits(writer->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(writer->png, writer->info, (png_uint_32)e->width,
                 (png_uint_32)e->height, e->bit_depth, color_types[e->color],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    if (e->color == PNG_PALETTE)
        set_palette(writer);
    png_write_info(writer->png, writer->info);
    return true;
}

uint8_t *png_write_head(uint8_t *to, const struct png_encoding *encoding,
                        struct arena *arena, struct error *err)
{
    const size_t mark = arena->used;
    struct writer writer = {
        .session.arena = arena, .encoding = encoding, .to = to, .room = PNG_HEAD_MAX};

    writer.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &writer.session, fail,
                                           ignore, &writer.session, take, leave);
    writer.info = writer.png ? png_create_info_struct(writer.png) : NULL;
    const bool done = writer.info && try_head(&writer);
    if (writer.png)
        png_destroy_write_struct(&writer.png, &writer.info);
    arena_rewind(arena, mark);
    if (done)
        return writer.to;
    error_set(err, ERROR_PLAN_TOO_LARGE, "cannot write a PNG: %s",
              writer.session.message[0] ? writer.session.message : "out of memory");
    return NULL;
}
