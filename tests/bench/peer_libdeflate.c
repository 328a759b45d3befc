/*
 * peer_libdeflate.c - libdeflate's level 1 in a PNG container that costs nothing: rows
 * without filters, chunks with its own CRC.
 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/peer.h"

enum { LEVEL = 1, CHUNK_OVERHEAD = 12, CHUNK_HEAD = 8 };

struct state {
    const struct problem *problem;
    struct libdeflate_compressor *compressor;
    uint8_t *rows; /* each with its filter's byte before it */
    struct buffer out;
};

static void put_32(uint8_t *to, size_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The data are at chunk + CHUNK_HEAD already. */
static void end_chunk(struct buffer *out, const char *type, uint8_t *chunk, size_t n)
{
    put_32(chunk, n);
    memcpy(chunk + 4, type, 4);
    put_32(chunk + CHUNK_HEAD + n, libdeflate_crc32(0, chunk + 4, 4 + n));
    out->size += CHUNK_OVERHEAD + n;
}

static void write_chunk(struct buffer *out, const char *type, const uint8_t *data,
                        size_t n)
{
    uint8_t *chunk = buffer_reserve(out, CHUNK_OVERHEAD + n);

    if (n)
        memcpy(chunk + CHUNK_HEAD, data, n);
    end_chunk(out, type, chunk, n);
}

static void write_header(struct buffer *out, const struct picture *picture)
{
    const bool rgb = picture->kind == PICTURE_RGB;
    const bool gray = !rgb && subject_is_gray(picture);
    uint8_t header[13] = {[8] = 8, [9] = rgb ? 2 : gray ? 0 : 3}, palette[256 * 3];

    put_32(header, picture->width);
    put_32(header + 4, picture->height);
    buffer_append(out, "\x89PNG\r\n\x1a\n", 8);
    write_chunk(out, "IHDR", header, sizeof header);
    if (rgb || gray)
        return;
    for (size_t i = 0; i < sizeof palette; i++)
        palette[i] = (uint8_t)(picture->colormap->rgb[i / 3] >> (16 - 8 * (i % 3)));
    write_chunk(out, "PLTE", palette, sizeof palette);
}

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const struct picture *picture = &problem->subject.picture;

    (void)variant, (void)parallel;
    if (problem->task != TASK_ENCODE)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    const size_t row = picture->width * subject_channels(picture) + 1;
    if (!s || !(s->compressor = libdeflate_alloc_compressor(LEVEL)) ||
        !(s->rows = calloc(picture->height, row)))
        abort();
    s->problem = problem;
    buffer_init(&s->out, SIZE_MAX);
    return s;
}

static void run(void *self)
{
    struct state *s = self;
    const struct picture *picture = &s->problem->subject.picture;
    const size_t row = picture->width * subject_channels(picture);
    const size_t n = picture->height * (row + 1);
    const size_t bound = libdeflate_zlib_compress_bound(s->compressor, n);

    s->out.size = 0;
    write_header(&s->out, picture);
    for (size_t y = 0; y < picture->height; y++)
        memcpy(s->rows + y * (row + 1) + 1, picture->samples + y * row, row);
    uint8_t *chunk = buffer_reserve(&s->out, CHUNK_OVERHEAD + bound);
    end_chunk(
        &s->out, "IDAT", chunk,
        libdeflate_zlib_compress(s->compressor, s->rows, n, chunk + CHUNK_HEAD, bound));
    write_chunk(&s->out, "IEND", NULL, 0);
}

static void output(void *self, size_t i, float *values)
{
    const struct state *s = self;

    (void)i;
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

    libdeflate_free_compressor(s->compressor);
    buffer_release(&s->out);
    free(s->rows);
    free(s);
}

const struct peer peer_libdeflate = {
    .name = "libdeflate",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
    .account = account,
};
