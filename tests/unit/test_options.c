/* test_options.c - the options of a request, from text, JSON and queries. */
#include "api/options.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "api/colormap.h"
#include "api/json.h"

static struct arena arena;
static struct error err;
static struct options options;

static void set_up(void)
{
    cr_assert(arena_init(&arena, 64 << 20));
    error_init(&err);
    options_init(&options);
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(options, .init = set_up, .fini = tear_down);

static bool set(const char *name, const char *text)
{
    error_init(&err);
    options_init(&options);
    return options_set_text(&options, name, text, &arena, &err);
}

static bool set_json(const char *name, const char *text)
{
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};

    error_init(&err);
    options_init(&options);
    cJSON *json = json_parse("value", &bytes, NULL, &limits_default, &arena, &err);
    cr_assert(json, "%s", err.detail);
    const bool ok = options_set_json(&options, name, json, "/at", &arena, &err);
    cJSON_Delete(json);
    return ok;
}

Test(options, begins_with_the_defaults_of_the_contract)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        cr_expect(!options.given[i]);
    cr_expect_str_eq(options.kernel, "bottom_sobel");
    cr_expect_str_eq(options.activation, "relu");
    cr_expect_str_eq(options.conv_padding, "valid");
    cr_expect_str_eq(options.pool_padding, "same");
    cr_expect(options.conv_stride[0] == 1 && options.conv_stride[1] == 1);
    cr_expect(options.pool_size[0] == 2 && options.pool_size[1] == 2);
    cr_expect(options.pool_stride[0] == 2 && options.pool_stride[1] == 2);
    cr_expect(options.figsize[0] == 10 && options.subplot_shape[1] == 2);
    cr_expect(options.gamma == 1 && options.gap == 1 && options.scale == 1);
    cr_expect(options.background[0] == 255 && options.channel == -1);
    cr_expect(options.format == FORMAT_JSON && options.generator == GENERATOR_NONE);
    cr_expect_str_eq(colormap_at((size_t)options.colormap)->name, "magma");
}

Test(options, reads_pairs)
{
    static const struct {
        const char *text;
        int height, width;
    } rows[] = {{"3", 3, 3},       {"3,5", 3, 5},   {"[3,5]", 3, 5},
                {" 3 , 5 ", 3, 5}, {"[ 3 ]", 3, 3}, {"1e1,2.0", 10, 2}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(set("conv_stride", rows[i].text), "%s", err.detail);
        cr_expect_eq(options.conv_stride[0], rows[i].height);
        cr_expect_eq(options.conv_stride[1], rows[i].width);
        cr_expect(OPTION_GIVEN(&options, CONV_STRIDE));
    }
    cr_expect(set_json("pool_size", "[3,5]") && options.pool_size[1] == 5);
    cr_expect(set_json("pool_size", "4") && options.pool_size[1] == 4);
}

Test(options, reads_every_other_type)
{
    cr_expect(set("seed", "2147483647") && options.seed == 2147483647);
    cr_expect(set("r_shrink", "-3") && options.r_shrink == -3);
    cr_expect(set("gamma", "2.2") && options.gamma == 2.2);
    cr_expect(set("range", "-1,1.5") && options.range[0] == -1 &&
              options.range[1] == 1.5);
    cr_expect(set("mean", "0.5,0.25,0.125") && options.mean.n == 3 &&
              options.mean.items[2] == 0.125);
    cr_expect(set("format", "npz") && options.format == FORMAT_NPZ);
    cr_expect(set("layout", "rgb") && options.layout == LAYOUT_RGB);
    cr_expect(set("split_activation", "true") && options.split_activation);
    cr_expect(set("split_activation", "0") && !options.split_activation);
    cr_expect(set_json("split_activation", "true") && options.split_activation);
    cr_expect(set("stage", "conv1/conv"));
    cr_expect_str_eq(options.stage, "conv1/conv");
    cr_expect(set("input_shape", "7,8,3"));
    cr_expect(shape_equal(&options.input_shape, &SHAPE(7, 8, 3)));
    cr_expect(set_json("input_shape", "[7,8,3]"));
    cr_expect(set("colormap", "RdBu_r"));
    cr_expect_str_eq(colormap_at((size_t)options.colormap)->name, "RdBu_r");
    cr_expect(set("kernel", "[[1,2],[3,4]]"));
    cr_expect_str_eq(options.kernel, "[[1,2],[3,4]]");
    cr_expect(set_json("kernel", "[[1, 2.5],[3, -4]]"));
    cr_expect_str_eq(options.kernel, "[[1,2.5],[3,-4]]");
    cr_expect(set_json("kernel", "\"edge\""));
    cr_expect_str_eq(options.kernel, "edge");
}

Test(options, reads_lists_of_names)
{
    cr_expect(set("stages", "Filter, conv1/conv ,b"));
    cr_assert_eq(options.stages.n, 3);
    cr_expect_str_eq(options.stages.items[0], "Filter");
    cr_expect_str_eq(options.stages.items[1], "conv1/conv");
    cr_expect(set_json("ops", "[\"a\",\"b c\"]"));
    cr_assert_eq(options.stages.n, 2);
    cr_expect_str_eq(options.stages.items[1], "b c");
    cr_expect(set_json("ops", "\"a,b\"") && options.stages.n == 2);
}

Test(options, reads_colours)
{
    static const struct {
        const char *text;
        double rgb[3];
    } rows[] = {{"white", {255, 255, 255}},
                {"black", {0, 0, 0}},
                {"#0a10fF", {10, 16, 255}},
                {"1,2.5,3", {1, 2.5, 3}}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(set("background", rows[i].text), "%s", err.detail);
        cr_expect(memcmp(options.background, rows[i].rgb, sizeof rows[i].rgb) == 0);
    }
    cr_expect(set_json("background", "[1,2,3]") && options.background[2] == 3);
    cr_expect(set_json("background", "\"#ffffff\"") && options.background[2] == 255);
}

Test(options, reads_a_generator)
{
    cr_expect(set("generator", " {\"name\":\"circle\",\"size\":[64,32],\"val\":1.0,"
                               "\"r_shrink\":3}"),
              "%s", err.detail);
    cr_expect_eq(options.generator, GENERATOR_CIRCLE);
    cr_expect(options.size[0] == 64 && options.size[1] == 32);
    cr_expect(options.val == 1 && OPTION_GIVEN(&options, VAL));
    cr_expect_eq(options.r_shrink, 3);
    cr_expect(set("generator", "two_dots"));
    cr_expect_eq(options.generator, GENERATOR_TWO_DOTS);
    cr_expect(set_json("generator", "{\"x\":1,\"name\":\"two_dots\"}"));
    cr_expect(options.generator == GENERATOR_TWO_DOTS && options.x == 1);
    cr_expect(set_json("generator", "\"circle\""));
    cr_expect_eq(options.generator, GENERATOR_CIRCLE);
}

Test(options, says_what_is_wrong_with_a_generator)
{
    static const struct {
        const char *text, *detail;
        enum error_code code;
    } rows[] = {
        {"cirle", "generator must be circle or two_dots; did you mean circle?",
         ERROR_OPTION_INVALID},
        {"{\"name\":\"cirle\"}",
         "generator must be circle or two_dots; did you mean circle?",
         ERROR_OPTION_INVALID},
        {"{\"size\":3}", "generator has no name", ERROR_OPTION_INVALID},
        {"{\"name\":\"circle\",\"size\":0}", "size must be an integer from 1 to 12000",
         ERROR_OPTION_INVALID},
        {"{\"name\":\"circle\",\"r_shink\":3}",
         "r_shink is not an option; did you mean r_shrink?", ERROR_OPTION_INVALID},
        {"{\"name\":\"circle\"",
         "generator: line 1, column 17: the text ends where ',' or '}' should be",
         ERROR_OPTION_INVALID},
        {"{\"name\":\"circle\",\"size\":3,\"size\":3}",
         "generator: line 1, column 27: the key \"size\" stands twice in an object",
         ERROR_PART_DUPLICATE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(set("generator", rows[i].text), "%s", rows[i].text);
        cr_expect_eq(err.code, rows[i].code, "%s", rows[i].text);
        cr_assert_eq(err.n_items, 1);
        cr_expect_str_eq(err.detail, rows[i].detail);
        cr_expect_str_eq(err.items[0].parameter, "generator");
    }
    cr_expect_not(set_json("generator", "{\"name\":\"circle\",\"size\":0}"));
    cr_expect_str_eq(err.items[0].pointer, "/at/size");
    cr_expect_str_eq(err.items[0].value, "0");
}

Test(options, knows_where_options_stand)
{
    static const struct {
        const char *pointer;
        bool stands;
    } rows[] = {
        {"/kernel", true},
        {"/input", true},
        {"/render/gap", true},
        {"/config/gamma", true},
        {"/config/input/generator/size", true},
        {"", false},
        {"/", false},
        {"/layers", false},
        {"/render", false},
        {"/layers/0/kernel", false},
        {"/weights/kernel", false},
        {"/generator/name", false},
        {"/kernel/0", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(option_stands_at(rows[i].pointer), rows[i].stands, "%s",
                     rows[i].pointer);
}

Test(options, says_what_would_be_right)
{
    static const struct {
        const char *name, *text, *detail;
    } rows[] = {
        {"conv_stride", "0", "conv_stride must be an integer from 1 to 1000000"},
        {"conv_stride", "1.5", "conv_stride must be an integer from 1 to 1000000"},
        {"conv_stride", "1,2,3",
         "conv_stride must be an integer, or two: height, width"},
        {"conv_stride", "", "conv_stride must be an integer, or two: height, width"},
        {"conv_stride", "[1,2",
         "conv_stride must be an integer, or two: height, width"},
        {"conv_stride", "1,", "conv_stride must be an integer, or two: height, width"},
        {"conv_stride", "0x10",
         "conv_stride must be an integer, or two: height, width"},
        {"gamma", "nan", "gamma must be one number"},
        {"gamma", "inf", "gamma must be one number"},
        {"gamma", "1e999", "gamma must be one number"},
        {"gamma", "-1", "gamma must be a number from 0 to 1000"},
        {"seed", "2147483648", "seed must be an integer from 0 to 2147483647"},
        {"range", "1,1", "range must be two numbers, the lower one first"},
        {"range", "1", "range must be two numbers"},
        {"color", "grey", "color must be auto, gray, rgb or rgba; did you mean gray?"},
        {"color", "RGB", "color must be auto, gray, rgb or rgba; did you mean rgb?"},
        {"colormap", "Magma",
         "colormap must be magma, viridis, inferno, plasma, cividis, turbo, gray, "
         "Blues_r, RdBu_r or coolwarm; did you mean magma?"},
        {"split_activation", "yes", "split_activation must be true or false"},
        {"stages", "a,,b", "stages must not hold an empty name"},
        {"stage", "", "stage must be a string that is not empty"},
        {"input_shape", "7,8",
         "input_shape must be three integers: height, width, channels"},
        {"background", "#12345", "background must be r,g,b, #rrggbb, white or black"},
        {"background", "1,2,256", "background must be a number from 0 to 255"},
        {"std", "0", "std must be a number from 1e-12 to 1000000"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(set(rows[i].name, rows[i].text), "%s=%s", rows[i].name,
                      rows[i].text);
        cr_expect_eq(err.code, ERROR_OPTION_INVALID);
        cr_expect_str_eq(err.detail, rows[i].detail);
        cr_expect_str_eq(err.items[0].parameter, rows[i].name);
    }
    set("color", "grey");
    cr_expect_str_eq(err.items[0].value, "\"grey\"");
}

Test(options, points_at_values_of_documents)
{
    static const struct {
        const char *name, *text, *value;
    } rows[] = {{"conv_stride", "\"3\"", "\"3\""},
                {"conv_stride", "true", "true"},
                {"gamma", "null", "null"},
                {"seed", "[1]", NULL},
                {"stage", "3", "3"},
                {"color", "1", "1"},
                {"stages", "[]", "[]"},
                {"stages", "[1]", "[1]"},
                {"split_activation", "1", "1"},
                {"mean", "[1,\"2\"]", "[1,\"2\"]"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool ok = set_json(rows[i].name, rows[i].text);
        cr_expect_eq(ok, rows[i].value == NULL, "%s=%s", rows[i].name, rows[i].text);
        if (ok)
            continue;
        cr_expect_eq(err.code, ERROR_OPTION_INVALID);
        cr_expect_str_eq(err.items[0].pointer, "/at");
        cr_expect_str_eq(err.items[0].value, rows[i].value);
    }
}

Test(options, knows_no_others)
{
    cr_expect_not(set("conv_strides", "1"));
    cr_expect_eq(err.code, ERROR_OPTION_UNKNOWN);
    cr_expect_str_eq(err.detail,
                     "conv_strides is not an option; did you mean conv_stride?");
    cr_expect_str_eq(err.items[0].parameter, "conv_strides");
    cr_expect_not(set("wholly_unlike_any", "1"));
    cr_expect_str_eq(err.detail, "wholly_unlike_any is not an option");
    cr_expect_not(set("colormpa", "1"));
    cr_expect_str_eq(err.detail, "colormpa is not an option; did you mean colormap?",
                     "the beginning color is further");
    cr_expect_not(set("pool", "1"));
    cr_expect_str_eq(err.detail, "pool is not an option; did you mean pool_size?");
    error_init(&err);
    cr_expect_not(options_set_query(&options, "=x", &arena, &err));
    cr_expect_eq(err.code, ERROR_OPTION_UNKNOWN);
    cr_expect_str_eq(err.detail, "an option without a name");
    cr_expect_str_eq(err.items[0].parameter, "");
}

Test(options, takes_each_once)
{
    cr_expect(options_set_text(&options, "gamma", "1", &arena, &err));
    cr_expect_not(options_set_text(&options, "gamma", "1", &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_DUPLICATE);
    cr_expect_str_eq(err.detail, "gamma is given twice");
    error_init(&err);
    cr_expect(options_set_text(&options, "stages", "a", &arena, &err));
    cr_expect_not(options_set_text(&options, "ops", "a", &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_DUPLICATE);
    cr_expect_str_eq(err.detail, "ops is given twice: it is the same as stages");
    error_init(&err);
    cr_expect(options_set_text(&options, "input", "circle", &arena, &err));
    cr_expect_not(options_set_text(&options, "generator", "circle", &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_DUPLICATE);
    cr_expect_str_eq(err.detail, "generator is given twice: it is the same as input");
}

Test(options, reads_a_query)
{
    cr_expect(options_set_query(
        &options, "input=circle&size=64&&stage=a%2Fb+c%26&kernel=%5B%5B1%2C2%5D%5D&",
        &arena, &err));
    cr_expect_eq(options.generator, GENERATOR_CIRCLE);
    cr_expect_eq(options.size[1], 64);
    cr_expect_str_eq(options.stage, "a/b c&");
    cr_expect_str_eq(options.kernel, "[[1,2]]");

    static const char *const bad[] = {"stage=%", "stage=%4", "stage=%4g", "stage=a%00b",
                                      "sta%zzge=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options_init(&options);
        error_init(&err);
        cr_expect_not(options_set_query(&options, bad[i], &arena, &err), "%s", bad[i]);
        cr_expect_eq(err.code, ERROR_REQUEST_MALFORMED);
    }
    error_init(&err);
    cr_expect_not(options_set_query(&options, "gamma=1&gamma=1", &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_DUPLICATE);
    error_init(&err);
    cr_expect_not(options_set_query(&options, "gamma", &arena, &err));
    cr_expect_eq(err.code, ERROR_PART_DUPLICATE);
}

/* Every row has a name of its own and says what it is. */
Test(options, prints_its_table)
{
    size_t n = 0;

    for (; option_row(n).name; n++) {
        const struct option_row row = option_row(n);
        cr_expect_eq(option_find(row.name), n, "%s", row.name);
        cr_expect(row.type && row.what && *row.what, "%s", row.name);
        cr_expect_eq(strncmp(row.type, "choice", 6) == 0, row.values != NULL, "%s",
                     row.name);
    }
    cr_expect_eq(n, OPTION_COUNT);
}
