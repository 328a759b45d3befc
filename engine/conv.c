/* conv.c - convolution layers: their shapes, and the methods that compute them. */
#include "engine/conv.h"

#include <math.h>
#include <string.h>

#include "engine/conv_method.h"
#include "engine/window.h"

static struct conv_shape shape_of(const struct layer *layer,
                                  const struct layer_plan *plan, size_t groups,
                                  size_t filters)
{
    const struct pads *pad = &plan->pad;

    return (struct conv_shape){
        .in = shape_extent(&plan->in),
        .out = {plan->out.dim[0], plan->out.dim[1], filters},
        .kh = (size_t)layer->kernel_size[0],
        .kw = (size_t)layer->kernel_size[1],
        /* a single window takes no step, however long */
        .sy = plan->out.dim[0] == 1 ? 1 : (size_t)layer->strides[0],
        .sx = plan->out.dim[1] == 1 ? 1 : (size_t)layer->strides[1],
        .dy = (size_t)layer->dilation_rate[0],
        .dx = (size_t)layer->dilation_rate[1],
        .top = pad->top,
        .left = pad->left,
        .groups = groups,
        .padded = pad->top || pad->bottom || pad->left || pad->right,
    };
}

/* A depthwise kernel (h, w, channels, multiplier) lies in memory as that of a
 * convolution with a group for every channel, (h, w, 1, channels * multiplier). */
static struct conv_shape depthwise_shape(const struct layer *layer,
                                         const struct layer_plan *plan)
{
    const size_t channels = plan->in.dim[2];

    return shape_of(layer, plan, channels, channels * (size_t)layer->depth_multiplier);
}

/* The 1x1 convolution that mixes the channels of a separable one. */
static struct conv_shape pointwise_shape(const struct layer *layer,
                                         const struct layer_plan *plan)
{
    const struct extent out = shape_extent(&plan->out);
    const size_t between = plan->in.dim[2] * (size_t)layer->depth_multiplier;

    return (struct conv_shape){.in = {out.height, out.width, between},
                               .out = out,
                               .kh = 1,
                               .kw = 1,
                               .sy = 1,
                               .sx = 1,
                               .dy = 1,
                               .dx = 1,
                               .groups = 1};
}

static double macs_of(const struct conv_shape *s)
{
    return (double)s->out.height * (double)s->out.width * (double)s->out.channels *
           (double)conv_method_taps(s);
}

static void set_needs(const struct layer *layer, const struct conv_shape *shape,
                      struct layer_plan *plan)
{
    const struct conv_method *method = conv_method_of(shape);
    const struct conv_needs needs = method->needs(shape);

    plan->packing = conv_method_packing(method, plan->packing);
    plan->macs = macs_of(shape);
    plan->packed = needs.packed;
    plan->pack_parts = needs.pack_parts;
    plan->scratch = needs.scratch;
    plan->tile = needs.tile;
    plan->band = needs.tile.height;
    plan->row_cost = needs.row_cost;
    if (activation_crosses_channels(layer->activation.id))
        plan->tile.channels = shape->out.channels;
}

/* Where the method would rather have its parts share memory. */
static void share(const struct conv_shape *shape, struct layer_plan *plan)
{
    const struct conv_method *method = conv_method_of(shape);
    struct conv_shared shared;

    if (!method->share || !method->share(shape, &shared))
        return;
    plan->shared = shared.floats;
    plan->scratch = shared.scratch;
    plan->tile = shared.tile;
    plan->band = shared.tile.height;
    memcpy(plan->passes, shared.parts, sizeof plan->passes);
}

static bool infer_window(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    struct window axes[2];

    if (!window_infer(layer, layer->kernel_size, layer->strides, layer->dilation_rate,
                      "kernel_size", plan, axes, err))
        return false;
    plan->out = SHAPE(axes[0].out, axes[1].out, 0);
    return window_one_of_two(layer, err);
}

static bool check_groups(const struct layer *layer, const struct layer_plan *plan,
                         struct error *err)
{
    const size_t groups = (size_t)layer->groups, channels = plan->in.dim[2];

    if (channels % groups != 0)
        return layer_fault(layer, "groups", err,
                           "%zu does not divide the %zu input channels", groups,
                           channels);
    if ((size_t)layer->filters % groups != 0)
        return layer_fault(layer, "groups", err, "%zu does not divide the %d filters",
                           groups, layer->filters);
    return true;
}

bool conv2d_infer(const struct layer *layer, struct layer_plan *plan, struct error *err)
{
    if (!infer_window(layer, plan, err) || !check_groups(layer, plan, err))
        return false;
    const size_t filters = (size_t)layer->filters, groups = (size_t)layer->groups;
    const struct conv_shape shape = shape_of(layer, plan, groups, filters);

    plan->out.dim[2] = filters;
    plan->weight_shape[0] =
        SHAPE(shape.kh, shape.kw, shape.in.channels / groups, filters);
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(filters);
    set_needs(layer, &shape, plan);
    share(&shape, plan);
    return true;
}

static bool infer_depthwise(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_window(layer, plan, err))
        return false;
    const struct conv_shape shape = depthwise_shape(layer, plan);
    plan->out.dim[2] = shape.out.channels;
    plan->weight_shape[0] =
        SHAPE(shape.kh, shape.kw, shape.in.channels, (size_t)layer->depth_multiplier);
    set_needs(layer, &shape, plan);
    return true;
}

bool depthwise_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_depthwise(layer, plan, err))
        return false;
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(plan->out.dim[2]);
    return true;
}

/* What the depthwise part leaves for the pointwise one: a band of rows in scratch. */
static size_t between_floats(const struct layer *layer, const struct layer_plan *plan)
{
    return plan->tile.height * plan->out.dim[1] * plan->in.dim[2] *
           (size_t)layer->depth_multiplier;
}

/* Both parts over all channels: rows, and columns where a row is long, that are no more
 * than a few times CONV_STEPS_MAX, as each part fetches all weights anew. */
static void limit_separable_tile(struct layer_plan *plan)
{
    const double most = 4.0 * CONV_STEPS_MAX, height = (double)plan->out.dim[0];
    const double row = plan->macs / height / KERNEL_LANES;
    struct extent *tile = &plan->tile;

    tile->width = plan->out.dim[1];
    if (row > most) {
        tile->height = 1;
        tile->width = (size_t)fmax(1, (double)tile->width * most / row);
    } else if ((double)tile->height * row > most) {
        tile->height = (size_t)(most / row);
    }
}

bool separable_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err)
{
    if (!infer_depthwise(layer, plan, err))
        return false;
    const double macs = plan->macs;
    const size_t packed = plan->packed, scratch = plan->scratch;

    plan->out.dim[2] = (size_t)layer->filters;
    const struct conv_shape pointwise = pointwise_shape(layer, plan);
    plan->weight_shape[1] = SHAPE(1, 1, pointwise.in.channels, pointwise.out.channels);
    if (layer->use_bias)
        plan->weight_shape[2] = SHAPE(pointwise.out.channels);
    set_needs(layer, &pointwise, plan);
    plan->macs += macs;
    plan->packed += size_whole(packed, KERNEL_LANES);
    if (plan->tile.height == 0)
        plan->tile.height = layer_grain(pointwise.out.height, plan->row_cost);
    plan->tile.channels = pointwise.out.channels; /* the depthwise part is made once */
    limit_separable_tile(plan);
    plan->band = plan->tile.height;
    if (scratch > plan->scratch)
        plan->scratch = scratch;
    plan->scratch = size_whole(plan->scratch, KERNEL_LANES);
    plan->scratch += between_floats(layer, plan);
    return true;
}

static void pack(const struct conv_shape *shape, const struct weight *kernel,
                 const float *bias, float *packed)
{
    conv_method_of(shape)->pack(shape, kernel->values, bias, packed);
}

void conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                 float *packed)
{
    const struct conv_shape shape =
        shape_of(layer, plan, (size_t)layer->groups, plan->out.dim[2]);

    pack(&shape, &layer->weights[0], layer->weights[1].values, packed);
}

void conv2d_pack_part(const struct layer *layer, const struct layer_plan *plan,
                      size_t part, float *packed)
{
    const struct conv_shape shape =
        shape_of(layer, plan, (size_t)layer->groups, plan->out.dim[2]);

    conv_method_of(&shape)->pack_part(&shape, layer->weights[0].values, part, packed);
}

void depthwise_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed)
{
    const struct conv_shape shape = depthwise_shape(layer, plan);

    pack(&shape, &layer->weights[0], layer->weights[1].values, packed);
}

/* Where the weights of the pointwise part begin. */
static size_t pointwise_at(const struct conv_shape *depthwise)
{
    return size_whole(conv_method_of(depthwise)->needs(depthwise).packed, KERNEL_LANES);
}

void separable_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed)
{
    const struct conv_shape depthwise = depthwise_shape(layer, plan);
    const struct conv_shape pointwise = pointwise_shape(layer, plan);

    pack(&depthwise, &layer->weights[0], NULL, packed);
    pack(&pointwise, &layer->weights[1], layer->weights[2].values,
         packed + pointwise_at(&depthwise));
}

static struct conv_call call_of(const struct layer_task *task,
                                const struct conv_shape *shape)
{
    return (struct conv_call){.shape = shape,
                              .kernels = task->kernels,
                              .packed = task->plan->packed_weights,
                              .kernel = task->layer->weights[0].values,
                              .in = task->in,
                              .out = task->out,
                              .in_top = task->in_top,
                              .out_top = task->out_top,
                              .box = task->box,
                              .floor = task->floor,
                              .scratch = task->scratch,
                              .shared = task->shared};
}

static struct conv_shape conv2d_shape(const struct layer_task *task)
{
    return shape_of(task->layer, task->plan, (size_t)task->layer->groups,
                    task->plan->out.dim[2]);
}

void conv2d_prepare(const struct layer_task *task, size_t pass, size_t part)
{
    const struct conv_shape shape = conv2d_shape(task);
    const struct conv_call call = call_of(task, &shape);

    conv_method_of(&shape)->prepare(&call, pass, part);
}

void conv2d_run(const struct layer_task *task)
{
    const struct conv_shape shape = conv2d_shape(task);
    const struct conv_call call = call_of(task, &shape);

    if (call.shared)
        conv_method_of(&shape)->finish(&call);
    else
        conv_method_run(&call);
}

void depthwise_conv2d_run(const struct layer_task *task)
{
    const struct conv_shape shape = depthwise_shape(task->layer, task->plan);
    const struct conv_call call = call_of(task, &shape);

    conv_method_run(&call);
}

void separable_conv2d_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct conv_shape depthwise = depthwise_shape(task->layer, plan);
    const struct conv_shape pointwise = pointwise_shape(task->layer, plan);
    struct conv_call first = call_of(task, &depthwise);
    struct conv_call second = call_of(task, &pointwise);
    float *between = task->scratch + plan->scratch - between_floats(task->layer, plan);

    first.out = between;
    first.out_top = task->box.top;
    first.box.last = depthwise.out.channels;
    first.floor = -INFINITY;
    conv_method_run(&first);

    second.in = between;
    second.in_top = task->box.top;
    second.packed += pointwise_at(&depthwise);
    conv_method_run(&second);
}
