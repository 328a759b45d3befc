/* random_layer.c - one random layer. */
#include "tests/property/random_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/generate.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

int random_between(uint64_t *seed, int low, int high)
{
    return low + (int)(generate_uniform(seed) * (high - low + 1));
}

bool random_chance(uint64_t *seed, double share)
{
    return generate_uniform(seed) < share;
}

int random_channels(uint64_t *seed, int most)
{
    static const int edges[] = {1,  1,  2,  3,  4,  7,  8,  9,  15, 16, 17,
                                20, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65};
    const int n = random_chance(seed, 0.5)
                      ? edges[random_between(seed, 0, (int)COUNT(edges) - 1)]
                      : random_between(seed, 1, random_chance(seed, 0.3) ? 70 : 12);

    return n < most ? n : most;
}

/* ---- parameters: stored, and written ---- */

static int draw(struct draft *d, int low, int high)
{
    return random_between(d->seed, low, high);
}

static bool chance(struct draft *d, double share)
{
    return random_chance(d->seed, share);
}

/* A default may be left out. */
static bool omit(struct draft *d, bool is_default)
{
    return is_default && chance(d, 0.6);
}

enum { REQUIRED = -1000 }; /* no value is the default */

static void put_int(struct draft *d, const char *key, int *at, int value, int fallback)
{
    *at = value;
    if (!omit(d, value == fallback))
        cJSON_AddNumberToObject(d->params, key, value);
}

static void put_pair(struct draft *d, const char *key, int at[2], int a, int b,
                     int fallback)
{
    at[0] = a;
    at[1] = b;
    if (omit(d, a == fallback && b == fallback))
        return;
    if (a == b && chance(d, 0.5))
        cJSON_AddNumberToObject(d->params, key, a);
    else
        cJSON_AddItemToObject(d->params, key, cJSON_CreateIntArray(at, 2));
}

static void put_bool(struct draft *d, const char *key, bool *at, bool value,
                     bool fallback)
{
    *at = value;
    if (!omit(d, value == fallback))
        cJSON_AddBoolToObject(d->params, key, value);
}

static void put_float(struct draft *d, const char *key, float *at, float value)
{
    *at = value;
    cJSON_AddNumberToObject(d->params, key, (double)value);
}

static void put_name(struct draft *d, const char *key, int *at, int value,
                     const char *const *names)
{
    *at = value;
    if (!omit(d, value == 0))
        cJSON_AddStringToObject(d->params, key, names[value]);
}

static void put_ints(struct draft *d, const char *key, struct int_list *at, int n,
                     const int *items)
{
    at->n = n;
    for (int i = 0; i < n; i++)
        at->items[i] = items[i];
    if (n == 1 && chance(d, 0.5))
        cJSON_AddNumberToObject(d->params, key, items[0]);
    else if (n > 0)
        cJSON_AddItemToObject(d->params, key, cJSON_CreateIntArray(items, n));
}

static void put_padding(struct draft *d)
{
    static const char *const names[] = {"valid", "same", "SAME"};

    put_name(d, "padding", &d->layer->padding, draw(d, 0, 1), names);
    if (d->layer->padding && chance(d, 0.1)) /* Keras takes any case */
        cJSON_ReplaceItemInObject(d->params, "padding", cJSON_CreateString(names[2]));
}

/* An activation that documents of the layer's generation may name. */
static void put_activation(struct draft *d, double share)
{
    const struct activation_row *row;

    d->layer->activation = (struct activation){.id = ACTIVATION_LINEAR};
    if (!chance(d, share))
        return;
    do
        row = activation_row((size_t)draw(d, 0, ACTIVATION_COUNT - 1));
    while (!(row->keras & d->layer->keras));
    if (chance(d, 0.3))
        row = activation_row(ACTIVATION_RELU);
    if (activation_find(row->name, d->layer->keras, &d->layer->activation))
        cJSON_AddStringToObject(d->params, "activation", row->name);
}

static float draw_float(struct draft *d, double low, double high)
{
    return (float)(low + generate_uniform(d->seed) * (high - low));
}

/* ---- kinds ---- */

/* A kernel that is mostly small, sometimes larger than the map. */
static int draw_kernel(struct draft *d, size_t axis)
{
    const int n = d->in->rank == 3 ? (int)d->in->dim[axis] : 1;

    if (n < 56 && chance(d, 0.06)) /* the limit is 63 */
        return draw(d, n, n + 6);
    return chance(d, 0.4) ? 3 : draw(d, 1, chance(d, 0.2) ? 7 : 4);
}

static void put_window(struct draft *d)
{
    struct layer *l = d->layer;

    put_pair(d, "kernel_size", l->kernel_size, draw_kernel(d, 0), draw_kernel(d, 1),
             REQUIRED);
    if (chance(d, 0.35))
        put_pair(d, "strides", l->strides, draw(d, 1, 4), draw(d, 1, 4), 1);
    else
        put_pair(d, "strides", l->strides, 1, 1, 1);
    /* with a stride only rarely: Keras refuses that */
    if (chance(d, l->strides[0] * l->strides[1] == 1 ? 0.3 : 0.02))
        put_pair(d, "dilation_rate", l->dilation_rate, draw(d, 1, 3), draw(d, 1, 3), 1);
    else
        put_pair(d, "dilation_rate", l->dilation_rate, 1, 1, 1);
    put_padding(d);
}

static void put_filters(struct draft *d, int least)
{
    int filters = random_channels(d->seed, 70);

    while (filters < least)
        filters = random_channels(d->seed, 70);
    put_int(d, "filters", &d->layer->filters, filters, REQUIRED);
}

static void put_bias(struct draft *d)
{
    put_bool(d, "use_bias", &d->layer->use_bias, chance(d, 0.7), true);
}

static int channels_of(const struct draft *d)
{
    return (int)d->in->dim[d->in->rank - 1];
}

/* Stride 1, 3x3, 16 channels and filters or more: what Winograd is for. */
static void draw_winograd(struct draft *d)
{
    struct layer *l = d->layer;

    put_pair(d, "kernel_size", l->kernel_size, 3, 3, REQUIRED);
    put_pair(d, "strides", l->strides, 1, 1, 1);
    put_pair(d, "dilation_rate", l->dilation_rate, 1, 1, 1);
    put_padding(d);
    put_filters(d, 16);
    put_int(d, "groups", &l->groups, 1, 1);
    put_bias(d);
    put_activation(d, 0.6);
}

static void draw_conv2d(struct draft *d)
{
    const int channels = channels_of(d);
    int groups = 1;

    if (d->winograd && channels >= 16) {
        draw_winograd(d);
        return;
    }
    put_window(d);
    put_filters(d, 1);
    if (chance(d, 0.25))
        groups = draw(d, 2, 4);
    if (channels % groups || d->layer->filters % groups)
        groups = chance(d, 0.3) ? groups : 1; /* Keras refuses that */
    put_int(d, "groups", &d->layer->groups, groups, 1);
    put_bias(d);
    put_activation(d, 0.5);
}

static void draw_transpose(struct draft *d)
{
    struct layer *l = d->layer;

    put_window(d);
    put_filters(d, 1);
    l->output_padding[0] = l->output_padding[1] = -1;
    if (chance(d, 0.4))
        put_pair(d, "output_padding", l->output_padding, draw(d, 0, l->strides[0] - 1),
                 draw(d, 0, l->strides[1] - 1), REQUIRED);
    else if (chance(d, 0.3))
        cJSON_AddNullToObject(d->params, "output_padding");
    put_bias(d);
    put_activation(d, 0.4);
}

static void draw_depthwise(struct draft *d)
{
    put_window(d);
    put_int(d, "depth_multiplier", &d->layer->depth_multiplier,
            chance(d, 0.5) ? 1 : draw(d, 2, 20), 1);
    put_bias(d);
    put_activation(d, 0.5);
}

static void draw_separable(struct draft *d)
{
    put_filters(d, 1);
    put_window(d);
    put_int(d, "depth_multiplier", &d->layer->depth_multiplier,
            chance(d, 0.6) ? 1 : draw(d, 2, 9), 1);
    put_bias(d);
    put_activation(d, 0.5);
}

static void draw_dense(struct draft *d)
{
    put_int(d, "units", &d->layer->units, random_channels(d->seed, 70), REQUIRED);
    put_bias(d);
    put_activation(d, 0.5);
}

static void draw_pool(struct draft *d)
{
    const bool average = d->layer->kind->class_name[0] == 'A';
    const bool keras_3 = d->layer->keras == KERAS_3;
    struct layer *l = d->layer;
    int size[2];

    for (size_t i = 0; i < 2; i++)
        size[i] = chance(d, 0.5) ? 2 : draw_kernel(d, i);
    put_pair(d, "pool_size", l->pool_size, size[0], size[1],
             average && keras_3 ? REQUIRED : 2);
    l->strides[0] = l->strides[1] = 0; /* as the pool */
    if (chance(d, 0.6))
        put_pair(d, "strides", l->strides, draw(d, 1, 4), draw(d, 1, 4), REQUIRED);
    else if (chance(d, 0.3))
        cJSON_AddNullToObject(d->params, "strides");
    put_padding(d);
}

static void draw_global_pool(struct draft *d)
{
    put_bool(d, "keepdims", &d->layer->keepdims, chance(d, 0.5), false);
}

/* n, [h, w] or [[top, bottom], [left, right]] */
static void put_margins(struct draft *d, const char *key, int most)
{
    int *m = d->layer->margins;

    for (int i = 0; i < 4; i++)
        m[i] = draw(d, 0, most);
    if (chance(d, 0.3))
        m[1] = m[0], m[3] = m[2];
    if (chance(d, 0.2))
        m[1] = m[2] = m[3] = m[0];
    if (m[0] == m[1] && m[2] == m[3] && m[0] == m[2]) {
        cJSON_AddNumberToObject(d->params, key, m[0]);
        return;
    }
    cJSON *sides = cJSON_AddArrayToObject(d->params, key);
    for (int i = 0; i < 4; i += 2)
        cJSON_AddItemToArray(sides, m[0] == m[1] && m[2] == m[3]
                                        ? cJSON_CreateNumber(m[i])
                                        : cJSON_CreateIntArray(m + i, 2));
}

static void draw_zero_padding(struct draft *d)
{
    put_margins(d, "padding", 4);
}

static void draw_cropping(struct draft *d)
{
    put_margins(d, "cropping", 2);
}

static void draw_up_sampling(struct draft *d)
{
    static const char *const names[] = {"nearest", "bilinear"};

    put_pair(d, "size", d->layer->size, draw(d, 1, 4), draw(d, 1, 4), 2);
    put_name(d, "interpolation", &d->layer->interpolation, draw(d, 0, 1), names);
}

/* One axis, counted from the batch or from the end. */
static void put_axis(struct draft *d)
{
    const int rank = (int)d->in->rank;
    int axis = chance(d, 0.5)   ? -1
               : chance(d, 0.5) ? draw(d, 1, rank)
                                : draw(d, -rank, -1);

    if (axis == -1 && chance(d, 0.5))
        d->layer->axis = (struct int_list){1, {-1}};
    else
        put_ints(d, "axis", &d->layer->axis, 1, &axis);
}

static void draw_batch_norm(struct draft *d)
{
    put_axis(d);
    d->layer->epsilon = 1e-3f;
    if (chance(d, 0.5))
        put_float(d, "epsilon", &d->layer->epsilon, draw_float(d, 0.01, 1));
    put_bool(d, "center", &d->layer->center, chance(d, 0.8), true);
    put_bool(d, "scale", &d->layer->scale, chance(d, 0.8), true);
}

/* Some of the axes, in any order; at least `least`. */
static int draw_axes(struct draft *d, int least, int axes[LAYER_MAX_INTS])
{
    const int rank = (int)d->in->rank;
    int n = 0;

    for (int axis = 1; axis <= rank; axis++)
        if (chance(d, 0.5))
            axes[n++] = axis;
    for (int i = n - 1; i > 0; i--) {
        const int k = draw(d, 0, i), kept = axes[i];
        axes[i] = axes[k];
        axes[k] = kept;
    }
    if (n < least)
        axes[n++] = rank;
    for (int i = 0; i < n; i++)
        axes[i] -= chance(d, 0.3) ? rank + 1 : 0; /* from the end */
    return n;
}

static void draw_layer_norm(struct draft *d)
{
    int axes[LAYER_MAX_INTS], n;

    if (chance(d, 0.5))
        put_axis(d);
    else {
        n = draw_axes(d, 1, axes);
        put_ints(d, "axis", &d->layer->axis, n, axes);
    }
    d->layer->epsilon = 1e-3f;
    if (chance(d, 0.5))
        put_float(d, "epsilon", &d->layer->epsilon, draw_float(d, 0.01, 1));
    put_bool(d, "center", &d->layer->center, chance(d, 0.8), true);
    put_bool(d, "scale", &d->layer->scale, chance(d, 0.8), true);
    put_bool(d, "rms_scaling", &d->layer->rms_scaling, chance(d, 0.2), false);
}

/* n numbers (0: one, not in an array) that the layer keeps and the document gives. */
static void put_statistics(struct draft *d, const char *key, struct tensor *at,
                           size_t n, double low)
{
    const size_t count = n ? n : 1;

    at->shape = (struct shape){.rank = n > 0, .dim = {n}};
    at->values = malloc(count * sizeof *at->values);
    for (size_t i = 0; i < count; i++)
        at->values[i] = draw_float(d, low, 2);
    cJSON_AddItemToObject(d->params, key,
                          n ? cJSON_CreateFloatArray(at->values, (int)n)
                            : cJSON_CreateNumber((double)at->values[0]));
}

static void draw_normalization(struct draft *d)
{
    const size_t last = d->in->dim[d->in->rank - 1];
    int axes[LAYER_MAX_INTS];

    put_bool(d, "invert", &d->layer->invert, chance(d, 0.3), false);
    if (chance(d, 0.5)) {
        const size_t n = chance(d, 0.6) && last <= 70 ? last : 0;
        d->layer->axis = (struct int_list){1, {-1}};
        put_statistics(d, "mean", &d->layer->mean, n, -2);
        put_statistics(d, "variance", &d->layer->variance, n, 0.05);
        return;
    }
    const int n = draw_axes(d, 0, axes);
    put_ints(d, "axis", &d->layer->axis, n, axes);
    if (n == 0)
        cJSON_AddNullToObject(d->params, "axis");
}

static void draw_rescaling(struct draft *d)
{
    put_float(d, "scale", &d->layer->factor, draw_float(d, -3, 3));
    put_float(d, "offset", &d->layer->offset,
              chance(d, 0.5) ? 0 : draw_float(d, -3, 3));
}

static void draw_softmax(struct draft *d)
{
    put_axis(d);
}

static void draw_prelu(struct draft *d)
{
    int axes[LAYER_MAX_INTS], n = 0;

    for (int axis = 1; axis <= (int)d->in->rank; axis++)
        if (chance(d, 0.4))
            axes[n++] = axis;
    put_ints(d, "shared_axes", &d->layer->axes, n, axes);
}

static void draw_activation(struct draft *d)
{
    put_activation(d, 1);
}

static void draw_relu(struct draft *d)
{
    struct activation *a = &d->layer->activation;

    *a = (struct activation){.id = ACTIVATION_RECTIFIER, .limit = INFINITY};
    if (chance(d, 0.5))
        put_float(d, "negative_slope", &a->alpha, draw_float(d, 0, 1));
    if (chance(d, 0.5))
        put_float(d, "threshold", &a->threshold, draw_float(d, 0, 1));
    if (chance(d, 0.5))
        put_float(d, "max_value", &a->limit, draw_float(d, 1, 6));
    else if (chance(d, 0.5))
        cJSON_AddNullToObject(d->params, "max_value");
}

static void draw_leaky_relu(struct draft *d)
{
    struct activation *a = &d->layer->activation;

    *a = (struct activation){.id = ACTIVATION_LEAKY_RELU, .alpha = 0.3f};
    if (chance(d, 0.7))
        put_float(d, chance(d, 0.5) ? "alpha" : "negative_slope", &a->alpha,
                  draw_float(d, 0, 1));
}

static void draw_elu(struct draft *d)
{
    struct activation *a = &d->layer->activation;

    *a = (struct activation){.id = ACTIVATION_ELU, .alpha = 1};
    if (chance(d, 0.7))
        put_float(d, "alpha", &a->alpha, draw_float(d, -1, 3));
}

static void draw_thresholded(struct draft *d)
{
    struct activation *a = &d->layer->activation;

    *a = (struct activation){.id = ACTIVATION_THRESHOLDED, .threshold = 1};
    if (chance(d, 0.7))
        put_float(d, "theta", &a->threshold, draw_float(d, 0, 2));
}

static void draw_dropout(struct draft *d)
{
    cJSON_AddNumberToObject(d->params, "rate", 0.5);
}

static void draw_noise(struct draft *d)
{
    cJSON_AddNumberToObject(d->params, "stddev", 0.5);
}

static void draw_nothing(struct draft *d)
{
    (void)d;
}

/* The same count, its factors dealt to other axes; sometimes one of them is -1. */
static void draw_reshape(struct draft *d)
{
    size_t rest = shape_elements(d->in);
    const int rank = chance(d, 0.6) ? 3 : draw(d, 1, LAYER_MAX_INTS);
    int target[LAYER_MAX_INTS];

    for (int i = 0; i < rank; i++)
        target[i] = 1;
    for (size_t factor = 2; rest > 1;
         factor += factor * factor > rest ? rest - factor : 1)
        while (rest % factor == 0) {
            target[draw(d, 0, rank - 1)] *= (int)factor;
            rest /= factor;
        }
    if (chance(d, 0.3))
        target[draw(d, 0, rank - 1)] = -1;
    put_ints(d, "target_shape", &d->layer->shape, rank, target);
}

static void draw_permute(struct draft *d)
{
    const int rank = (int)d->in->rank;
    int dims[LAYER_MAX_INTS] = {1, 2, 3, 4};

    for (int i = rank - 1; i > 0; i--) {
        const int k = draw(d, 0, i), kept = dims[i];
        dims[i] = dims[k];
        dims[k] = kept;
    }
    if (chance(d, 0.03))
        dims[0] = dims[rank - 1]; /* twice: refused, but for rank 1 */
    put_ints(d, "dims", &d->layer->dims, rank, dims);
}

/* Kinds, how often they are drawn, and how. */
static const struct row {
    const char *class_name;
    int weight;
    void (*draw)(struct draft *d);
} rows[] = {
    {"Conv2D", 12, draw_conv2d},
    {"Conv2DTranspose", 4, draw_transpose},
    {"DepthwiseConv2D", 4, draw_depthwise},
    {"SeparableConv2D", 4, draw_separable},
    {"Dense", 3, draw_dense},
    {"MaxPooling2D", 4, draw_pool},
    {"AveragePooling2D", 4, draw_pool},
    {"GlobalMaxPooling2D", 1, draw_global_pool},
    {"GlobalAveragePooling2D", 1, draw_global_pool},
    {"ZeroPadding2D", 2, draw_zero_padding},
    {"Cropping2D", 2, draw_cropping},
    {"UpSampling2D", 2, draw_up_sampling},
    {"BatchNormalization", 3, draw_batch_norm},
    {"LayerNormalization", 3, draw_layer_norm},
    {"Normalization", 2, draw_normalization},
    {"Rescaling", 1, draw_rescaling},
    {"PReLU", 2, draw_prelu},
    {"Softmax", 2, draw_softmax},
    {"Activation", 4, draw_activation},
    {"ReLU", 2, draw_relu},
    {"LeakyReLU", 1, draw_leaky_relu},
    {"ELU", 1, draw_elu},
    {"ThresholdedReLU", 1, draw_thresholded},
    {"Dropout", 1, draw_dropout},
    {"SpatialDropout2D", 1, draw_dropout},
    {"GaussianNoise", 1, draw_noise},
    {"GaussianDropout", 1, draw_dropout},
    {"AlphaDropout", 1, draw_dropout},
    {"ActivityRegularization", 1, draw_nothing},
    {"Identity", 1, draw_nothing},
    {"Permute", 2, draw_permute},
    {"Flatten", 1, draw_nothing},
    {"Reshape", 2, draw_reshape},
};

const char *random_layer_kind(size_t i, int *weight)
{
    if (i >= COUNT(rows))
        return NULL;
    *weight = rows[i].weight;
    return rows[i].class_name;
}

void random_layer(struct draft *draft)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].class_name, draft->layer->kind->class_name) == 0)
            rows[i].draw(draft);
}

void random_layer_release(struct layer *layer)
{
    free(layer->mean.values);
    free(layer->variance.values);
    layer->mean.values = layer->variance.values = NULL;
}

/* ---- faults ---- */

/* Values that no parameter of the type can have. */
static const char *const wrong[][4] = {
    [PARAM_INT] = {"\"three\"", "-7", "1.5", "1e18"},
    [PARAM_PAIR] = {"\"3\"", "[1]", "[1,2,3]", "-7"},
    [PARAM_FLOATS] = {"\"0.5\"", "[[1,2],[3]]", "{}", "true"},
    [PARAM_BOOL] = {"3", "\"true\"", "[]", "null"},
    [PARAM_CHOICE] = {"\"sane\"", "4", "[]", "true"},
    [PARAM_FLOAT] = {"\"0.5\"", "[]", "true", "1e300"},
    [PARAM_PADS] = {"-1", "\"1\"", "[1]", "[[1,2],[3]]"},
    [PARAM_INTS] = {"1.5", "\"1\"", "[1,2,3,4,5]", "{}"},
    [PARAM_ACTIVATION] = {"\"rellu\"", "4", "[]", "true"},
    [PARAM_INITIALIZER] = {"\"glorot\"", "4", "[]", "{}"},
    [PARAM_IGNORED] = {0},
};

const char *random_layer_spoil(struct draft *d)
{
    const struct layer_param *params = d->layer->kind->params;
    const struct layer_param *chosen = NULL;
    int n = 0;

    for (const struct layer_param *param = params; param->name; param++)
        if (param->type != PARAM_IGNORED && draw(d, 0, n++) == 0)
            chosen = param;
    if (!chosen)
        return NULL;
    cJSON_DeleteItemFromObject(d->params, chosen->name);
    cJSON_AddItemToObject(d->params, chosen->name,
                          cJSON_Parse(wrong[chosen->type][draw(d, 0, 3)]));
    return chosen->name;
}
