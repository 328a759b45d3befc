/* normalization.c - LayerNormalization and Normalization. */
#include "engine/normalization.h"

#include <math.h>

#include "engine/kernels.h"
#include "engine/spread.h"
#include "engine/walk.h"

/* The axes of the input that the layer's `axis` lists, a bit for each. */
static unsigned marked_axes(const struct layer *layer, const struct shape *in)
{
    unsigned marked = 0;
    size_t axis;

    for (int i = 0; i < layer->axis.n; i++)
        if (layer_axis(layer->axis.items[i], in->rank, &axis))
            marked |= 1u << axis;
    return marked;
}

static bool check_axes(const struct layer *layer, const struct shape *in,
                       struct error *err)
{
    char text[SHAPE_TEXT_SIZE];
    unsigned marked = 0;
    size_t axis;

    for (int i = 0; i < layer->axis.n; i++) {
        if (!layer_axis(layer->axis.items[i], in->rank, &axis))
            return layer_fault(layer, "axis", err,
                               "%d is no axis of the %s input (the batch is 0)",
                               layer->axis.items[i], shape_print(in, text));
        if (marked >> axis & 1)
            return layer_fault(layer, "axis", err, "has axis %zu twice", axis + 1);
        marked |= 1u << axis;
    }
    return true;
}

/* ---- LayerNormalization ---- */

/* An item is a block of the map that holds whole groups, a group being the cells that
 * are normalised together: what lies behind the axes before the first marked one. */
struct groups {
    struct walk group;  /* the cells of one, from its first */
    struct walk firsts; /* the first cells of those in an item; rank 0: one group */
    size_t items;
};

static struct groups find_groups(const struct layer *layer, const struct shape *in)
{
    const unsigned marked = marked_axes(layer, in);
    struct groups g = {.items = 1};

    for (size_t axis = 0; axis < in->rank; axis++)
        if (marked >> axis & 1)
            walk_add(&g.group, in, axis);
        else if (g.group.rank > 0)
            walk_add(&g.firsts, in, axis);
        else
            g.items *= in->dim[axis];
    return g;
}

bool layer_normalization_infer(const struct layer *layer, struct layer_plan *plan,
                               struct error *err)
{
    if (!check_axes(layer, &plan->in, err))
        return false;
    const struct groups g = find_groups(layer, &plan->in);
    struct shape lengths = {.rank = (size_t)layer->axis.n};
    for (size_t i = 0; i < lengths.rank; i++) {
        size_t axis;
        if (layer_axis(layer->axis.items[i], plan->in.rank, &axis))
            lengths.dim[i] = plan->in.dim[axis];
    }
    if (layer->scale || layer->rms_scaling)
        plan->weight_shape[0] = lengths;
    if (layer->center && !layer->rms_scaling)
        plan->weight_shape[1] = lengths;
    plan->out = plan->in;
    const size_t height = shape_extent(&plan->in).height;
    plan->row_cost =
        3.0 * (double)shape_elements(&plan->in) / (double)height / KERNEL_LANES;
    if (g.items % height == 0)
        plan->follows = FOLLOWS_CELLS;
    else
        layer_undivided(plan); /* a group crosses rows */
    plan->macs = 2.0 * (double)shape_elements(&plan->in);
    plan->packed = 2 * walk_count(&g.group);
    plan->scratch = g.firsts.rank ? walk_count(&g.group) : 0;
    return true;
}

/* gamma, then beta; ones and zeros where there is none. */
void layer_normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                              float *packed)
{
    const float *gamma = plan->weight_shape[0].rank ? layer->weights[0].values : NULL;
    const float *beta = plan->weight_shape[1].rank ? layer->weights[1].values : NULL;
    const size_t n = plan->packed / 2;

    for (size_t i = 0; i < n; i++) {
        packed[i] = gamma ? gamma[i] : 1;
        packed[n + i] = beta ? beta[i] : 0;
    }
}

void layer_normalization_run(const struct layer_task *task)
{
    const struct layer_plan *plan = task->plan;
    const struct layer *layer = task->layer;
    const struct groups g = find_groups(layer, &plan->in);
    const size_t n = plan->packed / 2, firsts = walk_count(&g.firsts);
    const float *gamma = plan->packed_weights, *beta = gamma + n;
    const size_t height = task->box.bottom - task->box.top;
    const size_t groups = height * g.items * firsts / shape_extent(&plan->in).height;

    for (size_t i = 0; i < groups; i++) {
        const size_t at = i / firsts * firsts * n + walk_at(&g.firsts, i % firsts);
        const float *in = layer_task_in(task, task->box.top) + at;
        float *out = layer_task_out(task, task->box.top) + at;
        if (g.firsts.rank == 0) {
            task->kernels->normalize(out, in, gamma, beta, n, layer->epsilon,
                                     !layer->rms_scaling);
            continue;
        }
        walk_gather(&g.group, task->scratch, in, 0, n);
        task->kernels->normalize(task->scratch, task->scratch, gamma, beta, n,
                                 layer->epsilon, !layer->rms_scaling);
        walk_scatter(&g.group, out, task->scratch);
    }
}

/* ---- Normalization ---- */

/* The input's shape with 1 for every axis that has no statistics of its own. */
static struct shape kept_in_place(const struct layer *layer, const struct shape *in)
{
    const unsigned marked = marked_axes(layer, in);
    struct shape kept = *in;

    for (size_t i = 0; i < in->rank; i++)
        kept.dim[i] = marked >> i & 1 ? in->dim[i] : 1;
    return kept;
}

/* The marked axes alone. */
static struct shape kept_alone(const struct layer *layer, const struct shape *in)
{
    const unsigned marked = marked_axes(layer, in);
    struct shape kept = {0};

    for (size_t i = 0; i < in->rank; i++)
        if (marked >> i & 1)
            kept.dim[kept.rank++] = in->dim[i];
    return kept;
}

/* What the statistics of the document are broadcast to. */
static struct shape kept_shape(const struct layer *layer, const struct shape *in)
{
    return layer->keras == KERAS_2 ? kept_alone(layer, in) : kept_in_place(layer, in);
}

static bool check_statistics(const struct layer *layer, const struct layer_plan *plan,
                             const char *name, const struct tensor *given,
                             struct error *err)
{
    const struct shape kept = kept_shape(layer, &plan->in);
    char have[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];

    return shape_broadcasts(&given->shape, &kept) ||
           layer_fault(layer, name, err, "of shape %s does not broadcast to %s",
                       shape_print(&given->shape, have),
                       kept.rank ? shape_print(&kept, want) : "one number");
}

bool normalization_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err)
{
    const struct tensor *mean = &layer->mean, *variance = &layer->variance;

    if (!check_axes(layer, &plan->in, err))
        return false;
    if (!mean->values != !variance->values)
        return layer_fault(layer, mean->values ? "variance" : "mean", err,
                           "must be given too: both or neither");
    if (mean->values && (!check_statistics(layer, plan, "mean", mean, err) ||
                         !check_statistics(layer, plan, "variance", variance, err)))
        return false;
    const struct shape kept = kept_alone(layer, &plan->in);
    if (!mean->values)
        plan->weight_shape[0] = plan->weight_shape[1] = kept.rank ? kept : SHAPE(1);
    plan->out = plan->in;
    const struct extent map = shape_extent(&plan->in);
    plan->row_cost = (double)(map.width * map.channels) / KERNEL_LANES;
    plan->follows = FOLLOWS_CELLS;
    plan->macs = (double)shape_elements(&plan->in);
    const struct shape in_place = kept_in_place(layer, &plan->in);
    spread_plan(plan, &in_place);
    return true;
}

/* keras.backend.epsilon(); a NaN stays one. */
static float deviation(float variance)
{
    const float root = sqrtf(variance);

    return root < 1e-7f ? 1e-7f : root;
}

/* Means, then deviations; inverted, when it is x * deviation + mean, the other way. */
void normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                        float *packed)
{
    const struct shape kept = kept_shape(layer, &plan->in);
    const struct shape in_place = kept_in_place(layer, &plan->in);
    const struct tensor *mean = &layer->mean, *variance = &layer->variance;
    const size_t n = shape_elements(&in_place);
    float *second = packed + plan->packed / 2;
    float *means = layer->invert ? second : packed;
    float *deviations = layer->invert ? packed : second;

    for (size_t i = 0; i < n; i++)
        if (mean->values) {
            means[i] = mean->values[shape_broadcast(&mean->shape, &kept, i)];
            deviations[i] = deviation(
                variance->values[shape_broadcast(&variance->shape, &kept, i)]);
        } else {
            means[i] = layer->weights[0].values[i];
            deviations[i] = deviation(layer->weights[1].values[i]);
        }
    spread_pack(plan, &in_place, packed);
}

void normalization_run(const struct layer_task *task)
{
    const struct shape kept = kept_in_place(task->layer, &task->plan->in);

    spread_run(task, &kept,
               task->layer->invert ? task->kernels->scale : task->kernels->standardize);
}
