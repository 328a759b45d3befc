/* show_kernel.c - GET /v1/kernel.png and /v1/kernels/{name}.png: show_kernel. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/bank.h"
#include "api/call.h"
#include "api/json.h"
#include "api/kernel_picture.h"
#include "api/nearest.h"
#include "api/reply.h"
#include "engine/generate.h"
#include "engine/stopwatch.h"

#define LOOK                                                                           \
    OPTION_LABEL, OPTION_DIGITS, OPTION_TEXT_SIZE, OPTION_COLORMAP, OPTION_FIGSIZE,    \
        OPTION_DPI

static const enum option_id named_options[] = {LOOK, OPTION_TOTAL};
static const enum option_id any_options[] = {OPTION_KERNEL, LOOK, OPTION_TOTAL};

/* ---- the numbers ---- */

/* A float as the double that has the same shortest decimal. */
static double widen(float value)
{
    char text[32];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return strtod(text, NULL);
}

static double *new_values(struct call *call, struct kernel_picture *kernel)
{
    double *values =
        arena_take(call->arena, kernel->height * kernel->width, sizeof *values);

    if (!values)
        error_set(&call->err, ERROR_PLAN_TOO_LARGE, "no memory for the kernel");
    kernel->values = values;
    return values;
}

static bool take_named(struct call *call, const struct named_kernel *named,
                       struct kernel_picture *kernel)
{
    kernel->height = named->height;
    kernel->width = named->width;
    kernel->integers = true;
    double *values = new_values(call, kernel);
    for (size_t i = 0; values && i < named->height * named->width; i++) {
        values[i] = widen(named->values[i]);
        kernel->integers &= values[i] == rint(values[i]);
    }
    return values != NULL;
}

/* The array as Python would have it: of doubles, or of integers if all are written so.
 */
static bool take_array(struct call *call, const cJSON *rows,
                       struct kernel_picture *kernel)
{
    double *values = new_values(call, kernel);
    const cJSON *row, *item;
    size_t i = 0;

    cJSON_ArrayForEach(row, rows) cJSON_ArrayForEach(item, row) if (values)
        values[i++] = item->valuedouble;
    return values != NULL;
}

static bool invalid(struct call *call, const char *reason)
{
    return error_option(&call->err, ERROR_OPTION_INVALID, "kernel", "kernel %s",
                        reason);
}

static bool read_array(struct call *call, const cJSON *json,
                       struct kernel_picture *kernel)
{
    const struct limits *limits = &call->settings->limits;
    char reason[BANK_REASON_SIZE];
    struct filter_bank bank;

    if (!cJSON_IsArray(json->child))
        return invalid(call, "must be a name of the catalogue or a 2-D array");
    if (!bank_read(&bank, json, call->arena, reason))
        return invalid(call, reason);
    if (bank.filters != 1 || bank.channels || cJSON_IsArray(json->child->child))
        return invalid(call, "must be one filter: a 2-D array");
    const double side = (double)(bank.height > bank.width ? bank.height : bank.width);
    kernel->height = bank.height;
    kernel->width = bank.width;
    if (!limit_check(LIMIT(limits, max_kernel), side, ERROR_OPTION_INVALID, &call->err,
                     "kernel is %zux%zu", bank.height, bank.width))
        return error_blame(&call->err, NULL, "kernel");
    return take_array(call, json, kernel);
}

static const char *kernel_name(const void *context, size_t i)
{
    const struct named_kernel *kernel = named_kernel_at(i);

    (void)context;
    return kernel ? kernel->name : NULL;
}

/* The option: a name of the catalogue or the text of an array. */
static bool read_kernel(struct call *call, const char *text,
                        struct kernel_picture *kernel)
{
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};
    const struct named_kernel *named = named_kernel_find(text);
    char hint[NEAREST_TEXT_SIZE];
    struct error found;

    if (named)
        return take_named(call, named, kernel);
    if (text[strspn(text, " \t\r\n")] != '[')
        return error_option(
            &call->err, ERROR_OPTION_INVALID, "kernel",
            "kernel must be a name of the catalogue or a 2-D array, not '%.64s'%s",
            text, nearest_hint(nearest_name(text, kernel_name, NULL), hint));
    error_init(&found);
    cJSON *json = json_parse("kernel", &bytes, NULL, &call->settings->limits,
                             call->arena, &found);
    if (!json)
        return error_take(&call->err, ERROR_OPTION_INVALID, "kernel", &found);
    const bool done = read_array(call, json, kernel);
    cJSON_Delete(json);
    kernel->integers = !strpbrk(text, ".eE");
    return done;
}

/* ---- the picture ---- */

static bool read_options(struct call *call, struct options *options,
                         const enum option_id *accepted)
{
    options_init(options);
    options->accepted = accepted;
    options->figsize[0] = 6.4; /* matplotlib's default */
    options->figsize[1] = 4.8;
    options->colormap = colormap_find("Blues_r");
    return options_set_query(options, call->request->query, call->arena, &call->err);
}

static void finish_values(struct kernel_picture *kernel, const struct options *options)
{
    double *values = (double *)(uintptr_t)kernel->values;
    const size_t n = kernel->height * kernel->width;

    for (size_t i = 0; i < n && OPTION_GIVEN(options, DIGITS); i++)
        values[i] = kernel_picture_round(values[i], options->digits);
}

static bool check_size(struct call *call, const struct kernel_picture *kernel)
{
    const struct limits *limits = &call->settings->limits;
    const struct figure figure = {.figsize = {kernel->figsize[0], kernel->figsize[1]},
                                  .dpi = kernel->dpi};
    const double bytes = (double)call->arena->used + 65536 +
                         figure_bytes(&figure, CANVAS_PIXELS,
                                      (double)kernel->height * (double)kernel->width,
                                      call->settings->png_level, 1);

    return figure_check(&figure, CANVAS_PIXELS, limits, &call->err) &&
           limit_check(LIMIT(limits, max_request_memory), bytes, ERROR_PLAN_TOO_LARGE,
                       &call->err, "the request takes up to %.15g bytes", bytes);
}

static bool show(struct call *call, struct kernel_picture *kernel,
                 const struct options *options)
{
    const struct api_settings *settings = call->settings;
    const double start = stopwatch_ms();
    struct buffer file;

    finish_values(kernel, options);
    kernel->label = options->label;
    kernel->text_size = options->text_size;
    kernel->colormap = options->colormap;
    kernel->figsize[0] = options->figsize[0];
    kernel->figsize[1] = options->figsize[1];
    kernel->dpi = options->dpi;
    if (!check_size(call, kernel))
        return false;
    buffer_init(&file, (size_t)settings->limits.max_response_bytes);
    buffer_watch(&file, call->parallel);
    const bool drawn = kernel_picture_draw(kernel, settings->png_level, call->arena,
                                           &file, &call->err);
    call->reply->ms.encode += stopwatch_ms() - start;
    if (drawn)
        return reply_body(call->reply, "image/png", &file, &call->err);
    buffer_release(&file);
    return false;
}

bool kernel_png_call(struct call *call)
{
    struct kernel_picture kernel = {0};
    struct options options;

    if (!read_options(call, &options, any_options))
        return false;
    const bool done =
        read_kernel(call, options.kernel, &kernel) && show(call, &kernel, &options);
    options_show_values(&options, &call->err);
    return done;
}

bool named_kernel_png_call(struct call *call)
{
    const size_t n = strlen(call->tail) - strlen(".png");
    const char *name = arena_copy(call->arena, call->tail, n);
    const struct named_kernel *named = name ? named_kernel_find(name) : NULL;
    struct kernel_picture kernel = {0};
    char hint[NEAREST_TEXT_SIZE];
    struct options options;

    if (!name)
        return error_set(&call->err, ERROR_PLAN_TOO_LARGE, "no memory for the name");
    if (!named)
        return error_set(&call->err, ERROR_NOT_FOUND,
                         "there is no kernel of that name%s",
                         nearest_hint(nearest_name(name, kernel_name, NULL), hint));
    return read_options(call, &options, named_options) &&
           take_named(call, named, &kernel) && show(call, &kernel, &options);
}

bool all_kernels_call(struct call *call)
{
    const bool post = strcmp(call->request->method, "POST") == 0;

    return post ? layer_kernels_call(call) : kernels_call(call);
}
