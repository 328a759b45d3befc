/*
 * network.c - layers, their plan, and the run.
 *
 * All outputs live in one block of memory. One that nobody asked for lives from its
 * layer to its last reader, and its place is used again after that; planning assigns
 * the places first-fit, in the order of the layers.
 */
#include "engine/network.h"

#include <stdint.h>
#include <string.h>

#include "engine/stopwatch.h"

static size_t aligned(size_t floats)
{
    const size_t unit = ARENA_ALIGN / sizeof(float);

    return (floats + unit - 1) / unit * unit;
}

/* ---- plan ---- */

static const struct shape *shape_of_input(const struct plan *plan, size_t source)
{
    return source == 0 ? &plan->input : &plan->layers[source - 1].out;
}

/* a + b * c, or the largest size there is. */
static size_t saturating_madd(size_t a, size_t b, size_t c)
{
    return __builtin_mul_overflow(b, c, &b) || __builtin_add_overflow(a, b, &a)
               ? SIZE_MAX
               : a;
}

static void receptive_field(const struct network *network, struct plan *plan)
{
    for (size_t axis = 0; axis < 2; axis++) {
        size_t field = 1, jump = 1; /* cells of the input that one step moves */
        for (size_t i = 0; i < network->n_layers; i++) {
            struct layer_plan *layer = &plan->layers[i];
            field = saturating_madd(field, layer->window[axis] - 1, jump);
            jump = saturating_madd(0, jump, layer->step[axis]);
            layer->receptive_field[axis] = field;
        }
    }
}

static bool check_output(const struct layer *layer, const struct layer_plan *plan,
                         const struct limits *limits, struct error *err)
{
    const struct extent out = shape_extent(&plan->out);
    const size_t longest = out.height > out.width ? out.height : out.width;
    char text[SHAPE_TEXT_SIZE];
    size_t count;

    if (!limit_check(LIMIT(limits, max_dimension), plan->out.rank > 1 ? longest : 0,
                     ERROR_PLAN_TOO_LARGE, err, "%s makes a map of %s", layer->label,
                     shape_print(&plan->out, text)))
        return false;
    if (!shape_count(&plan->out, &count) || count > SIZE_MAX / 64)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "%s makes a tensor of %s",
                         layer->label, shape_print(&plan->out, text));
    return true;
}

static bool infer_layer(const struct network *network, size_t i,
                        const struct limits *limits, struct plan *plan,
                        struct error *err)
{
    const struct layer *layer = &network->layers[i];
    struct layer_plan *p = &plan->layers[i];
    size_t params = 0;

    p->in = *shape_of_input(plan, layer->inputs[0]);
    p->window[0] = p->window[1] = p->step[0] = p->step[1] = 1;
    if (!layer->kind->infer(layer, p, err) || !check_output(layer, p, limits, err))
        return false;
    if (!p->grain)
        p->grain = layer_grain(p->items, p->item_cost);
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        if (p->weight_shape[w].rank)
            params += shape_elements(&p->weight_shape[w]);
    p->params = (double)params;
    p->bytes = (double)shape_elements(&p->out) * sizeof(float);
    return true;
}

/* The last layer that reads each layer's output; itself if none does. */
static void find_last_readers(const struct network *network, size_t *last)
{
    for (size_t i = 0; i < network->n_layers; i++) {
        last[i] = i;
        for (size_t k = 0; k < network->layers[i].n_inputs; k++)
            if (network->layers[i].inputs[k] > 0)
                last[network->layers[i].inputs[k] - 1] = i;
    }
}

struct place {
    size_t offset, size;
    size_t last; /* layer after which it is free */
};

/* The lowest offset where size floats do not overlap a place that is still in use at
 * layer i. places is kept sorted by offset. */
static size_t first_fit(struct place *places, size_t *n, struct place wanted, size_t i)
{
    size_t kept = 0, at = 0, offset = 0;

    for (size_t k = 0; k < *n; k++)
        if (places[k].last >= i)
            places[kept++] = places[k];
    while (at < kept && places[at].offset < offset + wanted.size) {
        offset = places[at].offset + places[at].size;
        at++;
    }
    memmove(places + at + 1, places + at, (kept - at) * sizeof *places);
    wanted.offset = offset;
    places[at] = wanted;
    *n = kept + 1;
    return offset;
}

static bool lay_out(const struct network *network, const struct stage_request *wanted,
                    struct arena *arena, struct plan *plan)
{
    const size_t n = network->n_layers, forever = SIZE_MAX;
    size_t *last = arena_take(arena, n, sizeof *last), n_places = 0;
    struct place *places = arena_take(arena, 2 * n + 1, sizeof *places);

    plan->offsets = arena_alloc(arena, n, sizeof *plan->offsets);
    plan->pre_offsets = arena_alloc(arena, n, sizeof *plan->pre_offsets);
    if (!last || !places || !plan->offsets || !plan->pre_offsets)
        return false;

    find_last_readers(network, last);
    for (size_t i = 0; i < n; i++) {
        const size_t size = aligned(shape_elements(&plan->layers[i].out));
        struct place place = {.size = size,
                              .last = wanted[i].output ? forever : last[i]};

        plan->offsets[i] = first_fit(places, &n_places, place, i);
        size_t end = plan->offsets[i] + size;
        if (wanted[i].pre) {
            place.last = forever;
            plan->pre_offsets[i] = first_fit(places, &n_places, place, i);
            end = plan->pre_offsets[i] + size > end ? plan->pre_offsets[i] + size : end;
        }
        plan->block = end > plan->block ? end : plan->block;
    }
    return true;
}

static bool check_totals(const struct limits *limits, const struct plan *plan,
                         struct error *err)
{
    return limit_check(LIMIT(limits, max_macs), plan->macs, ERROR_PLAN_TOO_LARGE, err,
                       "the network takes %.15g multiply-adds", plan->macs) &&
           limit_check(LIMIT(limits, max_request_memory), plan->bytes,
                       ERROR_PLAN_TOO_LARGE, err, "the network takes %.15g bytes",
                       plan->bytes);
}

static void add_up(struct plan *plan, size_t width)
{
    for (size_t i = 0; i < plan->n_layers; i++) {
        const struct layer_plan *layer = &plan->layers[i];
        plan->params += layer->params;
        plan->macs += layer->macs;
        plan->packed += aligned(layer->packed);
        if (aligned(layer->scratch) > plan->scratch)
            plan->scratch = aligned(layer->scratch);
    }
    plan->bytes = sizeof(float) * ((double)plan->block + (double)plan->packed +
                                   (double)width * (double)plan->scratch) +
                  3.0 * 2 * ARENA_ALIGN;
}

bool network_plan(const struct network *network, const struct shape *input,
                  const struct stage_request *wanted, size_t width,
                  const struct limits *limits, struct arena *arena, struct plan *plan,
                  struct error *err)
{
    *plan = (struct plan){.input = *input, .n_layers = network->n_layers};
    if (!limit_check(LIMIT(limits, max_layers), (double)network->n_layers,
                     ERROR_PLAN_TOO_LARGE, err, "the network has %zu layers",
                     network->n_layers))
        return false;
    plan->layers = arena_alloc(arena, network->n_layers, sizeof *plan->layers);
    if (!plan->layers)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the plan");

    for (size_t i = 0; i < network->n_layers; i++)
        if (!infer_layer(network, i, limits, plan, err))
            return false;
    receptive_field(network, plan);
    if (!lay_out(network, wanted, arena, plan))
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the plan");
    add_up(plan, width);
    return check_totals(limits, plan, err);
}

/* ---- run ---- */

/* One layer being run: what its calls share. */
struct step {
    const struct layer *layer;
    struct layer_plan *plan;
    const struct kernels *kernels;
    const float *in;
    float *out, *pre; /* pre NULL unless it is wanted */
    float *scratch;
    size_t scratch_size;
};

static void run_part(void *context, size_t part, size_t slot)
{
    const struct step *s = context;
    const struct layer_plan *plan = s->plan;
    const size_t first = part * plan->grain;
    const size_t last =
        plan->items - first < plan->grain ? plan->items : first + plan->grain;
    const size_t item = shape_elements(&plan->out) / plan->items;
    const size_t at = first * item, n = (last - first) * item;
    float *target = s->pre ? s->pre : s->out;
    const struct layer_task task = {
        .layer = s->layer,
        .plan = plan,
        .kernels = s->kernels,
        .in = s->in,
        .out = target,
        .scratch = s->scratch + slot * s->scratch_size,
    };

    if (s->layer->kind->run)
        s->layer->kind->run(&task, first, last);
    else
        memcpy(target + at, s->in + at, n * sizeof *target);
    if (s->pre)
        memcpy(s->out + at, s->pre + at, n * sizeof *target);
    s->kernels->activate(&s->layer->activation, s->out + at, n,
                         shape_extent(&plan->out).channels);
}

/* Rearrange the weights of every layer that wants it. */
static void pack_weights(const struct network *network, struct plan *plan,
                         float *packed)
{
    for (size_t i = 0; i < network->n_layers; i++) {
        const struct layer *layer = &network->layers[i];
        struct layer_plan *p = &plan->layers[i];
        if (!p->packed)
            continue;
        p->packed_weights = packed;
        layer->kind->pack(layer, p, packed);
        packed += aligned(p->packed);
    }
}

static void run_layer(struct step *step, const struct parallel *parallel)
{
    struct layer_plan *plan = step->plan;
    const size_t parts = (plan->items + plan->grain - 1) / plan->grain;
    const double start = stopwatch_ms();

    parallel->run(parallel->self, parts, run_part, step);
    plan->duration_ms = stopwatch_ms() - start;
}

bool network_run(const struct network *network, struct plan *plan,
                 const struct stage_request *wanted, const float *input,
                 const struct kernels *kernels, const struct parallel *parallel,
                 struct arena *arena, struct error *err)
{
    float *block = arena_take(arena, plan->block, sizeof *block);
    float *packed = arena_take(arena, plan->packed, sizeof *packed);
    float *scratch =
        arena_take(arena, plan->scratch * parallel->width, sizeof *scratch);

    if (!block || !packed || !scratch)
        return error_set(err, ERROR_INTERNAL, "the run needs more than its plan said");
    pack_weights(network, plan, packed);
    for (size_t i = 0; i < network->n_layers; i++) {
        const struct layer *layer = &network->layers[i];
        struct layer_plan *p = &plan->layers[i];
        const size_t source = layer->inputs[0];
        struct step step = {
            .layer = layer,
            .plan = p,
            .kernels = kernels,
            .in = source == 0 ? input : block + plan->offsets[source - 1],
            .out = block + plan->offsets[i],
            .pre = wanted[i].pre ? block + plan->pre_offsets[i] : NULL,
            .scratch = scratch,
            .scratch_size = plan->scratch,
        };

        run_layer(&step, parallel);
        if (parallel->cancelled(parallel->self))
            return error_set(err, ERROR_CLIENT_CLOSED, "cancelled while computing %s",
                             layer->label);
        if (wanted[i].output)
            p->output = (struct tensor){p->out, step.out};
        if (wanted[i].pre)
            p->pre = (struct tensor){p->out, step.pre};
    }
    return true;
}
