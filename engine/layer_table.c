/* layer_table.c - the kinds of layers and their parameters, as data. */
#include "engine/layer.h"

#include <math.h>

#include "engine/conv.h"
#include "engine/conv_transpose.h"
#include "engine/dense.h"
#include "engine/norm.h"
#include "engine/normalization.h"
#include "engine/pool.h"
#include "engine/resample.h"

#define AT(field)      .offset = offsetof(struct layer, field)
#define LIMITED(field) .maximum_offset = offsetof(struct limits, field)
#define POSITIVE       .minimum = 1, .maximum = 2147483647
#define ANY_FLOAT      .minimum = -3e38, .maximum = 3e38

static const char *const paddings[] = {"valid", "same", NULL};
static const char *const data_formats[] = {"channels_last", NULL};
static const char *const interpolations[] = {"nearest", "bilinear", NULL};

#define INT(key, field, ...)                                                           \
    {                                                                                  \
        .name = key, .type = PARAM_INT, AT(field), __VA_ARGS__                         \
    }
#define PAIR(key, field, ...)                                                          \
    {                                                                                  \
        .name = key, .type = PARAM_PAIR, AT(field), __VA_ARGS__                        \
    }
#define FLAG(key, field, value)                                                        \
    {                                                                                  \
        .name = key, .type = PARAM_BOOL, AT(field), .fallback = value                  \
    }
#define FLOAT(key, field, ...)                                                         \
    {                                                                                  \
        .name = key, .type = PARAM_FLOAT, AT(field), __VA_ARGS__                       \
    }
#define INTS(key, field, ...)                                                          \
    {                                                                                  \
        .name = key, .type = PARAM_INTS, AT(field), __VA_ARGS__                        \
    }
#define FLOATS(key, field, ...)                                                        \
    {                                                                                  \
        .name = key, .type = PARAM_FLOATS, AT(field), __VA_ARGS__                      \
    }
#define CHOICE(key, field, names)                                                      \
    {                                                                                  \
        .name = key, .type = PARAM_CHOICE, AT(field), .values = names                  \
    }
#define FUNCTION(flag)                                                                 \
    {                                                                                  \
        .name = "activation", .type = PARAM_ACTIVATION, AT(activation), .flags = flag  \
    }
#define START(key, weight, id)                                                         \
    {                                                                                  \
        .name = key, .type = PARAM_INITIALIZER, AT(weights[weight].initializer),       \
        .fallback = id                                                                 \
    }
#define IGNORED(key)                                                                   \
    {                                                                                  \
        .name = key, .type = PARAM_IGNORED                                             \
    }

#define PADDING CHOICE("padding", padding, paddings)
#define DATA_FORMAT                                                                    \
    {                                                                                  \
        .name = "data_format", .type = PARAM_CHOICE, AT(data_format),                  \
        .values = data_formats, .flags = PARAM_NULLABLE                                \
    }
#define STRIDES PAIR("strides", strides, POSITIVE, .fallback = 1)
#define KERNEL_SIZE                                                                    \
    PAIR("kernel_size", kernel_size, LIMITED(max_kernel), POSITIVE,                    \
         .flags = PARAM_REQUIRED)
#define DILATION                                                                       \
    PAIR("dilation_rate", dilation_rate, LIMITED(max_dimension), POSITIVE,             \
         .fallback = 1)
#define FILTERS                                                                        \
    INT("filters", filters, LIMITED(max_filters), POSITIVE, .flags = PARAM_REQUIRED)
#define MULTIPLIER                                                                     \
    INT("depth_multiplier", depth_multiplier, LIMITED(max_filters), POSITIVE,          \
        .fallback = 1)
#define BIAS              FLAG("use_bias", use_bias, 1)
#define REGULARIZERS(key) IGNORED(key "_regularizer"), IGNORED(key "_constraint")

static const struct layer_param conv2d_params[] = {
    FILTERS,
    KERNEL_SIZE,
    STRIDES,
    PADDING,
    DATA_FORMAT,
    DILATION,
    INT("groups", groups, POSITIVE, .fallback = 1),
    FUNCTION(0),
    BIAS,
    START("kernel_initializer", 0, INIT_GLOROT_UNIFORM),
    START("bias_initializer", 1, INIT_ZEROS),
    REGULARIZERS("kernel"),
    REGULARIZERS("bias"),
    {0},
};

static const struct layer_param conv2d_transpose_params[] = {
    FILTERS,
    KERNEL_SIZE,
    STRIDES,
    PADDING,
    {.name = "output_padding",
     .type = PARAM_PAIR,
     AT(output_padding),
     .maximum = 2147483647,
     .fallback = -1,
     .flags = PARAM_NULLABLE},
    DATA_FORMAT,
    DILATION,
    FUNCTION(0),
    BIAS,
    START("kernel_initializer", 0, INIT_GLOROT_UNIFORM),
    START("bias_initializer", 1, INIT_ZEROS),
    IGNORED("groups"),
    REGULARIZERS("kernel"),
    REGULARIZERS("bias"),
    {0},
};

static const struct layer_param depthwise_conv2d_params[] = {
    KERNEL_SIZE,
    STRIDES,
    PADDING,
    MULTIPLIER,
    DATA_FORMAT,
    DILATION,
    FUNCTION(0),
    BIAS,
    START("depthwise_initializer", 0, INIT_GLOROT_UNIFORM),
    START("bias_initializer", 1, INIT_ZEROS),
    IGNORED("groups"),
    REGULARIZERS("depthwise"),
    REGULARIZERS("bias"),
    {0},
};

static const struct layer_param separable_conv2d_params[] = {
    FILTERS,
    KERNEL_SIZE,
    STRIDES,
    PADDING,
    DATA_FORMAT,
    DILATION,
    MULTIPLIER,
    FUNCTION(0),
    BIAS,
    START("depthwise_initializer", 0, INIT_GLOROT_UNIFORM),
    START("pointwise_initializer", 1, INIT_GLOROT_UNIFORM),
    START("bias_initializer", 2, INIT_ZEROS),
    IGNORED("groups"),
    REGULARIZERS("depthwise"),
    REGULARIZERS("pointwise"),
    REGULARIZERS("bias"),
    {0},
};

#define POOL_PARAMS(size_flags)                                                        \
    PAIR("pool_size", pool_size, LIMITED(max_kernel), POSITIVE, .fallback = 2,         \
         .flags = size_flags),                                                         \
        PAIR("strides", strides, POSITIVE, .flags = PARAM_NULLABLE), PADDING,          \
        DATA_FORMAT,                                                                   \
    {                                                                                  \
        0                                                                              \
    }

static const struct layer_param max_pool2d_params[] = {POOL_PARAMS(0)};
static const struct layer_param average_pool2d_params[] = {
    POOL_PARAMS(PARAM_REQUIRED_KERAS_3)};

static const struct layer_param global_pool2d_params[] = {
    DATA_FORMAT, FLAG("keepdims", keepdims, 0), {0}};

static const struct layer_param zero_padding2d_params[] = {
    {.name = "padding",
     .type = PARAM_PADS,
     AT(margins),
     LIMITED(max_dimension),
     .maximum = 2147483647,
     .fallback = 1},
    DATA_FORMAT,
    {0},
};

static const struct layer_param cropping2d_params[] = {
    {.name = "cropping",
     .type = PARAM_PADS,
     AT(margins),
     LIMITED(max_dimension),
     .maximum = 2147483647},
    DATA_FORMAT,
    {0},
};

static const struct layer_param up_sampling2d_params[] = {
    PAIR("size", size, LIMITED(max_dimension), POSITIVE, .fallback = 2),
    DATA_FORMAT,
    CHOICE("interpolation", interpolation, interpolations),
    {0},
};

static const struct layer_param batch_normalization_params[] = {
    INTS("axis", axis, .minimum = -4, .maximum = 4, .fallback = -1),
    FLOAT("epsilon", epsilon, .maximum = 3e38, .fallback = 1e-3),
    FLAG("center", center, 1),
    FLAG("scale", scale, 1),
    START("gamma_initializer", 0, INIT_ONES),
    START("beta_initializer", 1, INIT_ZEROS),
    START("moving_mean_initializer", 2, INIT_ZEROS),
    START("moving_variance_initializer", 3, INIT_ONES),
    FLOAT("momentum", unused, ANY_FLOAT, .fallback = 0.99),
    IGNORED("synchronized"),
    IGNORED("renorm"),
    REGULARIZERS("gamma"),
    REGULARIZERS("beta"),
    {0},
};

static const struct layer_param layer_normalization_params[] = {
    INTS("axis", axis, .minimum = -4, .maximum = 4, .fallback = -1),
    FLOAT("epsilon", epsilon, .maximum = 3e38, .fallback = 1e-3),
    FLAG("center", center, 1),
    FLAG("scale", scale, 1),
    FLAG("rms_scaling", rms_scaling, 0),
    START("gamma_initializer", 0, INIT_ONES),
    START("beta_initializer", 1, INIT_ZEROS),
    REGULARIZERS("gamma"),
    REGULARIZERS("beta"),
    {0},
};

static const struct layer_param normalization_params[] = {
    INTS("axis", axis, .minimum = -4, .maximum = 4, .fallback = -1,
         .flags = PARAM_MAY_BE_EMPTY),
    FLOATS("mean", mean, ANY_FLOAT),
    FLOATS("variance", variance, .maximum = 3e38),
    FLAG("invert", invert, 0),
    {0},
};

static const struct layer_param rescaling_params[] = {
    FLOAT("scale", factor, ANY_FLOAT, .flags = PARAM_REQUIRED),
    FLOAT("offset", offset, ANY_FLOAT),
    {0},
};

static const struct layer_param activation_params[] = {FUNCTION(PARAM_REQUIRED), {0}};

static const struct layer_param relu_params[] = {
    FLOAT("max_value", activation.limit, .maximum = 3e38, .fallback = INFINITY,
          .flags = PARAM_NULLABLE),
    FLOAT("negative_slope", activation.alpha, .maximum = 3e38, .flags = PARAM_NULLABLE),
    FLOAT("threshold", activation.threshold, .maximum = 3e38, .flags = PARAM_NULLABLE),
    {0},
};

static const struct layer_param leaky_relu_params[] = {
    FLOAT("negative_slope", activation.alpha, .maximum = 3e38, .fallback = 0.3),
    FLOAT("alpha", activation.alpha, .maximum = 3e38, .fallback = 0.3),
    {0},
};

static const struct layer_param elu_params[] = {
    FLOAT("alpha", activation.alpha, ANY_FLOAT, .fallback = 1), {0}};

static const struct layer_param thresholded_relu_params[] = {
    FLOAT("theta", activation.threshold, .maximum = 3e38, .fallback = 1), {0}};

static const struct layer_param prelu_params[] = {
    START("alpha_initializer", 0, INIT_ZEROS),
    REGULARIZERS("alpha"),
    INTS("shared_axes", axes, .minimum = -4, .maximum = 4, .flags = PARAM_NULLABLE),
    {0},
};

static const struct layer_param softmax_params[] = {
    INTS("axis", axis, .minimum = -4, .maximum = 4, .fallback = -1), {0}};

static const struct layer_param dropout_params[] = {
    FLOAT("rate", unused, .maximum = 1, .flags = PARAM_REQUIRED),
    IGNORED("noise_shape"),
    IGNORED("seed"),
    IGNORED("data_format"),
    {0},
};

static const struct layer_param gaussian_noise_params[] = {
    FLOAT("stddev", unused, .maximum = 3e38, .flags = PARAM_REQUIRED),
    IGNORED("seed"),
    {0},
};

static const struct layer_param activity_regularization_params[] = {
    FLOAT("l1", unused, .maximum = 3e38), FLOAT("l2", unused, .maximum = 3e38), {0}};

static const struct layer_param identity_params[] = {{0}};

static const struct layer_param flatten_params[] = {DATA_FORMAT, {0}};

static const struct layer_param reshape_params[] = {
    INTS("target_shape", shape, .minimum = -1, .maximum = 2147483647,
         .flags = PARAM_REQUIRED),
    {0}};

static const struct layer_param permute_params[] = {
    INTS("dims", dims, .minimum = 1, .maximum = 4, .flags = PARAM_REQUIRED), {0}};

static const struct layer_param dense_params[] = {
    INT("units", units, LIMITED(max_filters), POSITIVE, .flags = PARAM_REQUIRED),
    FUNCTION(0),
    BIAS,
    START("kernel_initializer", 0, INIT_GLOROT_UNIFORM),
    START("bias_initializer", 1, INIT_ZEROS),
    REGULARIZERS("kernel"),
    REGULARIZERS("bias"),
    {0},
};

/* A Normalization that was never adapted to anything. */
static const enum initializer_id normalization_starts[] = {INIT_ZEROS, INIT_ONES};

#define NAMES(...)                                                                     \
    (const char *const[])                                                              \
    {                                                                                  \
        __VA_ARGS__, NULL                                                              \
    }

static const struct layer_kind kinds[] = {
    {.class_name = "Conv2D",
     .aliases = NAMES("Convolution2D"),
     .params = conv2d_params,
     .weights = NAMES("kernel", "bias"),
     .what = "filters: a window of weights slides over the map",
     .bank = true,
     .infer = conv2d_infer,
     .pack = conv2d_pack,
     .pack_part = conv2d_pack_part,
     .prepare = conv2d_prepare,
     .run = conv2d_run,
     .rectifies = true},
    {.class_name = "Conv2DTranspose",
     .aliases = NAMES("Convolution2DTranspose"),
     .params = conv2d_transpose_params,
     .weights = NAMES("kernel", "bias"),
     .what = "the transpose of a convolution: enlarges the map",
     .infer = conv2d_transpose_infer,
     .pack = conv2d_transpose_pack,
     .run = conv2d_transpose_run,
     .rectifies = true},
    {.class_name = "DepthwiseConv2D",
     .params = depthwise_conv2d_params,
     .weights = NAMES("depthwise_kernel", "bias"),
     .keras_3_weights = NAMES("kernel", "bias"),
     .what = "filters each channel by itself",
     .infer = depthwise_conv2d_infer,
     .pack = depthwise_conv2d_pack,
     .run = depthwise_conv2d_run,
     .rectifies = true},
    {.class_name = "SeparableConv2D",
     .aliases = NAMES("SeparableConvolution2D"),
     .params = separable_conv2d_params,
     .weights = NAMES("depthwise_kernel", "pointwise_kernel", "bias"),
     .what = "filters each channel by itself, then mixes the channels",
     .infer = separable_conv2d_infer,
     .pack = separable_conv2d_pack,
     .run = separable_conv2d_run,
     .rectifies = true},
    {.class_name = "Activation",
     .params = activation_params,
     .what = "detects: a function of each cell",
     .infer = activation_infer},
    {.class_name = "ReLU",
     .params = relu_params,
     .function = ACTIVATION_RECTIFIER,
     .what = "max(x, 0), with a slope below a threshold and a limit above",
     .infer = activation_infer},
    {.class_name = "LeakyReLU",
     .params = leaky_relu_params,
     .function = ACTIVATION_LEAKY_RELU,
     .what = "x where it is positive, else a fraction of it",
     .infer = activation_infer},
    {.class_name = "ELU",
     .params = elu_params,
     .function = ACTIVATION_ELU,
     .what = "x where it is positive, else alpha * (exp(x) - 1)",
     .infer = activation_infer},
    {.class_name = "ThresholdedReLU",
     .params = thresholded_relu_params,
     .function = ACTIVATION_THRESHOLDED,
     .what = "x where it is above theta, else 0",
     .keras_2_only = true,
     .infer = activation_infer},
    {.class_name = "PReLU",
     .params = prelu_params,
     .weights = NAMES("alpha"),
     .what = "x where it is positive, else a learnt fraction of it",
     .infer = prelu_infer,
     .pack = prelu_pack,
     .run = prelu_run},
    {.class_name = "Softmax",
     .params = softmax_params,
     .what = "shares that sum to 1",
     .infer = softmax_infer,
     .run = softmax_run},
    {.class_name = "MaxPooling2D",
     .aliases = NAMES("MaxPool2D"),
     .params = max_pool2d_params,
     .what = "condenses: the largest cell of each window",
     .infer = pool2d_infer,
     .run = max_pool2d_run},
    {.class_name = "AveragePooling2D",
     .aliases = NAMES("AvgPool2D"),
     .params = average_pool2d_params,
     .what = "condenses: the mean of each window",
     .infer = pool2d_infer,
     .run = average_pool2d_run},
    {.class_name = "GlobalMaxPooling2D",
     .aliases = NAMES("GlobalMaxPool2D"),
     .params = global_pool2d_params,
     .what = "the largest cell of each channel",
     .infer = global_pool2d_infer,
     .prepare = global_max_pool2d_prepare,
     .run = global_max_pool2d_run},
    {.class_name = "GlobalAveragePooling2D",
     .aliases = NAMES("GlobalAvgPool2D"),
     .params = global_pool2d_params,
     .what = "the mean of each channel",
     .infer = global_pool2d_infer,
     .prepare = global_average_pool2d_prepare,
     .run = global_average_pool2d_run},
    {.class_name = "ZeroPadding2D",
     .params = zero_padding2d_params,
     .what = "adds zeros around the map",
     .infer = zero_padding2d_infer,
     .run = zero_padding2d_run},
    {.class_name = "Cropping2D",
     .params = cropping2d_params,
     .what = "cuts the edges of the map off",
     .infer = cropping2d_infer,
     .run = cropping2d_run},
    {.class_name = "UpSampling2D",
     .params = up_sampling2d_params,
     .what = "enlarges the map",
     .infer = up_sampling2d_infer,
     .run = up_sampling2d_run},
    {.class_name = "BatchNormalization",
     .params = batch_normalization_params,
     .weights = NAMES("gamma", "beta", "moving_mean", "moving_variance"),
     .what = "shifts and scales each channel by its statistics",
     .infer = batch_normalization_infer,
     .pack = batch_normalization_pack,
     .run = batch_normalization_run},
    {.class_name = "LayerNormalization",
     .params = layer_normalization_params,
     .weights = NAMES("gamma", "beta"),
     .what = "shifts and scales each cell by the statistics along its axes",
     .infer = layer_normalization_infer,
     .pack = layer_normalization_pack,
     .run = layer_normalization_run},
    {.class_name = "Normalization",
     .params = normalization_params,
     .weights = NAMES("mean", "variance"),
     .unused = NAMES("count"),
     .starts = normalization_starts,
     .what = "(x - mean) / sqrt(variance), as adapted to a data set",
     .infer = normalization_infer,
     .pack = normalization_pack,
     .run = normalization_run},
    {.class_name = "Rescaling",
     .params = rescaling_params,
     .what = "x * scale + offset",
     .infer = rescaling_infer,
     .pack = rescaling_pack,
     .run = rescaling_run},
    {.class_name = "Dropout",
     .params = dropout_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "SpatialDropout2D",
     .params = dropout_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "GaussianNoise",
     .params = gaussian_noise_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "GaussianDropout",
     .params = dropout_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "AlphaDropout",
     .params = dropout_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "ActivityRegularization",
     .params = activity_regularization_params,
     .what = "the identity here",
     .infer = activation_infer},
    {.class_name = "Identity",
     .params = identity_params,
     .what = "the identity",
     .infer = activation_infer},
    {.class_name = "Flatten",
     .params = flatten_params,
     .what = "the map as a vector",
     .infer = flatten_infer},
    {.class_name = "Reshape",
     .params = reshape_params,
     .what = "the same numbers in another shape",
     .infer = reshape_infer},
    {.class_name = "Permute",
     .params = permute_params,
     .what = "the axes in another order",
     .infer = permute_infer,
     .run = permute_run},
    {.class_name = "Dense",
     .params = dense_params,
     .weights = NAMES("kernel", "bias"),
     .what = "every output is a weighted sum of the last axis",
     .infer = dense_infer,
     .pack = dense_pack,
     .pack_part = dense_pack_part,
     .run = dense_run},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

const struct layer_kind *layer_kind_at(size_t i)
{
    return i < N_KINDS ? &kinds[i] : NULL;
}
