/* test_lesson.c - the network that stands in when no layers are given. */
#include "api/lesson.h"

#include <criterion/criterion.h>
#include <stdint.h>

#include "api/config.h"
#include "api/json.h"

static struct arena arena;
static struct error err;
static struct options options;
static struct config config;

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

TestSuite(lesson, .init = set_up, .fini = tear_down);

static const struct layer *layer(size_t i)
{
    cr_assert_lt(i, config.network.n_layers);
    return &config.network.layers[i];
}

static bool read_lesson(const char *query)
{
    arena_reset(&arena, SIZE_MAX);
    error_init(&err);
    options_init(&options);
    return options_set_query(&options, query, &arena, &err) &&
           config_read(&config, NULL, "", &options, &limits_default, &arena, &err);
}

Test(lesson, makes_the_lesson_without_layers)
{
    cr_assert(read_lesson(""), "%s", err.detail);
    cr_expect(config.lesson && config.gray);
    cr_assert_eq(config.network.n_layers, 3);
    cr_expect_str_eq(layer(0)->name, "Filter");
    cr_expect_str_eq(layer(1)->name, "Detect");
    cr_expect_str_eq(layer(2)->name, "Condense");
    cr_expect(layer(0)->bank.values[7] == 2 && layer(0)->kernel_size[0] == 3);
    cr_expect(layer(0)->filters == 1 && !layer(0)->use_bias);
    cr_expect(layer(0)->padding == PADDING_VALID && layer(2)->padding == PADDING_SAME);
    cr_expect_eq(layer(1)->activation.id, ACTIVATION_RELU);
    cr_expect(layer(2)->pool_size[1] == 2 && layer(2)->strides[0] == 2);

    cr_assert(
        read_lesson("kernel=%5B%5B1,2%5D%5D&conv_stride=3,4&conv_padding=SAME&"
                    "activation=tanh&pool_size=3&pool_stride=1&pool_padding=valid"),
        "%s", err.detail);
    cr_expect(layer(0)->kernel_size[0] == 1 && layer(0)->kernel_size[1] == 2);
    cr_expect(layer(0)->strides[0] == 3 && layer(0)->strides[1] == 4);
    cr_expect(layer(0)->padding == PADDING_SAME && layer(2)->padding == PADDING_VALID);
    cr_expect_eq(layer(1)->activation.id, ACTIVATION_TANH);
    cr_expect(layer(2)->pool_size[1] == 3 && layer(2)->strides[0] == 1);
}

Test(lesson, says_which_option_of_the_lesson_is_wrong)
{
    static const struct {
        const char *query, *name, *detail;
    } rows[] = {
        {"kernel=egde", "kernel",
         "kernel must be a kernel of the catalogue or an array of numbers, not 'egde'; "
         "did "
         "you mean edge?"},
        {"kernel=[[1,2],[3]]", "kernel",
         "kernel must not be ragged: an array of another length stands where 2 "
         "elements "
         "should be"},
        {"kernel=[[1,2]", "kernel",
         "kernel: line 1, column 7: the text ends where ',' or ']' should be"},
        {"kernel=[[[1]],[[2]]]", "kernel", "kernel must be one filter: a 2-D array"},
        {"conv_padding=full", "conv_padding",
         "conv_padding must be valid or same, not 'full'"},
        {"pool_padding=sam", "pool_padding",
         "pool_padding must be valid or same, not 'sam'; did you mean same?"},
        {"activation=Tanh", "activation",
         "activation is 'Tanh', which is not known here; did you mean tanh?"},
        {"pool_size=64", "pool_size",
         "Condense.pool_size 64 is above the limit of 63 (CONVSCOPE_MAX_KERNEL)"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_not(read_lesson(rows[i].query), "%s", rows[i].query);
        cr_expect_eq(err.code, ERROR_OPTION_INVALID);
        cr_expect_eq(err.n_items, 1);
        cr_expect_str_eq(err.items[0].parameter, rows[i].name);
        cr_expect_str_eq(err.detail, rows[i].detail);
    }
}

/* What the engine finds in a layer of the lesson is told of an option. */
Test(lesson, names_the_options_behind_the_lessons_layers)
{
    static const struct {
        size_t layer;
        const char *param, *option;
    } rows[] = {{0, "kernel_size", "kernel"},   {0, "strides", "conv_stride"},
                {0, "padding", "conv_padding"}, {1, "activation", "activation"},
                {2, "pool_size", "pool_size"},  {2, "strides", "pool_stride"},
                {2, "padding", "pool_padding"}};

    cr_assert(read_lesson(""));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        error_init(&err);
        cr_expect_not(layer_fault(layer(rows[i].layer), rows[i].param, &err, "is odd"));
        cr_expect_not(lesson_tell_options(&err));
        cr_expect_eq(err.code, ERROR_OPTION_INVALID);
        cr_expect_str_eq(err.items[0].parameter, rows[i].option);
        cr_expect_str_eq(err.items[0].pointer, "");
    }
    error_init(&err);
    error_at(&err, ERROR_CONFIG_INVALID, "/layers/0/strides", "is odd");
    cr_expect_not(lesson_tell_options(&err));
    cr_expect_eq(err.code, ERROR_CONFIG_INVALID);
    cr_expect_str_eq(err.items[0].pointer, "/layers/0/strides");
}

static bool read_layers(void)
{
    static const char text[] = "[{\"type\":\"max_pooling2d\"}]";
    const struct bytes bytes = {(const unsigned char *)text, sizeof text - 1};
    cJSON *json = json_parse("config", &bytes, NULL, &limits_default, &arena, &err);

    cr_assert(json, "%s", err.detail);
    const bool ok =
        config_read(&config, json, "", &options, &limits_default, &arena, &err);
    cJSON_Delete(json);
    return ok;
}

Test(lesson, keeps_apart_from_layers)
{
    cr_assert(options_set_query(&options, "gamma=2&ops=a&figsize=9,9&subplot_shape=1,2",
                                &arena, &err));
    cr_expect(read_layers());
    options_init(&options);
    cr_assert(options_set_query(&options, "conv_stride=1&kernel=edge", &arena, &err));
    cr_expect_not(read_layers());
    cr_expect_eq(err.code, ERROR_OPTION_INVALID);
    cr_assert_eq(err.n_items, 2);
    cr_expect_str_eq(err.items[0].parameter, "kernel");
    cr_expect_str_eq(err.items[1].parameter, "conv_stride");
}
