/*
 * codec.h - what the tests of file formats share: files, an arena, messages, and a
 * second opinion on PNG files: libpng's own simplified reader.
 */
#ifndef TESTS_CODEC_H
#define TESTS_CODEC_H

#include "tests/unit/check.h"

#include <png.h>
#include <stdio.h>

#include "api/bytes.h"
#include "engine/arena.h"
#include "engine/error.h"

static inline struct arena new_arena(size_t size)
{
    struct arena arena;

    cr_assert(arena_init(&arena, size));
    return arena;
}

static inline struct bytes read_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    cr_assert(file, "cannot open %s", path);
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(size + !size);
    cr_assert_eq(fread(data, 1, size, file), size);
    fclose(file);
    return (struct bytes){data, size};
}

static inline void free_file(struct bytes file)
{
    free((void *)(uintptr_t)file.data);
}

/* The bytes, so that reading past the last one is seen. */
static inline struct bytes exact_copy(const void *data, size_t size)
{
    unsigned char *copy = malloc(size + !size);

    if (size)
        memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

static inline void expect_error(const struct error *err, enum error_code code,
                                const char *part)
{
    cr_assert_eq(err->code, code, "%s: %s, not %s", error_code_name(err->code),
                 err->detail, error_code_name(code));
    cr_assert(strstr(err->detail, part), "'%s' is not in: %s", part, err->detail);
}

/* The file as 8-bit RGBA by libpng's simplified reader; the caller frees it. */
static inline unsigned char *second_opinion(const void *file, size_t size,
                                            size_t *width, size_t *height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};

    cr_assert(png_image_begin_read_from_memory(&image, file, size), "%s",
              image.message);
    image.format = PNG_FORMAT_RGBA;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    cr_assert(png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s",
              image.message);
    *width = image.width;
    *height = image.height;
    return pixels;
}

#endif
