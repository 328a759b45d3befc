/* rows.c - the rows of the benchmark. */
#include "tests/bench/rows.h"

/* clang-format off */
/* A square map through layers. */
#define ONE(name, n, channels, layers)  {name, n, n, channels, layers, .count = 1}
#define FUNCTION(name)  ONE(#name "_512_16", 512, 16, "Activation activation=" #name)

#define CONV3   "Conv2D filters=1 kernel_size=3"
#define STRIDE3 "Conv2D filters=1 kernel_size=3 strides=3"
#define CHAIN   " | Activation activation=relu" \
                " | MaxPooling2D pool_size=2 strides=2 padding=same"
#define LESSON(n)                                           \
    ONE("seed_" #n "_3x3_conv", n, 1, CONV3),               \
    ONE("seed_" #n "_3x3_chain", n, 1, CONV3 CHAIN),        \
    {"seed_" #n "_3x3_chain_all", n, n, 1, CONV3 CHAIN, .stages = ALL_STAGES}

#define SAME3(f) "Conv2D kernel_size=3 padding=same activation=relu filters=" #f " | "
#define HALVE    "MaxPooling2D pool_size=2 strides=2 | "
#define VGG16                                            \
    SAME3(64)  SAME3(64)             HALVE               \
    SAME3(128) SAME3(128)            HALVE               \
    SAME3(256) SAME3(256) SAME3(256) HALVE               \
    SAME3(512) SAME3(512) SAME3(512) HALVE               \
    SAME3(512) SAME3(512) SAME3(512) HALVE               \
    "Flatten | Dense units=4096 activation=relu | "      \
    "Dense units=4096 activation=relu | Dense units=1000 activation=softmax"
#define VGG_CONV(n, in, out, times)                                              \
    {"vgg_" #n "_" #in "_" #out, n, n, in, SAME3(out), .group = "vgg16_convs", .count = times}
#define VGG_POOL(n, channels)                                                    \
    {"vgg_pool_" #n "_" #channels, n, n, channels, HALVE, .group = "vgg16_pools", .count = 1}

/* Pictures of the lesson's stages, and what the reply of four takes. */
#define ENCODE(name, n, what)  {"png_encode_" #n "_" name, n, n, 3, .task = TASK_ENCODE, .subject = what}
#define ENCODE_STAGE(name, n, stage)                                                 \
    {"png_encode_" #n "_" name, n, n, 3, .task = TASK_ENCODE, .subject = stage,       \
     .group = "png_encode_" #n "_map_set", .count = 1}
#define DECODE(format, n, name, kind)  {format "_decode_" #n "_" name, n, n, 3, .task = TASK_DECODE, .subject = kind}
#define PREPARE(name, n, channels, query)  {name, n, n, channels, .task = TASK_PREPARE, .subject = query}
#define REQUEST(name, n, query)  {"request_" #n "_" name, n, n, 3, .task = TASK_REQUEST, .subject = query}

#define STEM "Conv2D kernel_size=7 strides=2 filters=64 padding=same activation=relu"

static const struct row rows[] = {
    /* the lesson: filter, detect, condense on a map of one channel */
    LESSON(64),
    LESSON(512),
    LESSON(1024),
    LESSON(4096),
    ONE("seed_512_5x5_conv",   512, 1, "Conv2D filters=1 kernel_size=5"),
    ONE("seed_512_7x7_conv",   512, 1, "Conv2D filters=1 kernel_size=7"),
    ONE("seed_512_3x3s3_conv", 512, 1, STRIDE3),
    ONE("seed_512_3x3s3_chain", 512, 1, STRIDE3 CHAIN),
    {"planned_64_3x3_chain_all", 64, 64, 1, CONV3 CHAIN, .task = TASK_NETWORK, .stages = ALL_STAGES},

    /* VGG16: each distinct convolution, how often it occurs, and the pools */
    VGG_CONV(224, 3, 64, 1),
    VGG_CONV(224, 64, 64, 1),
    VGG_CONV(112, 64, 128, 1),
    VGG_CONV(112, 128, 128, 1),
    VGG_CONV(56, 128, 256, 1),
    VGG_CONV(56, 256, 256, 2),
    VGG_CONV(28, 256, 512, 1),
    VGG_CONV(28, 512, 512, 2),
    VGG_CONV(14, 512, 512, 3),
    VGG_POOL(224, 64),
    VGG_POOL(112, 128),
    VGG_POOL(56, 256),
    VGG_POOL(28, 512),
    VGG_POOL(14, 512),
    ONE("vgg16", 224, 3, VGG16),

    /* other convolutions */
    ONE("resnet_stem_224", 224, 3, STEM),
    ONE("resnet_stem_512", 512, 3, STEM),
    ONE("conv_3x3_512_3_1", 512, 3, "Conv2D filters=1 kernel_size=3 padding=same"),
    ONE("conv_3x3_512_1_8", 512, 1, "Conv2D filters=8 kernel_size=3 padding=same"),
    ONE("conv_1x1_56_256_64",   56,  256, "Conv2D kernel_size=1 filters=64"),
    ONE("conv_1x1_56_64_256",   56,   64, "Conv2D kernel_size=1 filters=256"),
    ONE("conv_1x1_14_1024_256", 14, 1024, "Conv2D kernel_size=1 filters=256"),
    ONE("conv_3x3_7_512_512",     7, 512, "Conv2D kernel_size=3 filters=512 padding=same"),
    ONE("conv_3x3s2_56_128_128", 56, 128, "Conv2D kernel_size=3 filters=128 strides=2 padding=same"),
    ONE("conv_5x5_28_32_96",     28,  32, "Conv2D kernel_size=5 filters=96 padding=same"),
    ONE("conv_dilated_28_256_256", 28, 256, "Conv2D kernel_size=3 filters=256 dilation_rate=2 padding=same"),
    ONE("conv_groups32_56_128_128", 56, 128, "Conv2D kernel_size=3 filters=128 groups=32 padding=same"),
    ONE("depthwise_3x3_112_64",   112, 64, "DepthwiseConv2D kernel_size=3 padding=same"),
    ONE("depthwise_3x3s2_112_64", 112, 64, "DepthwiseConv2D kernel_size=3 strides=2 padding=same"),
    ONE("transpose_2x2s2_56_128_64", 56, 128, "Conv2DTranspose kernel_size=2 filters=64 strides=2"),
    ONE("transpose_4x4s2_56_128_64", 56, 128, "Conv2DTranspose kernel_size=4 filters=64 strides=2 padding=same"),

    /* pools */
    ONE("max_pool_3x3s2_512_16", 512, 16, "MaxPooling2D pool_size=3 strides=2 padding=same"),
    ONE("max_pool_3x3s1_512_16", 512, 16, "MaxPooling2D pool_size=3 strides=1 padding=same"),
    ONE("max_pool_9x9s1_512_16", 512, 16, "MaxPooling2D pool_size=9 strides=1 padding=same"),
    ONE("average_pool_2x2s2_512_16", 512, 16, "AveragePooling2D pool_size=2 strides=2"),
    ONE("average_pool_3x3s2_512_16", 512, 16, "AveragePooling2D pool_size=3 strides=2 padding=same"),
    ONE("global_average_512_16",  512,   16, "GlobalAveragePooling2D"),
    ONE("global_average_7_2048",    7, 2048, "GlobalAveragePooling2D"),

    /* cell by cell */
    FUNCTION(relu),
    FUNCTION(sigmoid),
    FUNCTION(tanh),
    FUNCTION(gelu),
    FUNCTION(swish),
    FUNCTION(elu),
    FUNCTION(softplus),
    FUNCTION(softmax),
    ONE("batch_normalization_512_16", 512, 16, "BatchNormalization"),
    ONE("upsample_nearest_112_64",  112, 64, "UpSampling2D size=2"),
    ONE("upsample_bilinear_112_64", 112, 64, "UpSampling2D size=2 interpolation=bilinear"),

    /* vectors */
    {"dense_25088_4096", 0, 0, 25088, "Dense units=4096 activation=relu", .count = 1},
    {"dense_4096_1000",  0, 0,  4096, "Dense units=1000", .count = 1},

    /* pictures: the least and the largest of each map, and 256 colours of it */
    {"statistics_512_1",  512, 512,  1, .task = TASK_STATISTICS},
    {"statistics_224_64", 224, 224, 64, .task = TASK_STATISTICS},
    {"paint_512_1",       512, 512,  1, .task = TASK_PAINT},
    {"paint_512_3",       512, 512,  3, .task = TASK_PAINT}, /* in its own colours */
    {"paint_224_64",      224, 224, 64, .task = TASK_PAINT},
    {"paint_112_64",      112, 112, 64, .task = TASK_PAINT},

    /* samples to a network's input */
    PREPARE("rgb_512",   512,  3, "color=rgb"),
    PREPARE("gray_512",  512,  3, "color=gray"),
    PREPARE("rgb_2048",  2048, 3, "color=rgb"),
    PREPARE("gray_2048", 2048, 3, "color=gray"),
    PREPARE("resize_area_2048_512_3",     2048, 3, "resize=512,512&resize_method=area"),
    PREPARE("resize_area_2048_512_1",     2048, 1, "resize=512,512&resize_method=area"),
    PREPARE("resize_area_512_224_3",      512,  3, "resize=224,224&resize_method=area"),
    PREPARE("resize_area_512_224_1",      512,  1, "resize=224,224&resize_method=area"),
    PREPARE("resize_bilinear_2048_512_3", 2048, 3, "resize=512,512"),
    PREPARE("resize_bilinear_2048_512_1", 2048, 1, "resize=512,512"),
    PREPARE("resize_bilinear_512_224_3",  512,  3, "resize=224,224"),
    PREPARE("resize_bilinear_512_224_1",  512,  1, "resize=224,224"),

    /* pictures to files, and files to samples */
    ENCODE_STAGE("map_input",    512, "Input"),
    ENCODE_STAGE("map_filter",   512, "Filter"),
    ENCODE_STAGE("map_detect",   512, "Detect"),
    ENCODE_STAGE("map_condense", 512, "Condense"),
    ENCODE("photo", 512, "photo"),
    DECODE("png", 512, "rgb", "png rgb"),
    DECODE("png", 512, "gray", "png gray"),
    DECODE("png", 512, "palette", "png palette"),
    DECODE("jpeg", 512, "rgb", "jpeg rgb"),
    DECODE("jpeg", 512, "gray", "jpeg gray"),
    DECODE("webp", 512, "rgb", "webp rgb"),

    /* whole requests, but for the network between: four pictures as JSON; the last one */
    REQUEST("json", 64, "format=json"),
    REQUEST("png",  64, "format=png"),
    REQUEST("json", 512, "format=json"),
    REQUEST("png",  512, "format=png"),
    REQUEST("json", 2048, "format=json"),
    REQUEST("png",  2048, "format=png"),
};
/* clang-format on */

enum { N_ROWS = sizeof rows / sizeof *rows };

const struct row *row_nth(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}
