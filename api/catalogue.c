/* catalogue.c - what the service offers, printed from the tables that make it so. */
#include "api/catalogue.h"

#include "api/archive.h"
#include "api/call.h"
#include "api/canvas.h"
#include "api/colormap.h"
#include "api/fixed_limit.h"
#include "api/gif.h"
#include "api/isal.h"
#include "api/jpeg.h"
#include "api/json.h"
#include "api/nearest.h"
#include "api/png.h"
#include "api/preset.h"
#include "api/reply.h"
#include "api/webp.h"
#include "engine/activation.h"
#include "engine/generate.h"
#include "engine/layer.h"

#include <string.h>

static const char *const type_names[] = {
    [PARAM_INT] = "integer",           [PARAM_PAIR] = "pair",
    [PARAM_BOOL] = "boolean",          [PARAM_CHOICE] = "choice",
    [PARAM_FLOAT] = "number",          [PARAM_PADS] = "sides",
    [PARAM_INTS] = "integers",         [PARAM_FLOATS] = "numbers",
    [PARAM_ACTIVATION] = "activation", [PARAM_INITIALIZER] = "initializer",
    [PARAM_IGNORED] = "ignored",
};

/* Separates the items of an array: nothing before the first. */
static void next_item(struct buffer *out, size_t i)
{
    if (i > 0)
        buffer_text(out, ",");
}

static void write_names(struct buffer *out, const char *const *names)
{
    buffer_text(out, "[");
    for (size_t i = 0; names && names[i]; i++) {
        next_item(out, i);
        buffer_json_string(out, names[i]);
    }
    buffer_text(out, "]");
}

static bool is_numeric(const struct layer_param *param)
{
    return param->type == PARAM_INT || param->type == PARAM_PAIR ||
           param->type == PARAM_FLOAT || param->type == PARAM_PADS ||
           param->type == PARAM_INTS || param->type == PARAM_FLOATS;
}

void catalogue_default(struct buffer *out, const struct layer_param *param)
{
    const bool whole = param->type == PARAM_INT || param->type == PARAM_PAIR;

    if ((param->flags & PARAM_REQUIRED) || param->type == PARAM_FLOATS ||
        (whole && param->fallback <= 0))
        buffer_text(out, "null");
    else if (is_numeric(param))
        buffer_json_number(out, param->fallback);
    else if (param->type == PARAM_BOOL)
        buffer_text(out, param->fallback != 0 ? "true" : "false");
    else if (param->type == PARAM_CHOICE)
        buffer_json_string(out, param->values[(size_t)param->fallback]);
    else if (param->type == PARAM_ACTIVATION)
        buffer_json_string(out, activation_row(ACTIVATION_LINEAR)->name);
    else if (param->type == PARAM_INITIALIZER)
        buffer_json_string(out, initializer_row((size_t)param->fallback)->name);
    else
        buffer_text(out, "null");
}

double catalogue_highest(const struct layer_param *param, const struct limits *limits)
{
    const double limit =
        param->maximum_offset
            ? *(const double *)((const char *)limits + param->maximum_offset)
            : param->maximum;

    return limit < param->maximum ? limit : param->maximum;
}

/* The names that the parameter may be: choices, functions or initializers; or null. */
static void write_values(struct buffer *out, const struct layer_param *param)
{
    const struct activation_row *activation;
    const struct initializer_row *initializer;
    size_t written = 0;

    if (param->values) {
        write_names(out, param->values);
    } else if (param->type == PARAM_ACTIVATION) {
        buffer_text(out, "[");
        for (size_t i = 0; (activation = activation_row(i)); i++)
            if (activation->keras & KERAS_3) { /* every name of Keras 2, and once */
                next_item(out, written++);
                buffer_json_string(out, activation->name);
            }
        buffer_text(out, "]");
    } else if (param->type == PARAM_INITIALIZER) {
        buffer_text(out, "[");
        for (size_t i = 0; (initializer = initializer_row(i)); i++) {
            next_item(out, i);
            buffer_json_string(out, initializer->name);
        }
        buffer_text(out, "]");
    } else {
        buffer_text(out, "null");
    }
}

static void write_param(struct buffer *out, const struct layer_param *param,
                        const struct limits *limits)
{
    buffer_text(out, "{\"name\":");
    buffer_json_string(out, param->name);
    buffer_print(out, ",\"type\":\"%s\",\"required\":%s", type_names[param->type],
                 param->flags & PARAM_REQUIRED ? "true" : "false");
    buffer_text(out, ",\"default\":");
    catalogue_default(out, param);
    if (is_numeric(param)) {
        buffer_text(out, ",\"min\":");
        buffer_json_number(out, param->minimum);
        buffer_text(out, ",\"max\":");
        buffer_json_number(out, catalogue_highest(param, limits));
    } else {
        buffer_text(out, ",\"min\":null,\"max\":null");
    }
    buffer_text(out, ",\"values\":");
    write_values(out, param);
    buffer_text(out, "}");
}

static void write_kind(struct buffer *out, const struct layer_kind *kind,
                       const struct limits *limits)
{
    size_t written = 0;

    buffer_text(out, "{\"class_name\":");
    buffer_json_string(out, kind->class_name);
    buffer_text(out, ",\"aliases\":");
    write_names(out, kind->aliases);
    buffer_print(out, ",\"keras\":[%s]", kind->keras_2_only ? "2" : "2,3");
    buffer_text(out, ",\"description\":");
    buffer_json_string(out, kind->what);
    buffer_text(out, ",\"weights\":");
    write_names(out, kind->weights);
    buffer_text(out, ",\"parameters\":[");
    for (const struct layer_param *param = kind->params; param->name; param++)
        if (param->type != PARAM_IGNORED) {
            next_item(out, written++);
            write_param(out, param, limits);
        }
    buffer_text(out, "]}");
}

/* The body of a catalogue: {"<name>":[ ... ]}, items written by each until it is false.
 */
static bool print_list(struct call *call, const char *name,
                       bool (*each)(struct buffer *, size_t, const struct call *))
{
    struct buffer body;

    buffer_init(&body, (size_t)call->settings->limits.max_response_bytes);
    buffer_print(&body, "{\"%s\":[", name);
    for (size_t i = 0; each(&body, i, call); i++)
        ;
    buffer_text(&body, "]}\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

static bool each_layer(struct buffer *out, size_t i, const struct call *call)
{
    const struct layer_kind *kind = layer_kind_at(i);

    if (!kind)
        return false;
    next_item(out, i);
    write_kind(out, kind, &call->settings->limits);
    return true;
}

static bool each_activation(struct buffer *out, size_t i, const struct call *call)
{
    const struct activation_row *row = activation_row(i);

    (void)call;
    if (!row)
        return false;
    if (row->keras == KERAS_NONE)
        return true; /* no document can name it */
    next_item(out, i);
    buffer_text(out, "{\"name\":");
    buffer_json_string(out, row->name);
    buffer_text(out, ",\"formula\":");
    buffer_json_string(out, row->formula);
    buffer_print(out, ",\"keras\":[%s]",
                 row->keras == KERAS_ANY ? "2,3"
                 : row->keras == KERAS_2 ? "2"
                                         : "3");
    buffer_text(out, "}");
    return true;
}

static void write_kernel(struct buffer *out, const struct named_kernel *kernel)
{
    buffer_text(out, "{\"name\":");
    buffer_json_string(out, kernel->name);
    buffer_print(out, ",\"shape\":[%zu,%zu],\"values\":[", kernel->height,
                 kernel->width);
    for (size_t y = 0; y < kernel->height; y++) {
        next_item(out, y);
        buffer_text(out, "[");
        for (size_t x = 0; x < kernel->width; x++) {
            next_item(out, x);
            buffer_json_float(out, kernel->values[y * kernel->width + x]);
        }
        buffer_text(out, "]");
    }
    buffer_text(out, "]}");
}

static bool each_kernel(struct buffer *out, size_t i, const struct call *call)
{
    const struct named_kernel *kernel = named_kernel_at(i);

    (void)call;
    if (!kernel)
        return false;
    next_item(out, i);
    write_kernel(out, kernel);
    return true;
}

static bool each_colormap(struct buffer *out, size_t i, const struct call *call)
{
    const struct colormap *map = colormap_at(i);

    (void)call;
    if (!map)
        return false;
    next_item(out, i);
    buffer_text(out, "{\"name\":");
    buffer_json_string(out, map->name);
    buffer_text(out, ",\"colors\":[");
    for (size_t k = 0; k < 256; k++) {
        next_item(out, k);
        buffer_print(out, "\"#%06x\"", (unsigned)map->rgb[k]);
    }
    buffer_text(out, "]}");
    return true;
}

/* env is NULL where no setting moves the limit. */
static void write_limit(struct buffer *out, const char *name, const char *env,
                        const char *what, double max)
{
    buffer_print(out, "{\"name\":\"%s\",\"env\":", name);
    if (env)
        buffer_json_string(out, env);
    else
        buffer_text(out, "null");
    buffer_print(out, ",\"description\":\"%s\"", what);
    buffer_json_member(out, "max", max);
    buffer_text(out, "}");
}

static bool each_limit(struct buffer *out, size_t i, const struct call *call)
{
    const char *limits = (const char *)&call->settings->limits;
    const struct limit_row *row = limits_row(i);
    size_t n = 0;

    while (limits_row(n))
        n++;
    const struct fixed_limit_row *fixed = row ? NULL : fixed_limit_row(i - n);
    if (!row && !fixed)
        return false;
    next_item(out, i);
    if (row)
        write_limit(out, row->name, row->env, row->what,
                    *(const double *)(limits + row->offset));
    else
        write_limit(out, fixed->name, NULL, fixed->what, fixed->max);
    return true;
}

static bool each_preset(struct buffer *out, size_t i, const struct call *call)
{
    const struct preset *preset = preset_at(i);

    (void)call;
    if (!preset)
        return false;
    next_item(out, i);
    buffer_print(out,
                 "{\"name\":\"%s\",\"description\":\"%s\",\"config\":", preset->name,
                 preset->what);
    preset_write(preset, out);
    buffer_text(out, "}");
    return true;
}

bool layers_call(struct call *call)
{
    return print_list(call, "layers", each_layer);
}

bool activations_call(struct call *call)
{
    return print_list(call, "activations", each_activation);
}

bool kernels_call(struct call *call)
{
    return print_list(call, "kernels", each_kernel);
}

bool colormaps_call(struct call *call)
{
    return print_list(call, "colormaps", each_colormap);
}

bool limits_call(struct call *call)
{
    return print_list(call, "limits", each_limit);
}

bool presets_call(struct call *call)
{
    return print_list(call, "presets", each_preset);
}

bool preset_call(struct call *call)
{
    const struct preset *preset;
    char hint[NEAREST_TEXT_SIZE];
    struct buffer body;
    size_t i = 0;

    while ((preset = preset_at(i)) && strcmp(preset->name, call->tail) != 0)
        i++;
    if (!preset)
        return error_set(
            &call->err, ERROR_NOT_FOUND, "there is no preset of that name%s",
            nearest_hint(nearest_name(call->tail, preset_name, NULL), hint));
    buffer_init(&body, 1 << 16);
    preset_write(preset, &body);
    buffer_text(&body, "\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

static const char *kernel_name(const void *context, size_t i)
{
    const struct named_kernel *kernel = named_kernel_at(i);

    (void)context;
    return kernel ? kernel->name : NULL;
}

bool kernel_call(struct call *call)
{
    const struct named_kernel *kernel = named_kernel_find(call->tail);
    char hint[NEAREST_TEXT_SIZE];
    struct buffer body;

    if (!kernel)
        return error_set(
            &call->err, ERROR_NOT_FOUND, "there is no kernel of that name%s",
            nearest_hint(nearest_name(call->tail, kernel_name, NULL), hint));
    buffer_init(&body, 1 << 16);
    write_kernel(&body, kernel);
    buffer_text(&body, "\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

bool problem_call(struct call *call)
{
    struct buffer body;
    int code = ERROR_NONE + 1;

    while (code < ERROR_COUNT &&
           strcmp(error_code_name((enum error_code)code), call->tail) != 0)
        code++;
    if (code == ERROR_COUNT)
        return error_set(&call->err, ERROR_NOT_FOUND,
                         "there is no problem of that code");
    buffer_init(&body, 1 << 16);
    buffer_print(&body, "{\"code\":\"%s\",\"status\":%d,\"title\":",
                 error_code_name((enum error_code)code),
                 error_code_status((enum error_code)code));
    buffer_json_string(&body, error_code_title((enum error_code)code));
    buffer_text(&body, "}\n");
    return reply_body(call->reply, "application/json", &body, &call->err);
}

static void write_libraries(struct buffer *out)
{
    char webp[WEBP_VERSION_SIZE], freetype[CANVAS_VERSION_SIZE];
    const char *const libraries[][2] = {
        {"cjson", cJSON_Version()},
        {"libpng", png_version()},
        {"libjpeg-turbo", jpeg_version()},
        {"libwebp", webp_version(webp)},
        {"isa-l", isal_version()},
        {"libzip", archive_version()},
        {"giflib", gif_version()},
        {"cairo", canvas_version()},
        {"freetype", canvas_freetype_version(freetype)},
    };

    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        next_item(out, i);
        buffer_print(out, "\"%s\":\"%s\"", libraries[i][0], libraries[i][1]);
    }
}

void api_version(const struct api_settings *settings, const char *more,
                 struct api_reply *reply)
{
    struct buffer body;
    struct error err;

    *reply = (struct api_reply){0};
    error_init(&err);
    buffer_init(&body, 1 << 16);
    buffer_print(&body,
                 "{\"name\":\"convscope\",\"version\":\"%s\",\"commit\":\"%s\","
                 "\"isa\":\"%s\",\"libraries\":{",
                 API_VERSION, CONVSCOPE_COMMIT, settings->kernels->name);
    write_libraries(&body);
    buffer_print(&body, "%s%s}}\n", more && *more ? "," : "", more ? more : "");
    if (!reply_body(reply, "application/json", &body, &err))
        api_problem(&err, "none", reply);
}
