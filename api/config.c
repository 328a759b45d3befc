/*
 * config.c - a JSON config becomes a network.
 *
 * The wrappers of a document are opened from the outside in until the list of layers
 * is found; every wrapper knows its keys. Then the layers are read one by one, and all
 * of them, so that a client learns of every fault at once.
 */
#include "api/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_layer.h"
#include "api/json.h"
#include "api/lesson.h"
#include "api/param.h"
#include "api/preset.h"

/* A document on its way from the outside in. */
struct document {
    struct config_reader reader;
    const cJSON *json;
    const char *what;    /* of json, for messages */
    const char *pointer; /* of json */
    bool has_module;     /* Keras 3 writes "module" */
    bool ok;             /* no fault was found that leaves the layers readable */
};

const char *const config_tfjs_keys[] = {"modelTopology",       "format",
                                        "generatedBy",         "convertedBy",
                                        "weightsManifest",     "trainingConfig",
                                        "userDefinedMetadata", "signature",
                                        "modelInitializer",    NULL};

const char *const config_model_keys[] = {"class_name",
                                         "config",
                                         "module",
                                         "registered_name",
                                         "build_config",
                                         "compile_config",
                                         "name",
                                         "keras_version",
                                         "tf_version",
                                         "backend",
                                         "model_config",
                                         "training_config",
                                         "inbound_nodes",
                                         "shared_object_id",
                                         NULL};

const char *const config_sequential_keys[] = {
    "layers", "name", "trainable", "dtype", "build_input_shape", NULL};

static const char *const request_keys[] = {"layers", NULL};

static bool has_any(const cJSON *object, const char *const *keys)
{
    for (const cJSON *member = object->child; member; member = member->next)
        for (const char *const *key = keys; *key; key++)
            if (strcmp(member->string, *key) == 0)
                return true;
    return false;
}

bool config_is_keras(const cJSON *json)
{
    static const char *const outer[] = {"class_name", "config", "modelTopology",
                                        "model_config", NULL};

    if (!cJSON_IsObject(json))
        return false;
    return has_any(json, outer) ||
           (json_member(json, "layers") && has_any(json, config_sequential_keys + 1));
}

static bool fault(struct document *d, const char *key, const char *format, ...)
    FORMATTED(3, 4);

static bool fault(struct document *d, const char *key, const char *format, ...)
{
    char pointer[JSON_POINTER_SIZE], reason[128];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return error_at(d->reader.err, ERROR_CONFIG_INVALID,
                    *key ? json_pointer(d->pointer, key, pointer) : d->pointer,
                    "%s%s%s %s", d->what, *key ? "." : "", key, reason);
}

/* Go into a member that must be an object or an array; wanted says which. */
static bool step(struct document *d, const char *key, const char *wanted)
{
    const cJSON *member = json_member(d->json, key);

    if (!cJSON_IsObject(member) && !cJSON_IsArray(member))
        return fault(d, key, "must be %s, not %s", wanted, json_kind(member));
    d->pointer = arena_print(d->reader.arena, "%s/%s", d->pointer, key);
    d->json = member;
    d->what = key;
    return d->pointer || json_no_memory("the config", d->reader.err);
}

static void check_keys(struct document *d, const char *const *known)
{
    d->has_module = d->has_module || json_member(d->json, "module");
    d->ok = config_check_keys(&d->reader, d->json, d->what, d->pointer, known) && d->ok;
}

static bool open_tfjs(struct document *d)
{
    if (!json_member(d->json, "modelTopology"))
        return true;
    const char *format = json_string(json_member(d->json, "format"));
    if (format && strcmp(format, "graph-model") == 0)
        return fault(d, "format",
                     "is graph-model, which has no Keras layers: only layers-model "
                     "files are supported");
    check_keys(d, config_tfjs_keys);
    return step(d, "modelTopology", "an object");
}

static bool open_model_config(struct document *d)
{
    if (!json_member(d->json, "model_config"))
        return true;
    check_keys(d, config_model_keys);
    return step(d, "model_config", "an object");
}

/* {"class_name":"Sequential","config":{...}}; very old Keras has the bare list there.
 */
static bool open_model(struct document *d)
{
    const cJSON *class_name = json_member(d->json, "class_name");
    const char *name = json_string(class_name);

    if (!class_name && !json_member(d->json, "config"))
        return true;
    d->reader.exact = true;
    if (!name)
        return fault(d, "class_name", "must be a string: Sequential");
    if (strcmp(name, "Sequential") != 0)
        return fault(d, "class_name",
                     "is '%.64s': only Sequential models are supported", name);
    if (!json_member(d->json, "config"))
        return fault(d, "config", "is missing");
    check_keys(d, config_model_keys);
    return step(d, "config", "an object");
}

static bool open_sequential(struct document *d)
{
    const bool keras = d->reader.exact || config_is_keras(d->json);

    if (cJSON_IsArray(d->json))
        return true;
    d->reader.exact = keras;
    check_keys(d, keras ? config_sequential_keys : request_keys);
    if (!config_is_float32(json_member(d->json, "dtype")))
        d->ok = fault(d, "dtype", "must be float32");
    if (!json_member(d->json, "layers"))
        return fault(d, "layers", "is missing");
    return step(d, "layers", "an array of layers");
}

static bool open_layers(struct document *d)
{
    if (!cJSON_IsObject(d->json) && !cJSON_IsArray(d->json))
        return fault(d, "", "must be an object or an array of layers, not %s",
                     json_kind(d->json));
    if (!open_tfjs(d) || !open_model_config(d) || !open_model(d) || !open_sequential(d))
        return false;
    if (!cJSON_IsArray(d->json))
        return fault(d, "", "must be an array of layers, not %s", json_kind(d->json));
    if (!d->json->child)
        return fault(d, "", "must hold at least one layer");
    return true;
}

/* The generation of layers in Keras' form. */
static enum keras generation(const struct document *d)
{
    const cJSON *item;
    bool module = d->has_module;

    cJSON_ArrayForEach(item, d->json)
    {
        module = module || json_member(item, "module");
    }
    return module ? KERAS_3 : KERAS_2;
}

/* ---- names ---- */

char *config_snake_case(const char *class_name, struct arena *arena)
{
    char *out = arena_take(arena, 2 * strlen(class_name) + 1, 1), *to = out;

    for (const char *c = class_name; out && *c; c++) {
        const bool begins =
            c > class_name && isupper((unsigned char)*c) &&
            (islower((unsigned char)c[1]) || islower((unsigned char)c[-1]));
        if (begins)
            *to++ = '_';
        *to++ = (char)tolower((unsigned char)*c);
    }
    if (out)
        *to = '\0';
    return out;
}

static int compare_layers(const void *a, const void *b)
{
    const struct layer *const *x = a, *const *y = b;
    const int order = strcmp((*x)->name, (*y)->name);

    return order ? order : *x < *y ? -1 : *x > *y;
}

static int compare_name(const void *name, const void *layer)
{
    return strcmp(name, (*(const struct layer *const *)layer)->name);
}

/* The layers that were given a name, sorted by it. */
struct named {
    size_t n;
    const struct layer **layers;
};

/* No name may stand twice. */
static bool sort_named(const struct network *network, struct named *named,
                       struct arena *arena, struct error *err)
{
    const struct layer **layers =
        arena_take(arena, network->n_layers + 1, sizeof *layers);
    size_t n = 0;
    bool ok = true;

    if (!layers)
        return json_no_memory("the config", err);
    for (size_t i = 0; i < network->n_layers; i++)
        if (network->layers[i].name)
            layers[n++] = &network->layers[i];
    qsort(layers, n, sizeof *layers, compare_layers);
    for (size_t i = 1; i < n; i++)
        if (strcmp(layers[i]->name, layers[i - 1]->name) == 0)
            ok = layer_fault(layers[i], "name", err, "'%.64s' is also the name of %s",
                             layers[i]->name, layers[i - 1]->label);
    *named = (struct named){n, layers};
    return ok;
}

/* Give the layers without a name Keras' default: the class in snake case, counted. */
static bool name_layers(struct network *network, const struct named *named,
                        struct arena *arena, struct error *err)
{
    const size_t n_layers = network->n_layers;
    size_t *count = arena_alloc(arena, n_layers, sizeof *count); /* of default names */

    if (!count)
        return json_no_memory("the config", err);
    for (size_t i = 0; i < n_layers; i++) {
        struct layer *layer = &network->layers[i];
        if (layer->name)
            continue;
        for (size_t k = i; k-- > 0 && !count[i];)
            if (network->layers[k].kind == layer->kind)
                count[i] = count[k];
        const char *base = config_snake_case(layer->kind->class_name, arena);
        do {
            const size_t number = count[i]++;
            layer->name =
                number && base ? arena_print(arena, "%s_%zu", base, number) : base;
            if (!layer->name)
                return json_no_memory("the config", err);
        } while (bsearch(layer->name, named->layers, named->n, sizeof *named->layers,
                         compare_name));
    }
    return true;
}

/* With split_activation the stage before layer a's activation is a/pre. */
static bool check_pre_names(const struct network *network, struct error *err)
{
    static const char suffix[] = "/pre";
    const size_t n_suffix = sizeof suffix - 1;
    bool ok = true;

    for (size_t i = 0; i < network->n_layers && !json_enough(err); i++) {
        const struct layer *layer = &network->layers[i];
        const size_t n = strlen(layer->name);
        if (n <= n_suffix || strcmp(layer->name + n - n_suffix, suffix) != 0)
            continue;
        for (size_t k = 0; k < network->n_layers; k++) {
            const struct layer *other = &network->layers[k];
            if (strncmp(other->name, layer->name, n - n_suffix) == 0 &&
                !other->name[n - n_suffix])
                ok = layer_fault(layer, "name", err,
                                 "'%.64s' is also the name of the stage before the "
                                 "activation of %s",
                                 layer->name, other->label);
        }
    }
    return ok;
}

/* ---- layers ---- */

/* An input may be declared by an InputLayer, the first layer, or both alike. */
static bool declare_input(struct config *config, const struct config_layer *element,
                          bool first, struct error *err)
{
    if (element->is_input && !first)
        return layer_fault(&element->layer, "", err,
                           "is an InputLayer, which must come first");
    if (element->input.rank == 0 || config->network.n_layers > 1)
        return true;
    if (config->input.rank && !shape_equal(&config->input, &element->input))
        return error_at(err, ERROR_CONFIG_INVALID, element->input_pointer,
                        "%s declares another input than the InputLayer",
                        element->layer.label);
    config->input = element->input;
    config->input_pointer = element->input_pointer;
    return true;
}

static bool read_layers(struct document *d, struct config *config)
{
    struct network *network = &config->network;
    struct arena *arena = d->reader.arena;
    const cJSON *item;
    size_t i = 0;
    bool ok = true;

    cJSON_ArrayForEach(item, d->json)
    {
        struct config_layer element;
        if (json_enough(d->reader.err))
            break;
        const char *label = arena_print(arena, "layers[%zu]", i);
        const char *pointer = arena_print(arena, "%s/%zu", d->pointer, i);

        if (!label || !pointer)
            return json_no_memory("the config", d->reader.err);
        const bool good = config_layer_read(&d->reader, item, label, pointer, &element);
        network->n_layers += !element.is_input;
        ok = declare_input(config, &element, i == 0, d->reader.err) && good && ok;
        if (!element.is_input)
            network->layers[network->n_layers - 1] = element.layer;
        i++;
    }
    return ok;
}

static bool connect_layers(struct network *network, struct arena *arena,
                           struct error *err)
{
    size_t *inputs = arena_take(arena, network->n_layers, sizeof *inputs);

    if (!inputs)
        return json_no_memory("the config", err);
    for (size_t i = 0; i < network->n_layers; i++) {
        inputs[i] = i; /* the network's input is 0, so this is the layer before */
        network->layers[i].inputs = &inputs[i];
        network->layers[i].n_inputs = 1;
    }
    return true;
}

/* The first layer with a kernel has 2-D ones. */
static bool is_gray(const struct network *network)
{
    for (size_t i = 0; i < network->n_layers; i++)
        if (network->layers[i].bank.values)
            return network->layers[i].bank.channels == 0;
        else if (network->layers[i].kind->weights)
            return false;
    return false;
}

static bool read_document(struct config *config, struct document *d)
{
    struct network *network = &config->network;
    const struct limits *limits = d->reader.limits;
    struct arena *arena = d->reader.arena;
    struct error *err = d->reader.err;
    struct named named = {0};

    d->ok = true;
    if (!open_layers(d))
        return false;
    d->reader.keras = generation(d);
    const size_t n = (size_t)cJSON_GetArraySize(d->json);
    if (!limit_check(LIMIT(limits, max_layers), (double)n, ERROR_PLAN_TOO_LARGE, err,
                     "the config has %zu layers", n))
        return error_blame(err, d->pointer, NULL);
    network->layers = arena_alloc(arena, n, sizeof *network->layers);
    if (!network->layers)
        return json_no_memory("the config", err);
    const bool read = read_layers(d, config);
    const bool unique = sort_named(network, &named, arena, err);
    if (!d->ok || !read || !unique)
        return false;
    if (network->n_layers == 0)
        return fault(d, "", "must hold a layer beside the InputLayer");
    config->gray = is_gray(network);
    return connect_layers(network, arena, err) &&
           name_layers(network, &named, arena, err) && check_pre_names(network, err);
}

/* A preset is a document like any other, but for being ours. */
static bool read_preset(struct config *config, struct document *d, int row)
{
    cJSON *json = preset_config(preset_at((size_t)row), d->reader.arena, d->reader.err);

    if (!json)
        return false;
    d->json = json;
    const bool ok = read_document(config, d);
    cJSON_Delete(json);
    return ok;
}

bool config_read(struct config *config, const cJSON *json, const char *pointer,
                 const struct options *options, const struct limits *limits,
                 struct arena *arena, struct error *err)
{
    struct document d = {.reader = {.limits = limits,
                                    .arena = arena,
                                    .err = err,
                                    .seed = (uint64_t)options->seed},
                         .json = json,
                         .what = "config",
                         .pointer = pointer};

    const bool preset = OPTION_GIVEN(options, PRESET);
    const bool layers = json && (!cJSON_IsObject(json) || json_member(json, "layers") ||
                                 config_is_keras(json));

    *config = (struct config){0};
    if (preset && layers)
        return error_option(err, ERROR_OPTION_INVALID, "preset",
                            "preset stands beside layers: one of them is too many");
    if (preset || layers) {
        const bool absent = lesson_check_absent(options, err);
        return (layers ? read_document(config, &d)
                       : read_preset(config, &d, options->preset)) &&
               absent;
    }
    config->lesson = config->gray = true;
    d.ok = true;
    if (json)
        check_keys(&d, request_keys);
    return lesson_read(&config->network, options, limits, arena, err) && d.ok;
}
