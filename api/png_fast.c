/* png_fast.c - the common kind of PNG file, decoded without libpng. */
#include "api/png_fast.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

#include "api/isal.h"
#include "api/png_filter.h"

enum {
    SIGNATURE_SIZE = 8,
    IHDR_DATA = SIGNATURE_SIZE + 8, /* where its fields begin */
    CHUNK_OVERHEAD = 12,            /* length, type, CRC */
    CHUNK_MAX = 1 << 20,            /* of one that is skipped; png.c's limit */
    COLOR_PALETTE = 3,
};

/* A file being read. */
struct picture {
    const struct image_info *info;
    size_t step, row_bytes; /* bytes of a pixel and of a row, as stored */
    size_t channels;        /* of a row that is handed over */
    bool palette;
    uint8_t colors[256][4]; /* RGBA */
    size_t n_colors;
    struct bytes data; /* what IDAT chunks hold; gathered if they are several */
    uint8_t *raw;      /* inflated: rows, each behind the number of its filter */
    size_t line;       /* bytes of one of these: */
    uint8_t *lines;    /* rows without their filters, and one for what is above all */
    uint8_t *painted;  /* a row in the palette's colours */
};

/* ---- chunks ---- */

static uint32_t number(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The chunk at `at`; data is NULL if it is damaged or not whole. */
static struct bytes chunk_at(const struct bytes *file, size_t at)
{
    const struct bytes none = {NULL, 0};

    if (at > file->size || file->size - at < CHUNK_OVERHEAD)
        return none;
    const uint8_t *chunk = file->data + at;
    const size_t size = number(chunk);
    if (size > file->size - at - CHUNK_OVERHEAD ||
        isal_crc(chunk + 4, size + 4) != number(chunk + 8 + size))
        return none;
    return (struct bytes){chunk + 8, size};
}

static bool is_type(const struct bytes *chunk, const char type[5])
{
    return memcmp(chunk->data - 4, type, 4) == 0;
}

static bool read_palette(struct picture *p, const struct bytes *chunk)
{
    p->n_colors = chunk->size / 3;
    if (!p->palette || chunk->size % 3 || p->n_colors < 1 || p->n_colors > 256)
        return false;
    for (size_t i = 0; i < p->n_colors; i++)
        memcpy(p->colors[i], chunk->data + 3 * i, 3);
    return true;
}

static bool read_transparency(struct picture *p, const struct bytes *chunk)
{
    if (!p->palette || chunk->size < 1 || chunk->size > p->n_colors || p->channels == 4)
        return false;
    for (size_t i = 0; i < chunk->size; i++)
        p->colors[i][3] = chunk->data[i];
    p->channels = 4;
    return true;
}

/* What stands between IHDR and IDAT: a palette and what may be skipped. */
static bool read_head(struct picture *p, const struct bytes *file, size_t *at)
{
    for (;;) {
        const struct bytes chunk = chunk_at(file, *at);
        if (!chunk.data)
            return false;
        if (is_type(&chunk, "IDAT"))
            return !p->palette || p->n_colors > 0;
        if (is_type(&chunk, "PLTE")) {
            if (p->n_colors || !read_palette(p, &chunk))
                return false;
        } else if (is_type(&chunk, "tRNS")) {
            if (!read_transparency(p, &chunk))
                return false;
        } else if (!(chunk.data[-4] & 0x20) || chunk.size > CHUNK_MAX) {
            return false;
        }
        *at += CHUNK_OVERHEAD + chunk.size;
    }
}

/* The data of all IDAT chunks, which follow each other. */
static bool gather(struct picture *p, const struct bytes *file, size_t at,
                   struct arena *arena)
{
    struct bytes chunk = chunk_at(file, at);
    uint8_t *all = NULL;

    p->data = chunk;
    while (at += CHUNK_OVERHEAD + chunk.size, chunk = chunk_at(file, at),
           chunk.data && is_type(&chunk, "IDAT")) {
        if (!all) {
            all = arena_take(arena, file->size, 1);
            if (!all)
                return false;
            memcpy(all, p->data.data, p->data.size);
            p->data.data = all;
        }
        memcpy(all + p->data.size, chunk.data, chunk.size);
        p->data.size += chunk.size;
    }
    return chunk.data != NULL; /* whatever it is: the file goes on */
}

/* ---- inflate ---- */

/* zlib holds a file to the window that its header declares, ISA-L does not: one of
 * less than 32 KiB is taken only if nothing can lie outside of it. */
static bool window_suffices(const struct bytes *zlib, size_t size)
{
    const unsigned bits = zlib->size ? zlib->data[0] >> 4 : 0;

    return bits == 7 || (bits < 7 && size <= (size_t)256 << bits);
}

/* All at once is fastest, but cannot be interrupted: 16 MiB take some 20 ms. What is
 * larger comes in pieces of that size. avail_out becomes 0 only if size bytes came. */
static int inflate_all(struct inflate_state *state, size_t size,
                       const struct parallel *parallel)
{
    enum { AT_ONCE = 16 << 20 };
    int status = ISAL_DECOMP_OK;

    state->avail_out = (uint32_t)size;
    if (size <= AT_ONCE)
        return isal_inflate_stateless(state);
    for (size_t done = 0; done < size && !status; done += AT_ONCE) {
        if (parallel_cancelled(parallel))
            return ISAL_END_INPUT;
        state->avail_out = (uint32_t)(size - done < AT_ONCE ? size - done : AT_ONCE);
        status = isal_inflate(state);
        if (state->avail_out)
            return ISAL_END_INPUT;
    }
    if (status == ISAL_DECOMP_OK && state->block_state != ISAL_BLOCK_FINISH) {
        state->avail_out = 1; /* in the slack: nothing but the end may follow */
        status = isal_inflate(state);
        state->avail_out = 1 - state->avail_out;
    }
    return status;
}

/* Exactly the rows, not a byte less or more, their checksum right. */
static bool inflate_rows(struct picture *p, const struct parallel *parallel)
{
    const size_t size = p->info->height * (1 + p->row_bytes);
    struct inflate_state state;

    if (!window_suffices(&p->data, size) || p->data.size > UINT32_MAX ||
        size > UINT32_MAX)
        return false;
    isal_inflate_init(&state);
    state.crc_flag = ISAL_ZLIB;
    state.next_in = (uint8_t *)(uintptr_t)p->data.data; /* read only */
    state.avail_in = (uint32_t)p->data.size;
    state.next_out = p->raw;
    const int status = inflate_all(&state, size, parallel);
    isal_done();
    return status == ISAL_DECOMP_OK && state.avail_out == 0 && state.avail_in == 0 &&
           state.block_state == ISAL_BLOCK_FINISH;
}

/* ---- rows ---- */

static bool filters_exist(const struct picture *p)
{
    for (size_t y = 0; y < p->info->height; y++)
        if (p->raw[y * (1 + p->row_bytes)] >= PNG_FILTERS)
            return false;
    return true;
}

static void hand_over(const struct picture *p, struct pixel_row *row,
                      const struct pixel_sink *sink)
{
    if (p->palette) {
        for (size_t x = 0; x < p->info->width; x++)
            memcpy(p->painted + x * p->channels, p->colors[row->u8[x]], 4);
        row->u8 = p->painted;
    }
    sink->read(sink->context, row);
}

/* Rows from y on; those beyond the last one are slack and unfiltered. False if none is
 * filtered at all: they are what they are then. */
static bool set_rows(const struct picture *p, size_t y, size_t n,
                     struct png_filtered *g)
{
    bool filtered = false;

    for (size_t r = 0; r < n; r++) {
        const uint8_t *in = p->raw + (y + r) * (1 + p->row_bytes);
        g->filter[r] = y + r < p->info->height ? in[0] : 0;
        g->in[r] = in + 1;
        g->out[r] = p->lines + r * p->line + PNG_FILTER_SLACK;
        filtered = filtered || g->filter[r];
    }
    return filtered;
}

static void hand_over_all(const struct picture *p, const struct pixel_sink *sink)
{
    const size_t n = png_filter_rows(p->step), height = p->info->height;
    uint8_t *zeros = p->lines + PNG_FILTER_ROWS * p->line;
    struct png_filtered g = {.above = memset(zeros, 0, p->line)};

    for (size_t y = 0; y < height && !parallel_cancelled(sink->parallel); y += n) {
        const bool filtered = set_rows(p, y, n, &g);
        const uint8_t *const *from = filtered ? (const uint8_t *const *)g.out : g.in;
        if (filtered)
            png_filter_undo(&g, p->info->width, p->step);
        for (size_t r = 0; r < n && y + r < height; r++) {
            struct pixel_row row = {y + r, p->channels, from[r], NULL};
            hand_over(p, &row, sink);
        }
        g.above = from[n - 1];
    }
}

static bool set_kind(struct picture *p, const struct bytes *file)
{
    static const uint8_t steps[7] = {1, 0, 3, 1, 2, 0, 4};
    const uint8_t *ihdr = file->data + IHDR_DATA;

    if (ihdr[8] != 8 || ihdr[12] != 0 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return false;
    p->palette = ihdr[9] == COLOR_PALETTE;
    p->step = steps[ihdr[9]];
    p->channels = p->palette ? 3 : p->step;
    p->row_bytes = p->info->width * p->step;
    p->line = 4 * p->info->width + 2 * PNG_FILTER_SLACK;
    for (size_t i = 0; i < 256; i++)
        p->colors[i][3] = 255;
    return true;
}

static bool take_memory(struct picture *p, struct arena *arena)
{
    const size_t rows = p->info->height + PNG_FILTER_ROWS;
    uint8_t *raw =
        arena_take(arena, rows * (1 + p->row_bytes) + 2 * PNG_FILTER_SLACK, 1);

    p->lines = arena_take(arena, PNG_FILTER_ROWS + 1, p->line);
    p->painted = arena_take(arena, 1, p->line);
    p->raw = raw ? raw + PNG_FILTER_SLACK : NULL;
    return raw && p->lines && p->painted;
}

bool png_fast_decode(const struct bytes *file, const struct image_info *info,
                     const struct pixel_sink *sink, struct arena *arena)
{
    const size_t mark = arena->used;
    struct picture p = {.info = info};
    size_t at = IHDR_DATA + 13 + 4;

    const bool taken = set_kind(&p, file) && read_head(&p, file, &at) &&
                       gather(&p, file, at, arena) && take_memory(&p, arena) &&
                       inflate_rows(&p, sink->parallel) && filters_exist(&p);
    if (taken)
        hand_over_all(&p, sink);
    arena_rewind(arena, mark);
    return taken;
}

double png_fast_bytes(const struct image_info *info)
{
    const double row = 1 + (double)info->width * (double)(info->channels + info->alpha);
    const double line = 4 * (double)info->width + 2 * PNG_FILTER_SLACK;

    if (info->bit_depth != 8 || info->buffered)
        return 0;
    return (double)info->file_size + ((double)info->height + PNG_FILTER_ROWS) * row +
           (PNG_FILTER_ROWS + 2) * line + 2 * PNG_FILTER_SLACK + 4 * 2 * ARENA_ALIGN;
}
