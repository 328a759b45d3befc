/*
 * test_webp.c - hostile WebP files, made here by libwebp's encoder.
 * tests/http/test_images.py compares pixels with other readers.
 */
#include "tests/unit/codec.h"

#include <webp/encode.h>

#include "api/webp.h"

enum { SIDE = 19 };

/* Lossy or lossless, opaque or not. */
static struct bytes webp_of(bool lossless, bool alpha)
{
    uint8_t rgba[SIDE * SIDE * 4], *file = NULL;
    size_t size;

    for (int i = 0; i < SIDE * SIDE * 4; i++)
        rgba[i] = (uint8_t)(!alpha && i % 4 == 3 ? 255 : i * i / 7);
    size = lossless ? WebPEncodeLosslessRGBA(rgba, SIDE, SIDE, SIDE * 4, &file)
                    : WebPEncodeRGBA(rgba, SIDE, SIDE, SIDE * 4, 60, &file);
    cr_assert_gt(size, 0);
    const struct bytes copy = exact_copy(file, size);
    WebPFree(file);
    return copy;
}

static void count_row(void *context, const struct pixel_row *row)
{
    cr_assert_eq(row->y, (*(size_t *)context)++);
}

static bool read_whole(const struct bytes *file, struct error *err)
{
    static struct arena arena;
    struct image_info info;
    size_t rows = 0;
    const struct pixel_sink sink = {count_row, &rows, &parallel_serial};

    if (!arena.base)
        arena = new_arena(8 << 20);
    error_init(err);
    if (!webp_codec.probe(file, &info, err))
        return false;
    if (info.width > 100 || info.height > 100)
        return error_set(err, ERROR_IMAGE_UNDECODABLE, "too large for this test");
    arena.peak = 0;
    const bool done = webp_codec.decode(file, &info, &sink, &arena, err);
    cr_assert_eq(arena.used, 0);
    cr_assert_leq((double)arena.peak, webp_codec.bytes(&info));
    cr_assert(!done || rows == info.height);
    return done;
}

Test(webp, the_header_says_what_is_there)
{
    for (int i = 0; i < 4; i++) {
        const struct bytes file = webp_of(i / 2, i % 2);
        struct image_info info;
        struct error err;
        cr_assert(webp_codec.recognise(&file));
        cr_assert(webp_codec.probe(&file, &info, &err));
        cr_assert(info.width == SIDE && info.height == SIDE && info.channels == 3);
        cr_assert_eq(info.alpha, i % 2);
        cr_assert_null(info.warning);
        cr_assert(read_whole(&file, &err));
        free_file(file);
    }
}

Test(webp, a_file_cut_anywhere_is_refused)
{
    for (int i = 0; i < 4; i++) {
        const struct bytes file = webp_of(i / 2, i % 2);
        const size_t padding = file.data[file.size - 1] == 0;
        struct error err;
        for (size_t n = 0; n < file.size - padding; n++) {
            const struct bytes part = exact_copy(file.data, n);
            cr_assert(!read_whole(&part, &err), "%zu of %zu bytes", n, file.size);
            cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE, "%s", err.detail);
            free_file(part);
        }
        free_file(file);
    }
}

Test(webp, a_flipped_bit_never_harms)
{
    for (int i = 0; i < 4; i++) {
        const struct bytes file = webp_of(i / 2, i % 2);
        struct error err;
        for (size_t bit = 0; bit < 8 * file.size; bit++) {
            const struct bytes copy = exact_copy(file.data, file.size);
            ((unsigned char *)(uintptr_t)copy.data)[bit / 8] ^=
                (unsigned char)(1 << bit % 8);
            if (!read_whole(&copy, &err))
                cr_assert_eq(err.code, ERROR_IMAGE_UNDECODABLE, "%s", err.detail);
            free_file(copy);
        }
        free_file(file);
    }
}

Test(webp, memory_is_bounded_by_the_arena)
{
    const struct bytes file = webp_of(true, true);
    struct arena arena = new_arena(1 << 20);
    struct image_info info;
    struct error err;
    size_t rows = 0;
    const struct pixel_sink sink = {count_row, &rows, &parallel_serial};

    arena_reset(&arena, SIDE * SIDE);
    error_init(&err);
    cr_assert(webp_codec.probe(&file, &info, &err));
    cr_assert(!webp_codec.decode(&file, &info, &sink, &arena, &err));
    cr_assert_eq(err.code, ERROR_PLAN_TOO_LARGE);
    free_file(file);
    arena_release(&arena);
}
