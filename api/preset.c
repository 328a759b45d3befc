/* preset.c - networks that are ready to run, by name. */
#include "api/preset.h"

#include <string.h>

#include "api/json.h"

/* A flat layer; its parameters are JSON with ' in place of ". */
struct preset_layer {
    const char *type; /* NULL ends a table */
    const char *name;
    const char *params; /* NULL: none */
};

/* An input of any size; its channels are binding. */
#define GRAY                                                                           \
    {                                                                                  \
        "input_layer", NULL, "'batch_shape':[null,null,null,1]"                        \
    }
#define RGB                                                                            \
    {                                                                                  \
        "input_layer", NULL, "'batch_shape':[null,null,null,3]"                        \
    }

#define LESSON(strides)                                                                \
    {                                                                                  \
        {"conv2d", "Filter", "'kernel':'bottom_sobel','use_bias':false" strides},      \
            {"activation", "Detect", "'activation':'relu'"},                           \
            {"max_pooling2d", "Condense",                                              \
             "'pool_size':2,'strides':2,'padding':'same'"},                            \
            {0},                                                                       \
    }

static const struct preset_layer lesson[] = LESSON("");
static const struct preset_layer lesson_stride3[] = LESSON(",'strides':3");

static const struct preset_layer edges[] = {
    {"conv2d", "filters",
     "'kernel':['bottom_sobel','left_sobel','top_sobel','right_sobel','scharr_bottom',"
     "'scharr_left','outline','laplacian','emboss'],'padding':'same',"
     "'use_bias':false"},
    {"activation", "detect", "'activation':'relu'"},
    {0},
};

#define HALVE "'kernel':'blur','strides':2,'padding':'same','use_bias':false"
static const struct preset_layer pyramid[] = {
    {"conv2d", "half", HALVE},
    {"conv2d", "quarter", HALVE},
    {"conv2d", "eighth", HALVE},
    {"conv2d", "sixteenth", HALVE},
    {0},
};

/* LeCun et al. 1998 as it is usually written in Keras: 61,706 parameters on a 32 x 32
 * image. */
static const struct preset_layer lenet[] = {
    GRAY,
    {"conv2d", "c1", "'filters':6,'kernel_size':5,'activation':'tanh'"},
    {"average_pooling2d", "s2", "'pool_size':2"},
    {"conv2d", "c3", "'filters':16,'kernel_size':5,'activation':'tanh'"},
    {"average_pooling2d", "s4", "'pool_size':2"},
    {"flatten", "flatten", NULL},
    {"dense", "c5", "'units':120,'activation':'tanh'"},
    {"dense", "f6", "'units':84,'activation':'tanh'"},
    {"dense", "output", "'units':10,'activation':'softmax'"},
    {0},
};

/* The rest as in keras.applications, with its names. */
static const struct preset_layer resnet50_stem[] = {
    RGB,
    {"zero_padding2d", "conv1_pad", "'padding':3"},
    {"conv2d", "conv1_conv", "'filters':64,'kernel_size':7,'strides':2"},
    {"batch_normalization", "conv1_bn", "'axis':3,'epsilon':1.001e-5"},
    {"activation", "conv1_relu", "'activation':'relu'"},
    {"zero_padding2d", "pool1_pad", "'padding':1"},
    {"max_pooling2d", "pool1_pool", "'pool_size':3,'strides':2"},
    {0},
};

#define RELU6(name)                                                                    \
    {                                                                                  \
        "relu", name, "'max_value':6"                                                  \
    }
#define NORM(name)                                                                     \
    {                                                                                  \
        "batch_normalization", name, NULL                                              \
    }
#define POINTWISE(name, n)                                                             \
    {                                                                                  \
        "conv2d", name,                                                                \
            "'filters':" n ",'kernel_size':1,'padding':'same','use_bias':false"        \
    }
#define DEPTHWISE(name, more)                                                          \
    {                                                                                  \
        "depthwise_conv2d", name, "'kernel_size':3,'use_bias':false," more             \
    }

static const struct preset_layer mobilenet_stem[] = {
    RGB,
    {"conv2d", "conv1",
     "'filters':32,'kernel_size':3,'strides':2,'padding':'same','use_bias':false"},
    NORM("conv1_bn"),
    RELU6("conv1_relu"),
    DEPTHWISE("conv_dw_1", "'padding':'same'"),
    NORM("conv_dw_1_bn"),
    RELU6("conv_dw_1_relu"),
    POINTWISE("conv_pw_1", "64"),
    NORM("conv_pw_1_bn"),
    RELU6("conv_pw_1_relu"),
    {"zero_padding2d", "conv_pad_2", "'padding':[[0,1],[0,1]]"},
    DEPTHWISE("conv_dw_2", "'strides':2"),
    NORM("conv_dw_2_bn"),
    RELU6("conv_dw_2_relu"),
    POINTWISE("conv_pw_2", "128"),
    NORM("conv_pw_2_bn"),
    RELU6("conv_pw_2_relu"),
    {0},
};

static const unsigned vgg16_block1[] = {2, 0}, vgg16[] = {2, 2, 3, 3, 3, 0},
                      vgg19[] = {2, 2, 4, 4, 4, 0};

static const struct preset presets[] = {
    {"lesson", "filter, detect, condense: what runs when no layers are given", lesson,
     NULL},
    {"lesson_stride3", "the same with a filter that moves three cells at a time",
     lesson_stride3, NULL},
    {"edges", "nine edge detectors of the catalogue, rectified", edges, NULL},
    {"pyramid", "blurred and halved, four times", pyramid, NULL},
    {"lenet", "LeNet-5, for 32 x 32 images", lenet, NULL},
    {"vgg16_block1", "the first block of VGG16", NULL, vgg16_block1},
    {"vgg16", "VGG16 without its top", NULL, vgg16},
    {"vgg19", "VGG19 without its top", NULL, vgg19},
    {"resnet50_stem", "the first layers of ResNet50", resnet50_stem, NULL},
    {"mobilenet_stem", "MobileNet's first layer and two depthwise separable blocks",
     mobilenet_stem, NULL},
};

const struct preset *preset_at(size_t i)
{
    return i < sizeof presets / sizeof *presets ? &presets[i] : NULL;
}

const char *preset_name(const void *context, size_t i)
{
    const struct preset *preset = preset_at(i);

    (void)context;
    return preset ? preset->name : NULL;
}

static void write_layer(struct buffer *out, const struct preset_layer *layer)
{
    buffer_print(out, "{\"type\":\"%s\"", layer->type);
    if (layer->name)
        buffer_print(out, ",\"name\":\"%s\"", layer->name);
    if (layer->params)
        buffer_text(out, ",");
    buffer_quoted(out, layer->params ? layer->params : "");
    buffer_text(out, "}");
}

/* Blocks of 3 x 3 convolutions, each halved by a pool; filters double up to 512. */
static void write_vgg(struct buffer *out, const unsigned *convs)
{
    static const struct preset_layer input = RGB;

    write_layer(out, &input);
    for (unsigned block = 1; convs[block - 1]; block++) {
        for (unsigned conv = 1; conv <= convs[block - 1]; conv++)
            buffer_print(out,
                         ",{\"type\":\"conv2d\",\"name\":\"block%u_conv%u\","
                         "\"filters\":%u,\"kernel_size\":3,\"padding\":\"same\","
                         "\"activation\":\"relu\"}",
                         block, conv, block < 4 ? 32u << block : 512);
        buffer_print(out,
                     ",{\"type\":\"max_pooling2d\",\"name\":\"block%u_pool\","
                     "\"pool_size\":2,\"strides\":2}",
                     block);
    }
}

void preset_write(const struct preset *preset, struct buffer *out)
{
    buffer_text(out, "{\"layers\":[");
    if (preset->vgg)
        write_vgg(out, preset->vgg);
    for (size_t i = 0; preset->layers && preset->layers[i].type; i++) {
        buffer_text(out, i ? "," : "");
        write_layer(out, &preset->layers[i]);
    }
    buffer_text(out, "]}");
}

cJSON *preset_config(const struct preset *preset, struct arena *arena,
                     struct error *err)
{
    struct buffer text;
    cJSON *json = NULL;

    buffer_init(&text, 1 << 16);
    preset_write(preset, &text);
    const struct bytes bytes = {text.bytes, text.size};
    if (text.failed)
        json_no_memory("the preset", err);
    else
        json = json_parse(preset->name, &bytes, NULL, &limits_default, arena, err);
    buffer_release(&text);
    return json;
}
