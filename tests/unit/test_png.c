/*
 * test_png.c - PNG files of every kind, made here by libpng's own writer from random
 * samples, against the definition of what they show; and hostile ones.
 */
#include "tests/unit/codec.h"

#include "api/buffer.h"
#include "api/png.h"

enum { MAX_SIDE = 40, MAX_SAMPLES = MAX_SIDE * MAX_SIDE * 4 };

/* A file, and the samples that it stores. */
struct sample_file {
    int color_type, depth, interlaced, trns;
    size_t width, height, channels;
    uint16_t samples[MAX_SAMPLES];
    png_color palette[256];
    png_byte palette_alpha[256];
    png_color_16 key;
    struct buffer bytes;
};

static void append(png_structp png, png_bytep bytes, size_t n)
{
    buffer_append(png_get_io_ptr(png), bytes, n);
}

static void flush(png_structp png)
{
    (void)png;
}

static size_t channels_of(int color_type)
{
    return (color_type & PNG_COLOR_MASK_COLOR && color_type != PNG_COLOR_TYPE_PALETTE
                ? 3
                : 1) +
           (color_type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

static void invent(struct sample_file *f, uint64_t seed)
{
    const int span = 1 << f->depth;

    f->channels = channels_of(f->color_type);
    for (size_t i = 0; i < f->width * f->height * f->channels; i++)
        f->samples[i] = (uint16_t)(generate_uniform(&seed) * span);
    for (int i = 0; i < 256; i++) {
        f->palette[i] = (png_color){(png_byte)(generate_uniform(&seed) * 256),
                                    (png_byte)(generate_uniform(&seed) * 256),
                                    (png_byte)(generate_uniform(&seed) * 256)};
        f->palette_alpha[i] = (png_byte)(generate_uniform(&seed) * 256);
    }
    /* The colour of the first pixel is the transparent one. */
    f->key = (png_color_16){.gray = f->samples[0],
                            .red = f->samples[0],
                            .green = f->samples[1],
                            .blue = f->samples[2]};
}

static void pack_row(const struct sample_file *f, size_t y, png_byte *row)
{
    const size_t n = f->width * f->channels;
    const uint16_t *from = f->samples + y * n;

    memset(row, 0, MAX_SIDE * 8);
    for (size_t i = 0; i < n; i++) {
        const size_t bit = i * (size_t)f->depth;
        if (f->depth == 16) {
            row[2 * i] = (png_byte)(from[i] >> 8);
            row[2 * i + 1] = (png_byte)from[i];
        } else {
            row[bit / 8] |= (png_byte)(from[i] << (8 - (size_t)f->depth - bit % 8));
        }
    }
}

static void write_sample(struct sample_file *f)
{
    static png_byte rows[MAX_SIDE][MAX_SIDE * 8];
    png_bytep pointers[MAX_SIDE];
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);

    buffer_init(&f->bytes, 1 << 20);
    png_set_write_fn(png, &f->bytes, append, flush);
    png_set_IHDR(png, info, (png_uint_32)f->width, (png_uint_32)f->height, f->depth,
                 f->color_type, f->interlaced, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_gAMA(png, info, 1.0); /* to be ignored */
    if (f->color_type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, f->palette, 1 << f->depth);
    if (f->trns)
        png_set_tRNS(png, info, f->palette_alpha, 1 << (f->depth < 8 ? f->depth : 8),
                     &f->key);
    for (size_t y = 0; y < f->height; y++) {
        pack_row(f, y, rows[y]);
        pointers[y] = rows[y];
    }
    png_write_info(png, info);
    png_write_image(png, pointers);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    cr_assert(!f->bytes.failed);
}

/* What channel c of pixel i is by the specification: 8 or 16 bits, gray or RGB, then
 * alpha. */
static unsigned defined_sample(const struct sample_file *f, size_t i, size_t c)
{
    const uint16_t *s = f->samples + i * f->channels;
    const unsigned top = f->depth == 16 ? 65535 : 255;
    const bool gray = !(f->color_type & PNG_COLOR_MASK_COLOR);

    if (f->color_type == PNG_COLOR_TYPE_PALETTE) {
        const png_color *p = &f->palette[s[0]];
        return c == 0   ? p->red
               : c == 1 ? p->green
               : c == 2 ? p->blue
                        : f->palette_alpha[s[0]];
    }
    if (c < (gray ? 1 : 3) || f->color_type & PNG_COLOR_MASK_ALPHA)
        return f->depth < 8 ? s[c] * 255u / ((1u << f->depth) - 1) : s[c];
    const bool key =
        gray ? s[0] == f->key.gray
             : s[0] == f->key.red && s[1] == f->key.green && s[2] == f->key.blue;
    return key ? 0 : top;
}

struct check {
    const struct sample_file *file;
    size_t rows;
};

static void check_row(void *context, const struct pixel_row *row)
{
    struct check *check = context;
    const struct sample_file *f = check->file;
    const size_t colors = f->color_type & PNG_COLOR_MASK_COLOR ? 3 : 1;

    cr_assert_eq(row->y, check->rows++);
    cr_assert_eq(row->channels,
                 colors + (f->trns || f->color_type & PNG_COLOR_MASK_ALPHA));
    cr_assert_eq(row->u16 != NULL, f->depth == 16);
    for (size_t x = 0; x < f->width; x++)
        for (size_t c = 0; c < row->channels; c++) {
            const size_t at = x * row->channels + c;
            const unsigned sample = row->u16 ? row->u16[at] : row->u8[at];
            cr_assert_eq(sample, defined_sample(f, row->y * f->width + x, c),
                         "type %d depth %d interlaced %d: x %zu y %zu c %zu is %u",
                         f->color_type, f->depth, f->interlaced, x, row->y, c, sample);
        }
}

static void check_decode(struct sample_file *f, uint64_t seed)
{
    struct arena arena = new_arena(4 << 20);
    struct check check = {f, 0};
    const struct pixel_sink sink = {check_row, &check, &parallel_serial};
    struct image_info header;
    struct error err;

    invent(f, seed);
    write_sample(f);
    const struct bytes file = {f->bytes.bytes, f->bytes.size};
    error_init(&err);
    cr_assert(png_codec.recognise(&file));
    cr_assert(png_codec.probe(&file, &header, &err), "%s", err.detail);
    cr_assert_eq(header.width, f->width);
    cr_assert_eq(header.height, f->height);
    cr_assert_eq(header.bit_depth, f->depth);
    cr_assert_eq(header.buffered, f->interlaced);
    cr_assert_eq(header.channels, f->color_type & PNG_COLOR_MASK_COLOR ? 3 : 1);
    cr_assert_eq(header.alpha, f->trns || f->color_type & PNG_COLOR_MASK_ALPHA);
    cr_assert(png_codec.decode(&file, &header, &sink, &arena, &err), "%s", err.detail);
    cr_assert_eq(check.rows, f->height);
    cr_assert_eq(arena.used, 0);
    cr_assert_leq((double)arena.peak, png_codec.bytes(&header));
    buffer_release(&f->bytes);
    arena_release(&arena);
}

static const struct {
    int color_type, depths, trns;
} kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1 | 2 | 4 | 8 | 16, 1},
    {PNG_COLOR_TYPE_RGB, 8 | 16, 1},
    {PNG_COLOR_TYPE_PALETTE, 1 | 2 | 4 | 8, 1},
    {PNG_COLOR_TYPE_GA, 8 | 16, 0},
    {PNG_COLOR_TYPE_RGBA, 8 | 16, 0},
};

Test(png, every_type_depth_and_interlace_is_decoded)
{
    static const size_t sizes[][2] = {{1, 1}, {5, 3}, {33, 40}};
    static struct sample_file f;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int depth = 1; depth <= 16; depth *= 2)
            for (int i = 0; kinds[k].depths & depth && i < 12; i++) {
                f.color_type = kinds[k].color_type;
                f.depth = depth;
                f.interlaced = i % 2;
                f.trns = i / 2 % 2 && kinds[k].trns;
                f.width = sizes[i / 4][0];
                f.height = sizes[i / 4][1];
                check_decode(&f, (uint64_t)(k * 1000 + (size_t)depth * 20) + (size_t)i);
            }
}

static void ignore_row(void *context, const struct pixel_row *row)
{
    (void)context;
    (void)row;
}

static const struct pixel_sink ignored = {ignore_row, NULL, &parallel_serial};

/* Probe and decode; false with an error, and memory within what was foretold. */
static bool read_whole(const struct bytes *file, struct arena *arena, struct error *err)
{
    struct image_info header;

    error_init(err);
    arena_reset(arena, 8 << 20);
    if (!png_codec.recognise(file)) {
        err->code = ERROR_IMAGE_UNDECODABLE;
        return false;
    }
    if (!png_codec.probe(file, &header, err))
        return false;
    if (header.width > 100 || header.height > 100)
        return error_set(err, ERROR_IMAGE_UNDECODABLE, "too large for this test");
    const bool done = png_codec.decode(file, &header, &ignored, arena, err);
    cr_assert_leq((double)arena->peak, png_codec.bytes(&header));
    return done;
}

static void make_sample(struct sample_file *f, int color_type, int depth,
                        int interlaced)
{
    f->color_type = color_type;
    f->depth = depth;
    f->interlaced = interlaced;
    f->trns = color_type == PNG_COLOR_TYPE_PALETTE;
    f->width = 9;
    f->height = 11;
    invent(f, 5);
    write_sample(f);
}

Test(png, a_file_cut_anywhere_is_refused)
{
    static struct sample_file f;
    struct arena arena = new_arena(8 << 20);
    struct error err;

    for (int interlaced = 0; interlaced < 2; interlaced++) {
        make_sample(&f, PNG_COLOR_TYPE_PALETTE, 4, interlaced);
        for (size_t n = 8; n < f.bytes.size; n++) {
            const struct bytes part = exact_copy(f.bytes.bytes, n);
            const bool done = read_whole(&part, &arena, &err);
            /* IEND, 12 bytes, is not missed. */
            cr_assert_eq(done, n >= f.bytes.size - 12, "%zu of %zu bytes", n,
                         f.bytes.size);
            if (!done)
                cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE);
            free_file(part);
        }
        buffer_release(&f.bytes);
    }
    arena_release(&arena);
}

/* A flipped bit is seen by a checksum; what is not a picture's matter is skipped. */
Test(png, a_flipped_bit_never_harms)
{
    static const int types[] = {PNG_COLOR_TYPE_PALETTE, PNG_COLOR_TYPE_RGBA};
    static struct sample_file f;
    struct arena arena = new_arena(8 << 20);
    struct error err;
    size_t refused = 0;

    for (int k = 0; k < 4; k++) {
        make_sample(&f, types[k / 2], 8, k % 2);
        for (size_t bit = 0; bit < 8 * f.bytes.size; bit++) {
            const struct bytes copy = exact_copy(f.bytes.bytes, f.bytes.size);
            ((unsigned char *)(uintptr_t)copy.data)[bit / 8] ^=
                (unsigned char)(1 << bit % 8);
            if (!read_whole(&copy, &arena, &err)) {
                refused++;
                cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE, "%s", err.detail);
            }
            free_file(copy);
        }
        buffer_release(&f.bytes);
    }
    cr_assert_gt(refused, 4000);
    arena_release(&arena);
}

static void patch_ihdr(unsigned char *file, size_t at, unsigned value)
{
    file[16 + at] = (unsigned char)value;
    uint32_t crc = 0xffffffff; /* of the type and the data, bit by bit */
    for (size_t i = 12; i < 29; i++) {
        crc ^= file[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    crc = ~crc;
    for (size_t i = 0; i < 4; i++)
        file[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
}

Test(png, impossible_headers_are_refused_with_a_reason)
{
    static const struct {
        size_t at;
        unsigned value;
        const char *reason;
    } cases[] = {
        {0, 0x80, "2^31"},       {3, 0, "is 0"},         {7, 0, "is 0"},
        {8, 3, "bit depth"},     {8, 0, "bit depth"},    {8, 16, "bit depth"},
        {9, 1, "colour type"},   {9, 5, "colour type"},  {9, 7, "colour type"},
        {9, 255, "colour type"}, {10, 1, "compression"}, {11, 1, "compression"},
        {12, 2, "compression"},
    };
    static struct sample_file f;
    struct image_info header;
    struct error err;

    make_sample(&f, PNG_COLOR_TYPE_PALETTE, 8, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes copy = exact_copy(f.bytes.bytes, f.bytes.size);
        patch_ihdr((unsigned char *)(uintptr_t)copy.data, cases[i].at, cases[i].value);
        error_init(&err);
        cr_assert(!png_codec.probe(&copy, &header, &err), "case %zu", i);
        expect_error(&err, ERROR_IMAGE_UNDECODABLE, cases[i].reason);
        free_file(copy);
    }
    buffer_release(&f.bytes);
}

Test(png, memory_is_bounded_by_the_arena)
{
    static struct sample_file f;
    struct arena arena = new_arena(8 << 20);
    struct image_info header;
    struct error err;

    make_sample(&f, PNG_COLOR_TYPE_RGBA, 16, 1);
    const struct bytes file = {f.bytes.bytes, f.bytes.size};
    error_init(&err);
    cr_assert(png_codec.probe(&file, &header, &err));
    for (size_t budget = 0; budget < 100000; budget += 512) {
        arena_reset(&arena, budget);
        error_init(&err);
        if (!png_codec.decode(&file, &header, &ignored, &arena, &err))
            cr_assert_neq(err.code, ERROR_NONE);
        cr_assert_eq(arena.used, 0);
    }
    buffer_release(&f.bytes);
    arena_release(&arena);
}

/* ---- writing ---- */

static uint8_t source[300 * 300 * 4];

static void copy_row(const void *context, size_t y, uint8_t *row)
{
    const size_t n = *(const size_t *)context;

    memcpy(row, source + y * n, n);
}

static void fill_source(int how)
{
    uint64_t seed = 3;

    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)(how == 0   ? 7
                              : how == 1 ? i / 50 + i % 7
                                         : generate_uniform(&seed) * 256);
}

/* RGBA needs no conversion, so the second opinion must give the very bytes. */
Test(png, every_level_writes_the_pixels)
{
    static const size_t sizes[][2] = {{1, 1}, {3, 2}, {64, 64}, {300, 300}, {1, 300}};
    struct arena arena = new_arena(8 << 20);

    for (size_t i = 0; i < 5 * 10 * 3; i++) {
        const size_t w = sizes[i / 30][0], h = sizes[i / 30][1], row = 4 * w;
        const struct png_encoding e = {.width = w,
                                       .height = h,
                                       .color = PNG_RGBA,
                                       .bit_depth = 8,
                                       .level = (int)(i / 3 % 10)};
        size_t width, height, n = row;
        struct buffer out;
        struct error err;
        fill_source((int)(i % 3));
        arena_reset(&arena, 8 << 20);
        error_init(&err);
        buffer_init(&out, 1 << 20);
        cr_assert(png_encode(&out, &e, copy_row, &n, &parallel_serial, &arena, &err),
                  "%s", err.detail);
        unsigned char *pixels = second_opinion(out.bytes, out.size, &width, &height);
        cr_assert(width == w && height == h);
        cr_assert_eq(memcmp(pixels, source, row * h), 0, "%zux%zu level %d", w, h,
                     e.level);
        cr_assert_eq(arena.used, 0);
        cr_assert_leq((double)arena.peak,
                      png_file_bytes((double)row, (double)h) +
                          png_scratch_bytes((double)row, (double)h, e.level, 1));
        free(pixels);
        buffer_release(&out);
    }
    arena_release(&arena);
}

/* Smooth rows are filtered, of any step, in parts that begin anywhere; what is mostly
 * one value is not. */
Test(png, rows_are_filtered_where_it_pays)
{
    static const struct {
        enum png_color color;
        int depth;
        size_t channels;
    } types[] = {{PNG_GRAY, 8, 1}, {PNG_RGB, 8, 3}, {PNG_RGBA, 8, 4}, {PNG_GRAY, 4, 1}};
    struct arena arena = new_arena(8 << 20);
    uint64_t seed = 9;

    for (size_t i = 0; i < 4 * 2 * 3; i++) {
        const bool smooth = i / 4 % 2;
        const size_t channels = types[i % 4].channels, side = i < 8 ? 7 : 297;
        const size_t row =
            side * channels * (size_t)types[i % 4].depth / 8 + (types[i % 4].depth < 8);
        const struct png_encoding e = {.width = side,
                                       .height = side,
                                       .color = types[i % 4].color,
                                       .bit_depth = types[i % 4].depth,
                                       .level = 1};
        size_t width, height, n = row;
        struct buffer out;
        struct error err;
        for (size_t at = 0; at < row * side; at++) {
            const size_t x = at % row / channels, y = at / row;
            const double noise = generate_uniform(&seed);
            source[at] = smooth ? (uint8_t)(x / 2 + y + at % channels * 50 + 2 * noise)
                                : (uint8_t)(noise < 0.9 ? 0 : 256 * noise);
        }
        error_init(&err);
        buffer_init(&out, 1 << 20);
        cr_assert(png_encode(&out, &e, copy_row, &n, &parallel_serial, &arena, &err));
        unsigned char *pixels = second_opinion(out.bytes, out.size, &width, &height);
        for (size_t at = 0; e.bit_depth == 8 && at < side * side; at++)
            for (size_t c = 0; c < 4; c++) {
                const size_t from = channels == 1 ? 0 : c;
                cr_assert_eq(pixels[4 * at + c], (channels == 1 ? c < 3 : c < channels)
                                                     ? source[at * channels + from]
                                                     : 255);
            }
        if (side > 100 && e.bit_depth == 8)
            cr_assert_lt(out.size, row * side * (smooth ? 35 : 30) / 100, "%zu of %zu",
                         out.size, row * side);
        free(pixels);
        buffer_release(&out);
    }
    arena_release(&arena);
}

Test(png, compression_compresses)
{
    struct arena arena = new_arena(8 << 20);
    size_t size[10], n = 4 * 300;

    fill_source(1);
    for (int level = 0; level < 10; level++) {
        const struct png_encoding e = {300, 300, PNG_RGBA, 8, .level = level};
        struct buffer out;
        struct error err;
        error_init(&err);
        buffer_init(&out, 1 << 20);
        cr_assert(png_encode(&out, &e, copy_row, &n, &parallel_serial, &arena, &err));
        size[level] = out.size;
        buffer_release(&out);
    }
    cr_assert_gt(size[0], 300 * 300 * 4);
    cr_assert_lt(size[1], size[0] * 2 / 3);
    cr_assert_lt(size[4], size[0] / 10); /* longer repetitions are found */
    cr_assert_leq(size[7], size[4]);
    arena_release(&arena);
}

Test(png, a_full_buffer_is_not_overrun)
{
    struct arena arena = new_arena(8 << 20);
    const struct png_encoding e = {300, 300, PNG_RGBA, 8, .level = 1};
    size_t n = 4 * 300;
    struct buffer out;
    struct error err;

    fill_source(2);
    for (size_t limit = 0; limit < 2000; limit += 7) {
        error_init(&err);
        buffer_init(&out, limit);
        cr_assert(png_encode(&out, &e, copy_row, &n, &parallel_serial, &arena, &err));
        cr_assert(out.failed && out.over_limit);
        cr_assert_leq(out.size, limit);
        buffer_release(&out);
    }
    arena_release(&arena);
}
