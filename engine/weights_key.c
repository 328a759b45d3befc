/*
 * weights_key.c - what a layer's weights, drawn and packed, follow from, as bytes.
 *
 * The parameters come from the table of the layer's kind, so that no list of those that
 * matter can go stale. Where the plan names a packing, that and the weights' shapes
 * stand for the shapes of the maps: images of many sizes share what is packed.
 */
#include "engine/weights_key.h"

#include <stdio.h>
#include <string.h>

/* Text being written; full: it did not fit. */
struct writer {
    char *text;
    size_t used;
    bool full;
};

static void put(struct writer *to, const void *bytes, size_t n)
{
    to->full |= n > WEIGHTS_KEY_SIZE - to->used;
    if (to->full)
        return;
    memcpy(to->text + to->used, bytes, n);
    to->used += n;
}

static void put_size(struct writer *to, size_t n)
{
    put(to, &n, sizeof n);
}

static void put_shape(struct writer *to, const struct shape *shape)
{
    put_size(to, shape->rank);
    put(to, shape->dim, shape->rank * sizeof *shape->dim);
}

static void put_ints(struct writer *to, const struct int_list *list)
{
    put(to, &list->n, sizeof list->n);
    put(to, list->items, (size_t)list->n * sizeof *list->items);
}

static void put_floats(struct writer *to, const struct tensor *tensor)
{
    put_size(to, tensor->values != NULL);
    if (!tensor->values)
        return;
    put_shape(to, &tensor->shape);
    put(to, tensor->values, shape_elements(&tensor->shape) * sizeof(float));
}

static void put_param(struct writer *to, const struct layer *layer,
                      const struct layer_param *param)
{
    const void *at = (const char *)layer + param->offset;

    switch (param->type) {
    case PARAM_INT:
    case PARAM_CHOICE:
        put(to, at, sizeof(int));
        break;
    case PARAM_PAIR:
        put(to, at, 2 * sizeof(int));
        break;
    case PARAM_BOOL:
        put(to, at, sizeof(bool));
        break;
    case PARAM_FLOAT:
        put(to, at, sizeof(float));
        break;
    case PARAM_PADS:
        put(to, at, 4 * sizeof(int));
        break;
    case PARAM_INTS:
        put_ints(to, at);
        break;
    case PARAM_FLOATS:
        put_floats(to, at);
        break;
    case PARAM_ACTIVATION:  /* packing never sees it */
    case PARAM_INITIALIZER: /* stands with its weight */
    case PARAM_IGNORED:
        break;
    }
}

static void put_plan(struct writer *to, const struct layer_plan *plan)
{
    const struct pads *pad = &plan->pad;

    put_size(to, plan->packed);
    put_size(to, plan->packing);
    if (plan->packing)
        return;
    put_shape(to, &plan->in);
    put_shape(to, &plan->out);
    put_size(to, pad->top);
    put_size(to, pad->bottom);
    put_size(to, pad->left);
    put_size(to, pad->right);
}

/* What initializer_fill reads. */
static void put_drawn(struct writer *to, const struct layer *layer,
                      const struct weight *weight)
{
    const struct initializer *init = &weight->initializer;
    char name[WEIGHTS_NAME_SIZE];
    const int id = (int)init->id;

    put(to, &id, sizeof id);
    put(to, &init->seed, sizeof init->seed);
    put(to, init->params, sizeof init->params);
    weights_name(name, layer, weight);
    put(to, name, strlen(name) + 1);
}

const char *weights_name(char *text, const struct layer *layer,
                         const struct weight *weight)
{
    snprintf(text, WEIGHTS_NAME_SIZE, "%s/%s", layer->name, weight->name);
    return text;
}

static void add_part(struct shelf_key *key, const void *bytes, size_t size)
{
    key->parts[key->n].bytes = bytes;
    key->parts[key->n++].size = size;
}

bool weights_key_init(struct weights_key *key, const struct layer *layer,
                      const struct layer_plan *plan, unsigned drawn)
{
    struct writer to = {.text = key->text};
    _Static_assert(SHELF_KEY_PARTS > (int)LAYER_MAX_WEIGHTS,
                   "the text and each weight");

    key->parts.n = 0;
    add_part(&key->parts, key->text, 0);
    put(&to, &layer->kind, sizeof layer->kind);
    put_size(&to, layer->keras);
    put_plan(&to, plan);
    for (const struct layer_param *param = layer->kind->params; param->name; param++)
        put_param(&to, layer, param);
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++) {
        const struct shape *shape = &plan->weight_shape[w];
        const struct weight *weight = &layer->weights[w];

        put_shape(&to, shape);
        if (!shape->rank)
            continue;
        put_size(&to, drawn >> w & 1);
        if (drawn >> w & 1)
            put_drawn(&to, layer, weight);
        else
            add_part(&key->parts, weight->values,
                     shape_elements(shape) * sizeof *weight->values);
    }
    key->parts.parts[0].size = to.used;
    return !to.full;
}
