/*
 * peer_xnnpack.c - XNNPACK: each layer an operator, channels innermost as ours.
 *
 * Weights are packed when the operator is created, outside the timing. A ReLU is fused
 * into the convolution or the pool before it, as its lower bound, unless that stage is
 * wanted.
 */
#include <math.h>
#include <pthreadpool.h>
#include <stdlib.h>
#include <string.h>
#include <xnnpack.h>

#include "tests/bench/peer.h"

enum { MAX_OPERATORS = 64, SLACK = 256 }; /* it may read a little past the end */

/* Pointers that it makes of a convolution's windows, at most: of a large map they take
 * gigabytes. */
static const double max_pointers = 5e7;

struct state {
    const struct problem *problem;
    pthreadpool_t pool;
    size_t n;
    xnn_operator_t operators[MAX_OPERATORS];
    float *outputs[MAX_OPERATORS]; /* of each layer */
    float *input;                  /* a copy, with slack behind it */
};

/* One layer while it is being set up. */
struct setting {
    struct state *state;
    const struct layer *layer;
    const struct layer_plan *plan;
    struct extent in, out;
    float low; /* the lower bound of a fused ReLU, or none */
    const float *from;
    float *to;
};

static float *take(size_t floats)
{
    float *memory = aligned_alloc(64, (floats * sizeof *memory + SLACK + 63) / 64 * 64);

    if (!memory)
        abort();
    return memory;
}

static xnn_operator_t *next(const struct setting *s)
{
    if (s->state->n == MAX_OPERATORS)
        abort();
    return &s->state->operators[s->state->n];
}

/* Count an operator that was created, if it could be set up. */
static bool done(const struct setting *s, enum xnn_status status)
{
    s->state->n++;
    return status == xnn_status_success;
}

/* Ours is height, width, input, output; theirs output, height, width, input. */
static float *turned_weights(const struct setting *s, size_t taps, size_t in,
                             size_t out)
{
    const float *from = s->layer->weights[0].values;
    const bool transposed = strcmp(s->layer->kind->class_name, "Conv2DTranspose") == 0;
    float *to = take(taps * in * out);

    for (size_t o = 0; o < out; o++)
        for (size_t t = 0; t < taps; t++)
            for (size_t i = 0; i < in; i++)
                to[(o * taps + t) * in + i] = transposed ? from[(t * out + o) * in + i]
                                                         : from[(t * in + i) * out + o];
    return to;
}

static bool add_convolution(const struct setting *s)
{
    const struct layer *l = s->layer;
    const struct pads *pad = &s->plan->pad;
    const bool depthwise = strcmp(l->kind->class_name, "DepthwiseConv2D") == 0;
    const size_t height = (size_t)l->kernel_size[0], width = (size_t)l->kernel_size[1];
    const size_t groups = depthwise ? s->in.channels : (size_t)l->groups;
    const size_t in = s->in.channels / groups, out = s->out.channels;

    if ((double)shape_elements(&s->plan->out) / (double)out * (double)(height * width) >
        max_pointers)
        return false;
    float *turned = depthwise ? NULL : turned_weights(s, height * width, in, out);

    const enum xnn_status status = xnn_create_convolution2d_nhwc_f32(
        (uint32_t)pad->top, (uint32_t)pad->right, (uint32_t)pad->bottom,
        (uint32_t)pad->left, (uint32_t)height, (uint32_t)width, (uint32_t)l->strides[0],
        (uint32_t)l->strides[1], (uint32_t)l->dilation_rate[0],
        (uint32_t)l->dilation_rate[1], (uint32_t)groups, in, out / groups,
        s->in.channels, out, depthwise ? l->weights[0].values : turned,
        l->weights[1].values, s->low, INFINITY,
        depthwise ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0, next(s));
    free(turned);
    return status == xnn_status_success &&
           done(s,
                xnn_setup_convolution2d_nhwc_f32(*next(s), 1, s->in.height, s->in.width,
                                                 s->from, s->to, s->state->pool));
}

static bool add_transpose(const struct setting *s)
{
    const struct layer *l = s->layer;
    const struct pads pad = problem_transpose_pads(l, s->plan);
    const size_t height = (size_t)l->kernel_size[0], width = (size_t)l->kernel_size[1];
    float *turned = turned_weights(s, height * width, s->in.channels, s->out.channels);

    const enum xnn_status status = xnn_create_deconvolution2d_nhwc_f32(
        (uint32_t)pad.top, (uint32_t)pad.right, (uint32_t)pad.bottom,
        (uint32_t)pad.left, (uint32_t)height, (uint32_t)width, (uint32_t)l->strides[0],
        (uint32_t)l->strides[1], 1, 1, 1, s->in.channels, s->out.channels,
        s->in.channels, s->out.channels, turned, l->weights[1].values, s->low, INFINITY,
        0, next(s));
    free(turned);
    return status == xnn_status_success &&
           done(s, xnn_setup_deconvolution2d_nhwc_f32(*next(s), 1, s->in.height,
                                                      s->in.width, 0, 0, s->from, s->to,
                                                      s->state->pool));
}

static bool add_pool(const struct setting *s, bool max)
{
    const struct layer *l = s->layer;
    const struct pads *pad = &s->plan->pad;
    const int *strides = l->strides[0] ? l->strides : l->pool_size;
    const size_t c = s->in.channels;

    if (max)
        return xnn_create_max_pooling2d_nhwc_f32(
                   (uint32_t)pad->top, (uint32_t)pad->right, (uint32_t)pad->bottom,
                   (uint32_t)pad->left, (uint32_t)l->pool_size[0],
                   (uint32_t)l->pool_size[1], (uint32_t)strides[0],
                   (uint32_t)strides[1], 1, 1, c, c, c, s->low, INFINITY, 0,
                   next(s)) == xnn_status_success &&
               done(s, xnn_setup_max_pooling2d_nhwc_f32(*next(s), 1, s->in.height,
                                                        s->in.width, s->from, s->to,
                                                        s->state->pool));
    return xnn_create_average_pooling2d_nhwc_f32(
               (uint32_t)pad->top, (uint32_t)pad->right, (uint32_t)pad->bottom,
               (uint32_t)pad->left, (uint32_t)l->pool_size[0],
               (uint32_t)l->pool_size[1], (uint32_t)strides[0], (uint32_t)strides[1], c,
               c, c, s->low, INFINITY, 0, next(s)) == xnn_status_success &&
           done(s, xnn_setup_average_pooling2d_nhwc_f32(*next(s), 1, s->in.height,
                                                        s->in.width, s->from, s->to,
                                                        s->state->pool));
}

static bool add_global_average(const struct setting *s)
{
    const size_t c = s->in.channels;

    return xnn_create_global_average_pooling_nwc_f32(c, c, c, s->low, INFINITY, 0,
                                                     next(s)) == xnn_status_success &&
           done(s, xnn_setup_global_average_pooling_nwc_f32(
                       *next(s), 1, s->in.height * s->in.width, s->from, s->to,
                       s->state->pool));
}

static bool add_resize(const struct setting *s)
{
    const size_t c = s->in.channels;

    return s->layer->interpolation && /* 0: nearest, which it lacks */
           xnn_create_resize_bilinear2d_nhwc_f32(c, c, c, 0, next(s)) ==
               xnn_status_success &&
           done(s, xnn_setup_resize_bilinear2d_nhwc_f32(
                       *next(s), 1, s->in.height, s->in.width, s->out.height,
                       s->out.width, s->from, s->to, s->state->pool));
}

static bool add_dense(const struct setting *s)
{
    const size_t in = s->in.channels, out = s->out.channels;

    return xnn_create_fully_connected_nc_f32(
               in, out, in, out, s->layer->weights[0].values,
               s->layer->weights[1].values, s->low, INFINITY,
               XNN_FLAG_TRANSPOSE_WEIGHTS, next(s)) == xnn_status_success &&
           done(s, xnn_setup_fully_connected_nc_f32(*next(s), 1, s->from, s->to,
                                                    s->state->pool));
}

/* Cells are its batch. */
static bool add_activation(const struct setting *s, const struct activation *activation,
                           const float *from)
{
    const size_t c = s->out.channels, cells = s->out.height * s->out.width;
    pthreadpool_t pool = s->state->pool;

#define ADD(create, setup)                                                             \
    (create == xnn_status_success && done(s, setup(*next(s), cells, from, s->to, pool)))
    switch (activation->id) {
    case ACTIVATION_LINEAR:
        return true;
    case ACTIVATION_RELU:
        return ADD(xnn_create_clamp_nc_f32(c, c, c, 0, INFINITY, 0, next(s)),
                   xnn_setup_clamp_nc_f32);
    case ACTIVATION_SIGMOID:
        return ADD(xnn_create_sigmoid_nc_f32(c, c, c, 0, next(s)),
                   xnn_setup_sigmoid_nc_f32);
    case ACTIVATION_ELU:
        return ADD(xnn_create_elu_nc_f32(c, c, c, activation->alpha, 0, next(s)),
                   xnn_setup_elu_nc_f32);
    case ACTIVATION_SOFTMAX:
        return ADD(xnn_create_softmax_nc_f32(c, c, c, 0, next(s)),
                   xnn_setup_softmax_nc_f32);
    default:
        return false;
    }
#undef ADD
}

static bool add_layer(struct setting *s, bool fused)
{
    const char *kind = s->layer->kind->class_name;
    const struct activation *activation = &s->layer->activation;
    bool added;

    if (strcmp(kind, "Activation") == 0)
        return add_activation(s, activation, s->from);
    if (activation->id == ACTIVATION_RELU || fused)
        s->low = 0;
    if (strcmp(kind, "Conv2D") == 0 || strcmp(kind, "DepthwiseConv2D") == 0)
        added = add_convolution(s);
    else if (strcmp(kind, "Conv2DTranspose") == 0)
        added = add_transpose(s);
    else if (strcmp(kind, "MaxPooling2D") == 0 || strcmp(kind, "AveragePooling2D") == 0)
        added = add_pool(s, *kind == 'M');
    else if (strcmp(kind, "GlobalAveragePooling2D") == 0)
        added = add_global_average(s);
    else if (strcmp(kind, "UpSampling2D") == 0)
        added = add_resize(s);
    else if (strcmp(kind, "Dense") == 0)
        added = add_dense(s);
    else
        return false;
    return added &&
           (activation->id == ACTIVATION_RELU || add_activation(s, activation, s->to));
}

/* The layer after this one is a ReLU that can be its lower bound. */
static bool can_fuse(const struct problem *p, size_t i)
{
    const struct layer *layers = p->network.layers;

    return i + 1 < p->network.n_layers && !p->wanted[i].output &&
           layers[i].activation.id == ACTIVATION_LINEAR &&
           strcmp(layers[i].kind->class_name, "Conv2D") == 0 &&
           strcmp(layers[i + 1].kind->class_name, "Activation") == 0 &&
           layers[i + 1].activation.id == ACTIVATION_RELU;
}

static bool add_layers(struct state *state)
{
    const struct problem *p = state->problem;
    const float *now = state->input;

    for (size_t i = 0; i < p->network.n_layers; i++) {
        const struct layer *layer = &p->network.layers[i];
        const struct layer_plan *plan = &p->plan.layers[i];
        const bool fused = can_fuse(p, i);
        struct setting s = {
            state,     layer, plan, shape_extent(&plan->in), shape_extent(&plan->out),
            -INFINITY, now,   NULL};
        if (strcmp(layer->kind->class_name, "Flatten") == 0)
            continue;
        i += fused;
        s.to = state->outputs[i] = take(problem_output_count(p, i));
        if (!add_layer(&s, fused))
            return false;
        now = s.to;
    }
    return true;
}

static void release(void *self)
{
    struct state *s = self;

    for (size_t i = 0; i < s->n; i++)
        xnn_delete_operator(s->operators[i]);
    for (size_t i = 0; i < MAX_OPERATORS; i++)
        free(s->outputs[i]);
    free(s->input);
    pthreadpool_destroy(s->pool);
    free(s);
}

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const size_t n = shape_elements(&problem->plan.input);

    (void)variant;
    if (problem->task != TASK_LAYERS || xnn_initialize(NULL) != xnn_status_success)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->problem = problem;
    s->pool = parallel->width > 1 ? pthreadpool_create(parallel->width) : NULL;
    s->input = take(n);
    memcpy(s->input, problem->input, n * sizeof *s->input);
    if (add_layers(s))
        return s;
    release(s);
    return NULL;
}

static void run(void *self)
{
    struct state *s = self;

    for (size_t i = 0; i < s->n; i++)
        xnn_run_operator(s->operators[i], s->pool);
}

static void output(void *self, size_t layer, float *values)
{
    const struct state *s = self;

    memcpy(values, s->outputs[layer],
           problem_output_count(s->problem, layer) * sizeof *values);
}

const struct peer peer_xnnpack = {
    .name = "xnnpack",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
};
