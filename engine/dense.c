/* dense.c - Dense, and the layers that only change the shape. */
#include "engine/dense.h"

#include <string.h>

#include "engine/kernels.h"

static size_t padded_units(const struct layer *layer)
{
    const size_t units = (size_t)layer->units;

    return (units + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
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
    plan->packed = (in.channels + 1) * padded_units(layer);
    plan->items = in.height;
    plan->item_cost = plan->macs / (double)in.height / KERNEL_LANES;
    return true;
}

void dense_pack(const struct layer *layer, const struct layer_plan *plan, float *packed)
{
    const size_t rows = plan->weight_shape[0].dim[0], units = (size_t)layer->units;
    const size_t padded = padded_units(layer);

    memset(packed, 0, plan->packed * sizeof *packed);
    for (size_t k = 0; k < rows; k++)
        memcpy(packed + k * padded, layer->weights[0].values + k * units,
               units * sizeof *packed);
    if (layer->weights[1].values)
        memcpy(packed + rows * padded, layer->weights[1].values,
               units * sizeof *packed);
}

void dense_run(const struct layer_task *task, size_t first, size_t last)
{
    static const ptrdiff_t here[] = {0};
    const struct extent in = shape_extent(&task->plan->in);
    const size_t units = (size_t)task->layer->units;
    const float *weights = task->plan->packed_weights;

    task->kernels->convolve_filters(task->out + first * in.width * units, units,
                                    task->in + first * in.width * in.channels,
                                    in.channels, here, 1, in.channels, weights,
                                    weights + in.channels * padded_units(task->layer),
                                    units, (last - first) * in.width);
}

bool flatten_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err)
{
    (void)layer;
    (void)err;
    plan->out = SHAPE(shape_elements(&plan->in));
    plan->items = 1;
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
    plan->items = 1;
    return true;
}
