/* onnx_network.c - see onnx_network.h */
#include "tests/bench/onnx_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const struct layer *layer, const char *kind)
{
    return strcmp(layer->kind->class_name, kind) == 0;
}

static bool is_by_cell(const struct problem *problem)
{
    return problem->network.n_layers == 1 &&
           is(&problem->network.layers[0], "Activation");
}

static struct onnx_dims dims_of(const struct problem *problem,
                                const struct shape *shape)
{
    const struct extent e = shape_extent(shape);
    const int64_t c = (int64_t)e.channels, h = (int64_t)e.height, w = (int64_t)e.width;

    if (shape->rank == 1)
        return (struct onnx_dims){2, {1, c}};
    if (is_by_cell(problem))
        return (struct onnx_dims){2, {h * w, c}};
    return (struct onnx_dims){4, {1, c, h, w}};
}

struct onnx_dims onnx_network_input(const struct problem *problem)
{
    return dims_of(problem, &problem->plan.input);
}

struct onnx_dims onnx_network_output(const struct problem *problem, size_t layer)
{
    const struct shape *shape = &problem->plan.layers[layer].out;

    if (is(&problem->network.layers[layer], "GlobalAveragePooling2D"))
        return (struct onnx_dims){4, {1, (int64_t)shape->dim[0], 1, 1}};
    return dims_of(problem, shape);
}

const char *onnx_network_name(size_t layer, char name[ONNX_NAME])
{
    snprintf(name, ONNX_NAME, "l%zu", layer);
    return name;
}

/* A matrix of rows x columns becomes one of columns x rows. */
static void transpose(float *to, const float *from, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            to[c * rows + r] = from[r * columns + c];
}

void onnx_network_turn(float *to, const float *from, const struct problem *problem,
                       const struct shape *shape, bool to_ours)
{
    const struct extent e = shape_extent(shape);
    const size_t cells = e.height * e.width;

    if (is_by_cell(problem) || shape->rank == 1)
        memcpy(to, from, cells * e.channels * sizeof *to);
    else if (to_ours)
        transpose(to, from, e.channels, cells);
    else
        transpose(to, from, cells, e.channels);
}

static float *take(size_t floats)
{
    float *memory = malloc(floats * sizeof *memory);

    if (!memory)
        abort();
    return memory;
}

/* ---- attributes ---- */

static struct onnx_attribute pair(const char *name, const int *values)
{
    return (struct onnx_attribute){
        .name = name, .type = ONNX_INTS, .ints = {2, {values[0], values[1]}}};
}

static struct onnx_attribute whole(const char *name, size_t value)
{
    return (struct onnx_attribute){
        .name = name, .type = ONNX_INT, .ints = {1, {(int64_t)value}}};
}

static struct onnx_attribute number(const char *name, float value)
{
    return (struct onnx_attribute){.name = name, .type = ONNX_FLOAT, .number = value};
}

static struct onnx_attribute text(const char *name, const char *value)
{
    return (struct onnx_attribute){.name = name, .type = ONNX_TEXT, .text = value};
}

static struct onnx_attribute pads(const struct pads *pad)
{
    return (struct onnx_attribute){
        .name = "pads",
        .type = ONNX_INTS,
        .ints = {4,
                 {(int64_t)pad->top, (int64_t)pad->left, (int64_t)pad->bottom,
                  (int64_t)pad->right}}};
}

/* ---- layers ---- */

/* A layer on its way into the model. */
struct step {
    struct buffer *model;
    size_t index;
    const struct layer *layer;
    const struct layer_plan *plan;
    const char *from;
    char to[ONNX_NAME], weights[LAYER_MAX_WEIGHTS][ONNX_NAME];
};

static void add_vector(struct step *s, size_t w, size_t n)
{
    onnx_constant(s->model, s->weights[w], &(struct onnx_dims){1, {(int64_t)n}},
                  s->layer->weights[w].values);
}

/* Ours is height, width, inner, outer; theirs outer, inner, height, width. Outer are
 * the filters, or of a transposed convolution the input's channels. */
static void add_kernel(struct step *s, size_t outer, size_t inner)
{
    const int64_t h = s->layer->kernel_size[0], w = s->layer->kernel_size[1];
    float *turned = take((size_t)(h * w) * outer * inner);

    transpose(turned, s->layer->weights[0].values, (size_t)(h * w), outer * inner);
    float *planes = take((size_t)(h * w) * outer * inner);
    for (size_t i = 0; i < inner; i++)
        for (size_t o = 0; o < outer; o++)
            memcpy(planes + (o * inner + i) * (size_t)(h * w),
                   turned + (i * outer + o) * (size_t)(h * w),
                   (size_t)(h * w) * sizeof *planes);
    onnx_constant(s->model, s->weights[0],
                  &(struct onnx_dims){4, {(int64_t)outer, (int64_t)inner, h, w}},
                  planes);
    free(turned);
    free(planes);
}

static bool add_convolution(struct step *s)
{
    const struct layer *l = s->layer;
    const size_t in = shape_extent(&s->plan->in).channels;
    const size_t out = shape_extent(&s->plan->out).channels;
    const bool transposed = is(l, "Conv2DTranspose");
    const size_t groups = is(l, "DepthwiseConv2D") ? in : (size_t)l->groups;
    const struct pads pad =
        transposed ? problem_transpose_pads(l, s->plan) : s->plan->pad;
    const struct onnx_attribute attributes[] = {pair("strides", l->strides),
                                                pair("dilations", l->dilation_rate),
                                                pads(&pad),
                                                whole("group", transposed ? 1 : groups),
                                                {0}};

    if (transposed)
        add_kernel(s, in, out);
    else
        add_kernel(s, out, in / groups);
    add_vector(s, 1, out);
    onnx_node(s->model, transposed ? "ConvTranspose" : "Conv",
              (const char *[]){s->from, s->weights[0], s->weights[1], NULL}, s->to,
              attributes);
    return true;
}

static bool add_pool(struct step *s)
{
    const struct layer *l = s->layer;
    const struct onnx_attribute attributes[] = {
        pair("kernel_shape", l->pool_size),
        pair("strides", l->strides[0] ? l->strides : l->pool_size),
        pads(&s->plan->pad),
        {0}};

    onnx_node(s->model, is(l, "MaxPooling2D") ? "MaxPool" : "AveragePool",
              (const char *[]){s->from, NULL}, s->to, attributes);
    return true;
}

static bool add_global_average(struct step *s)
{
    onnx_node(s->model, "GlobalAveragePool", (const char *[]){s->from, NULL}, s->to,
              NULL);
    return true;
}

static bool add_flatten(struct step *s)
{
    onnx_node(s->model, "Flatten", (const char *[]){s->from, NULL}, s->to, NULL);
    return true;
}

/* Behind a Flatten the inputs come in the order of theirs. */
static bool add_dense(struct step *s)
{
    const size_t in = shape_elements(&s->plan->in), units = (size_t)s->layer->units;
    const bool flattened = s->index > 0 && is(s->layer - 1, "Flatten");
    const struct extent e = shape_extent(flattened ? &s->plan[-1].in : &s->plan->in);
    const size_t cells = e.height * e.width;
    float *rows = take(in * units);

    for (size_t cell = 0; cell < cells; cell++)
        for (size_t c = 0; c < e.channels; c++)
            memcpy(rows + (c * cells + cell) * units,
                   s->layer->weights[0].values + (cell * e.channels + c) * units,
                   units * sizeof *rows);
    onnx_constant(s->model, s->weights[0],
                  &(struct onnx_dims){2, {(int64_t)in, (int64_t)units}}, rows);
    free(rows);
    add_vector(s, 1, units);
    onnx_node(s->model, "Gemm",
              (const char *[]){s->from, s->weights[0], s->weights[1], NULL}, s->to,
              NULL);
    return true;
}

static bool add_normalization(struct step *s)
{
    const char *const *w = (const char *[]){s->from,       s->weights[0], s->weights[1],
                                            s->weights[2], s->weights[3], NULL};

    for (size_t i = 0; i < 4; i++)
        add_vector(s, i, shape_extent(&s->plan->out).channels);
    onnx_node(s->model, "BatchNormalization", w, s->to,
              (struct onnx_attribute[]){number("epsilon", s->layer->epsilon), {0}});
    return true;
}

static bool add_resize(struct step *s)
{
    const bool linear = s->layer->interpolation != 0;
    const float scales[4] = {1, 1, (float)s->layer->size[0], (float)s->layer->size[1]};
    const struct onnx_attribute attributes[] = {
        text("mode", linear ? "linear" : "nearest"),
        text("coordinate_transformation_mode", linear ? "half_pixel" : "asymmetric"),
        text("nearest_mode", "floor"),
        {0}};

    onnx_constant(s->model, s->weights[0], &(struct onnx_dims){1, {4}}, scales);
    onnx_node(s->model, "Resize", (const char *[]){s->from, "", s->weights[0], NULL},
              s->to, attributes);
    return true;
}

static bool add_activation(struct step *s, const char *from, const char *to)
{
    const struct activation *a = &s->layer->activation;
    struct buffer *model = s->model;
    const char *const *input = (const char *[]){from, NULL};
    const struct onnx_attribute alpha[] = {number("alpha", a->alpha), {0}};
    const struct onnx_attribute channels[] = {whole("axis", 1), {0}};
    char gate[ONNX_NAME];

    switch (a->id) {
    case ACTIVATION_RELU:
        onnx_node(model, "Relu", input, to, NULL);
        return true;
    case ACTIVATION_SIGMOID:
        onnx_node(model, "Sigmoid", input, to, NULL);
        return true;
    case ACTIVATION_TANH:
        onnx_node(model, "Tanh", input, to, NULL);
        return true;
    case ACTIVATION_ELU:
        onnx_node(model, "Elu", input, to, alpha);
        return true;
    case ACTIVATION_SOFTPLUS:
        onnx_node(model, "Softplus", input, to, NULL);
        return true;
    case ACTIVATION_GELU:
        onnx_node(model, "Gelu", input, to, NULL);
        return true;
    case ACTIVATION_SWISH:
        snprintf(gate, sizeof gate, "g%zu", s->index);
        onnx_node(model, "Sigmoid", input, gate, NULL);
        onnx_node(model, "Mul", (const char *[]){from, gate, NULL}, to, NULL);
        return true;
    case ACTIVATION_SOFTMAX:
        onnx_node(model, "Softmax", input, to, channels);
        return true;
    default:
        return false;
    }
}

static const struct {
    const char *kind;
    bool (*add)(struct step *s);
} kinds[] = {
    {"Conv2D", add_convolution},
    {"DepthwiseConv2D", add_convolution},
    {"Conv2DTranspose", add_convolution},
    {"MaxPooling2D", add_pool},
    {"AveragePooling2D", add_pool},
    {"GlobalAveragePooling2D", add_global_average},
    {"Flatten", add_flatten},
    {"Dense", add_dense},
    {"BatchNormalization", add_normalization},
    {"UpSampling2D", add_resize},
};

static bool add_layer(struct buffer *model, const struct problem *problem, size_t i,
                      const char *from, const char *to)
{
    const struct layer *layer = &problem->network.layers[i];
    const bool active = layer->activation.id != ACTIVATION_LINEAR;
    struct step s = {.model = model,
                     .index = i,
                     .layer = layer,
                     .plan = &problem->plan.layers[i],
                     .from = from};

    if (is(layer, "Activation"))
        return add_activation(&s, from, to);
    snprintf(s.to, sizeof s.to, active ? "p%zu" : "l%zu", i);
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        snprintf(s.weights[w], sizeof s.weights[w], "w%zu_%zu", i, w);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (is(layer, kinds[k].kind))
            return kinds[k].add(&s) && (!active || add_activation(&s, s.to, to));
    return false;
}

bool onnx_network_write(struct buffer *model, const struct problem *problem)
{
    const struct onnx_dims input = onnx_network_input(problem);
    char from[ONNX_NAME] = ONNX_INPUT_NAME, to[ONNX_NAME];

    onnx_begin(model);
    onnx_input(model, from, &input);
    for (size_t i = 0; i < problem->network.n_layers; i++) {
        const struct onnx_dims dims = onnx_network_output(problem, i);
        if (!add_layer(model, problem, i, from, onnx_network_name(i, to)))
            return false;
        if (problem->wanted[i].output)
            onnx_output(model, to, &dims);
        memcpy(from, to, sizeof from);
    }
    return !model->failed;
}
