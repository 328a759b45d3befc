/* param.c - one parameter of a layer, from JSON, by its row of the layer table. */
#include "api/param.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/bank.h"
#include "api/json.h"
#include "api/nearest.h"

const struct layer_param *param_find(const struct layer_kind *kind, const char *name)
{
    for (const struct layer_param *param = kind->params; param->name; param++)
        if (strcmp(param->name, name) == 0)
            return param;
    return NULL;
}

static bool above_limit(const struct layer *layer, const struct layer_param *param,
                        double number, const struct limits *limits, struct error *err)
{
    const double max = *(const double *)((const char *)limits + param->maximum_offset);
    const struct limit_row *row = limits_row(0);

    if (number <= max)
        return false;
    for (size_t i = 0; row->offset != param->maximum_offset; i++)
        row = limits_row(i);
    layer_fault(layer, param->name, err, "%.15g is above the limit of %.15g (%s)",
                number, max, row->env);
    error_limit(err, row->name, row->env, max, number);
    return true;
}

bool param_check(const struct layer *layer, const struct layer_param *param,
                 double number, const struct limits *limits, struct error *err)
{
    if (number < param->minimum)
        return layer_fault(layer, param->name, err, "must be at least %.15g, not %.15g",
                           param->minimum, number);
    if (param->maximum_offset && above_limit(layer, param, number, limits, err))
        return false;
    if (number > param->maximum)
        return layer_fault(layer, param->name, err, "must be at most %.15g, not %.15g",
                           param->maximum, number);
    return true;
}

static bool read_int(const struct layer *layer, const struct layer_param *param,
                     const cJSON *value, const struct limits *limits, int *out,
                     struct error *err)
{
    double number;

    if (!json_integer(value, &number))
        return layer_fault(layer, param->name, err, "must be an integer, not %s",
                           json_number(value, &number) ? "a fraction"
                                                       : json_kind(value));
    if (!param_check(layer, param, number, limits, err))
        return false;
    *out = (int)number;
    return true;
}

static bool read_pair(const struct layer *layer, const struct layer_param *param,
                      const cJSON *value, const struct limits *limits, int *pair,
                      struct error *err)
{
    if (cJSON_IsNumber(value)) {
        const bool ok = read_int(layer, param, value, limits, &pair[0], err);
        pair[1] = pair[0];
        return ok;
    }
    if (!cJSON_IsArray(value))
        return layer_fault(layer, param->name, err,
                           "must be an integer or an array of two, not %s",
                           json_kind(value));
    if (cJSON_GetArraySize(value) != 2)
        return layer_fault(layer, param->name, err,
                           "must be an integer or an array of two, not of %d",
                           cJSON_GetArraySize(value));
    return read_int(layer, param, value->child, limits, &pair[0], err) &&
           read_int(layer, param, value->child->next, limits, &pair[1], err);
}

static bool read_float(const struct layer *layer, const struct layer_param *param,
                       const cJSON *value, const struct limits *limits, float *out,
                       struct error *err)
{
    double number;

    if (!json_number(value, &number))
        return layer_fault(layer, param->name, err, "must be a number, not %s",
                           json_kind(value));
    if (!param_check(layer, param, number, limits, err))
        return false;
    *out = (float)number;
    return true;
}

/* n for all four sides, [h, w], or [[top, bottom], [left, right]]. */
static bool read_pads(const struct layer *layer, const struct layer_param *param,
                      const cJSON *value, const struct limits *limits, int *sides,
                      struct error *err)
{
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) != 2) {
        int all[2];
        if (cJSON_IsArray(value))
            return layer_fault(layer, param->name, err,
                               "must be n, [h, w] or [[top, bottom], [left, right]]");
        if (!read_pair(layer, param, value, limits, all, err))
            return false;
        sides[0] = sides[1] = sides[2] = sides[3] = all[0];
        return true;
    }
    return read_pair(layer, param, value->child, limits, &sides[0], err) &&
           read_pair(layer, param, value->child->next, limits, &sides[2], err);
}

static bool read_ints(const struct layer *layer, const struct layer_param *param,
                      const cJSON *value, const struct limits *limits,
                      struct int_list *list, struct error *err)
{
    const cJSON *item = cJSON_IsArray(value) ? value->child : value;
    const bool may_be_empty = param->flags & PARAM_MAY_BE_EMPTY;
    const bool none = may_be_empty && cJSON_IsNull(value);
    const int n = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : !none;

    if (n < !may_be_empty || n > LAYER_MAX_INTS)
        return layer_fault(layer, param->name, err,
                           "must hold %d to %d integers, not %d", !may_be_empty,
                           LAYER_MAX_INTS, n);
    list->n = n;
    for (int i = 0; i < n; i++, item = item->next)
        if (!read_int(layer, param, item, limits, &list->items[i], err))
            return false;
    return true;
}

static bool read_floats(const struct layer *layer, const struct layer_param *param,
                        const cJSON *value, const struct limits *limits,
                        struct arena *arena, struct tensor *tensor, struct error *err)
{
    char reason[BANK_REASON_SIZE];

    if (cJSON_IsNull(value))
        return true;
    if (!bank_read_tensor(tensor, value, arena, reason))
        return layer_fault(layer, param->name, err, "%s", reason);
    const size_t n = shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++)
        if (!param_check(layer, param, (double)tensor->values[i], limits, err))
            return false;
    return true;
}

static bool read_bool(const struct layer *layer, const struct layer_param *param,
                      const cJSON *value, bool *flag, struct error *err)
{
    return json_boolean(value, flag) ||
           layer_fault(layer, param->name, err, "must be true or false, not %s",
                       json_kind(value));
}

/* "must be valid or same, not 'Sane'; did you mean same?"; of a long list only the end.
 */
static void explain(const char *name, name_at *at, const void *context, char *reason)
{
    enum { LONG = 9 };
    char hint[NEAREST_TEXT_SIZE] = "", list[120] = "";
    size_t used = 0, n = 0;
    const char *choice;

    while (at(context, n))
        n++;
    for (size_t i = 0; n < LONG && (choice = at(context, i)) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                 i == 0       ? ""
                                 : i + 1 == n ? " or "
                                              : ", ",
                                 choice);
    if (name && n > 1)
        nearest_hint(nearest_name(name, at, context), hint);
    if (!name)
        snprintf(reason, PARAM_REASON_SIZE, "must be %s", n < LONG ? list : "a name");
    else if (n < LONG)
        snprintf(reason, PARAM_REASON_SIZE, "must be %s, not '%.40s'%s", list, name,
                 hint);
    else
        snprintf(reason, PARAM_REASON_SIZE, "is '%.40s', which is not known here%s",
                 name, hint);
}

static const char *value_at(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

int param_choice(const char *name, const char *const *values, char *reason)
{
    for (int i = 0; name && values[i]; i++)
        if (strcasecmp(name, values[i]) == 0)
            return i;
    explain(name, value_at, values, reason);
    return -1;
}

static bool read_choice(const struct layer *layer, const struct layer_param *param,
                        const cJSON *value, int *choice, struct error *err)
{
    char reason[PARAM_REASON_SIZE];
    const int i = param_choice(json_string(value), param->values, reason);

    if (i < 0)
        return layer_fault(layer, param->name, err, "%s", reason);
    *choice = i;
    return true;
}

/* The name in any of Keras' forms: "relu", {"class_name":"relu","config":{...}} or
 * {"class_name":"function","config":"relu"}; NULL if there is none. */
static const char *name_of(const cJSON *value)
{
    if (!cJSON_IsObject(value))
        return json_string(value);
    const char *config = json_string(json_member(value, "config"));
    return config ? config : json_string(json_member(value, "class_name"));
}

/* The i-th activation that documents of the generation may name. */
static const char *activation_at(const void *context, size_t i)
{
    const enum keras keras = *(const enum keras *)context;
    const struct activation_row *row;

    for (size_t k = 0; (row = activation_row(k)); k++)
        if (row->keras & keras && i-- == 0)
            return row->name;
    return NULL;
}

bool param_activation(const char *name, enum keras keras, struct activation *found,
                      char *reason)
{
    if (name && activation_find(name, keras, found))
        return true;
    explain(name, activation_at, &keras, reason);
    return false;
}

static bool read_activation(const struct layer *layer, const struct layer_param *param,
                            const cJSON *value, struct activation *activation,
                            struct error *err)
{
    char reason[PARAM_REASON_SIZE];

    if (cJSON_IsNull(value)) {
        *activation = (struct activation){.id = ACTIVATION_LINEAR};
        return true;
    }
    return param_activation(name_of(value), layer->keras, activation, reason) ||
           layer_fault(layer, param->name, err, "%s", reason);
}

static const char *initializer_at(const void *context, size_t i)
{
    const struct initializer_row *row = initializer_row(i);

    (void)context;
    return row ? row->name : NULL;
}

/* One parameter of an initializer, such as "mean". */
static bool read_number(const struct layer *layer, const struct layer_param *param,
                        const struct initializer_param *row, const cJSON *item,
                        float *out, struct error *err)
{
    char reason[PARAM_REASON_SIZE];
    double number;

    if (row->values) {
        const int choice = param_choice(json_string(item), row->values, reason);
        *out = (float)choice;
        return choice >= 0 || layer_fault(layer, param->name, err, "has a %s that %s",
                                          row->name, reason);
    }
    if (!json_number(item, &number) || fabs(number) > 3e38)
        return layer_fault(layer, param->name, err, "has a %s that is no float",
                           row->name);
    *out = (float)number;
    return !row->positive || *out > 0 ||
           layer_fault(layer, param->name, err, "has a %s that is not positive",
                       row->name);
}

static bool read_seed(const struct layer *layer, const struct layer_param *param,
                      const cJSON *value, uint64_t *seed, struct error *err)
{
    double number;

    if (cJSON_IsNull(value))
        return true;
    if (!json_integer(value, &number) || number < 0 || number > 0x1p53)
        return layer_fault(layer, param->name, err,
                           "has a seed that is no integer from 0 to 2^53");
    *seed = (uint64_t)number;
    return true;
}

/* Every key of an initializer's config: its parameters, and a seed. */
static bool read_initializer_config(const struct layer *layer,
                                    const struct layer_param *param,
                                    const cJSON *config,
                                    struct initializer *initializer, struct error *err)
{
    const struct initializer_row *row = initializer_row(initializer->id);
    const cJSON *item;

    if (config && !cJSON_IsObject(config) && !json_string(config))
        return layer_fault(layer, param->name, err,
                           "has a config that is %s, not an object", json_kind(config));
    cJSON_ArrayForEach(item, config)
    {
        size_t k = 0;
        while (k < INITIALIZER_MAX_PARAMS &&
               (!row->params[k].name || strcmp(row->params[k].name, item->string) != 0))
            k++;
        const bool seed = strcmp(item->string, "seed") == 0;
        if (seed && !read_seed(layer, param, item, &initializer->seed, err))
            return false;
        if (k < INITIALIZER_MAX_PARAMS &&
            !read_number(layer, param, &row->params[k], item, &initializer->params[k],
                         err))
            return false;
        if (!seed && k == INITIALIZER_MAX_PARAMS && strcmp(item->string, "dtype") != 0)
            return layer_fault(layer, param->name, err,
                               "has a %.64s, which is no parameter of %s", item->string,
                               row->name);
    }
    return true;
}

static bool read_initializer(const struct layer *layer, const struct layer_param *param,
                             const cJSON *value, struct initializer *initializer,
                             struct error *err)
{
    char reason[PARAM_REASON_SIZE];
    const char *name = name_of(value);

    if (!name || !initializer_find(name, initializer)) {
        explain(name, initializer_at, NULL, reason);
        return layer_fault(layer, param->name, err, "%s", reason);
    }
    return read_initializer_config(layer, param, json_member(value, "config"),
                                   initializer, err);
}

static bool read(struct layer *layer, const struct layer_param *param,
                 const cJSON *value, const struct limits *limits, struct arena *arena,
                 struct error *err)
{
    void *at = (char *)layer + param->offset;

    switch (param->type) {
    case PARAM_INT:
        return read_int(layer, param, value, limits, at, err);
    case PARAM_PAIR:
        return read_pair(layer, param, value, limits, at, err);
    case PARAM_FLOAT:
        return read_float(layer, param, value, limits, at, err);
    case PARAM_PADS:
        return read_pads(layer, param, value, limits, at, err);
    case PARAM_INTS:
        return read_ints(layer, param, value, limits, at, err);
    case PARAM_FLOATS:
        return read_floats(layer, param, value, limits, arena, at, err);
    case PARAM_BOOL:
        return read_bool(layer, param, value, at, err);
    case PARAM_CHOICE:
        return read_choice(layer, param, value, at, err);
    case PARAM_ACTIVATION:
        return read_activation(layer, param, value, at, err);
    case PARAM_INITIALIZER:
        return read_initializer(layer, param, value, at, err);
    case PARAM_IGNORED:
        return true;
    }
    return true;
}

bool param_read(struct layer *layer, const struct layer_param *param,
                const cJSON *value, const struct limits *limits, struct arena *arena,
                struct error *err)
{
    if (cJSON_IsNull(value) && param->flags & PARAM_NULLABLE)
        return true;
    if (read(layer, param, value, limits, arena, err))
        return true;
    json_error_value(err, value);
    return false;
}
