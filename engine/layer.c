/* layer.c - the table of layer kinds. */
#include "engine/layer.h"

#include <stdio.h>
#include <string.h>

#include "engine/conv.h"
#include "engine/pool.h"

#define AT(field)      .offset = offsetof(struct layer, field)
#define LIMITED(field) .maximum_offset = offsetof(struct limits, field)
#define MOST           .maximum = 2147483647
#define IGNORED(key)                                                                   \
    {                                                                                  \
        .name = key, .type = PARAM_IGNORED                                             \
    }

static const char *const paddings[] = {"valid", "same", NULL};
static const char *const data_formats[] = {"channels_last", NULL};

#define PADDING                                                                        \
    {                                                                                  \
        .name = "padding", .type = PARAM_CHOICE, AT(padding), .values = paddings       \
    }
#define DATA_FORMAT                                                                    \
    {                                                                                  \
        .name = "data_format", .type = PARAM_CHOICE, AT(data_format),                  \
        .values = data_formats, .flags = PARAM_NULLABLE                                \
    }
#define REGULARIZERS                                                                   \
    IGNORED("kernel_regularizer"), IGNORED("bias_regularizer"),                        \
        IGNORED("activity_regularizer"), IGNORED("kernel_constraint"),                 \
        IGNORED("bias_constraint")

static const struct layer_param conv2d_params[] = {
    {.name = "filters",
     .type = PARAM_INT,
     AT(filters),
     LIMITED(max_filters),
     .minimum = 1,
     MOST,
     .flags = PARAM_REQUIRED},
    {.name = "kernel_size",
     .type = PARAM_PAIR,
     AT(kernel_size),
     LIMITED(max_kernel),
     .minimum = 1,
     MOST,
     .flags = PARAM_REQUIRED},
    {.name = "strides",
     .type = PARAM_PAIR,
     AT(strides),
     .minimum = 1,
     MOST,
     .fallback = 1},
    PADDING,
    DATA_FORMAT,
    {.name = "dilation_rate",
     .type = PARAM_PAIR,
     AT(dilation_rate),
     LIMITED(max_dimension),
     .minimum = 1,
     MOST,
     .fallback = 1},
    {.name = "groups",
     .type = PARAM_INT,
     AT(groups),
     .minimum = 1,
     MOST,
     .fallback = 1},
    {.name = "activation", .type = PARAM_ACTIVATION, AT(activation)},
    {.name = "use_bias", .type = PARAM_BOOL, AT(use_bias), .fallback = 1},
    {.name = "kernel_initializer",
     .type = PARAM_INITIALIZER,
     AT(kernel_initializer),
     .fallback = INIT_GLOROT_UNIFORM},
    {.name = "bias_initializer",
     .type = PARAM_INITIALIZER,
     AT(bias_initializer),
     .fallback = INIT_ZEROS},
    REGULARIZERS,
    {0},
};

static const struct layer_param activation_params[] = {
    {.name = "activation",
     .type = PARAM_ACTIVATION,
     AT(activation),
     .flags = PARAM_REQUIRED},
    {0},
};

#define POOL_PARAMS(size_flags)                                                        \
    {.name = "pool_size",                                                              \
     .type = PARAM_PAIR,                                                               \
     AT(pool_size),                                                                    \
     LIMITED(max_kernel),                                                              \
     .minimum = 1,                                                                     \
     MOST,                                                                             \
     .fallback = 2,                                                                    \
     .flags = size_flags},                                                             \
        {.name = "strides",                                                            \
         .type = PARAM_PAIR,                                                           \
         AT(strides),                                                                  \
         .minimum = 1,                                                                 \
         MOST,                                                                         \
         .flags = PARAM_NULLABLE},                                                     \
        PADDING, DATA_FORMAT,                                                          \
    {                                                                                  \
        0                                                                              \
    }

static const struct layer_param max_pool2d_params[] = {POOL_PARAMS(0)};
static const struct layer_param average_pool2d_params[] = {
    POOL_PARAMS(PARAM_REQUIRED_KERAS_3)};

static const char *const kernel_and_bias[] = {"kernel", "bias", NULL};

static bool same_shape(const struct layer *layer, struct layer_plan *plan,
                       struct error *err)
{
    (void)layer;
    (void)err;
    plan->out = plan->in;
    plan->items = shape_extent(&plan->in).height;
    plan->item_cost = (double)shape_elements(&plan->in) / (double)plan->items;
    return true;
}

static const struct layer_kind kinds[] = {
    {.class_name = "Conv2D",
     .aliases = (const char *const[]){"Convolution2D", NULL},
     .params = conv2d_params,
     .weights = kernel_and_bias,
     .what = "filters: a window of weights slides over the map",
     .infer = conv2d_infer,
     .pack = conv2d_pack,
     .run = conv2d_run},
    {.class_name = "Activation",
     .params = activation_params,
     .what = "detects: a function of each cell",
     .infer = same_shape},
    {.class_name = "MaxPooling2D",
     .aliases = (const char *const[]){"MaxPool2D", NULL},
     .params = max_pool2d_params,
     .what = "condenses: the largest cell of each window",
     .infer = pool2d_infer,
     .run = max_pool2d_run},
    {.class_name = "AveragePooling2D",
     .aliases = (const char *const[]){"AvgPool2D", NULL},
     .params = average_pool2d_params,
     .what = "condenses: the mean of each window",
     .infer = pool2d_infer,
     .run = average_pool2d_run},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

const struct layer_kind *layer_kind_at(size_t i)
{
    return i < N_KINDS ? &kinds[i] : NULL;
}

static const struct {
    const char *name, *class_name;
} initializers[] = {
#define ROW(id, name, class_name) {name, class_name},
    FOR_EACH_INITIALIZER(ROW)
#undef ROW
};

const char *initializer_name(size_t id)
{
    return id < INIT_COUNT ? initializers[id].name : NULL;
}

bool initializer_find(const char *name, enum initializer_id *found)
{
    for (size_t i = 0; i < INIT_COUNT; i++)
        if (strcmp(initializers[i].name, name) == 0 ||
            strcmp(initializers[i].class_name, name) == 0) {
            *found = (enum initializer_id)i;
            return true;
        }
    return false;
}

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
    for (size_t i = 0; i < N_KINDS; i++)
        if (names(&kinds[i], name, exact ? identical : alike))
            return &kinds[i];
    return NULL;
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
    for (const struct layer_param *param = layer->kind->params; param->name; param++)
        set_default(layer, param);
    for (size_t i = 0; layer->kind->weights && layer->kind->weights[i]; i++)
        layer->weights[i].name = layer->kind->weights[i];
}

size_t layer_grain(size_t items, double item_cost)
{
    const double enough = 32768; /* vector steps: some 10 us, many times a hand-over */
    const double grain = item_cost > 0 ? enough / item_cost : (double)items;

    return grain < 1 ? 1 : grain > (double)items ? items : (size_t)grain;
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
