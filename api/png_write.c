/*
 * png_write.c - rows of samples become PNG files.
 *
 * A file is cut into parts of some 128 KiB of rows. Each part becomes an IDAT chunk of
 * its own, wherever there is room for the worst case; then the parts are moved together
 * and the ends are written that need them all. Where the cuts are depends on the file
 * alone, so its bytes do. libpng writes the head (png_head.h).
 *
 * Of PNG's filters a part has none, which suits what is mostly of one value, or
 * Paeth's, which suits smooth pictures best among the others; some of its rows tell
 * which.
 */
#include "api/png.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include "api/deflate.h"
#include "api/isal.h"
#include "api/png_filter.h"
#include "api/png_head.h"

enum {
    PART = 128 << 10, /* bytes of rows; up to half more in a single part */
    SAMPLES = 8,      /* rows of a part that are looked at */
    CHUNK_HEAD = 8,   /* length and type; behind the data stands the CRC */
    CHUNK_TAIL = 4,
    ENDS = PNG_HEAD_MAX + CHUNK_HEAD + CHUNK_TAIL, /* what is no IDAT */
    PIXEL_MAX = 4,
};

/* ---- chunks ---- */

static void put_number(uint8_t *to, uint32_t number)
{
    number = htobe32(number);
    memcpy(to, &number, sizeof number);
}

/* Close a chunk of n bytes, which stand behind the room for its head. Returns its end.
 */
static uint8_t *close_chunk(uint8_t *chunk, const char type[5], size_t n)
{
    put_number(chunk, (uint32_t)n);
    memcpy(chunk + 4, type, 4);
    put_number(chunk + CHUNK_HEAD + n, isal_crc(chunk + 4, 4 + n));
    return chunk + CHUNK_HEAD + n + CHUNK_TAIL;
}

/* ---- parts ---- */

struct part {
    const struct png_file *file;
    size_t y, rows;
    bool last;
    uint8_t *chunk; /* an IDAT without its length and CRC */
    size_t size;    /* of the data in it */
    uint32_t adler; /* of the rows */
};

static size_t pixel_bits(const struct png_encoding *e)
{
    static const size_t channels[] = {
        [PNG_GRAY] = 1, [PNG_PALETTE] = 1, [PNG_RGB] = 3, [PNG_RGBA] = 4};

    return channels[e->color] * (size_t)e->bit_depth;
}

/* Of the file: behind the number of its filter. */
static size_t row_bytes(const struct png_encoding *e)
{
    return (e->width * pixel_bits(e) + 7) / 8;
}

static size_t count_parts(size_t row, size_t height)
{
    const size_t n = ((1 + row) * height + PART / 2) / PART;

    return n < 1 ? 1 : n < height ? n : height;
}

/* Rows of the largest part. */
static size_t most_rows(size_t row, size_t height)
{
    const size_t n = count_parts(row, height);

    return (height + n - 1) / n;
}

static size_t part_bound(size_t row, size_t rows)
{
    return CHUNK_HEAD + DEFLATE_HEADER + deflate_bound(rows * (1 + row)) +
           DEFLATE_TRAILER + CHUNK_TAIL;
}

double png_file_bytes(double row, double height)
{
    const double raw = (row + 1) * height;
    const double parts = raw / (PART / 2) + 2;

    return ENDS + raw * (1 + 5.0 / 65535) +
           parts * ((double)part_bound(0, 0) + sizeof(struct part)) + 4 * ARENA_ALIGN;
}

/* ---- rows ---- */

/* Where a part is prepared: the lines are two rows without a filter, each behind
 * zeros. They come last, behind what is deflated. */
_Static_assert(2 * ARENA_ALIGN >= DEFLATE_BEYOND, "lines are read beyond the rows");
struct bench {
    uint8_t *lines[2];
    uint8_t *rows; /* of the whole part, filtered, each behind its filter */
    void *work;    /* of deflate.h */
};

static size_t align(size_t n)
{
    return n + -n % ARENA_ALIGN;
}

static size_t line_bytes(size_t row)
{
    return align(PIXEL_MAX + row);
}

static size_t bench_bytes(size_t row, size_t height, int level)
{
    return 2 * line_bytes(row) + align(most_rows(row, height) * (1 + row)) +
           align(deflate_work_bytes(level));
}

double png_scratch_bytes(double row, double height, int level, size_t slots)
{
    const double rows = fmin((row + 1) * height, 1.5 * PART + row + 1);

    return PNG_HEAD_BYTES +
           (double)slots * (2 * (row + PIXEL_MAX) + rows +
                            (double)deflate_work_bytes(level) + 5 * ARENA_ALIGN);
}

static struct bench bench_at(uint8_t *memory, const struct png_encoding *e)
{
    const size_t row = row_bytes(e), line = line_bytes(row);
    uint8_t *const rows = memory + align(deflate_work_bytes(e->level));
    uint8_t *const lines = rows + align(most_rows(row, e->height) * (1 + row));
    const struct bench b = {
        .lines = {lines + PIXEL_MAX, lines + line + PIXEL_MAX},
        .rows = rows,
        .work = memory,
    };

    memset(b.lines[0] - PIXEL_MAX, 0, PIXEL_MAX);
    memset(b.lines[1] - PIXEL_MAX, 0, PIXEL_MAX);
    return b;
}

/* A row into one of the lines; above the first one there are zeros. */
static const uint8_t *read_line(const struct part *p, const struct bench *b, size_t y,
                                size_t line)
{
    const struct png_file *file = p->file;

    if (y == SIZE_MAX)
        memset(b->lines[line], 0, row_bytes(&file->encoding));
    else
        file->write(file->context, y, b->lines[line]);
    return b->lines[line];
}

static void filter(const struct part *p, uint8_t *to, const uint8_t *row,
                   const uint8_t *above)
{
    const struct png_encoding *e = &p->file->encoding;

    png_filter_paeth(to, row, above, row_bytes(e), pixel_bits(e) / 8);
}

/* 256 times the logarithm to the base of 2, to a hundredth. */
static uint64_t logarithm(uint32_t x)
{
    const unsigned exponent = 31 - (unsigned)__builtin_clz(x);
    const uint32_t f = (uint32_t)(((uint64_t)x << 8 >> exponent) & 255);

    return (exponent << 8) + f + (f * (256 - f) * 88 >> 16);
}

/* The more, the fewer bits their Huffman code takes: the sum of n log n. */
static uint64_t evenness(const uint32_t counts[256])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < 256; i++)
        if (counts[i] > 1)
            sum += counts[i] * logarithm(counts[i]);
    return sum;
}

static void count(uint32_t counts[256], const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        counts[bytes[i]]++;
}

/* Samples of less than a byte and few rows are left as they are. */
static bool should_filter(const struct part *p, const struct bench *b)
{
    const struct png_encoding *e = &p->file->encoding;
    const size_t samples = p->rows < SAMPLES ? p->rows : SAMPLES, row = row_bytes(e);
    uint32_t plain[256] = {0}, filtered[256] = {0};

    if (e->bit_depth < 8)
        return false;
    for (size_t i = 0; i < samples; i++) {
        const size_t y = p->y + (2 * i + 1) * p->rows / (2 * samples);
        const uint8_t *above = read_line(p, b, y - 1, 0);
        const uint8_t *line = read_line(p, b, y, 1);
        filter(p, b->rows, line, above);
        count(plain, line, row);
        count(filtered, b->rows, row);
    }
    return evenness(filtered) > evenness(plain);
}

/* All rows of the part; returns their size. */
static size_t prepare(const struct part *p, const struct bench *b)
{
    const size_t row = row_bytes(&p->file->encoding);
    const bool filtered = should_filter(p, b);
    uint8_t *to = b->rows;

    if (filtered)
        read_line(p, b, p->y - 1, (p->y + 1) % 2);
    for (size_t y = p->y; y < p->y + p->rows; y++, to += row) {
        *to++ = filtered ? PNG_FILTER_PAETH : 0;
        if (filtered)
            filter(p, to, read_line(p, b, y, y % 2), b->lines[(y + 1) % 2]);
        else
            p->file->write(p->file->context, y, to);
    }
    return (size_t)(to - b->rows);
}

struct press {
    struct part *parts;
    uint8_t *benches;
    size_t bench_bytes;
};

static void press_part(void *context, size_t i, size_t slot)
{
    const struct press *press = context;
    struct part *p = &press->parts[i];
    const struct png_encoding *e = &p->file->encoding;
    const struct bench b = bench_at(press->benches + slot * press->bench_bytes, e);
    const size_t n = prepare(p, &b), header = p->y == 0 ? DEFLATE_HEADER : 0;
    uint8_t *data = p->chunk + CHUNK_HEAD;

    p->adler = deflate_adler(b.rows, n);
    memcpy(data, deflate_header, header);
    p->size =
        header + deflate_part(e->level, b.rows, n, p->last, b.work, data + header);
}

/* ---- files ---- */

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for a PNG");
}

static size_t count_file_parts(const struct png_file *file)
{
    return count_parts(row_bytes(&file->encoding), file->encoding.height);
}

/* The file's head, and behind it room for its parts. */
static bool lay_out(struct png_file *file, struct part *parts, struct arena *arena,
                    struct error *err)
{
    const struct png_encoding *e = &file->encoding;
    const size_t row = row_bytes(e), n = count_parts(row, e->height);
    size_t bound = ENDS;

    for (size_t i = 0; i < n; i++) {
        const size_t y = e->height * i / n, rows = e->height * (i + 1) / n - y;
        parts[i] =
            (struct part){.file = file, .y = y, .rows = rows, .last = i == n - 1};
        bound += part_bound(row, rows);
    }
    uint8_t *memory = arena_take(arena, 1, bound);
    if (!memory)
        return no_memory(err);
    uint8_t *chunk = png_write_head(memory, e, arena, err);
    if (!chunk)
        return false;
    for (size_t i = 0; i < n; chunk += part_bound(row, parts[i++].rows))
        parts[i].chunk = chunk;
    file->bytes.data = memory;
    return true;
}

/* The parts become one file. */
static void join(struct png_file *file, const struct part *parts)
{
    const size_t row = row_bytes(&file->encoding), n = count_file_parts(file);
    uint8_t *to = parts[0].chunk;
    uint32_t adler = 1;

    for (size_t i = 0; i < n; i++) {
        size_t size = parts[i].size;
        memmove(to, parts[i].chunk, CHUNK_HEAD + size);
        adler = deflate_adler_join(adler, parts[i].adler, parts[i].rows * (1 + row));
        if (parts[i].last) {
            put_number(to + CHUNK_HEAD + size, adler);
            size += DEFLATE_TRAILER;
        }
        to = close_chunk(to, "IDAT", size);
    }
    to = close_chunk(to, "IEND", 0);
    file->bytes.size = (size_t)(to - file->bytes.data);
}

/* The widest of what the files need. */
static size_t bench_for(const struct png_file *files, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        const struct png_encoding *e = &files[i].encoding;
        const size_t bytes = bench_bytes(row_bytes(e), e->height, e->level);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static bool press_all(struct press *press, size_t n_parts,
                      const struct parallel *parallel, struct arena *arena,
                      struct error *err)
{
    const size_t mark = arena->used;

    press->benches = arena_take(arena, parallel->width, press->bench_bytes);
    if (!press->benches)
        return no_memory(err);
    parallel->run(parallel->self, n_parts, press_part, press);
    arena_rewind(arena, mark);
    return !parallel->cancelled(parallel->self) ||
           error_set(err, ERROR_CLIENT_CLOSED, "cancelled while encoding");
}

bool png_write(struct png_file *files, size_t n, const struct parallel *parallel,
               struct arena *arena, struct error *err)
{
    struct press press = {.bench_bytes = bench_for(files, n)};
    size_t n_parts = 0;

    for (size_t i = 0; i < n; i++)
        n_parts += count_file_parts(&files[i]);
    press.parts = arena_take(arena, n_parts, sizeof *press.parts);
    if (!press.parts)
        return no_memory(err);
    struct part *parts = press.parts;
    for (size_t i = 0; i < n; parts += count_file_parts(&files[i++]))
        if (!lay_out(&files[i], parts, arena, err))
            return false;
    if (!press_all(&press, n_parts, parallel, arena, err))
        return false;
    parts = press.parts;
    for (size_t i = 0; i < n; parts += count_file_parts(&files[i++]))
        join(&files[i], parts);
    return true;
}

bool png_encode(struct buffer *out, const struct png_encoding *encoding,
                png_row_writer *write, const void *context,
                const struct parallel *parallel, struct arena *arena, struct error *err)
{
    const size_t mark = arena->used;
    struct png_file file = {*encoding, write, context, {NULL, 0}};
    const bool done = png_write(&file, 1, parallel, arena, err);

    if (done)
        buffer_append(out, file.bytes.data, file.bytes.size);
    arena_rewind(arena, mark);
    return done;
}
