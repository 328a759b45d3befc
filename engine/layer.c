/* layer.c - kinds by name, defaults, faults. */
#include "engine/layer.h"

#include <stdio.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Equal but for case and for underscores, so that snake case matches. */
static bool alike(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (lower(*a) != lower(*b))
            return false;
        if (!*a)
            return true;
    }
}

static bool names(const struct layer_kind *kind, const char *name,
                  bool (*same)(const char *, const char *))
{
    if (same(kind->class_name, name))
        return true;
    for (const char *const *alias = kind->aliases; alias && *alias; alias++)
        if (same(*alias, name))
            return true;
    return false;
}

static bool identical(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

const struct layer_kind *layer_kind_find(const char *name, bool exact)
{
    const struct layer_kind *kind;

    for (size_t i = 0; (kind = layer_kind_at(i)); i++)
        if (names(kind, name, exact ? identical : alike))
            break;
    return kind;
}

static void set_default(struct layer *layer, const struct layer_param *param)
{
    void *at = (char *)layer + param->offset;

    switch (param->type) {
    case PARAM_INT:
    case PARAM_CHOICE:
        *(int *)at = (int)param->fallback;
        break;
    case PARAM_PAIR:
        ((int *)at)[0] = ((int *)at)[1] = (int)param->fallback;
        break;
    case PARAM_BOOL:
        *(bool *)at = param->fallback != 0;
        break;
    case PARAM_FLOAT:
        *(float *)at = (float)param->fallback;
        break;
    case PARAM_PADS:
        for (size_t i = 0; i < 4; i++)
            ((int *)at)[i] = (int)param->fallback;
        break;
    case PARAM_INTS:
        *(struct int_list *)at = (struct int_list){.n = param->fallback != 0,
                                                   .items = {(int)param->fallback}};
        break;
    case PARAM_FLOATS:
        *(struct tensor *)at = (struct tensor){.values = NULL};
        break;
    case PARAM_ACTIVATION:
        *(struct activation *)at = (struct activation){.id = ACTIVATION_LINEAR};
        break;
    case PARAM_INITIALIZER:
        *(struct initializer *)at =
            (struct initializer){.id = (enum initializer_id)param->fallback};
        break;
    case PARAM_IGNORED:
        break;
    }
}

void layer_defaults(struct layer *layer)
{
    layer->activation = (struct activation){.id = layer->kind->function};
    for (const struct layer_param *param = layer->kind->params; param->name; param++)
        set_default(layer, param);
    for (size_t i = 0; layer->kind->weights && layer->kind->weights[i]; i++) {
        layer->weights[i].name = layer->kind->weights[i];
        if (layer->kind->starts)
            layer->weights[i].initializer.id = layer->kind->starts[i];
    }
}

bool layer_axis(int axis, size_t rank, size_t *found)
{
    const int from_one = axis < 0 ? axis + (int)rank + 1 : axis;

    *found = (size_t)from_one - 1;
    return from_one >= 1 && from_one <= (int)rank;
}

struct packing {
    const struct layer *layer;
    const struct layer_plan *plan;
    float *packed;
};

static void pack_part(void *context, size_t part, size_t slot)
{
    const struct packing *p = context;

    (void)slot;
    p->layer->kind->pack_part(p->layer, p->plan, part, p->packed);
}

bool layer_pack(const struct layer *layer, const struct layer_plan *plan, float *packed,
                const struct parallel *parallel)
{
    struct packing packing = {layer, plan, packed};

    layer->kind->pack(layer, plan, packed);
    if (plan->pack_parts)
        parallel->run(parallel->self, plan->pack_parts, pack_part, &packing);
    return !parallel_cancelled(parallel);
}

size_t layer_grain(size_t rows, double row_cost)
{
    const double enough = 32768; /* vector steps: some 10 us, many times a hand-over */
    const double grain = row_cost > 0 ? enough / row_cost : (double)rows;

    return grain < 1 ? 1 : grain > (double)rows ? rows : (size_t)grain;
}

void layer_undivided(struct layer_plan *plan)
{
    plan->tile = shape_extent(&plan->out);
    plan->band = plan->tile.height;
}

const float *layer_task_in(const struct layer_task *task, size_t y)
{
    const struct extent in = shape_extent(&task->plan->in);

    return task->in + (y - task->in_top) * in.width * in.channels;
}

float *layer_task_out(const struct layer_task *task, size_t y)
{
    const struct extent out = shape_extent(&task->plan->out);

    return task->out + (y - task->out_top) * out.width * out.channels;
}

bool layer_fault(const struct layer *layer, const char *param, struct error *err,
                 const char *format, ...)
{
    char pointer[sizeof err->items[0].pointer], what[320];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(pointer, sizeof pointer, "%s%s%s", layer->pointer, *param ? "/" : "",
             param);
    return error_at(err, ERROR_CONFIG_INVALID, pointer, "%s%s%s %s", layer->label,
                    *param ? "." : "", param, what);
}
