/* config_layer.c - one element of a config's list of layers. */
#include "api/config_layer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/bank.h"
#include "api/fixed_limit.h"
#include "api/json.h"
#include "api/nearest.h"
#include "api/param.h"

/* Beside "config" in Keras' form. */
const char *const config_layer_wrapper_keys[] = {
    "class_name",   "type", "config",        "module",           "registered_name",
    "build_config", "name", "inbound_nodes", "shared_object_id", NULL};

/* Parameters of every layer that mean nothing here. */
const char *const config_layer_ignored_keys[] = {"trainable", "activity_regularizer",
                                                 "dynamic", NULL};

/* Parameters of any layer that only null says nothing of. */
const char *const config_layer_null_keys[] = {"quantization_config", "lora_rank",
                                              "weights", NULL};

/* The rest of the names that a layer's parameters may have, for "did you mean". */
static const char *const common_keys[] = {"name", "dtype", "batch_input_shape",
                                          "input_shape", NULL};

static const char *const short_forms[] = {"kernel", "bias", "seed", NULL};

const char *const config_layer_shape_keys[] = {"batch_input_shape", "batch_shape",
                                               "input_shape", "shape", NULL};

const char *const config_layer_input_keys[] = {"batch_input_shape",
                                               "batch_shape",
                                               "input_shape",
                                               "shape",
                                               "name",
                                               "dtype",
                                               "sparse",
                                               "ragged",
                                               "optional",
                                               "batch_size",
                                               "trainable",
                                               NULL};

static bool among(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* Record a fault at a member of an object, told of as "what.key ...". */
static bool member_fault(const struct config_reader *r, const char *what,
                         const char *pointer, const cJSON *member, const char *reason)
{
    char place[JSON_POINTER_SIZE];

    error_at(r->err, ERROR_CONFIG_INVALID, json_pointer(pointer, member->string, place),
             "%s.%.64s %s", what, member->string, reason);
    json_error_value(r->err, member);
    return false;
}

/* more is a second list of known keys, or NULL. */
static bool check_keys(const struct config_reader *r, const cJSON *object,
                       const char *what, const char *pointer, const char *const *known,
                       const char *const *more)
{
    char reason[128], hint[NEAREST_TEXT_SIZE];
    const cJSON *member;
    bool ok = true;

    cJSON_ArrayForEach(member, object)
    {
        if (among(member->string, known) || (more && among(member->string, more)))
            continue;
        if (json_enough(r->err))
            break;
        nearest_hint(nearest_of(member->string, known), hint);
        snprintf(reason, sizeof reason, "is not known%s", hint);
        ok = member_fault(r, what, pointer, member, reason);
    }
    return ok;
}

bool config_check_keys(const struct config_reader *r, const cJSON *object,
                       const char *what, const char *pointer, const char *const *known)
{
    return check_keys(r, object, what, pointer, known, NULL);
}

bool config_is_float32(const cJSON *dtype)
{
    if (!dtype || cJSON_IsNull(dtype))
        return true;
    if (cJSON_IsObject(dtype)) /* a DTypePolicy */
        dtype = json_member(json_member(dtype, "config"), "name");
    const char *name = json_string(dtype);
    return name && strcmp(name, "float32") == 0;
}

/* ---- names ---- */

/* What is wrong with a layer's name, or NULL. Stages become parts of a form and files
 * of an archive under it. */
static const char *name_fault(const char *name)
{
    if (strlen(name) > CONFIG_LAYER_MAX_NAME)
        return "must not be longer than 128 bytes";
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return "must not hold control characters";
    for (const char *segment = name;; segment++) {
        const size_t n = strcspn(segment, "/");
        if (n == 0 || (n <= 2 && strncmp(segment, "..", n) == 0))
            return "must not have an empty, '.' or '..' segment";
        segment += n;
        if (!*segment)
            break;
    }
    if (strcmp(name, "Input") == 0)
        return "must not be Input: that is the stage before the first layer";
    return NULL;
}

static bool read_name(const struct config_reader *r, const cJSON *value,
                      struct layer *layer)
{
    const char *name = json_string(value);

    if (!value || cJSON_IsNull(value))
        return true;
    const char *reason = name ? name_fault(name) : "must be a string";
    if (reason) {
        layer_fault(layer, "name", r->err, "%s", reason);
        json_error_value(r->err, value);
        if (name && strlen(name) > CONFIG_LAYER_MAX_NAME)
            fixed_limit_error(r->err, FIXED_LIMIT_NAME_BYTES, (double)strlen(name));
        return false;
    }
    layer->name = arena_copy(r->arena, name, strlen(name));
    return layer->name || json_no_memory("the config", r->err);
}

/* ---- the declared input ---- */

static bool read_dimension(const cJSON *item, bool nullable, size_t *out)
{
    double number;

    *out = 0;
    if (cJSON_IsNull(item))
        return nullable;
    if (!json_integer(item, &number) || number < 1 || number > 2147483647)
        return false;
    *out = (size_t)number;
    return true;
}

/* [batch, height, width, channels], or without the batch. */
static bool read_shape(const struct config_reader *r, const cJSON *value,
                       struct config_layer *out)
{
    const bool batch = strncmp(value->string, "batch_", 6) == 0;
    const cJSON *item = cJSON_IsArray(value) ? value->child : NULL;
    size_t ignored, *dim = out->input.dim;

    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) != 3 + batch ||
        (batch && !read_dimension(item, true, &ignored))) {
        layer_fault(&out->layer, value->string, r->err,
                    "must be [%sheight, width, channels]", batch ? "batch, " : "");
        json_error_value(r->err, value);
        return false;
    }
    if (batch)
        item = item->next;
    if (!read_dimension(item, true, &dim[0]) ||
        !read_dimension(item->next, true, &dim[1]) ||
        !read_dimension(item->next->next, false, &dim[2])) {
        layer_fault(&out->layer, value->string, r->err,
                    "must have a positive height and width (or null) and positive "
                    "channels");
        json_error_value(r->err, value);
        return false;
    }
    out->input.rank = 3;
    out->input_pointer =
        arena_print(r->arena, "%s/%s", out->layer.pointer, value->string);
    return out->input_pointer || json_no_memory("the config", r->err);
}

static bool read_input_layer(const struct config_reader *r, const cJSON *params,
                             bool flat, struct config_layer *out)
{
    const struct layer *layer = &out->layer;
    const cJSON *shape = NULL;

    out->is_input = true;
    bool ok =
        check_keys(r, params, layer->label, layer->pointer, config_layer_input_keys,
                   flat ? config_layer_wrapper_keys : NULL);
    if (!config_is_float32(json_member(params, "dtype")))
        ok = layer_fault(layer, "dtype", r->err, "must be float32");
    for (const char *const *key = config_layer_shape_keys; *key; key++) {
        const cJSON *member = json_member(params, *key);
        if (member && shape)
            ok = layer_fault(layer, *key, r->err, "stands beside %s", shape->string);
        else if (member)
            shape = member;
    }
    if (!shape)
        return layer_fault(layer, "batch_shape", r->err, "is required");
    return read_shape(r, shape, out) && ok;
}

/* ---- weights in the document ---- */

static bool has_weight(const struct layer_kind *kind, const char *name)
{
    return kind->weights && among(name, kind->weights);
}

bool config_layer_has_short_form(const struct layer_kind *kind, const char *name)
{
    if (strcmp(name, "kernel") == 0)
        return kind->bank;
    return among(name, short_forms) &&
           has_weight(kind, strcmp(name, "seed") == 0 ? "kernel" : name);
}

/* A parameter that the kernel implies: it need not be given, but must agree. given is
 * what the document says, if anything. */
static bool imply(const struct config_reader *r, const cJSON *given,
                  struct layer *layer, const struct layer_param *param, size_t height,
                  size_t width)
{
    const bool pair = param->type == PARAM_PAIR;
    int *value = (int *)((char *)layer + param->offset);
    const bool differs =
        (size_t)value[0] != height || (pair && (size_t)value[1] != width);

    if (given && !value[0])
        return false; /* it was refused already */
    if (value[0] && differs) {
        if (pair)
            layer_fault(layer, param->name, r->err, "is %dx%d, but kernel is %zux%zu",
                        value[0], value[1], height, width);
        else
            layer_fault(layer, param->name, r->err, "is %d, but kernel has %zu",
                        value[0], height);
        json_error_value(r->err, given);
        return false;
    }
    if (!param_check(layer, param, (double)height, r->limits, r->err) ||
        (pair && !param_check(layer, param, (double)width, r->limits, r->err)))
        return false;
    value[0] = (int)height;
    if (pair)
        value[1] = (int)width;
    return true;
}

static bool read_kernel(const struct config_reader *r, const cJSON *params,
                        struct layer *layer)
{
    const cJSON *value = json_member(params, "kernel");
    struct filter_bank *bank = &layer->bank;
    char reason[BANK_REASON_SIZE];

    if (!bank_read(bank, value, r->arena, reason)) {
        layer_fault(layer, "kernel", r->err, "%s", reason);
        json_error_value(r->err, value);
        return false;
    }
    const struct layer_param *filters = param_find(layer->kind, "filters");
    const struct layer_param *size = param_find(layer->kind, "kernel_size");
    const bool ok =
        imply(r, json_member(params, "filters"), layer, filters, bank->filters, 0);
    return imply(r, json_member(params, "kernel_size"), layer, size, bank->height,
                 bank->width) &&
           ok;
}

static bool read_bias(const struct config_reader *r, const cJSON *value,
                      struct layer *layer)
{
    char reason[BANK_REASON_SIZE];

    if (layer->use_bias &&
        bank_read_bias(&layer->bias, &layer->n_bias, value, r->arena, reason))
        return true;
    layer_fault(layer, "bias", r->err, "%s",
                layer->use_bias ? reason : "stands beside use_bias false");
    json_error_value(r->err, value);
    return false;
}

/* After the parameters, which they must agree with. */
static bool read_short_forms(const struct config_reader *r, const cJSON *params,
                             struct layer *layer)
{
    const cJSON *bias = json_member(params, "bias");
    bool ok = true;

    if (json_member(params, "kernel") &&
        config_layer_has_short_form(layer->kind, "kernel"))
        ok = read_kernel(r, params, layer);
    if (bias && config_layer_has_short_form(layer->kind, "bias"))
        ok = read_bias(r, bias, layer) && ok;
    return ok;
}

/* ---- parameters ---- */

/* Before the parameters: an initializer's own seed wins. */
static bool seed_initializers(const struct config_reader *r, const cJSON *params,
                              struct layer *layer)
{
    const cJSON *value = json_member(params, "seed");
    double seed = (double)r->seed;

    if (value && config_layer_has_short_form(layer->kind, "seed") &&
        (!json_integer(value, &seed) || seed < 0 || seed > 0x1p53)) {
        layer_fault(layer, "seed", r->err, "must be an integer from 0 to 2^53");
        json_error_value(r->err, value);
        return false;
    }
    for (const struct layer_param *param = layer->kind->params; param->name; param++)
        if (param->type == PARAM_INITIALIZER)
            ((struct initializer *)((char *)layer + param->offset))->seed =
                (uint64_t)seed;
    return true;
}

static const char *param_at(const void *context, size_t i)
{
    const struct layer_kind *kind = context;
    const struct layer_param *param = kind->params;
    const size_t n_common = sizeof common_keys / sizeof *common_keys - 1;

    for (; param->name; param++)
        if (i-- == 0)
            return param->name;
    if (i < n_common)
        return common_keys[i];
    for (const char *const *form = short_forms; *form; form++)
        if (config_layer_has_short_form(kind, *form) && i-- == n_common)
            return *form;
    return NULL;
}

static bool unknown_param(const struct config_reader *r, const cJSON *member,
                          const struct layer *layer)
{
    char reason[NEAREST_TEXT_SIZE + 64], hint[NEAREST_TEXT_SIZE];

    nearest_hint(nearest_name(member->string, param_at, layer->kind), hint);
    snprintf(reason, sizeof reason, "is not a parameter of %s%s",
             layer->kind->class_name, hint);
    return member_fault(r, layer->label, layer->pointer, member, reason);
}

static bool read_member(const struct config_reader *r, const cJSON *member, bool flat,
                        struct config_layer *out)
{
    struct layer *layer = &out->layer;
    const char *key = member->string;
    const struct layer_param *param = param_find(layer->kind, key);

    if (param)
        return param_read(layer, param, member, r->limits, r->arena, r->err);
    if (strcmp(key, "name") == 0)
        return read_name(r, member, layer);
    if (strcmp(key, "batch_input_shape") == 0 || strcmp(key, "input_shape") == 0)
        return read_shape(r, member, out);
    if (strcmp(key, "dtype") == 0)
        return config_is_float32(member) ||
               member_fault(r, layer->label, layer->pointer, member, "must be float32");
    if (among(key, config_layer_null_keys))
        return cJSON_IsNull(member) ||
               member_fault(r, layer->label, layer->pointer, member, "must be null");
    return config_layer_has_short_form(layer->kind, key) ||
           among(key, config_layer_ignored_keys) ||
           (flat && among(key, config_layer_wrapper_keys)) ||
           unknown_param(r, member, layer);
}

static bool check_required(const struct config_reader *r, const cJSON *params,
                           const struct layer *layer)
{
    const bool kernel = layer->kind->bank && json_member(params, "kernel");
    bool ok = true;

    for (const struct layer_param *param = layer->kind->params; param->name; param++) {
        const bool required =
            param->flags & PARAM_REQUIRED ||
            (param->flags & PARAM_REQUIRED_KERAS_3 && layer->keras == KERAS_3);
        const bool implied = kernel && (strcmp(param->name, "filters") == 0 ||
                                        strcmp(param->name, "kernel_size") == 0);
        if (required && !implied && !json_member(params, param->name))
            ok = layer_fault(layer, param->name, r->err, "is required by %s",
                             layer->kind->class_name);
    }
    return ok;
}

static bool read_params(const struct config_reader *r, const cJSON *params, bool flat,
                        struct config_layer *out)
{
    struct layer *layer = &out->layer;
    const cJSON *member;

    layer_defaults(layer);
    bool ok = seed_initializers(r, params, layer);
    cJSON_ArrayForEach(member, params)
    {
        if (json_enough(r->err))
            break;
        ok = read_member(r, member, flat, out) && ok;
    }
    ok = check_required(r, params, layer) && ok;
    return read_short_forms(r, params, layer) && ok;
}

/* ---- the element ---- */

static const char *class_at(const void *context, size_t i)
{
    const struct layer_kind *kind;

    (void)context;
    for (size_t k = 0; (kind = layer_kind_at(k)); k++) {
        if (i-- == 0)
            return kind->class_name;
        for (const char *const *alias = kind->aliases; alias && *alias; alias++)
            if (i-- == 0)
                return *alias;
    }
    return NULL;
}

static bool unknown_class(const struct config_reader *r, const struct layer *layer,
                          const char *key, const char *name)
{
    static const char *const models[] = {"Sequential", "Functional", "Model", NULL};
    char hint[NEAREST_TEXT_SIZE];
    struct activation activation;

    if (activation_find(name, KERAS_3, &activation))
        layer_fault(layer, key, r->err,
                    "'%s' is an activation, not a layer: use Activation with "
                    "activation '%s'",
                    name, name);
    else if (among(name, models))
        layer_fault(layer, key, r->err,
                    "is %s: a model inside a model is not supported", name);
    else
        layer_fault(layer, key, r->err, "'%.64s' is not a layer that is known here%s",
                    name, nearest_hint(nearest_name(name, class_at, NULL), hint));
    json_error_text(r->err, name);
    return false;
}

/* A flat layer, which nobody's file holds, may be of either generation. */
static bool check_generation(const struct config_reader *r, const struct layer *layer,
                             const char *pointer, bool flat)
{
    char place[JSON_POINTER_SIZE];

    if (flat || !layer->kind || !layer->kind->keras_2_only || layer->keras != KERAS_3)
        return true;
    return error_at(r->err, ERROR_CONFIG_INVALID,
                    json_pointer(pointer, "class_name", place),
                    "%s.class_name '%s' is a layer of Keras 2 only, and this document "
                    "is Keras 3",
                    layer->label, layer->kind->class_name);
}

static bool is_input_class(const struct config_reader *r, const char *name)
{
    return r->exact ? strcmp(name, "InputLayer") == 0
                    : strcasecmp(name, "InputLayer") == 0 ||
                          strcasecmp(name, "input_layer") == 0;
}

/* The member that names the class. */
static const cJSON *class_member(const struct config_reader *r, const cJSON *json,
                                 const struct layer *layer)
{
    const cJSON *class_name = json_member(json, "class_name");
    const cJSON *type = r->exact ? NULL : json_member(json, "type");
    const cJSON *member = class_name ? class_name : type;

    if (class_name && type)
        layer_fault(layer, "type", r->err, "stands beside class_name");
    else if (!member)
        layer_fault(layer, "class_name", r->err, "is missing%s",
                    r->exact ? "" : "; a flat layer has type instead");
    else if (json_string(member))
        return member;
    else
        layer_fault(layer, member->string, r->err, "must be a string, not %s",
                    json_kind(member));
    return NULL;
}

/* Find the object of the parameters: the element itself, or its "config". */
static bool open_params(const struct config_reader *r, const cJSON *json,
                        struct layer *layer, const cJSON **params, bool *flat)
{
    const cJSON *config = json_member(json, "config");

    *flat = !config && !r->exact;
    *params = *flat ? json : config;
    layer->keras = *flat ? KERAS_3 : r->keras;
    if (*flat)
        return true;
    if (!config)
        return layer_fault(layer, "config", r->err, "is missing");
    if (!cJSON_IsObject(config))
        return layer_fault(layer, "config", r->err, "must be an object, not %s",
                           json_kind(config));
    layer->pointer = arena_print(r->arena, "%s/config", layer->pointer);
    return layer->pointer || json_no_memory("the config", r->err);
}

bool config_layer_read(const struct config_reader *r, const cJSON *json,
                       const char *label, const char *pointer, struct config_layer *out)
{
    struct layer *layer = &out->layer;
    const cJSON *params;
    bool flat;

    *out = (struct config_layer){.layer = {.label = label, .pointer = pointer}};
    if (!cJSON_IsObject(json)) {
        layer_fault(layer, "", r->err, "must be an object, not %s", json_kind(json));
        json_error_value(r->err, json);
        return false;
    }
    const cJSON *class_name = class_member(r, json, layer);
    if (!class_name)
        return false;
    layer->kind = layer_kind_find(class_name->valuestring, r->exact);
    const bool is_input = is_input_class(r, class_name->valuestring);
    if (!layer->kind && !is_input)
        return unknown_class(r, layer, class_name->string, class_name->valuestring);
    if (!open_params(r, json, layer, &params, &flat))
        return false;
    if (!check_generation(r, layer, pointer, flat))
        return false;
    const bool keys =
        flat || config_check_keys(r, json, label, pointer, config_layer_wrapper_keys);
    if (is_input)
        return read_input_layer(r, params, flat, out) && keys;
    const bool ok = read_params(r, params, flat, out) && keys;
    if (ok && !layer->name && !flat)
        return read_name(r, json_member(json, "name"), layer);
    return ok;
}
