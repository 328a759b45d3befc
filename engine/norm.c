/* norm.c - layers that keep the shape. */
#include "engine/norm.h"

#include <math.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/size.h"
#include "engine/spread.h"

/* Vector steps that a vector takes to be read and written, or its exp to be computed.
 */
enum { MEMORY_STEPS = 4 };

bool activation_infer(const struct layer *layer, struct layer_plan *plan,
                      struct error *err)
{
    (void)layer;
    (void)err;
    plan->out = plan->in;
    plan->row_cost = (double)shape_row(&plan->in) / KERNEL_LANES * MEMORY_STEPS;
    plan->follows = FOLLOWS_CELLS;
    return true;
}

static bool one_axis(const struct layer *layer, const struct layer_plan *plan,
                     size_t *axis, struct error *err)
{
    char text[SHAPE_TEXT_SIZE];

    if (layer->axis.n != 1)
        return layer_fault(layer, "axis", err, "must be one axis");
    if (layer_axis(layer->axis.items[0], plan->in.rank, axis))
        return true;
    return layer_fault(layer, "axis", err,
                       "%d is no axis of the %s input (the batch is 0)",
                       layer->axis.items[0], shape_print(&plan->in, text));
}

/* The axis of a planned layer, and how many elements lie between its neighbours. */
static size_t planned_axis(const struct layer *layer, const struct layer_plan *plan,
                           size_t *inner)
{
    size_t axis = 0;

    *inner = 1;
    if (layer_axis(layer->axis.items[0], plan->in.rank, &axis))
        for (size_t i = axis + 1; i < plan->in.rank; i++)
            *inner *= plan->in.dim[i];
    return axis;
}

/* ---- Softmax ---- */

/* A line crosses rows: parts are of columns, some lines of memory side by side. */
static void divide_columns(struct layer_plan *plan)
{
    enum { COLUMNS = 16 };
    const struct extent map = shape_extent(&plan->in);
    const size_t some = size_parts(map.width, COLUMNS);
    const double cost =
        plan->row_cost / (double)map.width * (double)map.height * COLUMNS;
    const size_t width = layer_grain(some, cost) * COLUMNS;

    layer_undivided(plan);
    plan->tile.width = size_least(width, map.width);
    plan->follows = FOLLOWS_NOT;
}

bool softmax_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err)
{
    size_t axis = 0;

    if (!one_axis(layer, plan, &axis, err))
        return false;
    activation_infer(layer, plan, err);
    if (axis + 1 < plan->in.rank) { /* a value at a time */
        plan->row_cost *= KERNEL_LANES;
        plan->scratch = plan->in.dim[axis];
    }
    if (axis + 2 < plan->in.rank)
        divide_columns(plan);
    return true;
}

/* A line that is not the last axis, through scratch: n values, `step` floats apart. */
static void softmax_line(const struct layer_task *task, float *out, const float *in,
                         size_t n, size_t step)
{
    const struct activation softmax = {.id = ACTIVATION_SOFTMAX};

    for (size_t i = 0; i < n; i++)
        task->scratch[i] = in[i * step];
    task->kernels->activate(&softmax, task->scratch, task->scratch, n, n, false);
    for (size_t i = 0; i < n; i++)
        out[i * step] = task->scratch[i];
}

/* Lines within rows. */
static void softmax_across(const struct layer_task *task, size_t n, size_t inner)
{
    const size_t top = task->box.top;
    const size_t lines = (task->box.bottom - top) * shape_row(&task->plan->in) / n;

    for (size_t line = 0; line < lines; line++) {
        const size_t at = line / inner * inner * n + line % inner;
        softmax_line(task, layer_task_out(task, top) + at,
                     layer_task_in(task, top) + at, n, inner);
    }
}

/* Lines that cross rows: those in the columns of the box. */
static void softmax_down(const struct layer_task *task, size_t n, size_t inner)
{
    const struct extent map = shape_extent(&task->plan->in);
    const size_t row = map.width * map.channels;
    const size_t lines = map.height * row / n;

    for (size_t line = 0; line < lines; line += row) {
        const size_t at = line / inner * inner * n + line % inner;
        for (size_t i = task->box.left * map.channels;
             i < task->box.right * map.channels; i++)
            softmax_line(task, task->out + at + i, task->in + at + i, n, inner);
    }
}

void softmax_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct activation softmax = {.id = ACTIVATION_SOFTMAX};
    const size_t rows = task->box.bottom - task->box.top;
    size_t inner;
    const size_t axis = planned_axis(task->layer, plan, &inner);

    if (axis + 2 < plan->in.rank)
        softmax_down(task, plan->in.dim[axis], inner);
    else if (inner > 1)
        softmax_across(task, plan->in.dim[axis], inner);
    else
        task->kernels->activate(&softmax, layer_task_out(task, task->box.top),
                                layer_task_in(task, task->box.top),
                                rows * shape_row(&plan->in), plan->in.dim[axis],
                                task->around);
}

/* ---- PReLU ---- */

bool prelu_infer(const struct layer *layer, struct layer_plan *plan, struct error *err)
{
    activation_infer(layer, plan, err);
    plan->weight_shape[0] = plan->in;
    for (int i = 0; i < layer->axes.n; i++) {
        size_t axis;
        if (!layer_axis(layer->axes.items[i], plan->in.rank, &axis))
            return layer_fault(layer, "shared_axes", err, "%d is no axis of the input",
                               layer->axes.items[i]);
        plan->weight_shape[0].dim[axis] = 1;
    }
    plan->macs = (double)shape_elements(&plan->in);
    if (!shape_equal(&plan->weight_shape[0], &plan->in))
        spread_plan(plan, &plan->weight_shape[0]);
    return true;
}

/* alpha; the other half is not used. */
void prelu_pack(const struct layer *layer, const struct layer_plan *plan, float *packed)
{
    const struct shape *shape = &plan->weight_shape[0];
    const size_t n = shape_elements(shape);

    memcpy(packed, layer->weights[0].values, n * sizeof *packed);
    memset(packed + plan->packed / 2, 0, n * sizeof *packed);
    spread_pack(plan, shape, packed);
}

void prelu_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const size_t top = task->box.top, row = shape_row(&plan->in);
    const size_t n = (task->box.bottom - top) * row;
    const float *alpha = task->layer->weights[0].values + top * row;

    if (plan->packed)
        spread_run(task, &plan->weight_shape[0], task->kernels->rectify);
    else /* one for each value, as they lie */
        task->kernels->rectify(layer_task_out(task, top), layer_task_in(task, top),
                               alpha, alpha, n, n, task->around);
}

/* ---- x * factor + shift ---- */

/* One number for all. */
static struct shape kept_nowhere(const struct layer_plan *plan)
{
    struct shape kept = plan->in;

    for (size_t i = 0; i < kept.rank; i++)
        kept.dim[i] = 1;
    return kept;
}

bool rescaling_infer(const struct layer *layer, struct layer_plan *plan,
                     struct error *err)
{
    activation_infer(layer, plan, err);
    const struct shape kept = kept_nowhere(plan);
    spread_plan(plan, &kept);
    plan->macs = (double)shape_elements(&plan->in);
    return true;
}

void rescaling_pack(const struct layer *layer, const struct layer_plan *plan,
                    float *packed)
{
    const struct shape kept = kept_nowhere(plan);

    packed[0] = layer->factor;
    packed[plan->packed / 2] = layer->offset;
    spread_pack(plan, &kept, packed);
}

void rescaling_run(const struct layer_task *task)
{
    const struct shape kept = kept_nowhere(task->plan);

    spread_run(task, &kept, task->kernels->scale);
}

static struct shape kept_axis(const struct layer *layer, const struct layer_plan *plan)
{
    struct shape kept = kept_nowhere(plan);
    size_t inner;
    const size_t axis = planned_axis(layer, plan, &inner);

    kept.dim[axis] = plan->in.dim[axis];
    return kept;
}

bool batch_normalization_infer(const struct layer *layer, struct layer_plan *plan,
                               struct error *err)
{
    size_t axis = 0;

    if (!one_axis(layer, plan, &axis, err))
        return false;
    activation_infer(layer, plan, err);
    plan->macs = (double)shape_elements(&plan->in);
    const struct shape length = SHAPE(plan->in.dim[axis]);
    if (layer->scale)
        plan->weight_shape[0] = length;
    if (layer->center)
        plan->weight_shape[1] = length;
    plan->weight_shape[2] = plan->weight_shape[3] = length;
    const struct shape kept = kept_axis(layer, plan);
    spread_plan(plan, &kept);
    return true;
}

/* Factors, then shifts, in double precision and rounded once. */
void batch_normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                              float *packed)
{
    const struct weight *w = layer->weights;
    const struct shape kept = kept_axis(layer, plan);
    const size_t n = shape_elements(&kept);

    for (size_t i = 0; i < n; i++) {
        const double gamma = layer->scale ? (double)w[0].values[i] : 1;
        const double beta = layer->center ? (double)w[1].values[i] : 0;
        const double variance = (double)w[3].values[i] + (double)layer->epsilon;
        const double factor = gamma / sqrt(variance);
        packed[i] = (float)factor;
        packed[plan->packed / 2 + i] = (float)(beta - (double)w[2].values[i] * factor);
    }
    spread_pack(plan, &kept, packed);
}

void batch_normalization_run(const struct layer_task *task)
{
    const struct shape kept = kept_axis(task->layer, task->plan);

    spread_run(task, &kept, task->kernels->scale);
}
