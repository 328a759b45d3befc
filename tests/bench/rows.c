/* rows.c - the rows of the benchmark. */
#include "tests/bench/rows.h"

#define CONV3   "Conv2D filters=1 kernel_size=3"
#define STRIDE3 "Conv2D filters=1 kernel_size=3 strides=3"
#define CHAIN                                                                          \
    " | Activation activation=relu | MaxPooling2D pool_size=2 strides=2 padding=same"
#define LESSON(n)                                                                      \
    {"seed_" #n "_3x3_conv", n, n, 1, CONV3, LAST_STAGE, NULL, 0},                     \
        {"seed_" #n "_3x3_chain", n, n, 1, CONV3 CHAIN, LAST_STAGE, NULL, 0},          \
    {                                                                                  \
        "seed_" #n "_3x3_chain_all", n, n, 1, CONV3 CHAIN, ALL_STAGES, NULL, 0         \
    }

#define SAME3(f) "Conv2D kernel_size=3 padding=same activation=relu filters=" #f
#define HALVE    "MaxPooling2D pool_size=2 strides=2"
#define VGG_CONV(name, n, in, out, count)                                              \
    {                                                                                  \
        "vgg_" name, n, n, in, SAME3(out), LAST_STAGE, "vgg16_convs", count            \
    }
#define VGG_POOL(n, channels)                                                          \
    {                                                                                  \
        "vgg_pool_" #n, n, n, channels, HALVE, LAST_STAGE, "vgg16_pools", 1            \
    }

#define ONE(name, n, channels, layer)                                                  \
    {                                                                                  \
        name, n, n, channels, layer, LAST_STAGE, NULL, 0                               \
    }
#define FUNCTION(name) ONE(#name "_512", 512, 16, "Activation activation=" #name)

#define AND " | "
#define VGG16                                                                          \
    SAME3(64)                                                                          \
    AND SAME3(64) AND HALVE AND SAME3(128) AND SAME3(128) AND HALVE AND SAME3(256)     \
        AND SAME3(256) AND SAME3(256) AND HALVE AND SAME3(512) AND SAME3(512)          \
            AND SAME3(512) AND HALVE AND SAME3(512) AND SAME3(512) AND SAME3(512)      \
                AND HALVE AND "Flatten | Dense units=4096 "                            \
                              "activation=relu | Dense units=4096 "                    \
                              "activation=relu | Dense units=1000 "                    \
                              "activation=softmax"

/* clang-format off */
static const struct row rows[] = {
    LESSON(64),
    LESSON(512),
    LESSON(1024),
    LESSON(4096),
    ONE("seed_512_5x5_conv", 512, 1, "Conv2D filters=1 kernel_size=5"),
    ONE("seed_512_7x7_conv", 512, 1, "Conv2D filters=1 kernel_size=7"),
    ONE("seed_512_3x3s3_conv", 512, 1, STRIDE3),
    ONE("seed_512_3x3s3_chain", 512, 1, STRIDE3 CHAIN),

    VGG_CONV("224_3_64",    224,   3,  64, 1),
    VGG_CONV("224_64_64",   224,  64,  64, 1),
    VGG_CONV("112_64_128",  112,  64, 128, 1),
    VGG_CONV("112_128_128", 112, 128, 128, 1),
    VGG_CONV("56_128_256",   56, 128, 256, 1),
    VGG_CONV("56_256_256",   56, 256, 256, 2),
    VGG_CONV("28_256_512",   28, 256, 512, 1),
    VGG_CONV("28_512_512",   28, 512, 512, 2),
    VGG_CONV("14_512_512",   14, 512, 512, 3),
    ONE("vgg16", 224, 3, VGG16),
};
/* clang-format on */

enum { N_ROWS = sizeof rows / sizeof *rows };

const struct row *row_nth(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}
