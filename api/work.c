/* work.c - one request for stages or a plan, step by step. */
#include "api/work.h"

#include <stdio.h>
#include <string.h>

#include "api/generated.h"
#include "api/kernel_mosaic.h"
#include "api/lesson.h"
#include "api/nearest.h"

struct options *work_options(struct work *work)
{
    return &work->request.options;
}

bool work_no_memory(struct work *work)
{
    return error_set(&work->call->err, ERROR_PLAN_TOO_LARGE,
                     "the request does not fit into its memory");
}

/* True if what failed are options: the layers can still be read for their faults. */
static bool only_options_failed(const struct work *work)
{
    const enum error_code code = work->call->err.code;
    const cJSON *config = work->request.config;

    return (cJSON_IsObject(config) || cJSON_IsArray(config)) &&
           (code == ERROR_OPTION_INVALID || code == ERROR_OPTION_UNKNOWN ||
            code == ERROR_CONFIG_INVALID);
}

bool work_read(struct work *work, unsigned parts, const enum option_id *accepted)
{
    struct call *call = work->call;
    const struct limits *limits = &call->settings->limits;
    const bool read = request_read(&work->request, call->request, parts, accepted,
                                   limits, call->arena, &call->err);

    if (!read && !only_options_failed(work))
        return false;
    return config_read(&work->config, work->request.config,
                       work->request.config_pointer, work_options(work), limits,
                       call->arena, &call->err) &&
           read;
}

/* ---- the input ---- */

/* True if the document declares every length of its input. */
static bool declares_shape(const struct work *work)
{
    const struct shape *declared = &work->config.input;

    return declared->rank && declared->dim[0] && declared->dim[1] && declared->dim[2];
}

static bool check_one_input(struct work *work, bool shape_serves)
{
    const struct options *options = work_options(work);
    const bool image = work->request.image.data != NULL;
    const bool shape = OPTION_GIVEN(options, INPUT_SHAPE) || declares_shape(work);
    struct error *err = &work->call->err;

    if (image && options->generator != GENERATOR_NONE)
        return error_option(err, ERROR_OPTION_INVALID, "input",
                            "an image and a generated input exclude each other");
    if (image || options->generator != GENERATOR_NONE || (shape_serves && shape))
        return true;
    return error_option(err, ERROR_PART_MISSING, "image",
                        "there is no image: send a part named image, the image as the "
                        "body, or input=circle%s",
                        shape_serves ? "; for a plan input_shape=h,w,c will do" : "");
}

enum { LENGTH_SIZE = 24 };

static const char *length(size_t n, char text[LENGTH_SIZE])
{
    if (n == 0)
        return "any";
    snprintf(text, LENGTH_SIZE, "%zu", n);
    return text;
}

/* The declared input is binding: channels lead the conversion, a size is not mended. */
static bool check_declared(struct work *work)
{
    const struct shape *declared = &work->config.input, *input = &work->input;
    struct error *err = &work->call->err;
    char text[2][LENGTH_SIZE];

    if (declared->rank == 0)
        return true;
    for (size_t i = 0; i < 2; i++)
        if (declared->dim[i] && declared->dim[i] != input->dim[i])
            return error_at(err, ERROR_CONFIG_INVALID, work->config.input_pointer,
                            "the network declares an input of %sx%s, the image is "
                            "%zux%zu; resize=%zu,%zu would make it fit",
                            length(declared->dim[0], text[0]),
                            length(declared->dim[1], text[1]), input->dim[0],
                            input->dim[1],
                            declared->dim[0] ? declared->dim[0] : input->dim[0],
                            declared->dim[1] ? declared->dim[1] : input->dim[1]);
    if (declared->dim[2] && declared->dim[2] != input->dim[2])
        return error_at(err, ERROR_CONFIG_INVALID, work->config.input_pointer,
                        "the network declares %zu input channels, the input has %zu",
                        declared->dim[2], input->dim[2]);
    return true;
}

/* What the network will see of the image that was probed. */
static bool shape_input(struct work *work)
{
    struct call *call = work->call;
    size_t size[2], channels;

    if (!image_size(&work->image, work_options(work), &call->settings->limits, size,
                    &call->err) ||
        !image_channels(&work->image, work_options(work), work->config.input.dim[2],
                        work->config.gray, &channels, &call->err))
        return false;
    work->input = SHAPE(size[0], size[1], channels);
    return true;
}

static bool probe_image(struct work *work)
{
    struct call *call = work->call;

    if (!image_probe(&work->request.image, &call->settings->limits, &work->image,
                     &call->err))
        return work_blame_image(work);
    return shape_input(work);
}

/* A generated input is made to suit: it has the declared size, if no other is asked
 * for, and becomes RGB, as a gray image does, where 3 channels are declared. */
static void follow_declared(struct options *options, const struct shape *declared)
{
    for (size_t i = 0; i < 2; i++)
        if (declared->dim[i] && !OPTION_GIVEN(options, SIZE))
            options->size[i] = (int)declared->dim[i];
    if (declared->dim[2] == 3 && options->color == COLOR_AUTO)
        options->color = COLOR_RGB;
}

/* A generated input is an array that nobody had to upload. */
static bool probe_generated(struct work *work)
{
    struct call *call = work->call;
    struct options *options = work_options(work);

    follow_declared(options, &work->config.input);
    const struct shape shape = generated_shape(options);
    const double pixels = (double)shape.dim[0] * (double)shape.dim[1];
    work->image = (struct image_info){
        .format = IMAGE_NPY,
        .format_name = "generated",
        .width = shape.dim[1],
        .height = shape.dim[0],
        .channels = 1,
        .bit_depth = 64,
    };
    if (!limit_check(LIMIT(&call->settings->limits, max_pixels), pixels,
                     ERROR_IMAGE_TOO_MANY_PIXELS, &call->err,
                     "the generated input has %.15g pixels", pixels))
        return error_blame(&call->err, NULL, "size");
    return shape_input(work);
}

/* The option input_shape stands for an image, and must agree with one that is there. */
static bool check_input_shape(struct work *work)
{
    const struct options *options = work_options(work);
    const struct limits *limits = &work->call->settings->limits;
    struct error *err = &work->call->err;
    char shape[SHAPE_TEXT_SIZE];

    if (OPTION_GIVEN(options, INPUT_SHAPE) && options->input_shape.rank != 3)
        return error_option(err, ERROR_OPTION_INVALID, "input_shape", "must be h,w,c");
    if (OPTION_GIVEN(options, INPUT_SHAPE) &&
        !shape_equal(&options->input_shape, &work->input))
        return error_option(err, ERROR_OPTION_INVALID, "input_shape",
                            "contradicts the input, which is %s",
                            shape_print(&work->input, shape));
    const double h = (double)work->input.dim[0], w = (double)work->input.dim[1];
    return (limit_check(LIMIT(limits, max_dimension), h > w ? h : w,
                        ERROR_PLAN_TOO_LARGE, err, "the input is %s",
                        shape_print(&work->input, shape)) &&
            limit_check(LIMIT(limits, max_pixels), h * w, ERROR_PLAN_TOO_LARGE, err,
                        "the input is %s", shape_print(&work->input, shape))) ||
           (OPTION_GIVEN(options, INPUT_SHAPE)
                ? error_blame(err, NULL, "input_shape")
                : error_blame(err, work->config.input_pointer, NULL));
}

bool work_probe_input(struct work *work, bool shape_serves)
{
    const struct options *options = work_options(work);

    work->source = work->request.image.data ? INPUT_FROM_IMAGE : INPUT_FROM_SHAPE;
    if (!check_one_input(work, shape_serves) ||
        !option_use_check(options, work->source, &work->call->err))
        return false;
    if (work->request.image.data) {
        if (!probe_image(work))
            return false;
    } else if (options->generator != GENERATOR_NONE) {
        if (!probe_generated(work))
            return false;
    } else {
        work->input = OPTION_GIVEN(options, INPUT_SHAPE) ? options->input_shape
                                                         : work->config.input;
    }
    return check_input_shape(work) && check_declared(work);
}

bool work_assume_input(struct work *work, const struct shape *shape)
{
    work->source = INPUT_FROM_PATTERN;
    work->input = *shape;
    work->image = (struct image_info){
        .format = IMAGE_NPY,
        .format_name = "generated",
        .width = shape->dim[1],
        .height = shape->dim[0],
        .channels = shape->dim[2],
        .bit_depth = 32,
    };
    return option_use_check(work_options(work), work->source, &work->call->err) &&
           check_declared(work);
}

/* ---- stages ---- */

const struct layer *work_layer(const struct work *work, const struct selected *stage)
{
    return stage->index ? &work->config.network.layers[stage->index - 1] : NULL;
}

/* A layer that computes something and then applies an activation of its own. */
static bool has_pre(const struct layer *layer)
{
    return layer->kind->run && layer->activation.id != ACTIVATION_LINEAR;
}

const char *work_stage_name(const struct work *work, const struct selected *stage)
{
    const struct layer *layer = work_layer(work, stage);

    if (!layer)
        return "Input";
    if (stage->weight)
        return arena_print(work->call->arena, "%s/%s", layer->name,
                           layer->weights[stage->weight - 1].name);
    return stage->pre ? arena_print(work->call->arena, "%s/pre", layer->name)
                      : layer->name;
}

/* Every stage that can be asked for, in order. */
static bool list_stages(struct work *work)
{
    const struct network *network = &work->config.network;
    const bool split = work_options(work)->split_activation;
    struct selected *all =
        arena_take(work->call->arena, 2 * network->n_layers + 1, sizeof *all);
    size_t n = 0;

    if (!all)
        return work_no_memory(work);
    all[n++] = (struct selected){0};
    for (size_t i = 0; i < network->n_layers; i++) {
        if (split && has_pre(&network->layers[i]))
            all[n++] = (struct selected){.index = i + 1, .pre = true};
        all[n++] = (struct selected){.index = i + 1};
    }
    work->stages = all;
    work->n_stages = n;
    return true;
}

static const char *name_at_index(const void *context, size_t i)
{
    const struct work *work = context;

    return i < work->n_stages ? work_stage_name(work, &work->stages[i]) : NULL;
}

static bool is_named(const struct work *work, const struct selected *stage,
                     const char *name)
{
    const struct layer *layer = work_layer(work, stage);
    const char *base = layer ? layer->name : "Input";
    const size_t n = strlen(base);

    if (strncmp(base, name, n) != 0)
        return false;
    if (stage->weight)
        return !name[n] ||
               (name[n] == '/' &&
                strcmp(name + n + 1, layer->weights[stage->weight - 1].name) == 0);
    return strcmp(name + n, stage->pre ? "/pre" : "") == 0;
}

/* "; there are Input, Filter, Detect and Condense", as many as there is room for. */
static const char *list_names(const struct work *work, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "; there are ");

    for (size_t i = 0; i < work->n_stages && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i == 0                    ? ""
                                 : i + 1 == work->n_stages ? " and "
                                                           : ", ",
                                 work_stage_name(work, &work->stages[i]));
    if (used >= size)
        memcpy(text + size - sizeof "...", "...", sizeof "...");
    return text;
}

static bool find_stage(struct work *work, const char *option, const char *name,
                       struct selected *found)
{
    char hint[NEAREST_TEXT_SIZE], names[160];

    for (size_t i = 0; i < work->n_stages; i++)
        if (is_named(work, &work->stages[i], name)) {
            *found = work->stages[i];
            return true;
        }
    const char *nearest = nearest_name(name, name_at_index, work);
    return error_option(&work->call->err, ERROR_OPTION_INVALID, option,
                        "there is no stage %.64s%s", name,
                        nearest ? nearest_hint(nearest, hint)
                                : list_names(work, names, sizeof names));
}

/* A reply has one part, file or array of a name. */
static bool check_once(struct work *work, const char *option,
                       const struct selected *chosen, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (chosen[k].index == chosen[i].index && chosen[k].pre == chosen[i].pre &&
            chosen[k].weight == chosen[i].weight)
            return error_option(&work->call->err, ERROR_OPTION_INVALID, option,
                                "%s names %.64s twice", option,
                                work_stage_name(work, &chosen[i]));
    return true;
}

/* Those asked for, in their order; all, if none are named. */
static bool choose_stages(struct work *work)
{
    const struct options *options = work_options(work);
    const char *option = options->stage               ? "stage"
                         : OPTION_GIVEN(options, OPS) ? "ops"
                                                      : "stages";
    const size_t n = options->stage ? 1 : options->stages.n;

    if (n > 0) {
        struct selected *chosen = arena_take(work->call->arena, n, sizeof *chosen);
        if (!chosen)
            return work_no_memory(work);
        for (size_t i = 0; i < n; i++)
            if (!find_stage(work, option,
                            options->stage ? options->stage : options->stages.items[i],
                            &chosen[i]) ||
                !check_once(work, option, chosen, i))
                return false;
        if (options->stage) /* a kernel goes by its layer's name too */
            work_options(work)->stage = work_stage_name(work, &chosen[0]);
        work->stages = chosen;
        work->n_stages = n;
    }
    if (!options->stage && (work->format == FORMAT_PNG || work->format == FORMAT_NPY)) {
        work->stages += work->n_stages - 1; /* one picture, one array: the last */
        work->n_stages = 1;
    }
    return true;
}

static bool mark_wanted(struct work *work)
{
    work->wanted = arena_alloc(work->call->arena, work->config.network.n_layers,
                               sizeof *work->wanted);
    if (!work->wanted)
        return work_no_memory(work);
    for (size_t i = 0; i < work->n_stages; i++) {
        const struct selected *stage = &work->stages[i];
        if (stage->index && stage->pre)
            work->wanted[stage->index - 1].pre = true;
        else if (stage->index)
            work->wanted[stage->index - 1].output = true;
    }
    return true;
}

bool work_select_stages(struct work *work)
{
    return list_stages(work) && choose_stages(work) && mark_wanted(work);
}

bool work_select_none(struct work *work)
{
    work->n_stages = 0;
    return mark_wanted(work);
}

static bool is_kernel(const struct layer_plan *plan, size_t weight)
{
    return plan->weight_shape[weight].rank >= 2;
}

bool work_select_kernels(struct work *work)
{
    const struct network *network = &work->config.network;
    const size_t most = network->n_layers * LAYER_MAX_WEIGHTS;

    work->stages = arena_take(work->call->arena, most, sizeof *work->stages);
    if (!work->stages)
        return work_no_memory(work);
    for (size_t i = 0; i < network->n_layers; i++)
        for (size_t k = 0; k < LAYER_MAX_WEIGHTS; k++)
            if (is_kernel(&work->plan.layers[i], k))
                work->stages[work->n_stages++] =
                    (struct selected){.index = i + 1, .weight = k + 1};
    if (work->n_stages == 0)
        return error_set(&work->call->err, ERROR_CONFIG_INVALID,
                         "no layer of the config has a kernel");
    return choose_stages(work);
}

/* ---- plan ---- */

const struct shape *work_stage_shape(const struct work *work,
                                     const struct selected *stage)
{
    if (stage->index == 0)
        return &work->input;
    const struct layer_plan *plan = &work->plan.layers[stage->index - 1];
    return stage->weight ? &plan->weight_shape[stage->weight - 1] : &plan->out;
}

/* The lesson paints Detect and Condense with gamma; a config's every stage but Input.
 */
struct render work_render(struct work *work, const struct selected *stage)
{
    struct render render;
    const bool plain = stage->index == 0 || (work->config.lesson && stage->index == 1);

    render_from_options(&render, work_options(work));
    if (stage->weight)
        kernel_mosaic_look(&render, work_stage_shape(work, stage), work_options(work));
    if (plain)
        render.gamma = 1;
    if (reply_is_figure(work->format))
        render.scale = 1; /* its panels are enlarged anyway */
    return render;
}

bool work_plan_network(struct work *work)
{
    struct call *call = work->call;
    const struct limits *limits = &call->settings->limits;

    const bool planned = network_plan(&work->config.network, &work->input, work->wanted,
                                      call->parallel->width, limits, call->arena,
                                      &work->plan, &call->err);
    /* The lesson has no document to point into: its options are at fault. */
    return (planned && weights_check(&work->config.network, &work->plan, &call->err)) ||
           (work->config.lesson && lesson_tell_options(&call->err));
}

/* Render options that do not suit a stage are refused before anything is computed. */
static bool check_pictures(struct work *work)
{
    struct error found;

    if (!reply_shows_render(work->format))
        return true;
    error_init(&found);
    for (size_t i = 0; i < work->n_stages; i++) {
        const struct render render = work_render(work, &work->stages[i]);
        if (!picture_check(work_stage_shape(work, &work->stages[i]), &render, &found))
            return error_option(&work->call->err, found.code, found.items[0].parameter,
                                "stage %.64s: %s",
                                work_stage_name(work, &work->stages[i]), found.detail);
    }
    return true;
}

/* A figure has its place for every picture before one is painted. */
static bool plan_figure(struct work *work)
{
    size_t n = 0;

    if (!reply_is_figure(work->format))
        return true;
    for (size_t i = 0; i < work->n_stages; i++) {
        const struct render render = work_render(work, &work->stages[i]);
        n += picture_count(work_stage_shape(work, &work->stages[i]),
                           work->stages[i].index == 0, &render);
    }
    return reply_plan_figure(&work->result.figure, work->format, work_options(work), n,
                             work->config.lesson, &work->call->settings->limits,
                             &work->call->err);
}

static bool check_limits(struct work *work)
{
    const struct limits *limits = &work->call->settings->limits;
    struct error *err = &work->call->err;
    double pictures;
    const double bytes = work_peak_bytes(work, &pictures);

    work->peak_bytes = bytes;
    return limit_check(LIMIT(limits, max_images), pictures, ERROR_PLAN_TOO_LARGE, err,
                       "the reply would hold %.15g pictures", pictures) &&
           limit_check(LIMIT(limits, max_request_memory), bytes, ERROR_PLAN_TOO_LARGE,
                       err, "the request takes up to %.15g bytes", bytes);
}

bool work_check(struct work *work)
{
    return check_pictures(work) && plan_figure(work) && check_limits(work);
}

bool work_plan(struct work *work)
{
    return work_plan_network(work) && work_check(work);
}

bool work_invalid(struct work *work, enum option_id id, const char *what)
{
    const char *name = option_name(id);

    return error_option(&work->call->err, ERROR_OPTION_INVALID, name, "%s %s", name,
                        what);
}
