/*
 * jpeg.c - JPEG files to rows of samples.
 *
 * libjpeg reports an error by a callback that may not return: attempt() is the one
 * function with the setjmp, and all state lives in a struct outside of it, so no local
 * can be clobbered. libjpeg takes its memory from the heap; close() gives it back.
 */
#include "api/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

enum {
    MAX_SCANS = 100,         /* a progressive file has some ten; each costs a pass */
    BLOCK_ALIGN = 32,        /* an MCU is at most four blocks of 8 pixels wide */
    BYTES_PER_COLUMN = 1024, /* of 4 components: rows of blocks, up-sampling */
    LIBJPEG_BYTES = 1 << 20, /* its structs and tables */
    ORIENTATION_TAG = 0x0112,
    /* To an aligned row libjpeg-turbo writes past the cache, and reading it at once
     * takes as long as decoding it: 0.7 of 1.8 ms for 512x512. */
    ROW_OFFSET = 8,
};

#define VERSION_TEXT_(number) #number
#define VERSION_TEXT(number)  VERSION_TEXT_(number)

const char *jpeg_version(void)
{
    return VERSION_TEXT(LIBJPEG_TURBO_VERSION);
}

static bool recognise(const struct bytes *file)
{
    return file->size >= 3 && memcmp(file->data, "\xff\xd8\xff", 3) == 0;
}

/* ---- EXIF ---- */

/* A TIFF structure in either order of bytes; reading outside of it gives 0. */
struct tiff {
    struct bytes bytes;
    bool big_endian;
};

static size_t number_at(const struct tiff *tiff, size_t at, size_t n)
{
    size_t value = 0;

    if (at > tiff->bytes.size || n > tiff->bytes.size - at)
        return 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | tiff->bytes.data[at + (tiff->big_endian ? i : n - 1 - i)];
    return value;
}

/* Of the first directory of the TIFF structure within an EXIF segment. */
static int exif_orientation(const struct bytes *exif)
{
    const struct tiff tiff = {*exif, exif->size && exif->data[0] == 'M'};
    const size_t directory = number_at(&tiff, 4, 4);
    const size_t n = number_at(&tiff, directory, 2);

    if (number_at(&tiff, 2, 2) != 42)
        return 1;
    for (size_t i = 0; i < n; i++) {
        const size_t entry = directory + 2 + 12 * i;
        if (number_at(&tiff, entry, 2) != ORIENTATION_TAG)
            continue;
        const size_t value = number_at(&tiff, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* Segments are walked up to the first scan: FF, marker, length, data. */
int jpeg_orientation(const struct bytes *file)
{
    static const char head[6] = "Exif\0";
    const unsigned char *data = file->data;
    size_t at = 2;

    while (at + 4 <= file->size && data[at] == 0xff && data[at + 1] != 0xda) {
        const size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (data[at + 1] == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        if (length < 2 || length > file->size - at - 2)
            break;
        if (data[at + 1] == 0xe1 && length >= 2 + sizeof head &&
            memcmp(data + at + 4, head, sizeof head) == 0) {
            const struct bytes exif = {data + at + 4 + sizeof head,
                                       length - 2 - sizeof head};
            return exif_orientation(&exif);
        }
        at += 2 + length;
    }
    return 1;
}

/* ---- libjpeg ---- */

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf home;
    char message[JMSG_LENGTH_MAX];
    const struct bytes *file;
    struct image_info *info;
    const struct pixel_sink *sink; /* NULL while only the header is read */
    uint8_t *row;
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void leave(j_common_ptr jpeg)
{
    struct reader *reader = reader_of(jpeg);

    jpeg->err->format_message(jpeg, reader->message);
    longjmp(reader->home, 1);
}

static void refuse(struct reader *reader, const char *message)
{
    snprintf(reader->message, sizeof reader->message, "%s", message);
    longjmp(reader->home, 1);
}

/* A warning (level -1) says that data was damaged, and guessed or left out: that is not
 * the picture. Three of them leave the picture as it is. */
static void hear(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;

    if (level >= 0 || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM)
        return;
    if (code != JWRN_EXTRANEOUS_DATA)
        leave(jpeg);
    reader_of(jpeg)->info->warning =
        "the JPEG file holds bytes that belong to no segment; it may be damaged";
}

/* Called for every row of blocks that is read, and every row of pixels. */
static void watch(j_common_ptr jpeg)
{
    struct reader *reader = reader_of(jpeg);

    if (parallel_cancelled(reader->sink->parallel))
        refuse(reader, "cancelled");

    if (reader->jpeg.input_scan_number > MAX_SCANS)
        refuse(reader, "it has more than 100 scans");
}

/* Do one step; false, with a message, if libjpeg gave up. */
static bool attempt(struct reader *reader, void (*step)(struct reader *))
{
    if (setjmp(reader->home))
        return false;
    step(reader);
    return true;
}

static void open_file(struct reader *reader)
{
    j_decompress_ptr jpeg = &reader->jpeg;

    jpeg->err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = leave;
    reader->errors.emit_message = hear;
    jpeg->client_data = reader;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, reader->file->data, reader->file->size);
    jpeg_read_header(jpeg, TRUE);
}

static bool undecodable(const struct reader *reader, struct error *err)
{
    if (reader->errors.msg_code == JERR_OUT_OF_MEMORY)
        return error_set(err, ERROR_MEMORY_PRESSURE, "no memory to decode the image");
    return error_set(err, ERROR_IMAGE_UNDECODABLE, "JPEG: %s", reader->message);
}

/* ---- header ---- */

static void read_info(struct reader *reader)
{
    j_decompress_ptr jpeg = &reader->jpeg;
    struct image_info *info = reader->info;

    open_file(reader);
    if (jpeg->jpeg_color_space == JCS_UNKNOWN)
        refuse(reader, "its components are neither gray nor RGB nor CMYK");
    info->orientation = jpeg_orientation(reader->file);
    info->width = jpeg->image_width;
    info->height = jpeg->image_height;
    if (image_is_turned(info)) {
        info->width = jpeg->image_height;
        info->height = jpeg->image_width;
    }
    info->channels = jpeg->jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
    info->bit_depth = 8;
    info->buffered = jpeg_has_multiple_scans(jpeg);
}

static bool probe(const struct bytes *file, struct image_info *info, struct error *err)
{
    struct reader reader = {.file = file, .info = info};

    *info = (struct image_info){.format = IMAGE_JPEG, .format_name = "jpeg"};
    const bool done = attempt(&reader, read_info);
    jpeg_destroy_decompress(&reader.jpeg);
    return done || undecodable(&reader, err);
}

/* ---- pixels ---- */

static double align(size_t n)
{
    return (double)(n + -n % BLOCK_ALIGN);
}

static double bytes(const struct image_info *info)
{
    const size_t columns = image_is_turned(info) ? info->height : info->width;
    const double blocks = align(info->width) * align(info->height) * sizeof(JCOEF);

    return LIBJPEG_BYTES + align(columns) * BYTES_PER_COLUMN +
           (info->buffered ? 4 * blocks : 0);
}

/* Inverted inks: 255 is none. In place; the fourth component goes. */
static void rgb_from_cmyk(uint8_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *inks = row + 4 * i;
        const unsigned k = inks[3];
        for (size_t c = 0; c < 3; c++)
            row[3 * i + c] = (uint8_t)((inks[c] * k + 127) / 255);
    }
}

static void start(struct reader *reader)
{
    j_decompress_ptr jpeg = &reader->jpeg;

    open_file(reader);
    jpeg->mem->max_memory_to_use = (long)bytes(reader->info);
    reader->progress.progress_monitor = watch;
    jpeg->progress = &reader->progress;
    jpeg->out_color_space = jpeg->num_components == 1   ? JCS_GRAYSCALE
                            : jpeg->num_components == 3 ? JCS_RGB
                                                        : JCS_CMYK;
    jpeg_start_decompress(jpeg);
}

static void read_rows(struct reader *reader)
{
    j_decompress_ptr jpeg = &reader->jpeg;
    const bool cmyk = jpeg->out_color_space == JCS_CMYK;
    struct pixel_row row = {.channels = reader->info->channels, .u8 = reader->row};

    for (; jpeg->output_scanline < jpeg->output_height; row.y++) {
        jpeg_read_scanlines(jpeg, &reader->row, 1);
        if (cmyk)
            rgb_from_cmyk(reader->row, jpeg->output_width);
        reader->sink->read(reader->sink->context, &row);
    }
    /* What follows the last row is not read. */
}

static bool decode(const struct bytes *file, struct image_info *info,
                   const struct pixel_sink *sink, struct arena *arena,
                   struct error *err)
{
    const size_t mark = arena->used;
    struct reader reader = {.file = file, .info = info, .sink = sink};
    const size_t columns = image_is_turned(info) ? info->height : info->width;

    uint8_t *row = arena_take(arena, ROW_OFFSET + 4 * columns, 1);
    reader.row = row ? row + ROW_OFFSET : NULL;
    const bool done = row && attempt(&reader, start) && attempt(&reader, read_rows);
    jpeg_destroy_decompress(&reader.jpeg);
    arena_rewind(arena, mark);
    if (!row)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory to decode the image");
    return done || (!codec_cancelled(sink, err) && undecodable(&reader, err));
}

const struct codec jpeg_codec = {recognise, probe, bytes, decode};
