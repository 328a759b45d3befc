/*
 * test_picture.c - pictures against matplotlib's, as libpng's simplified reader shows
 * them.
 */
#include "tests/unit/codec.h"

#include <cjson/cJSON.h>

#include "api/npy.h"
#include "api/picture.h"
#include "engine/generate.h"
#include "tests/unit/odd_parallel.h"

/* A picture as a client sees it. */
struct seen {
    size_t width, height;
    unsigned char *rgba;
    int depth, color_type; /* of the file */
    size_t n_palette;
};

static struct arena arena;
static struct error err;
static struct picture_set set;

static struct render plain_render(void)
{
    struct options options;
    struct render render;

    options_init(&options);
    render_from_options(&render, &options);
    return render;
}

/* Paint into `set`; the arena stays within what picture_bytes says. */
static void paint(const struct tensor *stage, bool input, const struct render *render)
{
    const struct picture_context context = {render, kernels_find(NULL),
                                            &parallel_serial, &arena};

    if (!arena.base)
        arena = new_arena(64 << 20);
    arena_reset(&arena, 64 << 20);
    error_init(&err);
    cr_assert(picture_paint(stage, input, &context, &set, &err), "%s", err.detail);
    cr_assert_eq(set.n, picture_count(&stage->shape, input, render));
}

static size_t chunk_size(const struct buffer *png, const char *type)
{
    for (size_t at = 8; at + 12 <= png->size;) {
        const size_t n = png_get_uint_32(png->bytes + at);
        if (memcmp(png->bytes + at + 4, type, 4) == 0)
            return n;
        at += n + 12;
    }
    return 0;
}

static struct seen encode(size_t i, const struct shape *shape, bool input,
                          const struct render *render)
{
    struct seen seen;
    struct buffer png;

    buffer_init(&png, 1 << 24);
    cr_assert(picture_png(&png, &set.pictures[i], 1, &arena, &err), "%s", err.detail);
    cr_assert(!png.failed);
    seen.rgba = second_opinion(png.bytes, png.size, &seen.width, &seen.height);
    seen.depth = png.bytes[24];
    seen.color_type = png.bytes[25];
    seen.n_palette = chunk_size(&png, "PLTE") / 3;
    cr_assert_eq(seen.width, set.pictures[i].width);
    cr_assert_eq(seen.height, set.pictures[i].height);
    cr_assert_leq((double)arena.peak, picture_bytes(shape, input, render) +
                                          picture_scratch(shape, input, render, 1, 1));
    buffer_release(&png);
    return seen;
}

static struct seen show(const struct tensor *stage, bool input,
                        const struct render *render)
{
    paint(stage, input, render);
    return encode(0, &stage->shape, input, render);
}

/* The colour of an index, as RGBA. */
static void colour_of(int colormap, int index, unsigned char rgba[4])
{
    const uint32_t rgb = colormap_at((size_t)colormap)->rgb[index];

    rgba[0] = (unsigned char)(rgb >> 16);
    rgba[1] = (unsigned char)(rgb >> 8);
    rgba[2] = (unsigned char)rgb;
    rgba[3] = 255;
}

/* The cells show these indices; -1 is transparent. */
static void expect_indices(const struct seen *seen, int colormap, const int *indices)
{
    for (size_t i = 0; i < seen->width * seen->height; i++) {
        unsigned char expected[4] = {0};
        if (indices[i] >= 0)
            colour_of(colormap, indices[i], expected);
        cr_assert_eq(memcmp(seen->rgba + 4 * i, expected, 4), 0,
                     "cell %zu is %d %d %d %d, not index %d", i, seen->rgba[4 * i],
                     seen->rgba[4 * i + 1], seen->rgba[4 * i + 2],
                     seen->rgba[4 * i + 3], indices[i]);
    }
}

static cJSON *read_json(const char *path)
{
    const struct bytes file = read_file(path);
    cJSON *json = cJSON_ParseWithLength((const char *)file.data, file.size);

    cr_assert(json);
    free_file(file);
    return json;
}

/* ---- matplotlib ---- */

Test(picture, colormaps_are_matplotlibs)
{
    static const char *const names[] = {"magma",   "viridis", "inferno", "plasma",
                                        "cividis", "turbo",   "gray",    "Blues_r",
                                        "RdBu_r",  "coolwarm"};
    cJSON *json = read_json("tests/data/colors/colormaps.json");

    for (size_t i = 0; i < 10; i++) {
        const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, names[i]);
        cr_assert_str_eq(colormap_at(i)->name, names[i]);
        cr_assert_eq(cJSON_GetArraySize(rows), 256);
        const cJSON *row = rows->child;
        for (int k = 0; k < 256; k++, row = row->next) {
            unsigned char rgba[4];
            colour_of((int)i, k, rgba);
            for (int c = 0; c < 3; c++)
                cr_assert_eq(cJSON_GetArrayItem(row, c)->valuedouble, rgba[c]);
        }
    }
    cr_assert_null(colormap_at(10));
    cJSON_Delete(json);
}

static void check_example(const cJSON *example)
{
    const cJSON *values = cJSON_GetObjectItem(example, "values");
    const cJSON *colours = cJSON_GetObjectItem(example, "magma_rgba");
    const struct render render = plain_render();
    float map[64];
    size_t n = 0;

    for (const cJSON *v = values->child; v; v = v->next)
        map[n++] = cJSON_IsNull(v) ? NAN : (float)v->valuedouble;
    const struct tensor stage = {SHAPE(1, n, 1), map};
    const struct seen seen = show(&stage, false, &render);
    cr_assert_eq(seen.width, n);
    cr_assert_eq(set.vmin[0], (float)cJSON_GetObjectItem(example, "vmin")->valuedouble);
    cr_assert_eq(set.vmax[0], (float)cJSON_GetObjectItem(example, "vmax")->valuedouble);
    const cJSON *colour = colours->child;
    for (size_t i = 0; i < n; i++, colour = colour->next)
        for (int c = 0; c < 4; c++)
            cr_assert_eq(seen.rgba[4 * i + (size_t)c],
                         cJSON_GetArrayItem(colour, c)->valuedouble);
    free(seen.rgba);
}

Test(picture, values_are_normalised_as_by_matplotlib)
{
    cJSON *json = read_json("tests/data/colors/normalize_examples.json");

    for (const cJSON *example = json->child; example; example = example->next)
        check_example(example);
    cJSON_Delete(json);
}

Test(picture, the_lessons_panels_equal_imshows_pixel_for_pixel)
{
    static const char *const names[] = {"s1_filter", "s1_detect", "s1_condense",
                                        "s3_filter", "s3_detect", "s3_condense",
                                        "s1_input",  "s3_input"};
    const struct render render = plain_render();

    for (size_t i = 0; i < 8; i++) {
        char path[80];
        const char *reason;
        struct npy npy;
        snprintf(path, sizeof path, "tests/data/lesson/%s.npy",
                 i < 6 ? names[i] : "circle");
        if (i >= 6)
            snprintf(path, sizeof path, "tests/data/lesson/circle.npy");
        const struct bytes array = read_file(path);
        cr_assert(npy_open(&array, &npy, &reason), "%s", reason);
        float *values = malloc(npy.count * sizeof *values);
        npy_read(&npy, 0, npy.count, values);
        snprintf(path, sizeof path, "tests/data/lesson/%s_1to1.png", names[i]);
        const struct bytes png = read_file(path);
        size_t width, height;
        unsigned char *expected = second_opinion(png.data, png.size, &width, &height);

        const struct tensor stage = {SHAPE(npy.dim[0], npy.dim[1], 1), values};
        const struct seen seen = show(&stage, i >= 6, &render);
        cr_assert(seen.width == width && seen.height == height, "%s", names[i]);
        cr_assert_eq(memcmp(seen.rgba, expected, 4 * width * height), 0, "%s",
                     names[i]);
        free(seen.rgba);
        free(expected);
        free(values);
        free_file(array);
        free_file(png);
    }
}

/* ---- ranges ---- */

Test(picture, a_constant_map_is_index_0)
{
    struct render render = plain_render();
    float map[] = {-7, -7, -7, -7};
    const struct tensor stage = {SHAPE(2, 2, 1), map};
    struct seen seen = show(&stage, false, &render);

    expect_indices(&seen, 0, (int[]){0, 0, 0, 0});
    cr_assert_eq(set.vmin[0], -7);
    cr_assert_eq(set.vmax[0], -7);
    cr_assert_eq(seen.depth, 1);
    cr_assert_eq(seen.n_palette, 1);
    free(seen.rgba);
}

Test(picture, what_is_not_finite_is_transparent)
{
    struct render render = plain_render();
    float map[] = {0, NAN, INFINITY, -INFINITY, 1, 0.5f};
    float none[] = {NAN, INFINITY};
    const struct tensor stage = {SHAPE(2, 3, 1), map}, empty = {SHAPE(1, 2, 1), none};
    struct seen seen = show(&stage, false, &render);

    expect_indices(&seen, 0, (int[]){0, -1, -1, -1, 255, 128});
    cr_assert_eq(seen.color_type, PNG_COLOR_TYPE_PALETTE);
    cr_assert_eq(seen.n_palette, 4);
    cr_assert_eq(seen.depth, 2);
    free(seen.rgba);

    seen = show(&empty, false, &render);
    expect_indices(&seen, 0, (int[]){-1, -1});
    cr_assert(isnan(set.vmin[0]) && isnan(set.vmax[0]));
    free(seen.rgba);

    render.has_range = true; /* a range does not make infinity a colour */
    render.range[1] = 1;
    seen = show(&stage, false, &render);
    expect_indices(&seen, 0, (int[]){0, -1, -1, -1, 255, 128});
    free(seen.rgba);
}

Test(picture, with_all_indices_in_use_transparency_needs_rgba)
{
    struct render render = plain_render();
    int indices[4 * 258];
    float map[258];

    for (int i = 0; i < 256; i++) {
        map[i] = (float)i;
        indices[i] = i;
    }
    map[256] = NAN;
    map[257] = 256;
    indices[256] = -1;
    indices[257] = 255;
    const struct tensor stage = {SHAPE(2, 129, 1), map};
    struct seen seen = show(&stage, false, &render);
    expect_indices(&seen, 0, indices);
    cr_assert_eq(seen.color_type, PNG_COLOR_TYPE_RGBA);
    free(seen.rgba);

    render.scale = 2;
    seen = show(&stage, false, &render);
    cr_assert_eq(seen.width, 258);
    cr_assert_eq(seen.rgba[4 * (3 * 258 + 2 * 127) + 3], 0, "the hole is enlarged");
    free(seen.rgba);
}

/* The gap between maps, and cells that hold no number. */
Test(picture, a_ground_is_opaque)
{
    enum { SIDE = 16, GROUND = 0xadb5bd };
    struct render render = plain_render();
    float maps[SIDE * SIDE * 2];

    render.ground = 0xff000000 | GROUND;
    render.gap = 1;
    for (size_t levels = 255; levels <= 256; levels++) {
        for (size_t i = 0; i < SIDE * SIDE * 2; i++)
            maps[i] = (float)(i / 2 % levels);
        maps[0] = NAN;
        const struct tensor stage = {SHAPE(SIDE, SIDE, 2), maps};
        struct seen seen = show(&stage, false, &render);
        cr_assert_eq(seen.color_type,
                     levels == 256 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_PALETTE);
        cr_assert_eq(seen.width, 2 * SIDE + 1);
        for (size_t i = 0; i < seen.width * SIDE; i++) {
            const unsigned char *c = seen.rgba + 4 * i;
            const bool ground = (c[0] << 16 | c[1] << 8 | c[2]) == GROUND;
            cr_assert_eq(c[3], 255);
            cr_assert_eq(ground, i == 0 || i % seen.width == SIDE, "%zu", i);
        }
        free(seen.rgba);
    }
}

Test(picture, the_ground_is_seen_after_the_last_map)
{
    float maps[] = {0, 1, 2};
    const struct tensor stage = {SHAPE(1, 1, 3), maps};
    struct render render = plain_render();

    render.ground = 0xffadb5bd;
    render.gap = 0;
    render.columns = 2;
    struct seen seen = show(&stage, false, &render);
    cr_assert_eq(seen.width * seen.height, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(memcmp(seen.rgba + 4 * i, "\xad\xb5\xbd\xff", 4) == 0, i == 3);
    free(seen.rgba);
}

Test(picture, holes_in_noise_are_planned_for)
{
    enum { SIDE = 300, CELLS = SIDE * SIDE };
    static float map[CELLS];
    const struct tensor stage = {SHAPE(SIDE, SIDE, 1), map};
    struct render render = plain_render();
    uint64_t state = 1;

    for (size_t i = 0; i < CELLS; i++)
        map[i] = i % 7 ? (float)generate_uniform(&state) : NAN;
    for (render.scale = 1; render.scale <= 3; render.scale += 2) {
        struct seen seen = show(&stage, false, &render); /* checks its memory */
        cr_assert_eq(seen.color_type, PNG_COLOR_TYPE_RGBA);
        free(seen.rgba);
    }
}

Test(picture, normalize_chooses_the_range)
{
    /* Two maps of 1 x 2: (0, 1) and (2, 4). */
    float values[] = {0, 2, 1, 4};
    const struct tensor stage = {SHAPE(1, 2, 2), values};
    static const struct {
        int normalize;
        bool has_range;
        float vmin[2], vmax[2];
        int indices[5]; /* map, gap, map */
        size_t n_ranges;
    } cases[] = {
        {NORMALIZE_CHANNEL, false, {0, 2}, {1, 4}, {0, 255, 0, 0, 255}, 2},
        {NORMALIZE_STAGE, false, {0}, {4}, {0, 64, 0, 128, 255}, 1},
        {NORMALIZE_NONE, false, {0}, {1}, {0, 255, 0, 255, 255}, 1},
        {NORMALIZE_CHANNEL, true, {-1}, {7}, {32, 64, 0, 96, 160}, 1},
    };

    for (size_t i = 0; i < 4; i++) {
        struct render render = plain_render();
        render.normalize = (enum option_normalize)cases[i].normalize;
        render.has_range = cases[i].has_range;
        render.range[0] = -1;
        render.range[1] = 7;
        const struct seen seen = show(&stage, false, &render);
        expect_indices(&seen, 0, cases[i].indices);
        cr_assert_eq(set.n_ranges, cases[i].n_ranges);
        for (size_t k = 0; k < set.n_ranges; k++) {
            cr_assert_eq(set.vmin[k], cases[i].vmin[k]);
            cr_assert_eq(set.vmax[k], cases[i].vmax[k]);
        }
        free(seen.rgba);
    }
}

Test(picture, gamma_applies_before_the_range)
{
    struct render render = plain_render();
    float map[] = {0, 0.25f, 0.5f, 2};
    const struct tensor stage = {SHAPE(4, 1, 1), map};

    render.gamma = 2;
    const struct seen seen = show(&stage, false, &render);
    expect_indices(&seen, 0, (int[]){0, 256 / 64, 256 / 16, 255});
    cr_assert_eq(set.vmax[0], 4);
    cr_assert_eq(map[3], 2, "the stage itself is left alone");
    free(seen.rgba);
}

/* ---- layouts ---- */

/* 2 x 3 cells and five maps; map m has the values m * 10 + 0 .. 5. */
static float five_maps[2 * 3 * 5];

static struct tensor five(void)
{
    for (size_t i = 0; i < 6; i++)
        for (size_t m = 0; m < 5; m++)
            five_maps[i * 5 + m] = (float)(m * 10 + i);
    return (struct tensor){SHAPE(2, 3, 5), five_maps};
}

/* Of a map normalised by itself. */
static int index_of(size_t cell)
{
    return cell == 5 ? 255 : (int)(cell * 256 / 5);
}

static void check_mosaic(const struct seen *seen, size_t columns, size_t gap)
{
    for (size_t y = 0; y < seen->height; y++)
        for (size_t x = 0; x < seen->width; x++) {
            const size_t r = y / (2 + gap), c = x / (3 + gap);
            const size_t dy = y % (2 + gap), dx = x % (3 + gap);
            const bool inside = dy < 2 && dx < 3 && r * columns + c < 5;
            unsigned char expected[4];
            colour_of(0, inside ? index_of(dy * 3 + dx) : 0, expected);
            cr_assert_eq(memcmp(seen->rgba + 4 * (y * seen->width + x), expected, 4), 0,
                         "x %zu y %zu of %zu columns", x, y, columns);
        }
}

Test(picture, a_mosaic_has_columns_and_gaps)
{
    static const struct {
        int columns, gap;
        size_t used, rows;
    } cases[] = {{0, 1, 3, 2}, {0, 0, 3, 2}, {2, 3, 2, 3}, {1, 1, 1, 5}, {9, 1, 5, 1}};
    const struct tensor stage = five();

    for (size_t i = 0; i < 5; i++) {
        struct render render = plain_render();
        render.columns = cases[i].columns;
        render.gap = cases[i].gap;
        const size_t gap = (size_t)cases[i].gap;
        const struct seen seen = show(&stage, false, &render);
        cr_assert_eq(seen.width, cases[i].used * (3 + gap) - gap);
        cr_assert_eq(seen.height, cases[i].rows * (2 + gap) - gap);
        check_mosaic(&seen, cases[i].used, gap);
        cr_assert_eq(set.pictures[0].channel, -1);
        free(seen.rgba);
    }
}

Test(picture, maps_can_be_shown_one_by_one)
{
    struct render render = plain_render();
    const struct tensor stage = five();
    int indices[6];

    for (size_t i = 0; i < 6; i++)
        indices[i] = index_of(i);
    render.layout = LAYOUT_SEPARATE;
    paint(&stage, false, &render);
    cr_assert_eq(set.n, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct seen seen = encode(i, &stage.shape, false, &render);
        cr_assert_eq(set.pictures[i].channel, (int)i);
        expect_indices(&seen, 0, indices);
        free(seen.rgba);
    }
    render.channel = 3;
    const struct seen seen = show(&stage, false, &render);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.pictures[0].channel, 3);
    cr_assert_eq(set.vmin[0], 30);
    expect_indices(&seen, 0, indices);
    free(seen.rgba);
}

/* A row of cells could hardly be seen. */
Test(picture, vectors_are_strips)
{
    static const struct {
        size_t n, scale, cell;
    } rows[] = {{1, 1, 16},  {4, 1, 16},  {16, 1, 16}, {17, 1, 15}, {100, 1, 2},
                {129, 1, 1}, {255, 1, 1}, {256, 1, 1}, {500, 1, 1}, {64, 3, 12}};
    static float values[500];
    static int indices[16 * 500 * 64];
    struct render render = plain_render();

    for (size_t i = 0; i < 500; i++)
        values[i] = (float)(i % 2);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const struct tensor vector = {SHAPE(rows[k].n), values};
        render.scale = (int)rows[k].scale;
        struct seen seen = show(&vector, false, &render);
        cr_assert_eq(seen.width, rows[k].n * rows[k].cell);
        cr_assert_eq(seen.height, 16 * rows[k].scale);
        cr_assert(set.cell[0] == seen.height && set.cell[1] == rows[k].cell);
        for (size_t i = 0; i < seen.width * seen.height; i++)
            indices[i] = i % seen.width / rows[k].cell % 2 ? 255 : 0;
        expect_indices(&seen, 0, indices);
        free(seen.rgba);
    }
}

Test(picture, a_matrix_is_one_map)
{
    const struct render render = plain_render();
    float values[] = {0, 1, 2, 4};
    const struct tensor matrix = {SHAPE(2, 2), values};
    struct seen seen = show(&matrix, false, &render);
    cr_assert(seen.width == 2 && seen.height == 2);
    expect_indices(&seen, 0, (int[]){0, 64, 128, 255});
    free(seen.rgba);
}

Test(picture, three_channels_can_be_colours)
{
    struct render render = plain_render();
    float values[] = {0, 0.5f, 1, -1, 2, 0.999f};
    float broken[] = {0, NAN, 1, 1, 1, 1};
    const struct tensor stage = {SHAPE(1, 2, 3), values},
                        hole = {SHAPE(1, 2, 3), broken};
    struct seen seen = show(&stage, true, &render);

    cr_assert_eq(seen.color_type, PNG_COLOR_TYPE_RGB);
    cr_assert_eq(memcmp(seen.rgba, (uint8_t[]){0, 127, 255, 255, 0, 255, 254, 255}, 8),
                 0, "clipped and truncated");
    free(seen.rgba);
    seen = show(&hole, true, &render);
    cr_assert_eq(seen.color_type, PNG_COLOR_TYPE_RGBA);
    cr_assert_eq(memcmp(seen.rgba, (uint8_t[]){0, 0, 0, 0, 255, 255, 255, 255}, 8), 0);
    free(seen.rgba);

    render.layout = LAYOUT_RGB; /* a layer's output is normalised first */
    seen = show(&stage, false, &render);
    cr_assert_eq(memcmp(seen.rgba, (uint8_t[]){255, 0, 255, 255, 0, 255, 0, 255}, 8),
                 0);
    free(seen.rgba);
}

Test(picture, cells_are_enlarged_without_blending)
{
    struct render render = plain_render();
    float map[] = {0, 1, 2, 4}, rgb[] = {0, 0, 1, 1, 0, 0};
    const struct tensor stage = {SHAPE(2, 2, 1), map}, input = {SHAPE(1, 2, 3), rgb};
    static const int base[] = {0, 64, 128, 255};
    int indices[36];

    render.scale = 3;
    for (size_t i = 0; i < 36; i++)
        indices[i] = base[i / 18 * 2 + i % 6 / 3];
    struct seen seen = show(&stage, false, &render);
    cr_assert(seen.width == 6 && seen.height == 6);
    expect_indices(&seen, 0, indices);
    free(seen.rgba);
    seen = show(&input, true, &render);
    cr_assert(seen.width == 6 && seen.height == 3);
    for (size_t i = 0; i < 18; i++)
        cr_assert_eq(seen.rgba[4 * i], i % 6 < 3 ? 0 : 255);
    free(seen.rgba);
}

/* ---- files ---- */

Test(picture, the_smallest_png_type_is_chosen)
{
    static const struct {
        const char *colormap;
        int colours, depth, color_type;
    } cases[] = {
        {"magma", 2, 1, PNG_COLOR_TYPE_PALETTE},
        {"magma", 3, 2, PNG_COLOR_TYPE_PALETTE},
        {"magma", 5, 4, PNG_COLOR_TYPE_PALETTE},
        {"magma", 16, 4, PNG_COLOR_TYPE_PALETTE},
        {"magma", 17, 8, PNG_COLOR_TYPE_PALETTE},
        {"magma", 256, 8, PNG_COLOR_TYPE_PALETTE},
        {"gray", 2, 1, PNG_COLOR_TYPE_GRAY},
        {"gray", 3, 2, PNG_COLOR_TYPE_PALETTE},
        {"gray", 17, 8, PNG_COLOR_TYPE_GRAY},
        {"gray", 256, 8, PNG_COLOR_TYPE_GRAY},
    };
    static float map[256];
    int indices[256];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct render render = plain_render();
        const int n = cases[i].colours;
        while (strcmp(colormap_at((size_t)render.colormap)->name, cases[i].colormap) !=
               0)
            render.colormap++;
        for (int k = 0; k < n; k++) {
            map[k] = (float)k;
            indices[k] = (int)((float)k / (float)(n - 1) * 256);
            indices[k] = indices[k] > 255 ? 255 : indices[k];
        }
        const struct tensor stage = {SHAPE(1, (size_t)n, 1), map};
        const struct seen seen = show(&stage, false, &render);
        expect_indices(&seen, render.colormap, indices);
        cr_assert_eq(seen.depth, cases[i].depth, "case %zu: %d", i, seen.depth);
        cr_assert_eq(seen.color_type, cases[i].color_type, "case %zu", i);
        cr_assert_eq(seen.n_palette,
                     cases[i].color_type == PNG_COLOR_TYPE_PALETTE ? (size_t)n : 0);
        free(seen.rgba);
    }
}

/* Whatever the threads, and at every level: many pictures of several parts each. */
Test(picture, files_do_not_depend_on_the_threads)
{
    enum { SIDE = 300, MAPS = 4 };
    static float values[SIDE * SIDE * MAPS];
    const struct tensor stage = {SHAPE(SIDE, SIDE, MAPS), values};
    const struct picture *pictures[MAPS];
    struct bytes files[2][MAPS];
    struct render render = plain_render();

    render.layout = LAYOUT_SEPARATE;
    render.scale = 2;
    fill_random(values, SIDE * SIDE * MAPS, 1, 5);
    for (size_t i = 0; i < SIDE * SIDE * MAPS; i++) /* of all kinds */
        values[i] = i % MAPS == 0   ? values[i]
                    : i % MAPS == 1 ? (float)(i / 1200) + values[i] / 100
                    : i % MAPS == 2 ? (values[i] > 0.9f ? values[i] : 0)
                                    : 1;
    for (int level = 0; level < 10; level += 3) {
        paint(&stage, false, &render);
        for (size_t i = 0; i < MAPS; i++)
            pictures[i] = &set.pictures[i];
        for (size_t k = 0; k < 2; k++)
            cr_assert(picture_write(pictures, MAPS, level,
                                    k ? &odd_parallel : &parallel_serial, &arena,
                                    files[k], &err),
                      "%s", err.detail);
        for (size_t i = 0; i < MAPS; i++) {
            size_t width, height;
            cr_assert_eq(files[0][i].size, files[1][i].size);
            cr_assert_eq(memcmp(files[0][i].data, files[1][i].data, files[0][i].size),
                         0);
            free(second_opinion(files[0][i].data, files[0][i].size, &width, &height));
            cr_assert(width == 2 * SIDE && height == 2 * SIDE);
        }
    }
}

static bool is_cancelled(void *self)
{
    (void)self;
    return true;
}

Test(picture, writing_stops_when_nobody_waits)
{
    static float values[4];
    const struct tensor stage = {SHAPE(2, 2, 1), values};
    const struct parallel gone = {odd_run, is_cancelled, NULL, 3};
    const struct render render = plain_render();
    struct bytes file;

    paint(&stage, false, &render);
    const struct picture *picture = set.pictures;
    cr_assert_not(picture_write(&picture, 1, 1, &gone, &arena, &file, &err));
    expect_error(&err, ERROR_CLIENT_CLOSED, "cancelled");
}

Test(picture, options_that_do_not_suit_are_refused)
{
    static const char *const names[] = {"channel", "layout", "range"};
    const struct tensor stage = five();

    arena = new_arena(1 << 20);
    for (int i = 0; i < 3; i++) {
        struct render render = plain_render();
        if (i == 0)
            render.channel = 5;
        if (i == 1)
            render.layout = LAYOUT_RGB;
        render.has_range = i == 2;
        render.range[0] = render.range[1] = 1;
        error_init(&err);
        const struct picture_context context = {&render, kernels_find(NULL),
                                                &parallel_serial, &arena};
        cr_assert(!picture_paint(&stage, false, &context, &set, &err));
        cr_assert_eq(err.code, ERROR_OPTION_INVALID);
        cr_assert_str_eq(err.items[0].parameter, names[i]);
    }
    for (size_t budget = 0; budget < 2000; budget += 64) {
        struct render render = plain_render();
        render.gamma = 2;
        render.scale = 2;
        error_init(&err);
        arena_reset(&arena, budget);
        const struct picture_context context = {&render, kernels_find(NULL),
                                                &parallel_serial, &arena};
        if (!picture_paint(&stage, false, &context, &set, &err))
            cr_assert_eq(err.code, ERROR_PLAN_TOO_LARGE);
    }
    arena_release(&arena);
}
