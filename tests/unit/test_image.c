/* test_image.c - uploaded bytes to the tensor that the network sees. */
#include "tests/unit/codec.h"

#include "api/buffer.h"
#include "api/image.h"
#include "api/npy.h"

#define GIVE(options, ID) ((options)->given[OPTION_##ID] = true)

/* A PNG file of these samples by libpng's simplified writer. */
static struct bytes png_of(const void *samples, uint32_t width, uint32_t height,
                           uint32_t format)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = width,
                       .height = height,
                       .format = format};
    png_alloc_size_t size = 0;

    cr_assert(png_image_write_to_memory(&image, NULL, &size, 0, samples, 0, NULL));
    unsigned char *data = malloc(size);
    cr_assert(png_image_write_to_memory(&image, data, &size, 0, samples, 0, NULL));
    return (struct bytes){data, size};
}

static struct arena arena;
static struct error err;

/* Probe, choose channels (wanted as in image_channels), decode; checks the memory. */
static struct tensor decode(struct bytes file, const struct options *options,
                            size_t wanted)
{
    struct image_info info;
    struct tensor out;
    size_t channels;

    if (!arena.base)
        arena = new_arena(64 << 20);
    arena_reset(&arena, 64 << 20);
    error_init(&err);
    cr_assert(image_probe(&file, &limits_default, &info, &err), "%s", err.detail);
    cr_assert(image_channels(&info, options, wanted, false, &channels, &err), "%s",
              err.detail);
    cr_assert(image_decode(&file, &info, options, channels, kernels_nth(0),
                           &parallel_serial, &arena, &out, &err),
              "%s", err.detail);
    cr_assert_leq((double)arena.peak, image_bytes(&info, options, channels));
    if (!OPTION_GIVEN(options, RESIZE))
        cr_assert(shape_equal(&out.shape, &SHAPE(info.height, info.width, channels)));
    free_file(file);
    return out;
}

static void expect_values(const struct tensor *t, const double *expected, double bound)
{
    for (size_t i = 0; i < shape_elements(&t->shape); i++)
        cr_assert_float_eq((double)t->values[i], expected[i], bound,
                           "value %zu is %.9g", i, (double)t->values[i]);
}

Test(image, eight_bits_are_scaled_as_tensorflow_does)
{
    const struct bytes table = read_file("tests/data/arrays/uint8_to_float32.npy");
    struct options options;
    uint8_t ramp[256];

    for (int i = 0; i < 256; i++)
        ramp[i] = (uint8_t)i;
    options_init(&options);
    const struct tensor t = decode(png_of(ramp, 256, 1, PNG_FORMAT_GRAY), &options, 0);
    cr_assert_eq(memcmp(t.values, table.data + 128, 1024), 0);
    free_file(table);
}

Test(image, sixteen_bits_stay_sixteen_bits)
{
    static uint16_t ramp[65536];
    struct options options;

    for (int i = 0; i < 65536; i++)
        ramp[i] = (uint16_t)i;
    options_init(&options);
    const struct tensor t =
        decode(png_of(ramp, 256, 256, PNG_FORMAT_LINEAR_Y), &options, 0);
    for (int i = 0; i < 65536; i++)
        cr_assert_eq(t.values[i], (float)i * (float)(1.0 / 65535));
    cr_assert_eq(t.values[65535], 1.0f);
}

Test(image, colours_are_converted)
{
    const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};
    const uint8_t gray[] = {0, 100, 255};
    struct options options;

    options_init(&options);
    options.color = COLOR_GRAY;
    struct tensor t = decode(png_of(rgb, 2, 2, PNG_FORMAT_RGB), &options, 0);
    expect_values(
        &t,
        (double[]){0.2989, 0.587, 0.114, (10 * 0.2989 + 20 * 0.587 + 30 * 0.114) / 255},
        1e-7);
    options.color = COLOR_RGB;
    t = decode(png_of(gray, 3, 1, PNG_FORMAT_GRAY), &options, 0);
    expect_values(
        &t, (double[]){0, 0, 0, 100 / 255.0, 100 / 255.0, 100 / 255.0, 1, 1, 1}, 1e-7);
    options.color = COLOR_RGBA;
    t = decode(png_of(gray, 3, 1, PNG_FORMAT_GRAY), &options, 0);
    expect_values(
        &t,
        (double[]){0, 0, 0, 1, 100 / 255.0, 100 / 255.0, 100 / 255.0, 1, 1, 1, 1, 1},
        1e-7);
    t = decode(png_of(rgb, 1, 1, PNG_FORMAT_RGB), &options, 0);
    expect_values(&t, (double[]){1, 0, 0, 1}, 0);
}

/* Opaque pixels and fully transparent ones are exact. */
Test(image, alpha_is_composited_over_the_background)
{
    const uint8_t rgba[] = {200, 100, 50, 255, 200, 100, 50, 0, 200, 100, 50, 51};
    const uint8_t ga[] = {100, 255, 100, 0, 100, 51};
    struct options options;
    const float unit = (float)(1.0 / 255);

    options_init(&options);
    struct tensor t = decode(png_of(rgba, 3, 1, PNG_FORMAT_RGBA), &options, 0);
    cr_assert_eq(t.shape.dim[2], 3);
    const float exact[] = {200 * unit, 100 * unit, 50 * unit, 1, 1, 1};
    cr_assert(same_bits(t.values, exact, 6));
    expect_values(&t,
                  (double[]){200 / 255., 100 / 255., 50 / 255., 1, 1, 1,
                             (200 * .2 + 255 * .8) / 255, (100 * .2 + 255 * .8) / 255,
                             (50 * .2 + 255 * .8) / 255},
                  1e-6);

    t = decode(png_of(ga, 3, 1, PNG_FORMAT_GA), &options, 0);
    expect_values(&t, (double[]){100 / 255., 1, (100 * .2 + 255 * .8) / 255}, 1e-6);

    options.background[0] = 0;
    options.background[1] = 255;
    options.background[2] = 0;
    options.color = COLOR_RGB;
    t = decode(png_of(ga, 3, 1, PNG_FORMAT_GA), &options, 0);
    expect_values(&t,
                  (double[]){100 / 255., 100 / 255., 100 / 255., 0, 1, 0,
                             100 * .2 / 255, (100 * .2 + 255 * .8) / 255,
                             100 * .2 / 255},
                  1e-6);
    options.color = COLOR_RGBA; /* the network sees it: nothing to composite */
    t = decode(png_of(rgba, 3, 1, PNG_FORMAT_RGBA), &options, 0);
    expect_values(&t,
                  (double[]){200 / 255., 100 / 255., 50 / 255., 1, 200 / 255.,
                             100 / 255., 50 / 255., 0, 200 / 255., 100 / 255.,
                             50 / 255., .2},
                  1e-7);
}

Test(image, scale_order_mean_and_std_apply_in_this_order)
{
    const uint8_t rgb[] = {10, 20, 30};
    struct options options;

    options_init(&options);
    options.rescale = 0.5;
    options.channel_order = ORDER_BGR;
    options.mean = (struct option_list){3, {1, 2, 3}};
    options.std = (struct option_list){1, {2}};
    GIVE(&options, RESCALE);
    GIVE(&options, MEAN);
    GIVE(&options, STD);
    struct tensor t = decode(png_of(rgb, 1, 1, PNG_FORMAT_RGB), &options, 0);
    expect_values(&t, (double[]){(15 - 1) / 2., (10 - 2) / 2., (5 - 3) / 2.}, 0);
}

Test(image, preprocess_is_that_of_keras_applications)
{
    static const double expected[][3] = {
        [PREPROCESS_TF] = {10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1},
        [PREPROCESS_CAFFE] = {30 - 103.939, 20 - 116.779, 10 - 123.68},
        [PREPROCESS_TORCH] = {(10 / 255. - .485) / .229, (20 / 255. - .456) / .224,
                              (30 / 255. - .406) / .225},
    };
    const uint8_t rgb[] = {10, 20, 30};
    struct options options;

    for (int mode = PREPROCESS_TF; mode <= PREPROCESS_TORCH; mode++) {
        options_init(&options);
        options.preprocess = mode;
        struct tensor t = decode(png_of(rgb, 1, 1, PNG_FORMAT_RGB), &options, 0);
        expect_values(&t, expected[mode], 1e-5);
    }
}

/* ---- size and orientation ---- */

/* decode() checks the memory. tests/http/test_images.py compares with Pillow. */
Test(image, any_size_is_met_within_the_foretold_memory)
{
    static const int sizes[] = {1, 2, 5, 37, 40, 41, 100};
    static uint8_t pixels[37 * 41 * 4];
    struct options options;

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i / 11);
    for (size_t i = 0; i < 7 * 7 * 4 * 3; i++) {
        const uint32_t formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
        options_init(&options);
        options.resize[0] = sizes[i % 7];
        options.resize[1] = sizes[i / 7 % 7];
        options.resize_method = (int)(i / 49 % 4);
        options.color = (int)(i % 4);
        GIVE(&options, RESIZE);
        struct tensor t = decode(png_of(pixels, 41, 37, formats[i / 196]), &options, 0);
        cr_assert(t.shape.dim[0] == (size_t)options.resize[0] &&
                  t.shape.dim[1] == (size_t)options.resize[1]);
        for (size_t k = 0; k < shape_elements(&t.shape); k++)
            cr_assert(t.values[k] >= 0 && t.values[k] <= 1, "%zu: %g", i,
                      (double)t.values[k]);
    }
}

/* EXIF's 1 to 8; a square, for a PNG file's sides cannot change places. */
Test(image, rows_that_are_not_upright_find_their_place)
{
    static const uint8_t stored[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const uint8_t seen[9][9] = {
        [1] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, [2] = {3, 2, 1, 6, 5, 4, 9, 8, 7},
        [3] = {9, 8, 7, 6, 5, 4, 3, 2, 1}, [4] = {7, 8, 9, 4, 5, 6, 1, 2, 3},
        [5] = {1, 4, 7, 2, 5, 8, 3, 6, 9}, [6] = {7, 4, 1, 8, 5, 2, 9, 6, 3},
        [7] = {9, 6, 3, 8, 5, 2, 7, 4, 1}, [8] = {3, 6, 9, 2, 5, 8, 1, 4, 7},
    };
    const struct bytes file = png_of(stored, 3, 3, PNG_FORMAT_GRAY);
    struct options options;

    arena = new_arena(8 << 20);
    options_init(&options);
    for (int i = 1; i <= 8; i++) {
        struct image_info info;
        struct tensor t;
        arena_reset(&arena, 8 << 20);
        error_init(&err);
        cr_assert(image_probe(&file, &limits_default, &info, &err));
        info.orientation = i;
        cr_assert(image_decode(&file, &info, &options, 1, kernels_nth(0),
                               &parallel_serial, &arena, &t, &err));
        cr_assert_leq((double)arena.peak, image_bytes(&info, &options, 1));
        for (size_t k = 0; k < 9; k++)
            cr_assert_eq(lroundf(t.values[k] * 255), seen[i][k], "%d: %zu", i, k);
    }
    free_file(file);
}

/* ---- which channels ---- */

Test(image, channels_follow_network_options_and_image)
{
    static const struct {
        enum image_format format;
        size_t stored;
        int color;
        size_t wanted;
        bool gray;
        size_t channels; /* 0: refused */
    } cases[] = {
        {IMAGE_PNG, 1, COLOR_AUTO, 0, false, 1},
        {IMAGE_PNG, 3, COLOR_AUTO, 0, false, 3},
        {IMAGE_PNG, 3, COLOR_AUTO, 0, true, 1},
        {IMAGE_PNG, 1, COLOR_AUTO, 3, false, 3},
        {IMAGE_PNG, 3, COLOR_AUTO, 1, false, 1},
        {IMAGE_PNG, 3, COLOR_AUTO, 3, true, 3},
        {IMAGE_PNG, 3, COLOR_AUTO, 4, false, 4},
        {IMAGE_PNG, 3, COLOR_AUTO, 7, false, 0},
        {IMAGE_PNG, 3, COLOR_GRAY, 0, false, 1},
        {IMAGE_PNG, 1, COLOR_RGB, 0, true, 3},
        {IMAGE_PNG, 1, COLOR_RGBA, 0, false, 4},
        {IMAGE_PNG, 3, COLOR_GRAY, 3, false, 0},
        {IMAGE_NPY, 7, COLOR_AUTO, 0, false, 7},
        {IMAGE_NPY, 7, COLOR_AUTO, 7, true, 7},
        {IMAGE_NPY, 3, COLOR_AUTO, 0, true, 3},
        {IMAGE_NPY, 3, COLOR_GRAY, 0, false, 1},
        {IMAGE_NPY, 1, COLOR_RGB, 3, false, 3},
        {IMAGE_NPY, 7, COLOR_GRAY, 0, false, 0},
        {IMAGE_NPY, 3, COLOR_AUTO, 1, false, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct image_info info = {.format = cases[i].format,
                                        .channels = cases[i].stored};
        struct options options;
        size_t channels;
        options_init(&options);
        options.color = cases[i].color;
        error_init(&err);
        const bool done = image_channels(&info, &options, cases[i].wanted,
                                         cases[i].gray, &channels, &err);
        cr_assert_eq(done, cases[i].channels != 0, "case %zu: %s", i, err.detail);
        if (done)
            cr_assert_eq(channels, cases[i].channels, "case %zu: %zu", i, channels);
        else
            cr_assert_neq(err.code, ERROR_NONE);
    }
}

/* ---- arrays ---- */

static struct bytes npy_of(struct shape shape, const float *values)
{
    struct buffer out;

    buffer_init(&out, 1 << 20);
    npy_write_f32(&out, &shape, values);
    cr_assert(!out.failed);
    return (struct bytes){out.bytes, out.size};
}

Test(image, arrays_are_used_as_they_are)
{
    const float values[] = {-3, NAN, 1e30f, INFINITY, 0.25f, 300};
    struct options options;

    options_init(&options);
    const struct shape shapes[] = {SHAPE(2, 3), SHAPE(2, 3, 1), SHAPE(1, 2, 3, 1),
                                   SHAPE(1, 2, 3), SHAPE(3, 1, 2)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tensor t = decode(npy_of(shapes[i], values), &options, 0);
        cr_assert(same_bits(t.values, values, 6));
    }
    options.rescale = 2;
    GIVE(&options, RESCALE);
    struct tensor t = decode(npy_of(SHAPE(1, 1, 3), values + 3), &options, 0);
    cr_assert(same_bits(t.values, (float[]){INFINITY, 0.5f, 600}, 3));
    options_init(&options);
    options.resize[0] = 1; /* what has no weight has no say, not even NaN */
    options.resize[1] = 3;
    GIVE(&options, RESIZE);
    t = decode(npy_of(SHAPE(3, 3), (float[]){NAN, 1, 2, 3, 4, 5, 6, INFINITY, 8}),
               &options, 0);
    cr_assert(isnan(t.values[0]) && isinf(t.values[1]));
    cr_assert_float_eq(t.values[2], 5, 1e-6);
    options.resize_method = RESIZE_NEAREST;
    t = decode(npy_of(SHAPE(3, 3), (float[]){NAN, 1, 2, 3, 4, 5, 6, INFINITY, 8}),
               &options, 0);
    cr_assert(same_bits(t.values, (float[]){3, 4, 5}, 3));
    options_init(&options);
    options.color = COLOR_GRAY;
    t = decode(npy_of(SHAPE(1, 1, 3), (float[]){1, 2, 3}), &options, 0);
    expect_values(&t, (double[]){0.2989 + 2 * 0.587 + 3 * 0.114}, 1e-6);
}

static void expect_refused(struct bytes file, enum error_code code, const char *part)
{
    struct image_info info;

    error_init(&err);
    cr_assert(!image_probe(&file, &limits_default, &info, &err), "%s", part);
    expect_error(&err, code, part);
}

Test(image, arrays_of_other_shapes_are_refused)
{
    static float zeros[2 * 2 * 65];
    const struct {
        struct shape shape;
        const char *reason;
    } cases[] = {
        {SHAPE(4), "shape"},          {SHAPE(2, 2, 2, 1), "shape"},
        {SHAPE(0, 4, 1), "0"},        {SHAPE(4, 4, 0), "0"},
        {SHAPE(0, 0), "0"},           {SHAPE(2, 2, 65), "64"},
        {SHAPE(0, 2, 2, 1), "shape"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = npy_of(cases[i].shape, zeros);
        expect_refused(file, ERROR_IMAGE_UNDECODABLE, cases[i].reason);
        free_file(file);
    }
    const struct bytes integers = read_file("tests/data/arrays/i4.npy");
    expect_refused(integers, ERROR_IMAGE_UNDECODABLE, "dtype");
    free_file(integers);
}

/* ---- what is no image, or too large a one ---- */

Test(image, other_formats_are_named)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } cases[] = {
        {"", 0, "empty"},           {"GIF89a", 6, "GIF"},
        {"%PDF-1.7", 8, "PDF"},     {"PK\3\4\x14\0", 6, "zip"},
        {"<svg xmlns=", 11, "SVG"}, {"hello", 5, "68 65 6c 6c 6f"},
        {"\xff", 1, "ff"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = exact_copy(cases[i].bytes, cases[i].size);
        expect_refused(file, ERROR_IMAGE_FORMAT_UNSUPPORTED, cases[i].name);
        free_file(file);
    }
}

Test(image, a_png_damaged_by_a_text_transfer_is_called_so)
{
    static const char file[] = "\x89PNG\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1";

    expect_refused((struct bytes){(const unsigned char *)file, sizeof file - 1},
                   ERROR_IMAGE_UNDECODABLE, "damaged");
}

Test(image, size_is_refused_from_the_header_naming_the_limit)
{
    static const struct {
        uint32_t width, height;
        const char *limit;
    } cases[] = {
        {12001, 1, "max_dimension"},
        {1, 12001, "max_dimension"},
        {5001, 5000, "max_pixels"},
        {2147483647, 2147483647, "max_dimension"},
    };
    static uint8_t pixel[3];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = png_of(pixel, 1, 1, PNG_FORMAT_RGB);
        unsigned char *ihdr = (unsigned char *)(uintptr_t)file.data + 16;
        png_save_uint_32(ihdr, cases[i].width);
        png_save_uint_32(ihdr + 4, cases[i].height);
        uint32_t crc = 0xffffffff;
        for (int k = -4; k < 13; k++) {
            crc ^= ihdr[k];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        png_save_uint_32(ihdr + 13, ~crc);
        expect_refused(file, ERROR_IMAGE_TOO_MANY_PIXELS, "pixels");
        cr_assert_str_eq(err.limit.name, cases[i].limit);
        free_file(file);
    }
}

Test(image, options_that_do_not_suit_the_channels_are_refused)
{
    const uint8_t gray[] = {1};
    struct image_info info;
    struct tensor out;

    arena = new_arena(8 << 20);
    const struct bytes file = png_of(gray, 1, 1, PNG_FORMAT_GRAY);
    error_init(&err);
    cr_assert(image_probe(&file, &limits_default, &info, &err));
    for (int i = 0; i < 5; i++) {
        struct options options;
        options_init(&options);
        if (i == 0)
            options.preprocess = PREPROCESS_CAFFE;
        else if (i == 1)
            options.channel_order = ORDER_BGR;
        else
            options.mean = (struct option_list){2, {1, 2}};
        if (i >= 2)
            GIVE(&options, MEAN);
        if (i == 3)
            options.preprocess = PREPROCESS_TF;
        if (i == 4) {
            options.std = (struct option_list){3, {1, 2, 3}};
            options.mean.n = 1;
            GIVE(&options, STD);
        }
        static const char *const names[] = {"preprocess", "channel_order", "mean",
                                            "mean", "std"};
        error_init(&err);
        cr_assert(!image_decode(&file, &info, &options, 1, kernels_nth(0),
                                &parallel_serial, &arena, &out, &err));
        cr_assert_eq(err.code, ERROR_OPTION_INVALID);
        cr_assert_str_eq(err.items[0].parameter, names[i]);
    }
    free_file(file);
    arena_release(&arena);
}
