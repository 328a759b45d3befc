/*
 * animation_call.c - GET and POST /v1/animation.
 *
 * Without layers the options describe one, which is read like any config. Without an
 * image the window slides over small integers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/animation.h"
#include "api/animation_layer.h"
#include "api/nearest.h"
#include "engine/generate.h"
#include "engine/stopwatch.h"

static const enum option_id accepted[] = {
    OPTION_OP,         OPTION_KERNEL,      OPTION_KERNEL_SIZE,   OPTION_STRIDES,
    OPTION_PADDING,    OPTION_DILATION,    OPTION_INPUT_SIZE,    OPTION_LAYER,
    OPTION_FPS,        OPTION_MAX_FRAMES,  OPTION_CHANNEL,       OPTION_SEED,
    OPTION_COLOR,      OPTION_RESCALE,     OPTION_MEAN,          OPTION_STD,
    OPTION_PREPROCESS, OPTION_BACKGROUND,  OPTION_CHANNEL_ORDER, OPTION_INPUT,
    OPTION_PRESET,     OPTION_RESIZE,      OPTION_RESIZE_METHOD, OPTION_GENERATOR,
    OPTION_SIZE,       OPTION_VAL,         OPTION_R_SHRINK,      OPTION_DOT_X,
    OPTION_DOT_Y,      OPTION_INPUT_SHAPE, OPTION_TOTAL,
};

static bool has_layers(const struct request *request)
{
    return OPTION_GIVEN(&request->options, PRESET) ||
           (request->config && request->config->child);
}

/* ---- what slides, and over what ---- */

struct slide {
    struct work *work;
    bool layers;   /* the request has them */
    bool pattern;  /* there is no image */
    size_t index;  /* of the layer */
    size_t filter; /* channel of its output */
    struct animation animation;
};

static bool read(struct slide *s)
{
    struct work *work = s->work;
    struct call *call = work->call;
    const struct limits *limits = &call->settings->limits;

    if (!request_read(&work->request, call->request,
                      PART_IMAGE | PART_CONFIG | PART_WEIGHTS, accepted, limits,
                      call->arena, &call->err))
        return false;
    s->layers = has_layers(&work->request);
    if (!animation_layer_check(work, s->layers) ||
        (!s->layers && !animation_layer_make(work)))
        return false;
    return config_read(&work->config, work->request.config,
                       work->request.config_pointer, work_options(work), limits,
                       call->arena, &call->err) ||
           (!s->layers && animation_layer_tell(&call->err));
}

static bool find_input(struct slide *s)
{
    struct work *work = s->work;
    const struct options *options = work_options(work);
    const struct shape *declared = &work->config.input;
    const bool known = declared->rank == 3 && declared->dim[0] && declared->dim[1];
    const size_t channels =
        declared->rank == 3 && declared->dim[2] ? declared->dim[2] : 1;
    struct shape shape =
        SHAPE((size_t)options->input_size[0], (size_t)options->input_size[1], channels);

    s->pattern = !work->request.image.data && options->generator == GENERATOR_NONE;
    if (!s->pattern && OPTION_GIVEN(options, INPUT_SIZE))
        return work_invalid(work, OPTION_INPUT_SIZE,
                            "is for a window without an image");
    if (!s->pattern && OPTION_GIVEN(options, INPUT_SHAPE))
        return work_invalid(work, OPTION_INPUT_SHAPE,
                            "is for a window without an image");
    if (OPTION_GIVEN(options, INPUT_SIZE) && OPTION_GIVEN(options, INPUT_SHAPE))
        return work_invalid(work, OPTION_INPUT_SHAPE, "stands beside input_size");
    if (!s->pattern)
        return work_probe_input(work, false);
    if (OPTION_GIVEN(options, INPUT_SHAPE))
        shape = options->input_shape;
    else if (known && !OPTION_GIVEN(options, INPUT_SIZE))
        shape = *declared, shape.dim[2] = channels;
    return work_assume_input(work, &shape);
}

static const char *const kinds[] = {[OP_CONV] = "Conv2D",
                                    [OP_MAX_POOL] = "MaxPooling2D",
                                    [OP_AVERAGE_POOL] = "AveragePooling2D",
                                    "DepthwiseConv2D"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* What the layer's window does; false if it has none that can be shown. */
static bool op_of(const struct layer *layer, enum option_op *op)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(layer->kind->class_name, kinds[i]) == 0) {
            *op = i < N_KINDS - 1 ? (enum option_op)i : OP_CONV;
            return true;
        }
    return false;
}

static const char *layer_name(const void *context, size_t i)
{
    const struct network *network = context;

    return i < network->n_layers ? network->layers[i].name : NULL;
}

static bool unknown_layer(const struct network *network, const char *name,
                          struct error *err)
{
    char hint[NEAREST_TEXT_SIZE];

    return error_option(err, ERROR_OPTION_INVALID, "layer", "there is no layer %.64s%s",
                        name,
                        nearest_hint(nearest_name(name, layer_name, network), hint));
}

static bool choose_layer(struct slide *s)
{
    const struct network *network = &s->work->config.network;
    const char *name = work_options(s->work)->layer;
    struct error *err = &s->work->call->err;

    for (s->index = 0; s->index < network->n_layers; s->index++) {
        const struct layer *layer = &network->layers[s->index];
        if (name && strcmp(layer->name, name) != 0)
            continue;
        if (op_of(layer, &s->animation.op))
            return true;
        if (name)
            return error_option(err, ERROR_OPTION_INVALID, "layer",
                                "%.64s is a %s; only Conv2D, DepthwiseConv2D, "
                                "MaxPooling2D and AveragePooling2D have a window to "
                                "show",
                                name, layer->kind->class_name);
    }
    return name ? unknown_layer(network, name, err)
                : error_option(err, ERROR_OPTION_INVALID, "layer",
                               "there is no convolution or pool to show");
}

/* The layer's output is kept, and what it reads. */
static bool want(struct slide *s)
{
    struct work *work = s->work;
    const struct network *network = &work->config.network;
    const size_t input = network->layers[s->index].inputs[0];

    work->wanted =
        arena_alloc(work->call->arena, network->n_layers, sizeof *work->wanted);
    if (!work->wanted)
        return work_no_memory(work);
    work->wanted[s->index].output = true;
    if (input)
        work->wanted[input - 1].output = true;
    return true;
}

/* ---- the animation ---- */

static const char *print_title(const struct slide *s, size_t channel, size_t channels)
{
    const struct layer *layer = &s->work->config.network.layers[s->index];
    const struct animation *a = &s->animation;
    const size_t filters = s->work->plan.layers[s->index].out.dim[2];
    char name[96] = "", dilation[48] = "", part[96] = "";

    if (s->layers)
        snprintf(name, sizeof name, "%.60s: ", layer->name);
    if (a->dilation[0] > 1 || a->dilation[1] > 1)
        snprintf(dilation, sizeof dilation, ", dilation %zu\xc3\x97%zu", a->dilation[0],
                 a->dilation[1]);
    if (channels > 1 || filters > 1)
        snprintf(part, sizeof part,
                 "; input channel %zu of %zu, output channel %zu of %zu", channel,
                 channels, s->filter, filters);
    return arena_print(
        s->work->call->arena, "%s%s, strides %zu\xc3\x97%zu, padding %s%s%s", name,
        layer->kind->class_name, a->strides[0], a->strides[1],
        layer->padding == PADDING_SAME ? "same" : "valid", dilation, part);
}

static void set_window(struct slide *s, const struct layer *layer)
{
    struct animation *a = &s->animation;
    const struct options *options = work_options(s->work);
    const bool conv = a->op == OP_CONV,
               dilated = !s->layers && animation_layer_dilates_pool(options);
    const int *window = conv ? layer->kernel_size : layer->pool_size;

    if (dilated)
        window = animation_layer_pool(options);
    a->window.height = (size_t)window[0];
    a->window.width = (size_t)window[1];
    for (size_t i = 0; i < 2; i++) {
        a->strides[i] = (size_t)(layer->strides[i] ? layer->strides[i] : window[i]);
        a->dilation[i] = conv      ? (size_t)layer->dilation_rate[i]
                         : dilated ? (size_t)options->dilation[i]
                                   : 1;
    }
}

/* The channel of the input that a channel of the output reads first, and the weights
 * between them: of Conv2D [height][width][channels of a group][filters], of
 * DepthwiseConv2D [height][width][channels][multiplier]. */
static size_t find_weights(struct slide *s, const struct layer *layer,
                           const struct layer_plan *plan)
{
    const struct shape *shape = &plan->weight_shape[0];
    const bool depthwise = strcmp(layer->kind->class_name, "DepthwiseConv2D") == 0;

    if (s->animation.op != OP_CONV)
        return s->filter;
    s->animation.window.values = layer->weights[0].values + s->filter;
    s->animation.window.step = shape->dim[2] * shape->dim[3];
    if (depthwise)
        return s->filter / shape->dim[3];
    const size_t groups = plan->in.dim[2] / shape->dim[2];
    return s->filter / (plan->out.dim[2] / groups) * shape->dim[2];
}

static bool check_filter(struct slide *s)
{
    const struct options *options = work_options(s->work);
    const struct shape *out = &s->work->plan.layers[s->index].out;
    const int channel = OPTION_GIVEN(options, CHANNEL) ? options->channel : 0;

    s->filter = (size_t)channel;
    return s->filter < out->dim[2] ||
           error_option(&s->work->call->err, ERROR_OPTION_INVALID, "channel",
                        "there is no channel %d in the %zu channels of %.64s", channel,
                        out->dim[2],
                        s->layers ? s->work->config.network.layers[s->index].name
                                  : "the output");
}

/* All but the values, which are not known yet. */
static void describe(struct slide *s)
{
    const struct options *options = work_options(s->work);
    const struct layer *layer = &s->work->config.network.layers[s->index];
    const struct layer_plan *plan = &s->work->plan.layers[s->index];
    struct animation *a = &s->animation;

    set_window(s, layer);
    a->input.height = plan->in.dim[0];
    a->input.width = plan->in.dim[1];
    a->output.height = plan->out.dim[0];
    a->output.width = plan->out.dim[1];
    a->pad = plan->pad;
    a->fps = options->fps;
    a->max_frames = (size_t)options->max_frames;
}

/* The option that makes the input smaller. */
static enum option_id input_option(const struct slide *s)
{
    return !s->pattern                                        ? OPTION_RESIZE
           : OPTION_GIVEN(work_options(s->work), INPUT_SHAPE) ? OPTION_INPUT_SHAPE
                                                              : OPTION_INPUT_SIZE;
}

static bool fits(struct slide *s)
{
    struct call *call = s->work->call;
    double pictures;
    const double bytes =
        work_peak_bytes(s->work, &pictures) + animation_bytes(&s->animation);

    if (!animation_check(&s->animation, &call->err))
        return error_blame(&call->err, NULL, option_name(input_option(s)));
    if (!limit_check(LIMIT(&call->settings->limits, max_request_memory), bytes,
                     ERROR_PLAN_TOO_LARGE, &call->err,
                     "the request takes up to %.15g bytes", bytes))
        return false;
    arena_limit(call->arena, (size_t)bytes);
    return true;
}

static bool plan(struct slide *s)
{
    if (!s->layers && !animation_layer_fits(s->work))
        return false;
    if (!work_plan(s->work))
        return !s->layers && animation_layer_tell(&s->work->call->err);
    if (!check_filter(s))
        return false;
    describe(s);
    return fits(s);
}

/* Integers from 0 to 9: any, by the seed, where they can be read; else rings, which can
 * be seen. */
static float pattern_at(const struct shape *shape, size_t i, uint64_t *state)
{
    enum { READABLE = 16 };
    const double h = (double)shape->dim[0], w = (double)shape->dim[1];
    const size_t cell = i / shape->dim[2];
    const double y = (double)(cell / shape->dim[1]) - (h - 1) / 2;
    const double x = (double)(cell % shape->dim[1]) - (w - 1) / 2;

    if (h <= READABLE && w <= READABLE)
        return (float)floor(generate_uniform(state) * 10);
    return (float)round(4.5 + 4.5 * cos(20 * hypot(y, x) / fmin(h, w)));
}

static bool make_pattern(struct work *work)
{
    const size_t n = shape_elements(&work->input);
    uint64_t state = (uint64_t)work_options(work)->seed;

    work->pixels = (struct tensor){
        work->input, arena_take(work->call->arena, n, sizeof *work->pixels.values)};
    for (size_t i = 0; work->pixels.values && i < n; i++)
        work->pixels.values[i] = pattern_at(&work->input, i, &state);
    return work->pixels.values || work_no_memory(work);
}

/* A pool with dilation has an output of its own. */
static bool pool_apart(struct slide *s)
{
    const struct parallel *parallel = s->work->call->parallel;
    struct animation *a = &s->animation;
    float *output;

    if (s->layers || !animation_layer_dilates_pool(work_options(s->work)))
        return true;
    output = arena_take(s->work->call->arena, a->output.height * a->output.width,
                        sizeof *output);
    if (!output)
        return work_no_memory(s->work);
    animation_pool(a, parallel, output);
    if (parallel_cancelled(parallel))
        return error_set(&s->work->call->err, ERROR_CLIENT_CLOSED,
                         "cancelled while pooling");
    a->output.values = output;
    a->output.step = 1;
    return true;
}

static bool fill_in(struct slide *s)
{
    struct work *work = s->work;
    const struct layer *layer = &work->config.network.layers[s->index];
    const struct layer_plan *plan = &work->plan.layers[s->index];
    const struct tensor *input = &work->pixels;
    struct animation *a = &s->animation;
    const size_t channel = find_weights(s, layer, plan);

    if (layer->inputs[0])
        input = &work->plan.layers[layer->inputs[0] - 1].output;
    a->input.values = input->values + channel;
    a->input.step = plan->in.dim[2];
    a->output.values = plan->output.values + s->filter;
    a->output.step = plan->out.dim[2];
    a->title = print_title(s, channel, plan->in.dim[2]);
    return a->title ? pool_apart(s) : work_no_memory(work);
}

static bool draw(struct slide *s)
{
    struct call *call = s->work->call;
    struct buffer file;

    buffer_init(&file, (size_t)call->settings->limits.max_response_bytes);
    buffer_watch(&file, call->parallel);
    if (!animation_draw(&s->animation, call->parallel, call->arena, &file,
                        &call->err)) {
        buffer_release(&file);
        return false;
    }
    api_reply_header(call->reply, "Content-Disposition",
                     "inline; filename=\"animation.gif\"");
    if (s->work->image.warning)
        api_reply_header(call->reply, "X-Warning", "%s", s->work->image.warning);
    return reply_body(call->reply, "image/gif", &file, &call->err);
}

/* ---- its phases ---- */

static bool read_and_plan(struct slide *s)
{
    return read(s) && find_input(s) && choose_layer(s) && want(s) && plan(s);
}

static bool bind_weights(struct slide *s)
{
    return work_bind_weights(s->work);
}

static bool decode(struct slide *s)
{
    return s->pattern ? make_pattern(s->work) : work_decode(s->work);
}

static bool compute(struct slide *s)
{
    return work_run(s->work) && fill_in(s);
}

/* Run a phase and add the time that it took, whether it succeeds or not. */
static bool timed(struct slide *s, bool (*phase)(struct slide *), double *ms)
{
    const double start = stopwatch_ms();
    const bool done = phase(s);

    *ms += stopwatch_ms() - start;
    return done;
}

static bool animate(struct slide *s)
{
    struct api_times *ms = &s->work->call->reply->ms;

    return timed(s, read_and_plan, &ms->plan) && timed(s, bind_weights, &ms->weights) &&
           timed(s, decode, &ms->decode) && timed(s, compute, &ms->compute) &&
           timed(s, draw, &ms->encode);
}

bool animation_call(struct call *call)
{
    struct work work = {.call = call};
    struct slide slide = {.work = &work};

    return work_finish(&work, animate(&slide));
}
