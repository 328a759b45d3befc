/*
 * peer_libpng.c - libpng, as it comes (level 6, filters by its own choice) and the
 * fastest that it can be told to be: no filter, zlib's level 1, runs only.
 *
 * What goes wrong ends the program: without a jump buffer libpng aborts.
 */
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    bool fast;
    struct buffer out;
    size_t at; /* in the file that is read */
    uint8_t *samples;
};

static const char *variant(size_t i)
{
    static const char *const names[] = {"default", "fast"};

    return i < sizeof names / sizeof *names ? names[i] : NULL;
}

static void *prepare(const struct problem *problem, const char *name,
                     const struct parallel *parallel)
{
    const struct buffer *file = &problem->subject.file;
    const bool decode = problem->task == TASK_DECODE, fast = strcmp(name, "fast") == 0;

    (void)parallel;
    if ((!decode && problem->task != TASK_ENCODE) || (decode && fast) ||
        (decode && png_sig_cmp(file->bytes, 0, 8) != 0))
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !(s->samples = malloc(problem_output_count(problem, 0))))
        abort();
    s->problem = problem;
    s->fast = fast;
    buffer_init(&s->out, SIZE_MAX);
    return s;
}

/* ---- to a file ---- */

static void write_bytes(png_structp png, png_bytep bytes, png_size_t n)
{
    buffer_append(png_get_io_ptr(png), bytes, n);
}

static void flush(png_structp png)
{
    (void)png;
}

static void write_header(png_structp png, png_infop info, const struct picture *picture)
{
    const bool rgb = picture->kind == PICTURE_RGB;
    const bool gray = !rgb && subject_is_gray(picture);
    png_color palette[256];

    png_set_IHDR(
        png, info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8,
        rgb    ? PNG_COLOR_TYPE_RGB
        : gray ? PNG_COLOR_TYPE_GRAY
               : PNG_COLOR_TYPE_PALETTE,
        PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (!rgb && !gray) {
        for (size_t i = 0; i < 256; i++) {
            const uint32_t color = picture->colormap->rgb[i];
            palette[i] = (png_color){(png_byte)(color >> 16), (png_byte)(color >> 8),
                                     (png_byte)color};
        }
        png_set_PLTE(png, info, palette, 256);
    }
    png_write_info(png, info);
}

static void encode(struct state *s)
{
    const struct picture *picture = &s->problem->subject.picture;
    const size_t row = picture->width * subject_channels(picture);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);

    s->out.size = 0;
    png_set_write_fn(png, &s->out, write_bytes, flush);
    if (s->fast) {
        png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
        png_set_compression_level(png, 1);
        png_set_compression_strategy(png, Z_RLE);
    }
    write_header(png, info, picture);
    for (size_t y = 0; y < picture->height; y++)
        png_write_row(png, picture->samples + y * row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

/* ---- from a file ---- */

static void read_bytes(png_structp png, png_bytep bytes, png_size_t n)
{
    struct state *s = png_get_io_ptr(png);

    if (n > s->problem->subject.file.size - s->at)
        png_error(png, "the file ends early");
    memcpy(bytes, s->problem->subject.file.bytes + s->at, n);
    s->at += n;
}

static void decode(struct state *s)
{
    const struct subject *subject = &s->problem->subject;
    const size_t row = subject->width * subject->channels;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);

    s->at = 0;
    png_set_read_fn(png, s, read_bytes);
    png_read_info(png, info);
    png_set_expand(png); /* palettes to RGB */
    png_read_update_info(png, info);
    for (size_t y = 0; y < subject->height; y++)
        png_read_row(png, s->samples + y * row, NULL);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
}

/* ---- the peer ---- */

static void run(void *self)
{
    struct state *s = self;

    if (s->problem->task == TASK_DECODE)
        decode(s);
    else
        encode(s);
}

static void output(void *self, size_t i, float *values)
{
    const struct state *s = self;

    if (s->problem->task == TASK_DECODE)
        subject_widen(s->samples, problem_output_count(s->problem, i), values);
    else
        subject_read_png(&s->problem->subject, s->out.bytes, s->out.size, values);
}

static void account(void *self, struct account *account)
{
    const struct state *s = self;

    account->bytes = (double)s->out.size;
}

static void release(void *self)
{
    struct state *s = self;

    buffer_release(&s->out);
    free(s->samples);
    free(s);
}

const struct peer peer_libpng = {
    .name = "libpng",
    .variant = variant,
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
    .account = account,
};
