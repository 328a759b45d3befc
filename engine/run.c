/*
 * run.c - running a planned network.
 *
 * Groups run one after the other, the parts of a group side by side. A part is a box of
 * the output of the group's first layer; the layers that follow take from it what they
 * need and nothing else, so parts never wait for each other.
 */
#include "engine/network.h"

#include <math.h>
#include <stdint.h>

#include "engine/size.h"
#include "engine/stopwatch.h"

/* What the parts of a group share. */
struct step {
    const struct network *network;
    const struct plan *plan;
    const struct stage_request *wanted;
    const struct kernels *kernels;
    const struct group *group;
    size_t last; /* layer of the group that is run: the others nobody needs */
    const float *input;
    float *block, *scratch;
    float *shared; /* of the group's first layer; NULL: none */
    size_t pass;   /* that is prepared */
};

/* Rows of a map from row `top` on. */
struct band {
    float *values;
    size_t top;
};

static size_t count_parts(const struct layer_plan *plan)
{
    const struct extent out = shape_extent(&plan->out), *tile = &plan->tile;

    return size_parts(out.height, tile->height) * size_parts(out.width, tile->width) *
           size_parts(out.channels, tile->channels);
}

/* Neighbouring parts share their rows. */
static struct box box_of(const struct layer_plan *plan, size_t part)
{
    const struct extent out = shape_extent(&plan->out), *tile = &plan->tile;
    const size_t across = size_parts(out.width, tile->width);
    const size_t deep = size_parts(out.channels, tile->channels);
    const size_t y = part / (across * deep) * tile->height;
    const size_t x = part / deep % across * tile->width;
    const size_t c = part % deep * tile->channels;

    return (struct box){y, size_least(y + tile->height, out.height),
                        x, size_least(x + tile->width, out.width),
                        c, size_least(c + tile->channels, out.channels)};
}

/* The part of a layer's output that follows from a part of its input. */
static struct box followed(const struct layer_plan *plan, struct box box)
{
    const struct extent out = shape_extent(&plan->out);
    const size_t step = plan->step[0];

    if (plan->follows != FOLLOWS_ROWS)
        return box;
    return (struct box){box.top / step,
                        size_least(size_parts(box.bottom, step), out.height),
                        0,
                        out.width,
                        0,
                        out.channels};
}

static float *row_of(const struct band *band, const struct extent *map, size_t y)
{
    return band->values + (y - band->top) * map->width * map->channels;
}

/* to = activation(from), which may be the same place, over a box. */
static void activate_box(const struct step *step, const struct activation *activation,
                         const struct extent *map, const struct box *box,
                         struct band to, struct band from, bool around)
{
    const size_t width = (box->right - box->left) * map->channels;
    const size_t deep = box->last - box->first;

    if (activation->id == ACTIVATION_LINEAR && to.values == from.values)
        return;
    if (deep == map->channels && box->right - box->left == map->width) {
        step->kernels->activate(
            activation, row_of(&to, map, box->top), row_of(&from, map, box->top),
            (box->bottom - box->top) * width, map->channels, around);
        return;
    }
    for (size_t y = box->top; y < box->bottom; y++) {
        float *out = row_of(&to, map, y) + box->left * map->channels;
        const float *in = row_of(&from, map, y) + box->left * map->channels;

        for (size_t x = 0; x < width;
             x += deep == map->channels ? width : map->channels)
            step->kernels->activate(activation, out + x + box->first,
                                    in + x + box->first,
                                    deep == map->channels ? width : deep, deep, around);
    }
}

static struct band output_band(const struct step *step, size_t i, size_t top,
                               float *scratch)
{
    const struct place *place = &step->plan->places[i];

    return place->band ? (struct band){scratch + place->offset, top}
                       : (struct band){step->block + place->offset, 0};
}

/* A layer's activation; max(x, 0) under its own name, however it is spelled. */
static struct activation activation_of(const struct layer *layer)
{
    const struct activation *a = &layer->activation;
    const bool relu = a->id == ACTIVATION_RECTIFIER && a->alpha == 0 &&
                      a->threshold == 0 && a->limit == INFINITY;

    return relu ? (struct activation){.id = ACTIVATION_RELU} : *a;
}

/* Whether run can rectify too, as nobody asked for what comes before. */
static bool rectifies(const struct step *step, size_t i)
{
    const struct layer *layer = &step->network->layers[i];

    return layer->kind->rectifies && !step->wanted[i].pre &&
           activation_of(layer).id == ACTIVATION_RELU;
}

/* Whether run can do all of the next layer too: its place is the same. */
static bool rectifies_next(const struct step *step, size_t i)
{
    const struct layer *layer = &step->network->layers[i], *next = layer + 1;

    return i < step->last && layer->kind->rectifies &&
           layer->activation.id == ACTIVATION_LINEAR && !step->wanted[i].output &&
           !step->wanted[i].pre && !step->wanted[i + 1].pre && !next->kind->run &&
           activation_of(next).id == ACTIVATION_RELU;
}

/* Whether the last output of a group is too much for the caches. */
static bool is_far(const struct step *step, size_t i)
{
    const struct layer_plan *head = &step->plan->layers[step->group->first];
    const double read = (double)shape_elements(&head->in) * sizeof(float);

    return i == step->last && read + step->plan->layers[i].bytes >= KERNEL_FAR;
}

/* One layer's part: from `in` to its place. Returns where it went. */
static struct band run_box(const struct step *step, size_t i, const struct box *box,
                           struct band in, float *scratch)
{
    const struct layer *layer = &step->network->layers[i];
    const struct layer_plan *plan = &step->plan->layers[i];
    const struct extent map = shape_extent(&plan->out);
    const struct band out = output_band(step, i, box->top, scratch);
    const struct band raw =
        step->wanted[i].pre ? (struct band){step->block + step->plan->pre_offsets[i], 0}
                            : out;
    const struct activation activation = activation_of(layer);
    const bool rectified = rectifies(step, i) || rectifies_next(step, i);
    const bool far = is_far(step, i + rectifies_next(step, i));
    const bool last =
        rectified || activation.id == ACTIVATION_LINEAR; /* to touch out */
    const struct layer_task task = {.layer = layer,
                                    .plan = plan,
                                    .kernels = step->kernels,
                                    .in = in.values,
                                    .in_top = in.top,
                                    .out = raw.values,
                                    .out_top = raw.top,
                                    .box = *box,
                                    .floor = rectified ? 0.0f : -INFINITY,
                                    .around = far && last,
                                    .scratch = scratch,
                                    .shared = step->shared};

    if (layer->kind->run) {
        layer->kind->run(&task);
        in = raw;
    } else if (step->wanted[i].pre) {
        const struct activation linear = {.id = ACTIVATION_LINEAR};
        activate_box(step, &linear, &map, box, raw, in, false);
    }
    if (!rectified)
        activate_box(step, &activation, &map, box, out, in, far);
    return out;
}

/* What the group's first layer reads. */
static struct band input_band(const struct step *step)
{
    const size_t source = step->network->layers[step->group->first].inputs[0];

    /* A layer's run function does not write to its input. */
    return (struct band){source == 0
                             ? (float *)(uintptr_t)step->input
                             : step->block + step->plan->places[source - 1].offset,
                         0};
}

/* The layers of the group, one after the other, over one band. */
static void run_band(const struct step *step, struct box box, float *scratch)
{
    const struct plan *plan = step->plan;
    struct band in = input_band(step);

    for (size_t i = step->group->first; i <= step->last; i++) {
        if (i > step->group->first)
            box = followed(&plan->layers[i], box);
        in = run_box(step, i, &box, in, scratch);
        if (rectifies_next(step, i))
            i++;
    }
}

static float *scratch_of(const struct step *step, size_t slot)
{
    return step->scratch + slot * step->plan->scratch;
}

static void prepare_part(void *context, size_t part, size_t slot)
{
    const struct step *step = context;
    const struct layer *layer = &step->network->layers[step->group->first];

    layer->kind->prepare(
        &(struct layer_task){.layer = layer,
                             .plan = &step->plan->layers[step->group->first],
                             .kernels = step->kernels,
                             .in = input_band(step).values,
                             .scratch = scratch_of(step, slot),
                             .shared = step->shared},
        step->pass, part);
}

static void run_part(void *context, size_t part, size_t slot)
{
    const struct step *step = context;
    const struct layer_plan *head = &step->plan->layers[step->group->first];
    const struct box box = box_of(head, part);

    for (size_t y = box.top; y < box.bottom; y += head->band) {
        struct box band = box;
        band.top = y;
        band.bottom = size_least(y + head->band, box.bottom);
        run_band(step, band, scratch_of(step, slot));
    }
}

/* How many layers the wanted stages need: what comes after the last is not run. */
static size_t count_needed(const struct plan *plan, const struct stage_request *wanted)
{
    size_t n = plan->n_layers;

    while (n > 0 && !wanted[n - 1].output && !wanted[n - 1].pre)
        n--;
    return n;
}

/* Rearrange the weights of the first n layers that want it and did not find them so.
 * False if that was cancelled. */
static bool pack_weights(const struct network *network, size_t n, struct plan *plan,
                         float *packed, const struct parallel *parallel)
{
    for (size_t i = 0; i < n; i++) {
        struct layer_plan *p = &plan->layers[i];
        if (!p->packed || p->shelved)
            continue;
        p->packed_weights = packed + p->packed_at;
        if (!layer_pack(&network->layers[i], p, p->packed_weights, parallel))
            return false;
    }
    return true;
}

static void run_parts(struct step *step, size_t parts, parallel_body *body,
                      const struct parallel *parallel)
{
    if (parts == 1) /* not worth a call of the others */
        body(step, 0, 0);
    else if (parts > 1)
        parallel->run(parallel->self, parts, body, step);
}

/* False if that was cancelled: then what is shared is not whole. */
static bool prepare_group(struct step *step, const struct plan *plan,
                          const struct parallel *parallel)
{
    const struct layer_plan *head = &plan->layers[step->group->first];

    step->shared = NULL;
    if (!head->shared)
        return true;
    step->shared = step->block + plan->shared_offsets[step->group - plan->groups];
    for (step->pass = 0; step->pass < LAYER_PASSES; step->pass++) {
        run_parts(step, head->passes[step->pass], prepare_part, parallel);
        if (parallel->cancelled(parallel->self))
            return false;
    }
    return true;
}

/* False if that was cancelled. */
static bool run_group(struct step *step, struct plan *plan,
                      const struct parallel *parallel)
{
    const double start = stopwatch_ms();
    const struct layer_plan *head = &plan->layers[step->group->first];

    if (!prepare_group(step, plan, parallel))
        return false;
    run_parts(step, count_parts(head), run_part, parallel);
    for (size_t i = step->group->first; i < step->last; i++)
        plan->layers[i].duration_ms = NAN;
    plan->layers[step->last].duration_ms = stopwatch_ms() - start;
    return !parallel->cancelled(parallel->self);
}

static void keep_outputs(const struct stage_request *wanted, struct plan *plan,
                         const struct group *group, float *block)
{
    for (size_t i = group->first; i <= group->last; i++) {
        struct layer_plan *p = &plan->layers[i];
        if (wanted[i].output)
            p->output = (struct tensor){p->out, block + plan->places[i].offset};
        if (wanted[i].pre)
            p->pre = (struct tensor){p->out, block + plan->pre_offsets[i]};
    }
}

bool network_run(const struct network *network, struct plan *plan,
                 const struct stage_request *wanted, const float *input,
                 const struct kernels *kernels, const struct parallel *parallel,
                 struct arena *arena, struct error *err)
{
    struct step step = {
        .network = network,
        .plan = plan,
        .wanted = wanted,
        .kernels = kernels,
        .input = input,
        .block = arena_take(arena, plan->block, sizeof(float)),
        .scratch = arena_take(arena, plan->scratch * parallel->width, sizeof(float)),
    };
    const size_t needed = count_needed(plan, wanted);
    float *packed = arena_take(arena, plan->packed, sizeof *packed);

    if (!step.block || !packed || !step.scratch)
        return error_set(err, ERROR_INTERNAL, "the run needs more than its plan said");
    if (!pack_weights(network, needed, plan, packed, parallel))
        return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while packing weights");
    for (size_t i = needed; i < plan->n_layers; i++)
        plan->layers[i].duration_ms = NAN;
    for (size_t g = 0; g < plan->n_groups && plan->groups[g].first < needed; g++) {
        step.group = &plan->groups[g];
        step.last = size_least(step.group->last, needed - 1);
        if (!run_group(&step, plan, parallel))
            return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while computing %s",
                             network->layers[step.last].label);
        keep_outputs(wanted, plan, step.group, step.block);
    }
    return true;
}
