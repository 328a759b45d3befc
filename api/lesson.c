/* lesson.c - the network that stands in when no layers are given. */
#include "api/lesson.h"

#include <stdio.h>
#include <string.h>

#include "api/bank.h"
#include "api/json.h"
#include "api/param.h"

/* Options that mean nothing beside layers, and the parameters that they become. */
static const struct {
    enum option_id option;
    const char *pointer;
} own[] = {
    {OPTION_KERNEL, "/Filter/kernel_size"},
    {OPTION_CONV_STRIDE, "/Filter/strides"},
    {OPTION_CONV_PADDING, "/Filter/padding"},
    {OPTION_ACTIVATION, "/Detect/activation"},
    {OPTION_POOL_SIZE, "/Condense/pool_size"},
    {OPTION_POOL_STRIDE, "/Condense/strides"},
    {OPTION_POOL_PADDING, "/Condense/padding"},
};
enum { N_OWN = sizeof own / sizeof *own };

struct lesson {
    const struct options *options;
    const struct limits *limits;
    struct arena *arena;
    struct error *err;
};

static const size_t inputs[] = {0, 1, 2};

/* The pointer is the name behind a slash. */
static void start_layer(struct layer *layer, const char *class_name,
                        const char *pointer, const size_t *input)
{
    const char *name = pointer + 1;

    *layer = (struct layer){.kind = layer_kind_find(class_name, true),
                            .name = name,
                            .label = name,
                            .pointer = pointer,
                            .keras = KERAS_3,
                            .inputs = input,
                            .n_inputs = 1};
    layer_defaults(layer);
}

static bool invalid(const struct lesson *l, enum option_id id, const char *value,
                    const char *reason)
{
    const char *name = option_row(id).name;

    error_option(l->err, ERROR_OPTION_INVALID, name, "%s %s", name, reason);
    if (value)
        json_error_text(l->err, value);
    return false;
}

/* A fault found by a reader of documents, told of an option instead. */
static bool told(const struct lesson *l, enum option_id id, const struct error *found)
{
    return error_take(l->err, ERROR_OPTION_INVALID, option_row(id).name, found);
}

static bool check_window(const struct lesson *l, const struct layer *layer,
                         const char *param, const int *window, enum option_id id)
{
    const struct layer_param *row = param_find(layer->kind, param);
    struct error found;

    error_init(&found);
    for (size_t i = 0; i < 2; i++)
        if (!param_check(layer, row, window[i], l->limits, &found))
            return told(l, id, &found);
    return true;
}

/* The kernel as a JSON value: parsed if it is an array, else the name as it is. */
static bool read_bank(const struct lesson *l, struct filter_bank *bank, char *reason)
{
    const char *text = l->options->kernel;
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};
    const bool array = text[strspn(text, " \t\r\n")] == '[';
    struct error found;

    error_init(&found);
    cJSON *json = array
                      ? json_parse("kernel", &bytes, NULL, l->limits, l->arena, &found)
                      : cJSON_CreateString(text);
    if (!json)
        return array ? told(l, OPTION_KERNEL, &found)
                     : json_no_memory("kernel", l->err);
    const bool ok = bank_read(bank, json, l->arena, reason);
    cJSON_Delete(json);
    return ok || invalid(l, OPTION_KERNEL, text, reason);
}

static bool read_kernel(const struct lesson *l, struct layer *layer)
{
    char reason[BANK_REASON_SIZE];

    if (!read_bank(l, &layer->bank, reason))
        return false;
    if (layer->bank.filters != 1 || layer->bank.channels)
        return invalid(l, OPTION_KERNEL, l->options->kernel,
                       "must be one filter: a 2-D array");
    layer->filters = 1;
    layer->kernel_size[0] = (int)layer->bank.height;
    layer->kernel_size[1] = (int)layer->bank.width;
    return check_window(l, layer, "kernel_size", layer->kernel_size, OPTION_KERNEL);
}

static bool read_padding(const struct lesson *l, struct layer *layer, const char *name,
                         enum option_id id)
{
    char reason[PARAM_REASON_SIZE];

    layer->padding =
        param_choice(name, param_find(layer->kind, "padding")->values, reason);
    return layer->padding >= 0 || invalid(l, id, name, reason);
}

static bool read_filter(const struct lesson *l, struct layer *layer)
{
    start_layer(layer, "Conv2D", "/Filter", &inputs[0]);
    layer->use_bias = false;
    memcpy(layer->strides, l->options->conv_stride, sizeof layer->strides);
    return read_kernel(l, layer) &&
           read_padding(l, layer, l->options->conv_padding, OPTION_CONV_PADDING);
}

static bool read_detect(const struct lesson *l, struct layer *layer)
{
    const char *name = l->options->activation;
    char reason[PARAM_REASON_SIZE];

    start_layer(layer, "Activation", "/Detect", &inputs[1]);
    return param_activation(name, KERAS_3, &layer->activation, reason) ||
           invalid(l, OPTION_ACTIVATION, name, reason);
}

static bool read_condense(const struct lesson *l, struct layer *layer)
{
    start_layer(layer, "MaxPooling2D", "/Condense", &inputs[2]);
    memcpy(layer->pool_size, l->options->pool_size, sizeof layer->pool_size);
    memcpy(layer->strides, l->options->pool_stride, sizeof layer->strides);
    return check_window(l, layer, "pool_size", layer->pool_size, OPTION_POOL_SIZE) &&
           read_padding(l, layer, l->options->pool_padding, OPTION_POOL_PADDING);
}

bool lesson_read(struct network *network, const struct options *options,
                 const struct limits *limits, struct arena *arena, struct error *err)
{
    const struct lesson l = {options, limits, arena, err};

    network->n_layers = 3;
    network->layers = arena_alloc(arena, network->n_layers, sizeof *network->layers);
    if (!network->layers)
        return json_no_memory("the lesson", err);
    const bool filter = read_filter(&l, &network->layers[0]);
    const bool detect = read_detect(&l, &network->layers[1]);
    const bool condense = read_condense(&l, &network->layers[2]);
    return filter && detect && condense;
}

bool lesson_tell_options(struct error *err)
{
    for (size_t i = 0; i < err->n_items && i < ERROR_MAX_ITEMS; i++) {
        struct error_item *item = &err->items[i];
        const size_t n = strlen(item->pointer);
        size_t k = 0;
        while (k < N_OWN && (n == 0 || strncmp(own[k].pointer, item->pointer, n) != 0 ||
                             (own[k].pointer[n] && own[k].pointer[n] != '/')))
            k++;
        if (k == N_OWN)
            continue;
        snprintf(item->parameter, sizeof item->parameter, "%s",
                 option_row(own[k].option).name);
        item->pointer[0] = '\0';
        if (err->code == ERROR_CONFIG_INVALID)
            err->code = ERROR_OPTION_INVALID;
    }
    return false;
}

bool lesson_owns(enum option_id option)
{
    size_t i = 0;

    while (i < N_OWN && own[i].option != option)
        i++;
    return i < N_OWN;
}

bool lesson_check_absent(const struct options *options, struct error *err)
{
    bool ok = true;

    for (size_t i = 0; i < N_OWN; i++) {
        const char *name = option_row(own[i].option).name;
        if (options->given[own[i].option])
            ok =
                error_option(err, ERROR_OPTION_INVALID, name,
                             "%s is for the pipeline that stands in when no layers are "
                             "given; here a layer has it",
                             name);
    }
    return ok;
}
