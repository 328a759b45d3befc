/* reference.c - the table of definitions. */
#include "tests/property/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/property/reference_parts.h"

static bool flatten_shape(const struct layer *layer, const struct shape *in,
                          struct shape *out)
{
    (void)layer;
    *out = SHAPE(1);
    for (size_t i = 0; i < in->rank; i++)
        out->dim[0] *= in->dim[i];
    return true;
}

static bool reshape_shape(const struct layer *layer, const struct shape *in,
                          struct shape *out)
{
    const struct int_list *target = &layer->shape;
    size_t count = 1, known = 1;
    int open = -1;

    for (size_t i = 0; i < in->rank; i++)
        count *= in->dim[i];
    *out = (struct shape){.rank = (size_t)target->n};
    for (int i = 0; i < target->n; i++) {
        if (target->items[i] == -1 && open < 0)
            open = i;
        else if (target->items[i] < 1)
            return false;
        else
            known *= out->dim[i] = (size_t)target->items[i];
    }
    if (open >= 0)
        known *= out->dim[open] = count / known;
    return known == count;
}

/* The sizes that a weight's axes can have. */
enum size {
    NONE,
    KERNEL_H,
    KERNEL_W,
    CHANNELS,       /* of the input's last axis */
    GROUP_CHANNELS, /* of it, for one group */
    FILTERS,
    MULTIPLIER,
    PRODUCT, /* channels * multiplier */
    UNITS,
    AXIS, /* length of the layer's axis */
    AXES, /* lengths of all of them, as they are listed */
    KEPT, /* the same in the input's order; 1 where there are none */
    ONE,
    INPUT, /* all of the input's axes, 1 along the shared ones */
};

/* Left out of a layer that was told so. */
enum option {
    ALWAYS,
    USE_BIAS,
    SCALE,
    CENTER,
    SCALE_OR_RMS,
    CENTER_NOT_RMS,
    NOT_GIVEN
};

struct weight_row {
    const char *name;
    enum size size[SHAPE_MAX_RANK];
    enum option option;
};

static const struct definition {
    const char *class_name;
    reference_shape_fn *shape;
    reference_run_fn *run;
    struct weight_row weights[LAYER_MAX_WEIGHTS];
} definitions[] = {
    {"Conv2D",
     reference_conv2d_shape,
     reference_conv2d,
     {{"kernel", {KERNEL_H, KERNEL_W, GROUP_CHANNELS, FILTERS}, ALWAYS},
      {"bias", {FILTERS}, USE_BIAS}}},
    {"Conv2DTranspose",
     reference_transpose_shape,
     reference_transpose,
     {{"kernel", {KERNEL_H, KERNEL_W, FILTERS, CHANNELS}, ALWAYS},
      {"bias", {FILTERS}, USE_BIAS}}},
    {"DepthwiseConv2D",
     reference_depthwise_shape,
     reference_depthwise,
     {{"depthwise_kernel", {KERNEL_H, KERNEL_W, CHANNELS, MULTIPLIER}, ALWAYS},
      {"bias", {PRODUCT}, USE_BIAS}}},
    {"SeparableConv2D",
     reference_separable_shape,
     reference_separable,
     {{"depthwise_kernel", {KERNEL_H, KERNEL_W, CHANNELS, MULTIPLIER}, ALWAYS},
      {"pointwise_kernel", {ONE, ONE, PRODUCT, FILTERS}, ALWAYS},
      {"bias", {FILTERS}, USE_BIAS}}},
    {"Dense",
     reference_dense_shape,
     reference_dense,
     {{"kernel", {CHANNELS, UNITS}, ALWAYS}, {"bias", {UNITS}, USE_BIAS}}},
    {"MaxPooling2D", reference_pool_shape, reference_max_pool, {{0}}},
    {"AveragePooling2D", reference_pool_shape, reference_average_pool, {{0}}},
    {"GlobalMaxPooling2D", reference_global_shape, reference_global_max, {{0}}},
    {"GlobalAveragePooling2D", reference_global_shape, reference_global_average, {{0}}},
    {"ZeroPadding2D", reference_padding_shape, reference_padding, {{0}}},
    {"Cropping2D", reference_cropping_shape, reference_cropping, {{0}}},
    {"UpSampling2D", reference_up_shape, reference_up, {{0}}},
    {"BatchNormalization",
     reference_axis_shape,
     reference_batch_norm,
     {{"gamma", {AXIS}, SCALE},
      {"beta", {AXIS}, CENTER},
      {"moving_mean", {AXIS}, ALWAYS},
      {"moving_variance", {AXIS}, ALWAYS}}},
    {"LayerNormalization",
     reference_axes_shape,
     reference_layer_norm,
     {{"gamma", {AXES}, SCALE_OR_RMS}, {"beta", {AXES}, CENTER_NOT_RMS}}},
    {"Normalization",
     reference_axes_shape,
     reference_normalization,
     {{"mean", {KEPT}, NOT_GIVEN}, {"variance", {KEPT}, NOT_GIVEN}}},
    {"Rescaling", reference_same_shape, reference_rescaling, {{0}}},
    {"PReLU", reference_prelu_shape, reference_prelu, {{"alpha", {INPUT}, ALWAYS}}},
    {"Softmax", reference_axis_shape, reference_softmax, {{0}}},
    {"Activation", reference_same_shape, reference_identity, {{0}}},
    {"ReLU", reference_same_shape, reference_identity, {{0}}},
    {"LeakyReLU", reference_same_shape, reference_identity, {{0}}},
    {"ELU", reference_same_shape, reference_identity, {{0}}},
    {"ThresholdedReLU", reference_same_shape, reference_identity, {{0}}},
    {"Dropout", reference_same_shape, reference_identity, {{0}}},
    {"SpatialDropout2D", reference_same_shape, reference_identity, {{0}}},
    {"GaussianNoise", reference_same_shape, reference_identity, {{0}}},
    {"GaussianDropout", reference_same_shape, reference_identity, {{0}}},
    {"AlphaDropout", reference_same_shape, reference_identity, {{0}}},
    {"ActivityRegularization", reference_same_shape, reference_identity, {{0}}},
    {"Identity", reference_same_shape, reference_identity, {{0}}},
    {"Permute", reference_permute_shape, reference_permute, {{0}}},
    {"Flatten", flatten_shape, reference_identity, {{0}}},
    {"Reshape", reshape_shape, reference_identity, {{0}}},
};

static const struct definition *definition_of(const struct layer_kind *kind)
{
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++)
        if (strcmp(definitions[i].class_name, kind->class_name) == 0)
            return &definitions[i];
    return NULL;
}

bool reference_knows(const struct layer_kind *kind)
{
    return definition_of(kind) != NULL;
}

bool reference_shape(const struct layer *layer, const struct shape *in,
                     struct shape *out)
{
    return definition_of(layer->kind)->shape(layer, in, out);
}

/* ---- weights ---- */

static bool has(const struct layer *layer, enum option option)
{
    switch (option) {
    case ALWAYS:
        return true;
    case USE_BIAS:
        return layer->use_bias;
    case SCALE:
        return layer->scale;
    case CENTER:
        return layer->center;
    case SCALE_OR_RMS:
        return layer->scale || layer->rms_scaling;
    case CENTER_NOT_RMS:
        return layer->center && !layer->rms_scaling;
    case NOT_GIVEN:
        return !layer->mean.values;
    }
    return false;
}

static size_t size_of(const struct layer *layer, const struct shape *in, enum size size)
{
    const size_t channels = in->dim[in->rank - 1];
    size_t axis = 0;

    switch (size) {
    case KERNEL_H:
        return (size_t)layer->kernel_size[0];
    case KERNEL_W:
        return (size_t)layer->kernel_size[1];
    case CHANNELS:
        return channels;
    case GROUP_CHANNELS:
        return channels / (size_t)layer->groups;
    case FILTERS:
        return (size_t)layer->filters;
    case MULTIPLIER:
        return (size_t)layer->depth_multiplier;
    case PRODUCT:
        return channels * (size_t)layer->depth_multiplier;
    case UNITS:
        return (size_t)layer->units;
    case AXIS:
        return reference_axis(layer->axis.items[0], in->rank, &axis) ? in->dim[axis]
                                                                     : 0;
    case ONE:
        return 1;
    case NONE:
    case AXES:
    case KEPT:
    case INPUT:
        break;
    }
    return 0;
}

static struct shape input_shape(const struct layer *layer, const struct shape *in)
{
    struct shape shape = *in;

    for (int i = 0; i < layer->axes.n; i++) {
        size_t axis;
        if (reference_axis(layer->axes.items[i], in->rank, &axis))
            shape.dim[axis] = 1;
    }
    return shape;
}

static struct shape axes_shape(const struct layer *layer, const struct shape *in,
                               bool sorted)
{
    struct shape shape = {0};
    size_t axis;

    for (size_t k = 0; sorted && k < in->rank; k++)
        for (int i = 0; i < layer->axis.n; i++)
            if (reference_axis(layer->axis.items[i], in->rank, &axis) && axis == k)
                shape.dim[shape.rank++] = in->dim[axis];
    for (int i = 0; !sorted && i < layer->axis.n; i++)
        if (reference_axis(layer->axis.items[i], in->rank, &axis))
            shape.dim[shape.rank++] = in->dim[axis];
    return shape.rank ? shape : SHAPE(1);
}

bool reference_weight(const struct layer *layer, const struct shape *in, size_t w,
                      struct reference_weight *weight)
{
    const struct weight_row *row = definition_of(layer->kind)->weights + w;

    if (w == LAYER_MAX_WEIGHTS || !row->name)
        return false;
    *weight = (struct reference_weight){0};
    if (!has(layer, row->option))
        return true;
    weight->name = row->name;
    if (row->size[0] == INPUT)
        weight->shape = input_shape(layer, in);
    else if (row->size[0] == AXES || row->size[0] == KEPT)
        weight->shape = axes_shape(layer, in, row->size[0] == KEPT);
    else
        while (weight->shape.rank < SHAPE_MAX_RANK && row->size[weight->shape.rank]) {
            const size_t i = weight->shape.rank++;
            weight->shape.dim[i] = size_of(layer, in, row->size[i]);
        }
    return true;
}

/* ---- run ---- */

static struct reference new_reference(const struct shape *shape)
{
    const size_t n = shape_elements(shape);

    return (struct reference){.shape = *shape,
                              .v = calloc(n, sizeof(double)),
                              .magnitude = calloc(n, sizeof(double)),
                              .roundings = 0};
}

void reference_free(struct reference *reference)
{
    free(reference->v);
    free(reference->magnitude);
    *reference = (struct reference){0};
}

struct reference reference_layer(const struct layer *layer, const struct shape *in,
                                 const float *input)
{
    const struct definition *definition = definition_of(layer->kind);
    struct shape shape = {0};

    if (!definition->shape(layer, in, &shape))
        abort();
    struct reference out = new_reference(&shape);
    definition->run(layer, in, input, &out);
    return out;
}

double reference_size(double x)
{
    return isfinite(x) ? fabs(x) : 0;
}

double reference_roundings(double n)
{
    return fmin(n, 4 * sqrt(n));
}

bool reference_window(long in, long size, long stride, long dilation, bool same,
                      long *out, long *before)
{
    const long extent = (size - 1) * dilation + 1;

    *before = 0;
    if (!same) {
        *out = extent > in ? 0 : (in - extent) / stride + 1;
        return extent <= in;
    }
    *out = (in + stride - 1) / stride;
    const long total = (*out - 1) * stride + extent - in;
    *before = total > 0 ? total / 2 : 0;
    return true;
}

/* ---- activations ---- */

static void softmax(const struct shape *shape, const float *x, struct reference *out)
{
    const size_t n = shape->dim[shape->rank - 1];

    for (size_t i = 0; i < shape_elements(shape); i += n)
        reference_softmax_line(x + i, n, 1, out->v + i, out->magnitude + i);
    out->roundings = 8 + (double)n / 16;
}

/* x - most - ln(sum exp(x - most)) */
static void log_softmax(const struct shape *shape, const float *x,
                        struct reference *out)
{
    const size_t n = shape->dim[shape->rank - 1];

    for (size_t at = 0; at < shape_elements(shape); at += n) {
        double most = (double)x[at], sum = 0;
        for (size_t i = 1; i < n; i++)
            most = fmax(most, (double)x[at + i]);
        for (size_t i = 0; i < n; i++)
            sum += exp((double)x[at + i] - most);
        for (size_t i = at; i < at + n; i++) {
            out->v[i] = (double)x[i] - most - log(sum);
            out->magnitude[i] = reference_size((double)x[i]) + reference_size(most) +
                                reference_size(log(sum)) + 1;
        }
    }
    out->roundings = 8 + (double)n / 16;
}

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Martins and Astudillo 2016: with the values sorted, the support is the longest prefix
 * with 1 + k z_k > sum of it, and tau = (sum - 1) / k. The projection does not change
 * when a number is added to all values: the largest is made 0. */
static void sparsemax_line(const float *x, size_t n, double *sorted, double *v,
                           double *magnitude)
{
    double sum = 0, tau = 0, most = -INFINITY;
    bool finite = true;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, (double)x[i]);
        finite = finite && isfinite(x[i]);
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (double)x[i] - most;
    qsort(sorted, n, sizeof *sorted, descending);
    for (size_t k = 1; k <= n; k++) {
        sum += sorted[k - 1];
        if (1 + (double)k * sorted[k - 1] > sum)
            tau = (sum - 1) / (double)k;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = fmax((double)x[i] - most - tau, 0);
        magnitude[i] = finite ? 1 : INFINITY;
    }
}

static void sparsemax(const struct shape *shape, const float *x, struct reference *out)
{
    const size_t n = shape->dim[shape->rank - 1];
    double *sorted = malloc(n * sizeof *sorted);

    for (size_t i = 0; i < shape_elements(shape); i += n)
        sparsemax_line(x + i, n, sorted, out->v + i, out->magnitude + i);
    out->roundings = 2;
    free(sorted);
}

struct reference reference_activation(const struct activation *a,
                                      const struct shape *shape, const float *x)
{
    const struct reference_function *function = reference_function(a->id);
    struct reference out = new_reference(shape);

    if (a->id == ACTIVATION_SOFTMAX)
        softmax(shape, x, &out);
    else if (a->id == ACTIVATION_LOG_SOFTMAX)
        log_softmax(shape, x, &out);
    else if (a->id == ACTIVATION_SPARSEMAX)
        sparsemax(shape, x, &out);
    if (!function->exact)
        return out;

    out.roundings = function->bound;
    for (size_t i = 0; i < shape_elements(shape); i++) {
        const double v = (double)x[i];
        out.v[i] = isnan(v) ? v : function->exact(v, a);
        out.magnitude[i] = reference_size(out.v[i]);
        if (function->against_x)
            out.magnitude[i] +=
                reference_size(v) + fabs((double)a->alpha) + fabs((double)a->threshold);
        if (a->id == ACTIVATION_SQUAREPLUS && fabs(v) > 1e19 && isfinite(v))
            out.magnitude[i] = INFINITY; /* x * x leaves float32, as in Keras */
    }
    return out;
}
