/* weights.c - named weights: uploaded, given in the document, or initialised. */
#include "engine/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/size.h"
#include "engine/weights_key.h"

enum { NAME_SIZE = WEIGHTS_NAME_SIZE };

/* ---- upload ---- */

/* An upload by name, so that many tensors are found in little time. */
struct entry {
    const struct named_tensor *tensor;
    bool used;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->tensor->name,
                  ((const struct entry *)b)->tensor->name);
}

static struct entry *sort_upload(const struct weights_upload *upload,
                                 struct arena *arena)
{
    struct entry *entries = arena_alloc(arena, upload->n, sizeof *entries);

    for (size_t i = 0; entries && i < upload->n; i++)
        entries[i].tensor = &upload->tensors[i];
    if (entries)
        qsort(entries, upload->n, sizeof *entries, by_name);
    return entries;
}

static struct entry *find_entry(struct entry *entries, size_t n, const char *name)
{
    const struct named_tensor key = {.name = name};
    const struct entry wanted = {.tensor = &key};

    return bsearch(&wanted, entries, n, sizeof *entries, by_name);
}

/* By its name; by that with the ":0" that TensorFlow's variables end in; by the name
 * that Keras 3 gives it. */
static struct entry *find_weight(struct entry *entries, size_t n,
                                 const struct layer *layer, size_t w, const char *name)
{
    const char *const *others = layer->kind->keras_3_weights;
    char text[NAME_SIZE + 2];
    struct entry *entry = find_entry(entries, n, name);

    snprintf(text, sizeof text, "%s:0", name);
    if (!entry)
        entry = find_entry(entries, n, text);
    if (!entry && others)
        entry = find_entry(
            entries, n, weights_name(text, layer, &(struct weight){.name = others[w]}));
    return entry;
}

static bool all_finite(const struct tensor *tensor)
{
    const size_t n = shape_elements(&tensor->shape);

    for (size_t i = 0; i < n; i++)
        if (!isfinite(tensor->values[i]))
            return false;
    return true;
}

static bool check_upload(const struct layer *layer, const char *name,
                         const struct shape *wanted, const struct tensor *found,
                         struct error *err)
{
    char want[SHAPE_TEXT_SIZE], have[SHAPE_TEXT_SIZE];

    if (!shape_equal(&found->shape, wanted))
        return error_option(err, ERROR_WEIGHTS_INVALID, name,
                            "%s (%s) needs shape %s, the upload has %s", name,
                            layer->label, shape_print(wanted, want),
                            shape_print(&found->shape, have));
    if (!all_finite(found))
        return error_option(err, ERROR_WEIGHTS_INVALID, name,
                            "%s (%s) has values that are not finite", name,
                            layer->label);
    return true;
}

/* One weight of one layer, found in the upload and judged. */
static void bind_entry(struct layer *layer, size_t w, const struct shape *shape,
                       struct entry *entries, size_t n, struct error *err)
{
    struct weight *weight = &layer->weights[w];
    char name[NAME_SIZE], want[SHAPE_TEXT_SIZE];
    struct entry *entry =
        find_weight(entries, n, layer, w, weights_name(name, layer, weight));

    if (!entry) {
        error_option(err, ERROR_WEIGHTS_INVALID, name,
                     "%s (%s) is missing from the upload; its shape is %s", name,
                     layer->label, shape_print(shape, want));
        return;
    }
    entry->used = true;
    if (check_upload(layer, name, shape, &entry->tensor->tensor, err))
        weight->values = entry->tensor->tensor.values;
}

/* Keras stores some numbers that mean nothing here, such as a counter. */
static void pass_unused(const struct network *network, struct entry *entries, size_t n)
{
    for (size_t i = 0; i < network->n_layers; i++) {
        const struct layer *layer = &network->layers[i];
        for (const char *const *name = layer->kind->unused; name && *name; name++) {
            char text[NAME_SIZE];
            struct entry *entry = find_entry(
                entries, n, weights_name(text, layer, &(struct weight){.name = *name}));
            if (entry)
                entry->used = true;
        }
    }
}

static bool bind_upload(struct network *network, const struct plan *plan,
                        const struct weights_upload *upload, struct arena *arena,
                        struct error *err)
{
    struct entry *entries = sort_upload(upload, arena);

    if (!entries)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the weights");
    for (size_t i = 0; i < network->n_layers; i++)
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
            if (plan->layers[i].weight_shape[w].rank)
                bind_entry(&network->layers[i], w, &plan->layers[i].weight_shape[w],
                           entries, upload->n, err);
    pass_unused(network, entries, upload->n);
    for (size_t i = 0; i < upload->n; i++)
        if (!entries[i].used)
            error_option(err, ERROR_WEIGHTS_INVALID, entries[i].tensor->name,
                         "%s belongs to no layer of the network",
                         entries[i].tensor->name);
    return err->n_items == 0;
}

/* ---- given in the document ---- */

/* The kernel that the document gives has the channels of the layer's input, and the
 * bias a number for each filter. */
static bool check_given(const struct layer *layer, const struct weight *weight,
                        const struct shape *shape, struct error *err)
{
    const struct filter_bank *bank = &layer->bank;
    const size_t n = shape_elements(shape);

    if (strcmp(weight->name, "kernel") == 0)
        return !bank->channels || bank->channels == shape->dim[2] ||
               layer_fault(layer, "kernel", err,
                           "has %zu input channels, the layer's input has %zu",
                           bank->channels, shape->dim[2]);
    return layer->n_bias == 1 || layer->n_bias == n ||
           layer_fault(layer, "bias", err, "has %zu numbers for %zu filters",
                       layer->n_bias, n);
}

/* A bank as Keras lays a kernel out: [height][width][channels][filters]. */
static void bank_values(const struct layer *layer, const struct shape *shape,
                        float *out)
{
    const struct filter_bank *bank = &layer->bank;
    const size_t cells = shape->dim[0] * shape->dim[1], channels = shape->dim[2];

    if (bank->channels) {
        memcpy(out, bank->values, shape_elements(shape) * sizeof *out);
        return;
    }
    for (size_t cell = 0; cell < cells; cell++)
        for (size_t c = 0; c < channels; c++)
            for (size_t f = 0; f < bank->filters; f++)
                *out++ = bank->values[f * cells + cell];
}

static void bias_values(const struct layer *layer, const struct shape *shape,
                        float *out)
{
    const size_t n = shape_elements(shape);

    for (size_t i = 0; i < n; i++)
        out[i] = layer->bias[layer->n_bias == 1 ? 0 : i];
}

static bool fill_given(const struct layer *layer, const struct weight *weight,
                       const struct shape *shape, float *out, struct error *err)
{
    if (!check_given(layer, weight, shape, err))
        return false;
    if (strcmp(weight->name, "kernel") == 0)
        bank_values(layer, shape, out);
    else
        bias_values(layer, shape, out);
    return true;
}

/* ---- all of them, layer by layer ---- */

/* Whether the document gives its values. */
static bool is_given(const struct layer *layer, const struct weight *weight)
{
    return (layer->bank.values && strcmp(weight->name, "kernel") == 0) ||
           (layer->bias && strcmp(weight->name, "bias") == 0);
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the weights");
}

/* Weights begin at cache lines. */
static size_t aligned(size_t floats)
{
    return size_whole(floats, ARENA_ALIGN / sizeof(float));
}

/* Where the values of a network's weights go. */
struct binding {
    struct shelf *shelf; /* NULL: none */
    uint64_t visit;      /* of the shelf */
    const struct parallel *parallel;
    struct arena *arena;
    struct error *err;
};

static bool cancelled(const struct binding *binding)
{
    return error_set(binding->err, ERROR_CLIENT_CLOSED,
                     "cancelled while preparing weights");
}

static bool initialise(const struct layer *layer, const struct weight *weight,
                       const struct shape *shape, float *out,
                       const struct binding *binding)
{
    struct arena *arena = binding->arena;
    const size_t used = arena->used;
    double *scratch = arena_take(
        arena, initializer_scratch(&weight->initializer, shape), sizeof *scratch);
    char name[NAME_SIZE];

    if (!scratch)
        return no_memory(binding->err);
    const bool drawn =
        initializer_fill(&weight->initializer, weights_name(name, layer, weight), shape,
                         out, scratch, binding->parallel);
    arena_rewind(arena, used);
    return drawn || cancelled(binding);
}

/* The weights that the document gives; *drawn is a bit for each of the others. */
static bool fill_all_given(struct binding *binding, struct layer *layer,
                           const struct layer_plan *plan, unsigned *drawn)
{
    bool good = true;

    *drawn = 0;
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
        const struct shape *shape = &plan->weight_shape[w];
        struct weight *weight = &layer->weights[w];
        if (!shape->rank)
            continue;
        if (!is_given(layer, weight)) {
            *drawn |= 1u << w;
            continue;
        }
        float *values =
            arena_take(binding->arena, shape_elements(shape), sizeof *values);
        if (!values)
            return no_memory(binding->err);
        good &= fill_given(layer, weight, shape, values, binding->err);
        weight->values = values;
    }
    return good;
}

static size_t floats_of(const struct layer_plan *plan, unsigned drawn)
{
    size_t n = 0;

    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        if (drawn >> w & 1)
            n += aligned(shape_elements(&plan->weight_shape[w]));
    return n;
}

/* Give the weights that are drawn their places from `values` on. Drawn anew, unless
 * they are there. */
static bool place_drawn(struct binding *binding, struct layer *layer,
                        const struct layer_plan *plan, unsigned drawn, float *values,
                        bool there)
{
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
        const struct shape *shape = &plan->weight_shape[w];
        struct weight *weight = &layer->weights[w];
        if (!(drawn >> w & 1))
            continue;
        if (!there && !initialise(layer, weight, shape, values, binding))
            return false;
        weight->values = values;
        values += aligned(shape_elements(shape));
    }
    return true;
}

/* Bytes that are made in less time than it takes to look for them. */
enum { LEAST_SHELVED = 4096 };

/* A place on the shelf for n floats of the layer, and whether it has them already. NULL
 * if it is not worth it, or there is no room. */
static struct shelf_entry *take_place(struct binding *binding,
                                      const struct layer *layer,
                                      const struct layer_plan *plan, unsigned drawn,
                                      size_t n, bool *found)
{
    struct weights_key key;

    *found = false;
    if (!binding->shelf || n < LEAST_SHELVED / sizeof(float) ||
        !weights_key_init(&key, layer, plan, drawn))
        return NULL;
    struct shelf_entry *entry = shelf_find(binding->shelf, &key.parts, &binding->visit);
    *found = entry;
    return entry ? entry
                 : shelf_reserve(binding->shelf, &key.parts, n, &binding->visit);
}

/* What is drawn and packed of the layer, from the shelf, or onto it; the rest is bound.
 * plan->shelved stays NULL where there is no place. */
static bool shelve(struct binding *binding, struct layer *layer,
                   struct layer_plan *plan, unsigned drawn)
{
    const size_t n_drawn = floats_of(plan, drawn), packed = plan->packed;
    bool found;

    if (plan->kept && drawn & 1) {
        plan->packed = plan->kept;
        plan->shelved =
            take_place(binding, layer, plan, drawn, n_drawn + plan->kept, &found);
    }
    if (!plan->shelved) {
        plan->packed = packed;
        plan->shelved =
            take_place(binding, layer, plan, drawn, n_drawn + packed, &found);
    }
    if (!plan->shelved)
        return true;

    float *values = shelf_values(plan->shelved);
    if (!place_drawn(binding, layer, plan, drawn, values, found))
        return false;
    plan->packed_weights = values + n_drawn;
    if (found)
        return true;
    if (plan->packed &&
        !layer_pack(layer, plan, plan->packed_weights, binding->parallel))
        return cancelled(binding);
    shelf_publish(binding->shelf, plan->shelved);
    return true;
}

static bool draw_layer(struct binding *binding, struct layer *layer,
                       const struct layer_plan *plan, unsigned drawn)
{
    float *values = arena_take(binding->arena, floats_of(plan, drawn), sizeof *values);

    return values ? place_drawn(binding, layer, plan, drawn, values, false)
                  : no_memory(binding->err);
}

static bool fill_layer(struct binding *binding, struct layer *layer,
                       struct layer_plan *plan)
{
    unsigned drawn;

    return fill_all_given(binding, layer, plan, &drawn) &&
           shelve(binding, layer, plan, drawn) &&
           (plan->shelved || draw_layer(binding, layer, plan, drawn));
}

bool weights_bind(struct network *network, struct plan *plan,
                  const struct weights_upload *upload, struct shelf *shelf,
                  const struct parallel *parallel, struct arena *arena,
                  struct error *err)
{
    struct binding binding = {
        .shelf = shelf, .parallel = parallel, .arena = arena, .err = err};
    bool good = true;

    if (upload && !bind_upload(network, plan, upload, arena, err))
        return false;
    for (size_t i = 0; i < network->n_layers; i++) {
        if (parallel_cancelled(parallel))
            return cancelled(&binding);
        good &= upload ? shelve(&binding, &network->layers[i], &plan->layers[i], 0)
                       : fill_layer(&binding, &network->layers[i], &plan->layers[i]);
    }
    return good;
}

void weights_release(struct plan *plan, struct shelf *shelf)
{
    for (size_t i = 0; plan->layers && i < plan->n_layers; i++) {
        if (plan->layers[i].shelved)
            shelf_unpin(shelf, plan->layers[i].shelved);
        plan->layers[i].shelved = NULL;
    }
}

/* The parameter that the initializer of a weight was read from. */
static const char *initializer_param_of(const struct layer *layer, size_t w)
{
    const size_t offset = offsetof(struct layer, weights[w].initializer);
    const struct layer_param *param = layer->kind->params;

    while (param->name && param->offset != offset)
        param++;
    return param->name ? param->name : "";
}

static bool check_initializer(const struct layer *layer, size_t w,
                              const struct shape *shape, struct error *err)
{
    const struct weight *weight = &layer->weights[w];
    const char *misfit = initializer_misfit(&weight->initializer, shape);
    char text[SHAPE_TEXT_SIZE];

    return !misfit || layer_fault(layer, initializer_param_of(layer, w), err,
                                  "%s %s; %s has the shape %s",
                                  initializer_row(weight->initializer.id)->name, misfit,
                                  weight->name, shape_print(shape, text));
}

bool weights_check(const struct network *network, const struct plan *plan,
                   struct error *err)
{
    bool good = true;

    for (size_t i = 0; i < network->n_layers; i++)
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
            const struct shape *shape = &plan->layers[i].weight_shape[w];
            const struct layer *layer = &network->layers[i];
            const struct weight *weight = &layer->weights[w];
            if (shape->rank)
                good &= is_given(layer, weight)
                            ? check_given(layer, weight, shape, err)
                            : check_initializer(layer, w, shape, err);
        }
    return good;
}

double weights_cost(const struct network *network, const struct plan *plan)
{
    double cost = 0;

    for (size_t i = 0; i < network->n_layers; i++)
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
            const struct shape *shape = &plan->layers[i].weight_shape[w];
            const struct weight *weight = &network->layers[i].weights[w];
            if (shape->rank && !is_given(&network->layers[i], weight))
                cost += initializer_cost(&weight->initializer, shape);
        }
    return cost;
}

double weights_bytes(const struct network *network, const struct plan *plan)
{
    double bytes = 0;
    size_t scratch = 0;

    for (size_t i = 0; i < plan->n_layers; i++) {
        bytes += plan->layers[i].params * sizeof(float) +
                 LAYER_MAX_WEIGHTS * 2.0 * ARENA_ALIGN;
        for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
            const struct shape *shape = &plan->layers[i].weight_shape[w];
            const struct weight *weight = &network->layers[i].weights[w];
            const size_t more =
                shape->rank ? initializer_scratch(&weight->initializer, shape) : 0;
            scratch = more > scratch ? more : scratch;
        }
    }
    return bytes + (double)scratch * sizeof(double) + 2.0 * ARENA_ALIGN;
}
