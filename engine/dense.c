/* dense.c - Dense, and the layers that only change the shape. */
#include "engine/dense.h"

#include <math.h>
#include <string.h>

#include "engine/conv_panels.h"

/* Of a part, where there is one vector to multiply: a page of each row of weights, or
 * half, so that there are parts for two. */
enum { UNITS = 1024 };

enum { PACK_INPUTS = 64 }; /* of a part of the packing */

static size_t units_of_part(size_t units)
{
    return units > 2 * UNITS ? UNITS : UNITS / 2;
}

/* One cell after the other would read all weights for each: then they are packed, as
 * for a 1x1 convolution. A single vector reads them once: as they lie, where packing
 * would be of use to nobody else. */
static bool single(const struct extent *in)
{
    return in->height * in->width == 1;
}

bool dense_infer(const struct layer *layer, struct layer_plan *plan, struct error *err)
{
    const struct extent in = shape_extent(&plan->in);
    const size_t units = (size_t)layer->units;

    (void)err;
    plan->out = plan->in;
    plan->out.dim[plan->out.rank - 1] = units;
    plan->weight_shape[0] = SHAPE(in.channels, units);
    if (layer->use_bias)
        plan->weight_shape[1] = SHAPE(units);
    plan->macs =
        (double)in.height * (double)in.width * (double)in.channels * (double)units;

    const struct extent out = shape_extent(&plan->out);
    plan->tile = conv_panels_tile(&out, in.channels, units,
                                  !activation_crosses_channels(layer->activation.id));
    plan->band = plan->tile.height;
    plan->pack_parts = size_parts(in.channels, PACK_INPUTS);
    if (single(&in)) {
        plan->tile.channels = units;
        if (units > units_of_part(units) &&
            !activation_crosses_channels(layer->activation.id))
            plan->tile.channels = units_of_part(units);
        plan->kept = (in.channels + 1) * size_whole(units, KERNEL_LANES);
    } else {
        plan->packed = conv_panels_packed(in.channels, units);
        plan->scratch = (in.channels / CONV_TAPS + 1) * sizeof(struct filters_run);
    }
    return true;
}

/* The biases, behind the panels. */
void dense_pack(const struct layer *layer, const struct layer_plan *plan, float *packed)
{
    const size_t rows = plan->weight_shape[0].dim[0], units = (size_t)layer->units;
    const size_t width = plan->packed / (rows + 1);

    packed += rows * width;
    memset(packed, 0, width * sizeof *packed);
    if (layer->weights[1].values)
        memcpy(packed, layer->weights[1].values, units * sizeof *packed);
}

/* Some inputs of all panels: their rows of weights are read from end to end. */
void dense_pack_part(const struct layer *layer, const struct layer_plan *plan,
                     size_t part, float *packed)
{
    const size_t rows = plan->weight_shape[0].dim[0], units = (size_t)layer->units;
    const size_t panel = plan->kept ? KERNEL_LANES : CONV_PANEL;
    const size_t first = part * PACK_INPUTS;
    const size_t last = size_least(first + PACK_INPUTS, rows);

    for (size_t f = 0; f < units; f += panel) {
        const size_t width = plan->kept ? KERNEL_LANES : conv_panels_width(units, f);
        const size_t n = size_least(width, units - f);
        float *to = packed + f * rows + first * width;
        for (size_t k = first; k < last; k++, to += width) {
            memcpy(to, layer->weights[0].values + k * units + f, n * sizeof *to);
            memset(to + n, 0, (width - n) * sizeof *to);
        }
    }
}

static void run_vector(const struct layer_task *task)
{
    const struct box *box = &task->box;
    const struct weight *weights = task->layer->weights;
    const size_t units = (size_t)task->layer->units;
    const size_t n = shape_extent(&task->plan->in).channels;
    const float *packed = task->plan->packed_weights;
    float *out = task->out + box->first;

    if (task->plan->packed)
        task->kernels->multiply_panels(out, task->in, packed + n * box->first,
                                       packed + n * size_whole(units, KERNEL_LANES) +
                                           box->first,
                                       n, box->last - box->first);
    else
        task->kernels->multiply_vector(
            out, task->in, weights[0].values + box->first, units,
            weights[1].values ? weights[1].values + box->first : NULL, n,
            box->last - box->first);
}

void dense_run(const struct layer_task *task)
{
    const struct extent in = shape_extent(&task->plan->in);
    const struct box *box = &task->box;
    const size_t units = (size_t)task->layer->units;
    struct filters_run *runs = (struct filters_run *)(void *)task->scratch;

    if (single(&in)) {
        run_vector(task);
        return;
    }
    conv_panels_run(&(struct conv_panels){
        .kernels = task->kernels,
        .weights = task->plan->packed_weights,
        .biases =
            task->plan->packed_weights + in.channels * size_whole(units, KERNEL_LANES),
        .taps = in.channels,
        .filters = units,
        .first = box->first,
        .last = box->last,
        .runs = runs,
        .n_runs = conv_panels_cut(runs, 0, 0, in.channels),
        .out = layer_task_out(task, box->top) + box->left * units,
        .out_step = units,
        .out_pitch = in.width * units,
        .in = layer_task_in(task, box->top) + box->left * in.channels,
        .in_step = in.channels,
        .in_pitch = in.width * in.channels,
        .rows = box->bottom - box->top,
        .n = box->right - box->left,
        .floor = -INFINITY,
    });
}

bool flatten_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err)
{
    (void)layer;
    (void)err;
    plan->out = SHAPE(shape_elements(&plan->in));
    layer_undivided(plan);
    return true;
}

/* The one axis that is -1 takes what is left. */
bool reshape_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err)
{
    const struct int_list *target = &layer->shape;
    const size_t count = shape_elements(&plan->in);
    char in[SHAPE_TEXT_SIZE], out[SHAPE_TEXT_SIZE];
    size_t open = LAYER_MAX_INTS, known = 1;

    plan->out = (struct shape){.rank = (size_t)target->n};
    for (size_t i = 0; i < plan->out.rank; i++) {
        if (target->items[i] == 0 || (target->items[i] < 0 && open != LAYER_MAX_INTS))
            return layer_fault(layer, "target_shape", err,
                               "must be positive, but for one -1");
        if (target->items[i] < 0)
            open = i;
        plan->out.dim[i] = target->items[i] < 0 ? 1 : (size_t)target->items[i];
        if (__builtin_mul_overflow(known, plan->out.dim[i], &known))
            return layer_fault(layer, "target_shape", err, "is too large");
    }
    if (open != LAYER_MAX_INTS)
        plan->out.dim[open] = count / known ? count / known : 1;
    if (known * (open != LAYER_MAX_INTS ? plan->out.dim[open] : 1) != count)
        return layer_fault(layer, "target_shape", err,
                           "%s does not hold the %zu numbers of the %s input",
                           shape_print(&plan->out, out), count,
                           shape_print(&plan->in, in));
    layer_undivided(plan);
    return true;
}
