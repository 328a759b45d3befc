/*
 * test_jpeg.c - JPEG files made here by libjpeg's compressor: hostile ones, and kinds
 * that command-line tools do not write. tests/http/test_images.py compares pixels with
 * other readers.
 */
#include "tests/unit/codec.h"

#include <jpeglib.h>

#include "api/jpeg.h"

/* A file of smooth samples; sides of 16 and a little more. */
static struct bytes jpeg_of(J_COLOR_SPACE from, J_COLOR_SPACE stored, bool progressive)
{
    enum { WIDTH = 17, HEIGHT = 18 };
    struct jpeg_compress_struct jpeg = {0};
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long size = 0;
    JSAMPLE row[WIDTH * 4];

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &size);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = from == JCS_CMYK ? 4 : from == JCS_RGB ? 3 : 1;
    jpeg.in_color_space = from;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, stored);
    jpeg_set_quality(&jpeg, 100, TRUE);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        JSAMPROW rows = row;
        for (int i = 0; i < WIDTH * jpeg.input_components; i++)
            row[i] = (JSAMPLE)(60 + 5 * y + 40 * (i % jpeg.input_components));
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (struct bytes){file, size};
}

struct seen {
    size_t rows, channels;
    uint8_t first[4]; /* pixel of the last row */
};

static void note_row(void *context, const struct pixel_row *row)
{
    struct seen *seen = context;

    cr_assert_eq(row->y, seen->rows++);
    seen->channels = row->channels;
    memcpy(seen->first, row->u8, row->channels);
}

/* Probe and decode; false with an error. */
static bool read_whole(const struct bytes *file, struct seen *seen, struct error *err)
{
    static struct arena arena;
    const struct pixel_sink sink = {note_row, seen, &parallel_serial};
    struct image_info info;

    if (!arena.base)
        arena = new_arena(8 << 20);
    error_init(err);
    *seen = (struct seen){0};
    if (!jpeg_codec.probe(file, &info, err))
        return false;
    if (info.width > 100 || info.height > 100)
        return error_set(err, ERROR_IMAGE_UNDECODABLE, "too large for this test");
    const bool done = jpeg_codec.decode(file, &info, &sink, &arena, err);
    cr_assert_eq(arena.used, 0);
    cr_assert(!done ||
              seen->rows == (image_is_turned(&info) ? info.width : info.height));
    return done;
}

static const struct {
    J_COLOR_SPACE from, stored;
    size_t channels;
} kinds[] = {
    {JCS_GRAYSCALE, JCS_GRAYSCALE, 1}, {JCS_RGB, JCS_YCbCr, 3}, {JCS_RGB, JCS_RGB, 3},
    {JCS_CMYK, JCS_CMYK, 3},           {JCS_CMYK, JCS_YCCK, 3},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* In the last row the inks are 145, 185, 225 and black 255 - 265 % 256. */
Test(jpeg, every_colour_space_becomes_gray_or_rgb)
{
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        const struct bytes file =
            jpeg_of(kinds[i / 2].from, kinds[i / 2].stored, i % 2);
        struct image_info info;
        struct error err;
        struct seen seen;
        error_init(&err);
        cr_assert(jpeg_codec.recognise(&file));
        cr_assert(jpeg_codec.probe(&file, &info, &err), "%s", err.detail);
        cr_assert_eq(info.channels, kinds[i / 2].channels);
        cr_assert_eq(info.buffered, i % 2);
        cr_assert(read_whole(&file, &seen, &err), "%s", err.detail);
        cr_assert_eq(seen.channels, kinds[i / 2].channels);
        for (size_t c = 0; c < seen.channels; c++) {
            const unsigned sample = 60 + 5 * 17 + 40 * (unsigned)c;
            const unsigned black = (60 + 5 * 17 + 40 * 3) % 256;
            const double expected =
                kinds[i / 2].from == JCS_CMYK ? sample * black / 255.0 : (double)sample;
            cr_assert_float_eq(seen.first[c], expected, 4.0, "kind %zu: %d", i / 2,
                               seen.first[c]);
        }
        free_file(file);
    }
}

Test(jpeg, a_file_cut_anywhere_is_refused)
{
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        const struct bytes file =
            jpeg_of(kinds[i / 2].from, kinds[i / 2].stored, i % 2);
        struct error err;
        struct seen seen;
        for (size_t n = 0; n < file.size - 2; n++) {
            const struct bytes part = exact_copy(file.data, n);
            /* The last byte of the data may be padding. */
            if (!read_whole(&part, &seen, &err))
                cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE, "%s", err.detail);
            else
                cr_assert_geq(n, file.size - 3, "%zu of %zu", n, file.size);
            free_file(part);
        }
        free_file(file);
    }
}

Test(jpeg, a_flipped_bit_never_harms)
{
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        const struct bytes file =
            jpeg_of(kinds[i / 2].from, kinds[i / 2].stored, i % 2);
        struct error err;
        struct seen seen;
        for (size_t bit = 0; bit < 8 * file.size; bit += 1 + i % 3) {
            const struct bytes copy = exact_copy(file.data, file.size);
            ((unsigned char *)(uintptr_t)copy.data)[bit / 8] ^=
                (unsigned char)(1 << bit % 8);
            if (!read_whole(&copy, &seen, &err))
                cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE, "%s", err.detail);
            free_file(copy);
        }
        free_file(file);
    }
}

/* Random segments where EXIF may stand; only 1 to 8 comes out, and nothing is read
 * beyond the end. */
Test(jpeg, exif_garbage_never_harms)
{
    uint64_t seed = 11;

    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[64] = "\xff\xd8\xff\xe1\0\x3a"
                                  "Exif\0\0MM\0*\0\0\0\x08\0\2";
        const size_t size = 12 + (size_t)(generate_uniform(&seed) * 52);
        for (int i = 0; i < 12; i++)
            bytes[20 + (size_t)(generate_uniform(&seed) * 44)] =
                (unsigned char)(generate_uniform(&seed) * 256);
        if (round % 2)
            memcpy(bytes + 22, "\x01\x12\0\3\0\0\0\1\0", 9);
        const struct bytes file = exact_copy(bytes, size);
        const int orientation = jpeg_orientation(&file);
        cr_assert(orientation >= 1 && orientation <= 8);
        free_file(file);
    }
}
