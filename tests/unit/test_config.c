/* test_config.c - JSON configs become networks, or faults with their places. */
#include "api/config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

TestSuite(config, .init = set_up, .fini = tear_down);

/* What is read lives in the arena: the document is gone before the result is used. */
static bool read_at(const char *text, const char *pointer)
{
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};

    arena_reset(&arena, SIZE_MAX);
    error_init(&err);
    cJSON *json = json_parse("config", &bytes, NULL, &limits_default, &arena, &err);
    cr_assert(json, "%s: %s", text, err.detail);
    const bool ok =
        config_read(&config, json, pointer, &options, &limits_default, &arena, &err);
    cJSON_Delete(json);
    cr_expect_eq(ok, err.code == ERROR_NONE, "%s: %s", text, err.detail);
    return ok;
}

static bool read_config(const char *text)
{
    return read_at(text, "");
}

static const struct layer *layer(size_t i)
{
    cr_assert_lt(i, config.network.n_layers);
    return &config.network.layers[i];
}

Test(config, reads_flat_layers)
{
    cr_assert(
        read_config("{\"layers\":[{\"type\":\"conv2d\",\"filters\":2,\"kernel_size\":"
                    "[3,5],\"strides\":2,\"padding\":\"SAME\",\"activation\":"
                    "\"relu\",\"use_bias\":false,\"name\":\"c\"},"
                    "{\"type\":\"max_pooling2d\"}]}"),
        "%s", err.detail);
    cr_assert_eq(config.network.n_layers, 2);
    cr_expect_str_eq(layer(0)->kind->class_name, "Conv2D");
    cr_expect_str_eq(layer(0)->name, "c");
    cr_expect_eq(layer(0)->filters, 2);
    cr_expect(layer(0)->kernel_size[0] == 3 && layer(0)->kernel_size[1] == 5);
    cr_expect(layer(0)->strides[0] == 2 && layer(0)->strides[1] == 2);
    cr_expect_eq(layer(0)->padding, PADDING_SAME);
    cr_expect_eq(layer(0)->activation.id, ACTIVATION_RELU);
    cr_expect_not(layer(0)->use_bias);
    cr_expect_eq(layer(0)->groups, 1);
    cr_expect_eq(layer(0)->keras, KERAS_3);
    cr_expect_str_eq(layer(1)->kind->class_name, "MaxPooling2D");
    cr_expect_str_eq(layer(1)->name, "max_pooling2d");
    cr_expect(layer(1)->pool_size[0] == 2 && layer(1)->pool_size[1] == 2);
    cr_expect_eq(*layer(0)->inputs, 0);
    cr_expect_eq(*layer(1)->inputs, 1);
    cr_expect_str_eq(layer(1)->label, "layers[1]");
    cr_expect_str_eq(layer(1)->pointer, "/layers/1");
    cr_expect_eq(config.input.rank, 0);
    cr_expect_not(config.lesson || config.gray);
}

#define CONV "\"filters\":1,\"kernel_size\":3"
#define ACT  "{\"type\":\"activation\",\"activation\":\"relu\"}"

Test(config, finds_the_layers_of_every_document)
{
    static const struct {
        const char *text, *pointer; /* of the layer's parameters */
        enum keras keras;
    } rows[] = {
        {"[{\"type\":\"conv2d\"," CONV "}]", "/0", KERAS_3},
        {"[{\"class_name\":\"CONV2D\"," CONV "}]", "/0", KERAS_3},
        {"[{\"class_name\":\"Convolution2D\",\"config\":{" CONV "}}]", "/0/config",
         KERAS_2},
        {"{\"layers\":[{\"module\":\"keras.layers\",\"class_name\":\"Conv2D\","
         "\"config\":{" CONV "},\"registered_name\":null,\"build_config\":{}}]}",
         "/layers/0/config", KERAS_3},
        {"{\"name\":\"sequential\",\"layers\":[{\"class_name\":\"Conv2D\",\"config\":"
         "{" CONV "}}]}",
         "/layers/0/config", KERAS_2},
        {"{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":["
         "{\"class_name\":\"Conv2D\",\"config\":{" CONV
         "}}]},\"keras_version\":\"2.11.0\","
         "\"backend\":\"tensorflow\"}",
         "/config/layers/0/config", KERAS_2},
        {"{\"module\":\"keras\",\"class_name\":\"Sequential\",\"config\":{\"name\":"
         "\"s\","
         "\"trainable\":true,\"dtype\":{\"module\":\"keras\",\"class_name\":"
         "\"DTypePolicy\",\"config\":{\"name\":\"float32\"},\"registered_name\":null},"
         "\"layers\":[{\"class_name\":\"Conv2D\",\"config\":{" CONV "}}],"
         "\"build_input_shape\":[null,9,9,1]},\"registered_name\":null,\"build_"
         "config\":"
         "{\"input_shape\":[null,9,9,1]},\"compile_config\":{}}",
         "/config/layers/0/config", KERAS_3},
        {"{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"Conv2D\","
         "\"config\":{" CONV "}}]}",
         "/config/0/config", KERAS_2},
        {"{\"format\":\"layers-model\",\"generatedBy\":\"keras "
         "v2.4\",\"convertedBy\":null,"
         "\"modelTopology\":{\"keras_version\":\"2.4.0\",\"backend\":\"tensorflow\","
         "\"model_config\":{\"class_name\":\"Sequential\",\"config\":{\"layers\":["
         "{\"class_name\":\"Conv2D\",\"config\":{" CONV
         "}}]}}},\"weightsManifest\":[]}",
         "/modelTopology/model_config/config/layers/0/config", KERAS_2},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(read_config(rows[i].text), "%s: %s", rows[i].text, err.detail);
        cr_assert_eq(config.network.n_layers, 1);
        cr_expect_str_eq(layer(0)->kind->class_name, "Conv2D");
        cr_expect_str_eq(layer(0)->pointer, rows[i].pointer);
        cr_expect_eq(layer(0)->keras, rows[i].keras, "%s", rows[i].text);
    }
}

/* A layer as Keras 3 writes it, with every key. */
Test(config, accepts_all_that_keras_writes)
{
    cr_assert(
        read_config(
            "[{\"module\":\"keras.layers\",\"class_name\":\"Conv2D\",\"config\":{"
            "\"name\":\"conv2d\",\"trainable\":true,\"dtype\":\"float32\","
            "\"filters\":2.0,\"kernel_size\":[3,3],\"strides\":[1,1],\"padding\":"
            "\"valid\",\"data_format\":\"channels_last\",\"dilation_rate\":[1,1],"
            "\"groups\":1,\"activation\":\"tanh\",\"use_bias\":true,"
            "\"kernel_initializer\":{\"module\":\"keras.initializers\","
            "\"class_name\":\"GlorotUniform\",\"config\":{\"seed\":7},"
            "\"registered_name\":null},\"bias_initializer\":{\"class_name\":\"Ones\","
            "\"config\":{}},\"kernel_regularizer\":null,\"bias_regularizer\":"
            "{\"class_name\":\"L2\",\"config\":{\"l2\":0.01}},\"activity_regularizer\":"
            "null,\"kernel_constraint\":null,\"bias_constraint\":null,"
            "\"quantization_config\":null},\"shared_object_id\":3,"
            "\"registered_name\":null,\"build_config\":{\"input_shape\":"
            "[null,9,9,1]},\"name\":\"conv2d\",\"inbound_nodes\":[]}]"),
        "%s", err.detail);
    cr_expect_eq(layer(0)->filters, 2);
    cr_expect_eq(layer(0)->activation.id, ACTIVATION_TANH);
    cr_expect_eq(layer(0)->weights[0].initializer.id, INIT_GLOROT_UNIFORM);
    cr_expect_eq(layer(0)->weights[0].initializer.seed, 7);
    cr_expect_eq(layer(0)->weights[1].initializer.id, INIT_ONES);
}

Test(config, reads_activations_in_every_form)
{
    static const struct {
        const char *text;
        enum activation_id id;
    } rows[] = {
        {"\"relu\"", ACTIVATION_RELU},
        {"null", ACTIVATION_LINEAR},
        {"{\"class_name\":\"relu\",\"config\":{}}", ACTIVATION_RELU},
        {"{\"module\":\"builtins\",\"class_name\":\"function\",\"config\":\"softmax\","
         "\"registered_name\":\"function\"}",
         ACTIVATION_SOFTMAX},
    };
    char text[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "[{\"type\":\"activation\",\"activation\":%s}]",
                 rows[i].text);
        cr_assert(read_config(text), "%s", err.detail);
        cr_expect_eq(layer(0)->activation.id, rows[i].id);
    }
}

Test(config, reads_the_declared_input)
{
    static const struct {
        const char *text, *pointer;
        struct shape shape;
    } rows[] = {
        {"[{\"class_name\":\"InputLayer\",\"config\":{\"batch_input_shape\":[null,5,7,"
         "3],"
         "\"dtype\":\"float32\",\"sparse\":false,\"ragged\":false,\"name\":\"in\"}}"
         "," ACT "]",
         "/0/config/batch_input_shape",
         {3, {5, 7, 3}}},
        {"[{\"class_name\":\"InputLayer\",\"config\":{\"batch_shape\":[1,null,null,3]}}"
         "," ACT "]",
         "/0/config/batch_shape",
         {3, {0, 0, 3}}},
        {"[{\"type\":\"input_layer\",\"shape\":[5,7,3]}," ACT "]",
         "/0/shape",
         {3, {5, 7, 3}}},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"batch_input_shape\":"
         "[null,5,7,1]}," ACT "]",
         "/0/batch_input_shape",
         {3, {5, 7, 1}}},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"input_shape\":[5,7,1]}]",
         "/0/input_shape",
         {3, {5, 7, 1}}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(read_config(rows[i].text), "%s", err.detail);
        cr_expect(shape_equal(&config.input, &rows[i].shape), "row %zu", i);
        cr_expect_str_eq(config.input_pointer, rows[i].pointer);
        cr_expect_str_eq(layer(0)->kind->class_name, "Activation");
    }
}

Test(config, names_layers_as_keras_does)
{
    static const char *const names[] = {
        "conv2d_2", "max_pooling2d",     "conv2d",          "conv2d_1",
        "conv2d_3", "average_pooling2d", "max_pooling2d_1", "a/b"};

    cr_assert(read_config(
        "[{\"type\":\"conv2d\"," CONV
        ",\"name\":\"conv2d_2\"},{\"type\":\"MaxPool2D\"},"
        "{\"type\":\"conv2d\"," CONV "},{\"type\":\"conv2d\"," CONV ",\"name\":null},"
        "{\"type\":\"conv2d\"," CONV "},{\"type\":\"avg_pool2d\",\"pool_size\":2},"
        "{\"type\":\"max_pooling2d\"},{\"class_name\":\"Activation\",\"config\":"
        "{\"activation\":\"relu\"},\"name\":\"a/b\"}]"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect_str_eq(layer(i)->name, names[i]);
}

Test(config, takes_kernels_in_every_form)
{
    cr_assert(read_config("[{\"type\":\"conv2d\",\"kernel\":\"edge\"}]"), "%s",
              err.detail);
    cr_expect(layer(0)->filters == 1 && layer(0)->kernel_size[0] == 3);
    cr_expect(layer(0)->bank.channels == 0 && layer(0)->bank.values[4] == 8);
    cr_expect(config.gray);

    cr_assert(
        read_config("[{\"type\":\"conv2d\",\"kernel\":[[1,2,3],[4,5,6]],\"bias\":2}]"));
    cr_expect(layer(0)->kernel_size[0] == 2 && layer(0)->kernel_size[1] == 3);
    cr_expect(layer(0)->bank.values[5] == 6 && layer(0)->bank.filters == 1);
    cr_expect(layer(0)->n_bias == 1 && layer(0)->bias[0] == 2);

    cr_assert(read_config("[{\"type\":\"conv2d\",\"kernel\":[[[1,2]],[[3,4]],[[5,6]]],"
                          "\"filters\":3,\"kernel_size\":[1,2],\"bias\":[1,2,3]}]"),
              "%s", err.detail);
    cr_expect(layer(0)->filters == 3 && layer(0)->kernel_size[1] == 2);
    cr_expect(layer(0)->bank.values[3] == 4 && layer(0)->n_bias == 3);
    cr_expect(config.gray);

    cr_assert(
        read_config("[{\"type\":\"conv2d\",\"kernel\":[\"edge\",\"bottom_sobel\"]}]"),
        "%s", err.detail);
    cr_expect(layer(0)->filters == 2 && layer(0)->kernel_size[1] == 3);
    cr_expect(layer(0)->bank.filters == 2 && layer(0)->bank.channels == 0);
    cr_expect(layer(0)->bank.values[4] == 8 && layer(0)->bank.values[9 + 7] == 2);
    cr_expect(config.gray);

    cr_assert(
        read_config("[{\"type\":\"conv2d\",\"kernel\":[[[[1,2],[3,4],[5,6]]]]}]"));
    cr_expect(layer(0)->filters == 2 && layer(0)->bank.channels == 3);
    cr_expect(layer(0)->kernel_size[0] == 1 && layer(0)->kernel_size[1] == 1);
    cr_expect_eq(layer(0)->bank.values[2], 3);
    cr_expect_not(config.gray);
}

Test(config, seeds_initializers)
{
    options.seed = 5;
    cr_assert(read_config("[{\"type\":\"conv2d\"," CONV "},{\"type\":\"conv2d\"," CONV
                          ",\"seed\":9},{\"type\":\"conv2d\"," CONV ",\"seed\":9,"
                          "\"kernel_initializer\":{\"class_name\":\"GlorotUniform\","
                          "\"config\":{\"seed\":11}}}]"));
    cr_expect_eq(layer(0)->weights[0].initializer.seed, 5);
    cr_expect_eq(layer(1)->weights[0].initializer.seed, 9);
    cr_expect_eq(layer(2)->weights[0].initializer.seed, 11);
    cr_expect_eq(layer(2)->weights[1].initializer.seed, 9);
}

/* As Keras 2.11 and Keras 3 write them, and as people do. */
#define KERAS_2_LAYER(class_name, config)                                              \
    "[{\"class_name\":\"" class_name "\",\"config\":{" config "}}]"
#define KERAS_3_LAYER(class_name, config)                                              \
    "[{\"module\":\"keras.layers\",\"class_name\":\"" class_name                       \
    "\",\"config\":{" config "},\"registered_name\":null}]"

Test(config, reads_normalizations)
{
    static const char *const layer_normalizations[] = {
        KERAS_2_LAYER("LayerNormalization",
                      "\"name\":\"layer_normalization\",\"trainable\":true,\"dtype\":"
                      "\"float32\",\"axis\":[3],\"epsilon\":0.5,\"center\":false,"
                      "\"scale\":true,\"beta_initializer\":{\"class_name\":\"Zeros\","
                      "\"config\":{}},\"gamma_initializer\":{\"class_name\":\"Ones\","
                      "\"config\":{}},\"beta_regularizer\":null,\"gamma_regularizer\":"
                      "null,\"beta_constraint\":null,\"gamma_constraint\":null"),
        KERAS_3_LAYER("LayerNormalization",
                      "\"axis\":[3],\"epsilon\":0.5,\"center\":false,\"scale\":true,"
                      "\"rms_scaling\":false,\"beta_initializer\":{\"module\":"
                      "\"keras.initializers\",\"class_name\":\"Zeros\",\"config\":{},"
                      "\"registered_name\":null}"),
        "[{\"type\":\"layer_normalization\",\"axis\":3,\"epsilon\":0.5,\"center\":"
        "false}]",
    };
    static const char *const normalizations[] = {
        KERAS_2_LAYER("Normalization", "\"axis\":[-1],\"invert\":true,\"mean\":[[[[0.5,"
                                       "1,2]]]],\"variance\":4"),
        KERAS_3_LAYER("Normalization", "\"axis\":[-1],\"invert\":true,\"mean\":[0.5,1,"
                                       "2],\"variance\":[[4]]"),
    };

    for (size_t i = 0; i < 3; i++) {
        cr_assert(read_config(layer_normalizations[i]), "%s", err.detail);
        cr_expect(layer(0)->axis.n == 1 && layer(0)->axis.items[0] == 3);
        cr_expect(layer(0)->epsilon == 0.5f && !layer(0)->center && layer(0)->scale &&
                  !layer(0)->rms_scaling);
        cr_expect_eq(layer(0)->weights[0].initializer.id, INIT_ONES);
        cr_expect_eq(layer(0)->weights[1].initializer.id, INIT_ZEROS);
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert(read_config(normalizations[i]), "%s", err.detail);
        cr_expect(layer(0)->axis.n == 1 && layer(0)->axis.items[0] == -1);
        cr_expect(layer(0)->invert && layer(0)->mean.shape.rank == 1);
        cr_expect(layer(0)->mean.shape.dim[0] == 3 && layer(0)->mean.values[2] == 2);
        cr_expect(layer(0)->variance.shape.rank == 0 &&
                  layer(0)->variance.values[0] == 4);
    }
}

/* An axis of null or [] is none at all; one that is not given is the last. */
Test(config, normalization_may_have_no_axis)
{
    static const struct {
        const char *text;
        int n;
    } rows[] = {
        {KERAS_2_LAYER("Normalization", "\"axis\":[],\"mean\":null,\"variance\":null"),
         0},
        {KERAS_3_LAYER("Normalization", "\"axis\":null"), 0},
        {KERAS_3_LAYER("Normalization", "\"axis\":[1,2]"), 2},
        {"[{\"type\":\"normalization\"}]", 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(read_config(rows[i].text), "%s: %s", rows[i].text, err.detail);
        cr_expect_eq(layer(0)->axis.n, rows[i].n, "%s", rows[i].text);
        cr_expect_null(layer(0)->mean.values);
        cr_expect_eq(layer(0)->weights[1].initializer.id, INIT_ONES);
    }
}

Test(config, reads_the_rest_of_keras_sequential_layers)
{
    cr_assert(
        read_config("[{\"class_name\":\"Permute\",\"config\":{\"dims\":[2,3,1]}},"
                    "{\"class_name\":\"GaussianDropout\",\"config\":{\"rate\":0.2}},"
                    "{\"class_name\":\"AlphaDropout\",\"config\":{\"rate\":0.2,"
                    "\"noise_shape\":null,\"seed\":null}},"
                    "{\"class_name\":\"ActivityRegularization\",\"config\":{\"l1\":0.1,"
                    "\"l2\":0.0}},{\"class_name\":\"Identity\",\"config\":{}}]"),
        "%s", err.detail);
    cr_expect(layer(0)->dims.n == 3 && layer(0)->dims.items[2] == 1);
    cr_expect_str_eq(layer(4)->name, "identity");
}

Test(config, reads_initializers_of_both_generations)
{
#define VARIANCE_SCALING                                                               \
    "\"class_name\":\"VarianceScaling\",\"config\":{\"scale\":2.0,\"mode\":\"fan_"     \
    "out\","                                                                           \
    "\"distribution\":\"untruncated_normal\",\"seed\":4}"
    static const struct {
        const char *json;
        enum initializer_id id;
        float params[3];
        uint64_t seed;
    } rows[] = {
        {"{\"class_name\":\"Orthogonal\",\"config\":{\"gain\":0.5,\"seed\":null}}",
         INIT_ORTHOGONAL,
         {0.5f},
         0},
        {"{\"module\":\"keras.initializers\",\"class_name\":\"OrthogonalInitializer\","
         "\"config\":{\"gain\":0.5,\"seed\":7},\"registered_name\":null}",
         INIT_ORTHOGONAL,
         {0.5f},
         7},
        {"\"orthogonal\"", INIT_ORTHOGONAL, {1}, 0},
        {"{\"class_name\":\"Identity\",\"config\":{\"gain\":3}}",
         INIT_IDENTITY,
         {3},
         0},
        {"{" VARIANCE_SCALING "}", INIT_VARIANCE_SCALING, {2, 1, 1}, 4},
        {"{\"module\":\"keras.initializers\"," VARIANCE_SCALING
         ",\"registered_name\":null}",
         INIT_VARIANCE_SCALING,
         {2, 1, 1},
         4},
        {"\"variance_scaling\"", INIT_VARIANCE_SCALING, {1, 0, 0}, 0},
        {"{\"class_name\":\"TruncatedNormal\",\"config\":{\"stddev\":0.25,\"dtype\":"
         "\"float32\"}}",
         INIT_TRUNCATED_NORMAL,
         {0, 0.25f},
         0},
    };
    char text[512];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text,
                 "[{\"type\":\"dense\",\"units\":3,\"kernel_initializer\":%s}]",
                 rows[i].json);
        cr_assert(read_config(text), "%s: %s", text, err.detail);
        const struct initializer *init = &layer(0)->weights[0].initializer;
        cr_expect(init->id == rows[i].id && init->seed == rows[i].seed, "%s", text);
        for (size_t k = 0; k < 3; k++)
            cr_expect_eq(init->params[k], rows[i].params[k], "%s", text);
    }
}

static void expect_fault(const char *text, const char *pointer, const char *detail)
{
    cr_assert_not(read_config(text), "%s", text);
    cr_expect_eq(err.code, ERROR_CONFIG_INVALID);
    cr_expect_eq(err.n_items, 1, "%s: %zu faults", text, err.n_items);
    cr_expect_str_eq(err.detail, detail);
    cr_expect_str_eq(err.items[0].pointer, pointer);
}

Test(config, says_what_is_wrong_in_a_layer)
{
    static const struct {
        const char *params, *key, *detail; /* of a flat Conv2D */
    } rows[] = {
        {"\"filters\":0,\"kernel_size\":3", "filters", "must be at least 1, not 0"},
        {"\"filters\":1.5,\"kernel_size\":3", "filters",
         "must be an integer, not a fraction"},
        {"\"filters\":\"8\",\"kernel_size\":3", "filters",
         "must be an integer, not a string"},
        {"\"filters\":true,\"kernel_size\":3", "filters",
         "must be an integer, not true"},
        {"\"filters\":null,\"kernel_size\":3", "filters",
         "must be an integer, not null"},
        {"\"filters\":4097,\"kernel_size\":3", "filters",
         "4097 is above the limit of 4096 (CONVSCOPE_MAX_FILTERS)"},
        {"\"filters\":4294967297,\"kernel_size\":3", "filters",
         "4294967297 is above the limit of 4096 (CONVSCOPE_MAX_FILTERS)"},
        {"\"filters\":1", "kernel_size", "is required by Conv2D"},
        {"\"filters\":1,\"kernel_size\":[3]", "kernel_size",
         "must be an integer or an array of two, not of 1"},
        {"\"filters\":1,\"kernel_size\":[3,true]", "kernel_size",
         "must be an integer, not true"},
        {"\"filters\":1,\"kernel_size\":[3,64]", "kernel_size",
         "64 is above the limit of 63 (CONVSCOPE_MAX_KERNEL)"},
        {CONV ",\"strides\":2147483648", "strides",
         "must be at most 2147483647, not 2147483648"},
        {CONV ",\"padding\":\"full\"", "padding", "must be valid or same, not 'full'"},
        {CONV ",\"padding\":\"sane\"", "padding",
         "must be valid or same, not 'sane'; did you mean same?"},
        {CONV ",\"padding\":1", "padding", "must be valid or same"},
        {CONV ",\"data_format\":\"channels_first\"", "data_format",
         "must be channels_last, not 'channels_first'"},
        {CONV ",\"use_bias\":1", "use_bias", "must be true or false, not a number"},
        {CONV ",\"dtype\":\"float16\"", "dtype", "must be float32"},
        {CONV ",\"kernel_initializer\":\"zeroes\"", "kernel_initializer",
         "is 'zeroes', which is not known here; did you mean zeros?"},
        {CONV
         ",\"kernel_initializer\":{\"class_name\":\"Ones\",\"config\":{\"seed\":-1}}",
         "kernel_initializer", "has a seed that is no integer from 0 to 2^53"},
        {CONV ",\"kernel_initializer\":{\"class_name\":\"Ones\",\"config\":[1]}",
         "kernel_initializer", "has a config that is an array, not an object"},
#define STARTS(class_name, config)                                                     \
    CONV ",\"kernel_initializer\":{\"class_name\":\"" class_name                       \
         "\",\"config\":{" config "}}"
        {STARTS("Orthogonal", "\"gain\":null"), "kernel_initializer",
         "has a gain that is no float"},
        {STARTS("Orthogonal", "\"gains\":1"), "kernel_initializer",
         "has a gains, which is no parameter of orthogonal"},
        {STARTS("VarianceScaling", "\"scale\":0"), "kernel_initializer",
         "has a scale that is not positive"},
        {STARTS("VarianceScaling", "\"mode\":\"fan\""), "kernel_initializer",
         "has a mode that must be fan_in, fan_out or fan_avg, not 'fan'; did you mean "
         "fan_in?"},
        {STARTS("VarianceScaling", "\"distribution\":3"), "kernel_initializer",
         "has a distribution that must be truncated_normal, untruncated_normal, "
         "uniform "
         "or normal"},
        {CONV ",\"quantization_config\":{}", "quantization_config", "must be null"},
        {CONV ",\"seed\":0.5", "seed", "must be an integer from 0 to 2^53"},
        {CONV ",\"kernal\":1", "kernal",
         "is not a parameter of Conv2D; did you mean kernel?"},
        {CONV ",\"pool_size\":1", "pool_size",
         "is not a parameter of Conv2D; did you mean kernel_size?"},
        {CONV ",\"name\":\"\"", "name", "must not have an empty, '.' or '..' segment"},
        {CONV ",\"name\":\"../x\"", "name",
         "must not have an empty, '.' or '..' segment"},
        {CONV ",\"name\":\"a/./x\"", "name",
         "must not have an empty, '.' or '..' segment"},
        {CONV ",\"name\":\"/x\"", "name",
         "must not have an empty, '.' or '..' segment"},
        {CONV ",\"name\":\"x/\"", "name",
         "must not have an empty, '.' or '..' segment"},
        {CONV ",\"name\":\"a\\nb\"", "name", "must not hold control characters"},
        {CONV ",\"name\":\"Input\"", "name",
         "must not be Input: that is the stage before the first layer"},
        {CONV ",\"name\":3", "name", "must be a string"},
        {"\"kernel\":\"bottom-sobel\"", "kernel",
         "must be a kernel of the catalogue or an array of numbers, not "
         "'bottom-sobel'; "
         "did you mean bottom_sobel?"},
        {"\"kernel\":[[1,2],[3]]", "kernel",
         "must not be ragged: an array of another length stands where 2 elements "
         "should "
         "be"},
        {"\"kernel\":[[1,2],3]", "kernel",
         "must not be ragged: a number stands where 2 elements should be"},
        {"\"kernel\":[[1,\"2\"]]", "kernel",
         "must hold numbers in the range of float32 only, in arrays of equal length"},
        {"\"kernel\":[[1e39]]", "kernel",
         "must hold numbers in the range of float32 only, in arrays of equal length"},
        {"\"kernel\":[[]]", "kernel", "must not have an empty array"},
        {"\"kernel\":[1,2]", "kernel",
         "must be a name of the catalogue, a 2-D array, a list of either, or a 4-D "
         "array [height][width][channels][filters]"},
        {"\"kernel\":[\"edge\",\"embos\"]", "kernel",
         "must be a kernel of the catalogue or an array of numbers, not 'embos'; did "
         "you mean emboss?"},
        {"\"kernel\":[\"edge\",1]", "kernel",
         "must be a list of names only: a number stands in it"},
        {"\"kernel\":\"edge\",\"filters\":2", "filters", "is 2, but kernel has 1"},
        {"\"kernel\":\"edge\",\"kernel_size\":[3,5]", "kernel_size",
         "is 3x5, but kernel is 3x3"},
        {CONV ",\"bias\":[[1]]", "bias", "must be a number or an array of numbers"},
        {CONV ",\"bias\":1,\"use_bias\":false", "bias", "stands beside use_bias false"},
        {CONV ",\"batch_input_shape\":[null,9,9]", "batch_input_shape",
         "must be [batch, height, width, channels]"},
        {CONV ",\"input_shape\":[9,9,null]", "input_shape",
         "must have a positive height and width (or null) and positive channels"},
    };
    char text[512], pointer[64], detail[400];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "{\"layers\":[" ACT ",{\"type\":\"conv2d\",%s}]}",
                 rows[i].params);
        snprintf(pointer, sizeof pointer, "/layers/1/%s", rows[i].key);
        snprintf(detail, sizeof detail, "layers[1].%s %s", rows[i].key, rows[i].detail);
        expect_fault(text, pointer, detail);
    }
}

Test(config, says_what_is_wrong_in_a_normalization)
{
    static const struct {
        const char *type, *params, *key, *detail;
    } rows[] = {
        {"layer_normalization", "\"axis\":null", "axis",
         "must be an integer, not null"},
        {"layer_normalization", "\"axis\":[]", "axis",
         "must hold 1 to 4 integers, not 0"},
        {"layer_normalization", "\"axis\":\"last\"", "axis",
         "must be an integer, not a string"},
        {"layer_normalization", "\"epsilon\":-1", "epsilon",
         "must be at least 0, not -1"},
        {"layer_normalization", "\"invert\":true", "invert",
         "is not a parameter of LayerNormalization"},
        {"normalization", "\"axis\":5", "axis", "must be at most 4, not 5"},
        {"normalization", "\"mean\":\"1\"", "mean",
         "must hold numbers in the range of float32 only, in arrays of equal length"},
        {"normalization", "\"mean\":[[1,2],[3]]", "mean",
         "must not be ragged: an array of another length stands where 2 elements "
         "should "
         "be"},
        {"normalization", "\"mean\":[]", "mean", "must not have an empty array"},
        {"normalization",
         "\"mean\":[[[[[1,2],[1,2]],[[1,2],[1,2]]],[[[1,2],[1,2]],"
         "[[1,2],[1,2]]]],[[[[1,2],[1,2]],[[1,2],[1,2]]],[[[1,2],[1,2]],[[1,2],"
         "[1,2]]]]]",
         "mean", "must not have more than 4 axes"},
        {"normalization", "\"variance\":[1,-1]", "variance",
         "must be at least 0, not -1"},
        {"normalization", "\"invert\":1", "invert",
         "must be true or false, not a number"},
        {"permute", "\"dims\":[0,1,2]", "dims", "must be at least 1, not 0"},
        {"permute", "\"dims\":[1,2,3,4,5]", "dims", "must hold 1 to 4 integers, not 5"},
        {"permute", "\"name\":\"p\"", "dims", "is required by Permute"},
    };
    char text[512], pointer[64], detail[400];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "[{\"type\":\"%s\",%s}]", rows[i].type,
                 rows[i].params);
        snprintf(pointer, sizeof pointer, "/0/%s", rows[i].key);
        snprintf(detail, sizeof detail, "layers[0].%s %s", rows[i].key, rows[i].detail);
        expect_fault(text, pointer, detail);
    }
}

Test(config, says_what_is_wrong_with_a_document)
{
#define MODEL(config)                                                                  \
    "{\"class_name\":\"Sequential\",\"config\":{\"layers\":[" config "]}}"
    static const struct {
        const char *text, *pointer, *detail;
    } rows[] = {
        {"42", "", "config must be an object or an array of layers, not a number"},
        {"[]", "", "config must hold at least one layer"},
        {"{\"layers\":[]}", "/layers", "layers must hold at least one layer"},
        {"{\"layers\":{}}", "/layers",
         "layers must be an array of layers, not an object"},
        {"{\"layers\":3}", "/layers",
         "config.layers must be an array of layers, not a number"},
        {"{\"layrs\":[]}", "/layrs", "config.layrs is not known; did you mean layers?"},
        {"[3]", "/0", "layers[0] must be an object, not a number"},
        {"[{\"filters\":1}]", "/0/class_name",
         "layers[0].class_name is missing; a flat layer has type instead"},
        {"[{\"type\":\"conv3d\"}]", "/0/type",
         "layers[0].type 'conv3d' is not a layer that is known here; did you mean "
         "Conv2D?"},
        {"[{\"type\":\"tanh\"}]", "/0/type",
         "layers[0].type 'tanh' is an activation, not a layer: use Activation with "
         "activation 'tanh'"},
        {"{\"format\":\"graph-model\",\"modelTopology\":{\"node\":[]}}", "/format",
         "config.format is graph-model, which has no Keras layers: only layers-model "
         "files are supported"},
        {"[{\"type\":\"conv2d\",\"class_name\":\"Conv2D\"}]", "/0/type",
         "layers[0].type stands beside class_name"},
        {"[{\"type\":7}]", "/0/type", "layers[0].type must be a string, not a number"},
        {"[{\"class_name\":\"Conv2D\",\"config\":7}]", "/0/config",
         "layers[0].config must be an object, not a number"},
        {"[{\"class_name\":\"Activation\",\"config\":{\"activation\":\"relu\"},"
         "\"filter\":1}]",
         "/0/filter", "layers[0].filter is not known"},
        {"[{\"class_name\":\"Sequential\",\"config\":{\"layers\":[]}}]",
         "/0/class_name",
         "layers[0].class_name is Sequential: a model inside a model is not supported"},
        {"{\"class_name\":\"Functional\",\"config\":{\"layers\":[]}}", "/class_name",
         "config.class_name is 'Functional': only Sequential models are supported"},
        {"{\"class_name\":\"Sequential\"}", "/config", "config.config is missing"},
        {"{\"class_name\":\"Sequential\",\"config\":{}}", "/config/layers",
         "config.layers is missing"},
        {MODEL("{\"class_name\":\"conv2D\",\"config\":{" CONV "}}"),
         "/config/layers/0/class_name",
         "layers[0].class_name 'conv2D' is not a layer that is known here; did you "
         "mean "
         "Conv2D?"},
        {MODEL("{\"type\":\"Conv2D\",\"config\":{" CONV "}}"),
         "/config/layers/0/class_name", "layers[0].class_name is missing"},
        {MODEL("{\"class_name\":\"Conv2D\"}"), "/config/layers/0/config",
         "layers[0].config is missing"},
        {"{\"class_name\":\"Sequential\",\"config\":{\"layers\":[{\"class_name\":"
         "\"ReLU\",\"config\":{}}],\"foo\":1}}",
         "/config/foo", "config.foo is not known"},
        {"{\"class_name\":\"Sequential\",\"config\":{\"dtype\":\"float16\",\"layers\":["
         "{\"class_name\":\"ReLU\",\"config\":{}}]}}",
         "/config/dtype", "config.dtype must be float32"},
        {"[" ACT ",{\"type\":\"InputLayer\",\"shape\":[1,1,1]}]", "/1",
         "layers[1] is an InputLayer, which must come first"},
        {"[{\"type\":\"InputLayer\",\"shape\":[1,1,1]}]", "",
         "config must hold a layer beside the InputLayer"},
        {"[{\"type\":\"InputLayer\"}," ACT "]", "/0/batch_shape",
         "layers[0].batch_shape is required"},
        {"[{\"type\":\"InputLayer\",\"shape\":[5,5,1]},{\"type\":\"activation\","
         "\"activation\":\"relu\",\"input_shape\":[5,5,3]}]",
         "/1/input_shape", "layers[1] declares another input than the InputLayer"},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"name\":\"a\"}," ACT
         ",{\"type\":\"activation\",\"activation\":\"relu\",\"name\":\"a\"}]",
         "/2/name", "layers[2].name 'a' is also the name of layers[0]"},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"name\":\"a\"},"
         "{\"type\":\"activation\",\"activation\":\"relu\",\"name\":\"a/pre\"}]",
         "/1/name",
         "layers[1].name 'a/pre' is also the name of the stage before the activation "
         "of "
         "layers[0]"},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"name\":"
         "\"activation/pre\"}," ACT "]",
         "/0/name",
         "layers[0].name 'activation/pre' is also the name of the stage before the "
         "activation of layers[1]"},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"a/b~\":1}]", "/0/a~1b~0",
         "layers[0].a/b~ is not a parameter of Activation"},
        {"[{\"type\":\"activation\",\"activation\":\"relu\",\"kernel\":1}]",
         "/0/kernel", "layers[0].kernel is not a parameter of Activation"},
        {"[{\"type\":\"dropout\"}]", "/0/rate",
         "layers[0].rate is required by Dropout"},
        {"[{\"type\":\"spatial_dropout2d\",\"rate\":1.5}]", "/0/rate",
         "layers[0].rate must be at most 1, not 1.5"},
        {"[{\"type\":\"gaussian_noise\",\"rate\":1,\"stddev\":1}]", "/0/rate",
         "layers[0].rate is not a parameter of GaussianNoise"},
        {"[{\"module\":\"keras.layers\",\"class_name\":\"ThresholdedReLU\",\"config\":"
         "{}}]",
         "/0/class_name",
         "layers[0].class_name 'ThresholdedReLU' is a layer of Keras 2 only, and this "
         "document is Keras 3"},
        {"[{\"type\":\"average_pooling2d\"}]", "/0/pool_size",
         "layers[0].pool_size is required by AveragePooling2D"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_fault(rows[i].text, rows[i].pointer, rows[i].detail);
}

Test(config, records_all_independent_faults)
{
    cr_assert_not(
        read_at("{\"layers\":[{\"type\":\"conv2d\",\"filters\":0,\"strides\":-1},"
                "{\"type\":\"pool\"},{\"type\":\"max_pooling2d\",\"pool_size\":5,"
                "\"stride\":2}]}",
                "/config"));
    static const struct {
        const char *pointer, *value;
    } items[] = {{"/config/layers/0/filters", "0"},
                 {"/config/layers/0/strides", "-1"},
                 {"/config/layers/0/kernel_size", ""},
                 {"/config/layers/1/type", "\"pool\""},
                 {"/config/layers/2/stride", "2"}};
    cr_assert_eq(err.n_items, sizeof items / sizeof *items);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        cr_expect_str_eq(err.items[i].pointer, items[i].pointer);
        cr_expect_str_eq(err.items[i].value, items[i].value);
    }
    cr_expect_str_eq(err.detail, "layers[0].filters must be at least 1, not 0");
}

/* Faults of the wrappers, of layers and between layers: none hides another. */
Test(config, a_fault_hides_no_other)
{
    cr_assert_not(read_config(
        "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"dtype\":"
        "\"float16\",\"layer\":[],\"layers\":["
        "{\"class_name\":\"InputLayer\",\"config\":{\"batch_shape\":[null,9,9,1],"
        "\"shape\":[9,9,1],\"dtype\":\"int8\",\"spare\":1}},"
        "{\"class_name\":\"Conv2D\",\"config\":{\"name\":\"twin\",\"filters\":\"8\","
        "\"kernel_size\":3,\"activation\":\"Relu\"}},"
        "{\"class_name\":\"conv2d\",\"config\":{}},"
        "{\"class_name\":\"Dense\",\"config\":{\"use_bias\":1,\"kernel\":[[1]]}},"
        "{\"class_name\":\"ReLU\",\"stray\":0,\"config\":{\"max_value\":-1}},"
        "{\"class_name\":\"MaxPooling2D\",\"config\":{\"name\":\"twin\",\"padding\":"
        "\"sane\"}},"
        "{\"class_name\":\"InputLayer\",\"config\":{\"shape\":[9,9]}}]},"
        "\"keras\":3}"));
    static const char *const pointers[] = {
        "/keras",
        "/config/layer",
        "/config/dtype",
        "/config/layers/0/config/spare",
        "/config/layers/0/config/dtype",
        "/config/layers/0/config/shape",
        "/config/layers/1/config/filters",
        "/config/layers/1/config/activation",
        "/config/layers/2/class_name",
        "/config/layers/3/config/use_bias",
        "/config/layers/3/config/kernel",
        "/config/layers/3/config/units",
        "/config/layers/4/stray",
        "/config/layers/4/config/max_value",
        "/config/layers/5/config/padding",
        "/config/layers/6/config/shape",
        "/config/layers/6/config",
        "/config/layers/5/config/name",
    };
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        cr_expect_str_eq(err.items[i].pointer, pointers[i]);
    cr_expect_eq(err.n_items, sizeof pointers / sizeof *pointers);
}

/* The short form kernel is a bank of filters, laid out as Conv2D's kernel is. */
Test(config, only_a_bank_of_filters_has_a_kernel)
{
    expect_fault("[{\"type\":\"dense\",\"units\":2,\"kernel\":[[1,2],[3,4]]}]",
                 "/0/kernel",
                 "layers[0].kernel is not a parameter of Dense; "
                 "did you mean kernel_constraint?");
    expect_fault("[{\"type\":\"conv2d_transpose\",\"filters\":2,\"kernel_size\":1,"
                 "\"kernel\":[[[1]],[[1]]]}]",
                 "/0/kernel",
                 "layers[0].kernel is not a parameter of Conv2DTranspose; "
                 "did you mean kernel_size?");
}

/* A document may hold more faults than anybody reads. */
Test(config, stops_when_there_are_enough_faults)
{
    static char text[4096] = "[{\"type\":\"max_pooling2d\"";
    size_t n = strlen(text);

    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"key%d\":0", i);
    snprintf(text + n, sizeof text - n, "}]");
    cr_assert_not(read_config(text));
    cr_expect_eq(err.n_items, ERROR_MAX_ITEMS);
}

Test(config, names_the_limit_that_was_met)
{
    cr_assert_not(
        read_config("[{\"type\":\"conv2d\",\"filters\":1,\"kernel_size\":100000}]"));
    cr_expect_str_eq(err.limit.name, "max_kernel");
    cr_expect(err.limit.max == 63 && err.limit.actual == 100000);

    static char text[1100 * sizeof ACT + 8] = "[" ACT;
    for (int i = 0; i < 1024; i++)
        strcat(text + strlen(text), "," ACT);
    strcat(text, "]");
    cr_assert_not(read_config(text));
    cr_expect_eq(err.code, ERROR_PLAN_TOO_LARGE);
    cr_expect_str_eq(err.limit.name, "max_layers");
    cr_expect_eq(err.limit.actual, 1025);
}
