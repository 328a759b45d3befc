/* animation_layer.c - the options of an animation become a layer. */
#include "api/animation_layer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"

/* Options that stand for a layer, and its parameters that they become. */
static const struct own {
    enum option_id option;
    const char *conv, *pool; /* NULL: it has no such */
} own[] = {
    {OPTION_KERNEL, "kernel", NULL},
    {OPTION_KERNEL_SIZE, "kernel_size", "pool_size"},
    {OPTION_STRIDES, "strides", "strides"},
    {OPTION_PADDING, "padding", "padding"},
    {OPTION_DILATION, "dilation_rate", NULL}, /* of a pool: see pool_size */
};
enum { N_OWN = sizeof own / sizeof *own };

/* The option that the layer's parameter, of n letters, came from; NULL: none. */
static const struct own *own_named(const char *param, size_t n)
{
    for (size_t i = 0; i < N_OWN; i++) {
        const char *const names[] = {own[i].conv, own[i].pool};
        for (size_t k = 0; k < 2; k++)
            if (names[k] && strlen(names[k]) == n && strncmp(names[k], param, n) == 0)
                return &own[i];
    }
    return NULL;
}

bool animation_layer_check(struct work *work, bool layers)
{
    const struct options *options = work_options(work);
    const bool pool = options->op != OP_CONV;
    bool ok = true;

    if (layers && OPTION_GIVEN(options, OP))
        ok = work_invalid(work, OPTION_OP, "is for a window without layers");
    if (!layers && OPTION_GIVEN(options, LAYER))
        ok = work_invalid(work, OPTION_LAYER, "names a layer, but no layers are given");
    for (size_t i = 0; i < N_OWN; i++)
        if (layers && options->given[own[i].option])
            ok = work_invalid(work, own[i].option,
                              "is for a window without layers; here the layer has it");
    if (!layers && pool && OPTION_GIVEN(options, KERNEL))
        ok = work_invalid(work, OPTION_KERNEL, "is for op=conv");
    return ok;
}

static void add_pair(cJSON *layer, const char *name, const int pair[2])
{
    cJSON_AddItemToObject(layer, name, cJSON_CreateIntArray(pair, 2));
}

/* Like a Sobel kernel of any size: its upper half takes away, its lower half adds. */
static cJSON *gradient(const int size[2])
{
    cJSON *rows = cJSON_CreateArray();

    for (int y = 0; y < size[0]; y++) {
        const int twice = 2 * y - (size[0] - 1);
        cJSON *row = cJSON_CreateArray();
        for (int x = 0; x < size[1]; x++)
            cJSON_AddItemToArray(row, cJSON_CreateNumber((twice > 0) - (twice < 0)));
        cJSON_AddItemToArray(rows, row);
    }
    return rows;
}

/* The kernel as JSON; NULL, with the error recorded, if its text is none. */
static cJSON *kernel_json(struct work *work)
{
    const struct options *options = work_options(work);
    const char *text = options->kernel;
    const struct bytes bytes = {(const unsigned char *)text, strlen(text)};
    struct error found;

    if (!OPTION_GIVEN(options, KERNEL) && OPTION_GIVEN(options, KERNEL_SIZE) &&
        (options->kernel_size[0] != 3 || options->kernel_size[1] != 3))
        return gradient(options->kernel_size);
    if (text[strspn(text, " \t\r\n")] != '[')
        return cJSON_CreateString(text);
    error_init(&found);
    cJSON *json = json_parse("kernel", &bytes, NULL, &work->call->settings->limits,
                             work->call->arena, &found);
    if (!json)
        error_take(&work->call->err, ERROR_OPTION_INVALID, "kernel", &found);
    if (!json || (cJSON_IsArray(json->child) && !cJSON_IsArray(json->child->child)))
        return json;
    cJSON_Delete(json);
    work_invalid(work, OPTION_KERNEL, "must be one filter: a 2-D array");
    return NULL;
}

const int *animation_layer_pool(const struct options *options)
{
    static const int keras[] = {2, 2}; /* its pools, if nothing is said */

    return OPTION_GIVEN(options, KERNEL_SIZE) ? options->kernel_size : keras;
}

bool animation_layer_dilates_pool(const struct options *options)
{
    return options->op != OP_CONV &&
           (options->dilation[0] > 1 || options->dilation[1] > 1);
}

static void reach_of(const struct options *options, int reach[2])
{
    for (size_t i = 0; i < 2; i++)
        reach[i] = (animation_layer_pool(options)[i] - 1) * options->dilation[i] + 1;
}

static bool check_reach(struct work *work)
{
    const struct options *options = work_options(work);
    int reach[2];

    reach_of(options, reach);
    return !animation_layer_dilates_pool(options) ||
           limit_check(LIMIT(&work->call->settings->limits, max_kernel),
                       reach[0] > reach[1] ? reach[0] : reach[1], ERROR_OPTION_INVALID,
                       &work->call->err, "the dilated window reaches over %dx%d cells",
                       reach[0], reach[1]) ||
           error_blame(&work->call->err, NULL, "dilation");
}

bool animation_layer_fits(struct work *work)
{
    const struct options *options = work_options(work);
    const size_t *in = work->input.dim;
    int reach[2];

    reach_of(options, reach);
    if (!animation_layer_dilates_pool(options) ||
        strcasecmp(options->padding, "same") == 0 ||
        ((size_t)reach[0] <= in[0] && (size_t)reach[1] <= in[1]))
        return true;
    return error_option(&work->call->err, ERROR_OPTION_INVALID, "dilation",
                        "the dilated window reaches over %dx%d cells, more than the "
                        "%zux%zu input with padding 'valid'",
                        reach[0], reach[1], in[0], in[1]);
}

static void add_pool(const struct options *options, cJSON *layer)
{
    int reach[2];

    reach_of(options, reach);
    add_pair(layer, "pool_size", reach);
    add_pair(layer, "strides",
             OPTION_GIVEN(options, STRIDES) ? options->strides
                                            : animation_layer_pool(options));
}

static void add_conv(const struct options *options, cJSON *layer)
{
    if (OPTION_GIVEN(options, KERNEL_SIZE))
        add_pair(layer, "kernel_size", options->kernel_size);
    if (OPTION_GIVEN(options, STRIDES))
        add_pair(layer, "strides", options->strides);
    add_pair(layer, "dilation_rate", options->dilation);
    cJSON_AddNumberToObject(layer, "filters", 1);
    cJSON_AddFalseToObject(layer, "use_bias");
}

bool animation_layer_make(struct work *work)
{
    static const char *const types[] = {"conv2d", "max_pooling2d", "average_pooling2d"};
    const struct options *options = work_options(work);
    struct request *request = &work->request;
    cJSON *layer = cJSON_CreateObject();

    cJSON_Delete(request->config);
    request->config = cJSON_CreateArray();
    request->config_pointer = "";
    cJSON_AddItemToArray(request->config, layer);
    cJSON_AddStringToObject(layer, "type", types[options->op]);
    cJSON_AddStringToObject(layer, "padding", options->padding);
    if (options->op != OP_CONV) {
        add_pool(options, layer);
        return check_reach(work);
    }
    add_conv(options, layer);
    cJSON *kernel = kernel_json(work);
    work_options(work)->given[OPTION_KERNEL] = false; /* the layer has it now */
    return kernel && cJSON_AddItemToObject(layer, "kernel", kernel);
}

/* "layers[0].pool_size 9 is ..." becomes "kernel_size 9 is ...", "layers[0] makes ..."
 * "the window makes ...". */
static void rename_layer(char *detail)
{
    static const char layer[] = "layers[0]";
    const size_t n = sizeof layer - 1;
    char rest[ERROR_DETAIL_SIZE];

    if (strncmp(detail, layer, n) != 0)
        return;
    const bool whole = detail[n] != '.';
    snprintf(rest, sizeof rest, "%s", detail + n + !whole);
    const size_t word = strcspn(rest, " ");
    const struct own *row = own_named(rest, word);
    const char *name = whole ? "the window" : row ? option_name(row->option) : "";
    const size_t room = ERROR_DETAIL_SIZE - strlen(name);
    snprintf(detail, ERROR_DETAIL_SIZE, "%s%.*s", name, (int)room - 1,
             row ? rest + word : rest);
}

bool animation_layer_tell(struct error *err)
{
    rename_layer(err->detail);
    for (size_t i = 0; i < err->n_items && i < ERROR_MAX_ITEMS; i++) {
        struct error_item *item = &err->items[i];
        const char *slash = strrchr(item->pointer, '/');
        const struct own *row = slash ? own_named(slash + 1, strlen(slash + 1)) : NULL;
        if (row)
            snprintf(item->parameter, sizeof item->parameter, "%s",
                     option_name(row->option));
        item->pointer[0] = '\0';
        rename_layer(item->detail);
    }
    if (err->code == ERROR_CONFIG_INVALID)
        err->code = ERROR_OPTION_INVALID;
    return false;
}
