/*
 * test_png_fast.c - the decoder of common PNG files against libpng, on files made here
 * byte by byte: every filter on every type of any size, and damaged ones. A file's last
 * byte lies before an unmapped page, for ISA-L is out of the sanitizers' sight.
 */
#include "tests/unit/codec.h"

#include <isa-l/crc.h>

#include "api/buffer.h"
#include "api/deflate.h"
#include "api/png.h"
#include "api/png_fast.h"

enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGBA = 6, ANY_FILTER = 5 };

struct recipe {
    int type;
    size_t width, height;
    int filter;         /* of every row, or ANY_FILTER */
    size_t idat;        /* bytes of an IDAT chunk at most */
    size_t transparent; /* entries of the palette */
    size_t extra;       /* bytes inflated beyond the rows */
};

static struct arena arena;
static uint64_t seed = 7;

static unsigned random_below(unsigned n)
{
    return (unsigned)(generate_uniform(&seed) * n);
}

static void add_chunk(struct buffer *out, const char *type, const void *data, size_t n)
{
    unsigned char head[4], crc[4];

    png_save_uint_32(head, (png_uint_32)n);
    buffer_append(out, head, 4);
    const size_t start = out->size;
    buffer_append(out, type, 4);
    buffer_append(out, data, n);
    png_save_uint_32(crc, crc32_gzip_refl(0, out->bytes + start, n + 4));
    buffer_append(out, crc, 4);
}

/* A zlib stream of one part. */
static struct buffer deflated(const uint8_t *bytes, size_t n, int level)
{
    const uint32_t adler = deflate_adler(bytes, n);
    unsigned char tail[DEFLATE_TRAILER];
    struct buffer out;

    arena_reset(&arena, 8 << 20);
    void *work = arena_take(&arena, 1, deflate_work_bytes(level));
    buffer_init(&out, 64 << 20);
    buffer_append(&out, deflate_header, DEFLATE_HEADER);
    unsigned char *to = buffer_reserve(&out, deflate_bound(n));
    out.size += deflate_part(level, bytes, n, true, work, to);
    png_save_uint_32(tail, adler);
    buffer_append(&out, tail, sizeof tail);
    return out;
}

/* Any bytes are rows of something; smooth ones make the filters' choices matter. */
static struct buffer deflated_rows(const struct recipe *r)
{
    static const size_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
    const size_t row = 1 + r->width * samples[r->type], n = row * r->height + r->extra;
    uint8_t *rows = malloc(n);

    for (size_t i = 0; i < n; i++)
        rows[i] = (uint8_t)(random_below(4) ? random_below(9) : random_below(256));
    for (size_t y = 0; y < r->height; y++)
        rows[y * row] =
            (uint8_t)(r->filter == ANY_FILTER ? random_below(5) : (unsigned)r->filter);
    const struct buffer out = deflated(rows, n, (int)random_below(10));
    free(rows);
    return out;
}

static struct buffer write_png(const struct recipe *r)
{
    unsigned char ihdr[13] = {0}, colors[768];
    struct buffer out, data = deflated_rows(r);

    png_save_uint_32(ihdr, (png_uint_32)r->width);
    png_save_uint_32(ihdr + 4, (png_uint_32)r->height);
    ihdr[8] = 8;
    ihdr[9] = (unsigned char)r->type;
    for (size_t i = 0; i < sizeof colors; i++)
        colors[i] = (unsigned char)random_below(256);
    buffer_init(&out, 64 << 20);
    buffer_append(&out, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(&out, "IHDR", ihdr, sizeof ihdr);
    add_chunk(&out, "tEXt", "Title\0x", 7);
    if (r->type == PALETTE)
        add_chunk(&out, "PLTE", colors, sizeof colors);
    if (r->transparent)
        add_chunk(&out, "tRNS", colors + 100, r->transparent);
    for (size_t at = 0; at < data.size; at += r->idat)
        add_chunk(&out, "IDAT", data.bytes + at,
                  data.size - at < r->idat ? data.size - at : r->idat);
    add_chunk(&out, "IEND", "", 0);
    cr_assert(!out.failed && !data.failed);
    buffer_release(&data);
    return out;
}

/* The rows as RGBA, as the second opinion has them. */
struct rgba {
    unsigned char *to;
    size_t width, rows;
};

static void keep_row(void *context, const struct pixel_row *row)
{
    struct rgba *kept = context;
    const size_t colors = row->channels < 3 ? 1 : 3;

    cr_assert_eq(row->y, kept->rows++);
    for (size_t x = 0; x < kept->width; x++) {
        const uint8_t *pixel = row->u8 + x * row->channels;
        unsigned char *to = kept->to + 4 * (row->y * kept->width + x);
        to[0] = pixel[0];
        to[1] = pixel[colors / 2];
        to[2] = pixel[colors - 1];
        to[3] = row->channels > colors ? pixel[colors] : 255;
    }
}

/* A copy of n bytes that ends at an unmapped page, where the one before was. */
static struct bytes guarded(const unsigned char *bytes, size_t n)
{
    static unsigned char *end;
    const size_t size = 1 << 20;

    if (!end) {
        unsigned char *base = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(base, MAP_FAILED);
        end = base + size;
        cr_assert_eq(mprotect(end, 4096, PROT_NONE), 0);
    }
    return (struct bytes){memcpy(end - n, bytes, n), n};
}

static unsigned char pixels[4 * 200 * 200];

/* False if it is declined; else its pixels are there. */
static bool take(const unsigned char *bytes, size_t n)
{
    const struct bytes file = guarded(bytes, n);
    struct image_info info;
    struct error err;

    error_init(&err);
    if (!png_codec.recognise(&file) || !png_codec.probe(&file, &info, &err) ||
        info.width > 200 || info.height > 200)
        return false;
    struct rgba kept = {pixels, info.width, 0};
    const struct pixel_sink sink = {keep_row, &kept, &parallel_serial};
    arena_reset(&arena, 8 << 20);
    const bool taken = png_fast_decode(&file, &info, &sink, &arena);
    cr_assert_eq(arena.used, 0);
    cr_assert_leq((double)arena.peak, png_codec.bytes(&info));
    cr_assert_eq(kept.rows, taken ? info.height : 0);
    return taken;
}

/* True if libpng's simplified reader sees the same pixels; refused tells if none. */
static bool libpng_agrees(const struct buffer *file, bool *refused)
{
    static unsigned char other[sizeof pixels];
    png_image image = {.version = PNG_IMAGE_VERSION};

    *refused = !png_image_begin_read_from_memory(&image, file->bytes, file->size);
    image.format = PNG_FORMAT_RGBA;
    *refused = *refused || !png_image_finish_read(&image, NULL, other, 0, NULL);
    return !*refused && memcmp(other, pixels, PNG_IMAGE_SIZE(image)) == 0;
}

static void init(void)
{
    arena = new_arena(8 << 20);
}
TestSuite(png_fast, .init = init);

Test(png_fast, every_filter_on_every_type_gives_libpngs_pixels)
{
    static const int types[] = {GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA};
    static const size_t widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 31, 100};

    for (size_t i = 0; i < 5 * 10 * 6 * 12; i++) {
        const struct recipe r = {
            .type = types[i % 5],
            .width = widths[i / 5 % 10],
            .height = 1 + i / 50 % 12,
            .filter = (int)(i / 600 % 6),
            .idat = i % 3 ? 1 + random_below(300) : 1 << 20,
            .transparent = types[i % 5] == PALETTE ? random_below(257) : 0,
        };
        struct buffer file = write_png(&r);
        bool refused;
        cr_assert(take(file.bytes, file.size) && libpng_agrees(&file, &refused),
                  "type %d, %zux%zu, filter %d", r.type, r.width, r.height, r.filter);
        buffer_release(&file);
    }
}

static size_t idat_of(const struct buffer *file)
{
    size_t at = 0;

    while (memcmp(file->bytes + at, "IDAT", 4) != 0)
        at++;
    return at;
}

Test(png_fast, what_is_not_flawless_is_declined)
{
    const struct recipe good = {RGB, 9, 7, ANY_FILTER, 1 << 20, 0, 0};
    struct recipe recipe = good;
    struct buffer file = write_png(&good);

    for (size_t n = 0; n < file.size; n++) /* but the end of IEND */
        cr_assert_not(take(file.bytes, n), "%zu of %zu bytes", n, file.size);
    for (size_t at = 8; at < file.size; at++) {
        file.bytes[at] ^= 0x20;
        cr_assert_not(take(file.bytes, file.size), "byte %zu", at);
        file.bytes[at] ^= 0x20;
    }
    buffer_release(&file);

    recipe.extra = 1;
    file = write_png(&recipe);
    cr_assert_not(take(file.bytes, file.size), "too many rows");
    buffer_release(&file);
    recipe = good;
    recipe.filter = 6;
    file = write_png(&recipe);
    cr_assert_not(take(file.bytes, file.size), "no such filter");
    buffer_release(&file);
    recipe = good;
    recipe.transparent = 6;
    file = write_png(&recipe);
    cr_assert_not(take(file.bytes, file.size), "tRNS of RGB is libpng's");
    buffer_release(&file);
}

static bool count_down(void *self)
{
    size_t *left = self;

    return *left == 0 || --*left == 0;
}

/* What is inflated in pieces, as it has more than 16 MiB: the same as libpng's. */
Test(png_fast, large_pictures_are_inflated_in_pieces)
{
    const struct recipe good = {RGBA, 2100, 2100, ANY_FILTER, 1 << 20, 0, 0};
    struct arena large = new_arena(128 << 20);
    png_image image = {.version = PNG_IMAGE_VERSION};
    unsigned char *seen = malloc(4 * good.width * good.height);
    unsigned char *other = malloc(4 * good.width * good.height);
    size_t left = 4;
    const struct parallel impatient = {.cancelled = count_down, .self = &left};

    for (size_t extra = 0; extra < 2; extra++) {
        struct recipe recipe = good;
        recipe.extra = extra;
        struct buffer made = write_png(&recipe);
        const struct bytes file = {made.bytes, made.size};
        struct rgba kept = {seen, good.width, 0};
        struct pixel_sink sink = {keep_row, &kept, &parallel_serial};
        struct image_info info;
        struct error err;
        cr_assert(png_codec.probe(&file, &info, &err));
        cr_assert_eq(png_fast_decode(&file, &info, &sink, &large), !extra);
        cr_assert_eq(kept.rows, extra ? 0 : good.height);
        if (!extra) {
            cr_assert(png_image_begin_read_from_memory(&image, file.data, file.size));
            image.format = PNG_FORMAT_RGBA;
            cr_assert(png_image_finish_read(&image, NULL, other, 0, NULL));
            cr_assert_arr_eq(seen, other, PNG_IMAGE_SIZE(image));
            sink.parallel = &impatient;
            kept.rows = 0;
            error_init(&err);
            cr_assert_not(png_codec.decode(&file, &info, &sink, &large, &err));
            cr_assert_eq(err.code, ERROR_CLIENT_CLOSED);
            cr_assert_lt(kept.rows, 20);
        }
        buffer_release(&made);
    }
    free(seen);
    free(other);
    arena_release(&large);
}

/* zlib refuses what reaches back further than the window that is declared. */
Test(png_fast, a_small_window_is_taken_only_for_small_pictures)
{
    for (size_t side = 10; side <= 20; side += 10) {
        const struct recipe r = {GRAY, side, side, 0, 1 << 20, 0, 0};
        struct buffer file = write_png(&r);
        unsigned char *idat = file.bytes + idat_of(&file);
        const size_t n = png_get_uint_32(idat - 4);
        idat[4] = 0x08; /* 256 bytes */
        idat[5] = 0x1d;
        png_save_uint_32(idat + 4 + n, crc32_gzip_refl(0, idat, n + 4));
        cr_assert_eq(take(file.bytes, file.size), side == 10);
        buffer_release(&file);
    }
}

/* With its CRC mended, a mutation reaches the inflater and the filters. What is taken
 * then is still what libpng sees; or it refuses code tables that nothing uses, and the
 * data is the old one, by its own checksum. */
Test(png_fast, mutations_are_declined_or_harmless)
{
    static const int types[] = {GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA};
    static unsigned char before[sizeof pixels];
    size_t n_taken = 0;

    for (int i = 0; i < 100; i++) {
        const struct recipe r = {types[i % 5], 6, 5, ANY_FILTER, 1 << 20, 0, 0};
        struct buffer file = write_png(&r);
        const size_t at = idat_of(&file), n = png_get_uint_32(file.bytes + at - 4);
        cr_assert(take(file.bytes, file.size));
        memcpy(before, pixels, sizeof pixels);
        for (int round = 0; round < 300; round++) {
            struct buffer copy;
            bool refused;
            buffer_init(&copy, 1 << 20);
            buffer_append(&copy, file.bytes, file.size);
            for (unsigned k = 0; k <= random_below(3); k++)
                copy.bytes[at + 4 + random_below((unsigned)n)] ^=
                    (unsigned char)(1 << random_below(8));
            png_save_uint_32(copy.bytes + at + 4 + n,
                             crc32_gzip_refl(0, copy.bytes + at, n + 4));
            if (take(copy.bytes, copy.size)) {
                n_taken++;
                cr_assert(libpng_agrees(&copy, &refused) ||
                          (refused && memcmp(pixels, before, 4 * 6 * 5) == 0));
            }
            buffer_release(&copy);
        }
        buffer_release(&file);
    }
    cr_assert_lt(n_taken, 600, "%zu of 30000", n_taken);
}
