/* extract.c - POST and GET /v1/extract: from a planned request to its stages. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/work.h"
#include "engine/stopwatch.h"

/* ---- the reply ---- */

static struct stage describe_weight(struct work *work, const struct selected *selected,
                                    struct stage stage)
{
    const size_t i = selected->weight - 1;
    const struct layer *layer = work_layer(work, selected);
    const struct shape *shape = &work->plan.layers[selected->index - 1].weight_shape[i];

    stage.tensor =
        (struct tensor){*shape, (float *)(uintptr_t)layer->weights[i].values};
    stage.params = (double)shape_elements(shape);
    return stage;
}

static bool is_in_reply(const struct work *work, size_t index)
{
    for (size_t i = 0; i < work->n_stages; i++)
        if (work->stages[i].index == index && !work->stages[i].pre)
            return true;
    return false;
}

/* The time of layers that ran together stands on the last of them that is shown. */
static double duration(const struct work *work, const struct selected *stage)
{
    const struct plan *plan = &work->plan;
    size_t i = stage->index; /* layer i - 1 makes stage i */

    while (i < plan->n_layers && isnan(plan->layers[i - 1].duration_ms))
        if (is_in_reply(work, ++i))
            return NAN;
    return plan->layers[i - 1].duration_ms;
}

static struct stage describe_stage(struct work *work, const struct selected *selected)
{
    const struct layer *layer = work_layer(work, selected);
    struct stage stage = {
        .index = selected->index,
        .name = work_stage_name(work, selected),
        .class_name = layer ? layer->kind->class_name : "InputLayer",
        .tensor = work->pixels,
        .receptive_field = {1, 1},
        .duration_ms = NAN,
        .render = work_render(work, selected),
    };

    if (!layer)
        return stage;
    if (selected->weight)
        return describe_weight(work, selected, stage);
    const struct layer_plan *plan = &work->plan.layers[selected->index - 1];
    stage.tensor = selected->pre ? plan->pre : plan->output;
    stage.pad = plan->pad;
    memcpy(stage.receptive_field, plan->receptive_field, sizeof stage.receptive_field);
    if (!selected->pre) { /* counted once, where the layer is done */
        stage.params = plan->params;
        stage.macs = plan->macs;
        stage.duration_ms = duration(work, selected);
    }
    return stage;
}

/* True, with the fault recorded, if nobody wants the reply any more. */
static bool cancelled(struct work *work)
{
    struct call *call = work->call;

    if (!call->parallel->cancelled(call->parallel->self))
        return false;
    error_init(&call->err); /* what a stopped writer says is not the reason */
    error_set(&call->err, ERROR_CLIENT_CLOSED, "cancelled while encoding");
    return true;
}

/* The pictures, or at least what their colours would mean. */
static bool paint(struct work *work, struct stage *stage)
{
    struct call *call = work->call;
    const struct picture_context context = {&stage->render, call->settings->kernels,
                                            call->parallel, call->arena};
    const bool painted = reply_is_figure(work->format) ||
                         reply_has_pictures(work->format, work_options(work));

    return (painted ? picture_paint : picture_measure)(
        &stage->tensor, stage->index == 0, &context, &stage->pictures, &call->err);
}

/* One stage of the reply: its numbers, and how they look. */
static bool make_stage(struct work *work, const struct selected *selected,
                       struct stage *stage)
{
    struct call *call = work->call;

    *stage = describe_stage(work, selected);
    if (!stage->name)
        return work_no_memory(work);
    stage->stats = statistics_of(call->settings->kernels, stage->tensor.values,
                                 shape_elements(&stage->tensor.shape), 1);
    return (!reply_shows_render(work->format) || paint(work, stage)) &&
           !cancelled(work);
}

/* The pictures of all stages become files at once. */
static bool write_pictures(struct work *work)
{
    struct call *call = work->call;
    struct extraction *result = &work->result;
    size_t n = 0;

    for (size_t i = 0; i < result->n_stages; i++)
        n += result->stages[i].pictures.n;
    const struct picture **pictures = arena_take(call->arena, n, sizeof *pictures);
    struct bytes *files = arena_take(call->arena, n, sizeof *files);
    if (!pictures || !files)
        return work_no_memory(work);
    n = 0;
    for (size_t i = 0; i < result->n_stages; i++) {
        struct stage *stage = &result->stages[i];
        stage->pngs = files + n;
        for (size_t k = 0; k < stage->pictures.n; k++)
            pictures[n++] = &stage->pictures.pictures[k];
    }
    return picture_write(pictures, n, call->settings->png_level, call->parallel,
                         call->arena, files, &call->err);
}

static bool make_stages(struct work *work)
{
    struct extraction *result = &work->result;

    result->stages =
        arena_alloc(work->call->arena, work->n_stages, sizeof *result->stages);
    if (!result->stages)
        return work_no_memory(work);
    for (; result->n_stages < work->n_stages; result->n_stages++)
        if (!make_stage(work, &work->stages[result->n_stages],
                        &result->stages[result->n_stages]))
            return false;
    return !reply_has_pictures(work->format, work_options(work)) ||
           write_pictures(work);
}

/* Kinds of reply that cannot hold the warnings tell them in a header. */
static void add_warnings(struct work *work)
{
    const struct extraction *result = &work->result;
    char text[sizeof work->call->reply->headers->value] = "";
    size_t n = 0;

    if (work->format == FORMAT_JSON || work->format == FORMAT_MULTIPART ||
        work->format == FORMAT_ZIP)
        return;
    for (size_t i = 0; i < result->n_warnings && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? "; " : "",
                              result->warnings[i]);
    if (n)
        api_reply_header(work->call->reply, "X-Warning", "%s", text);
}

static bool reply_stages(struct work *work)
{
    struct call *call = work->call;

    work->result.id = call->request->id;
    work->result.warnings = work_warnings(work, &work->result.n_warnings);
    if (!work->result.warnings)
        return work_no_memory(work);
    work->result.image = work->image;
    work->result.input = work->input;
    work->result.limits = &call->settings->limits;
    work->result.png_level = call->settings->png_level;
    work->result.parallel = call->parallel;
    call->unique = work->format == FORMAT_JSON || work->format == FORMAT_MULTIPART;
    work->result.queue_ms = call->request->queue_ms;
    work->result.ms = call->reply->ms;
    const bool done = reply_extraction(call->reply, work->format, &work->result,
                                       work_options(work), call->arena, &call->err);
    add_warnings(work);
    return !cancelled(work) && done;
}

/* Run a phase and add the time that it took, whether it succeeds or not. */
static bool timed(struct work *work, bool (*phase)(struct work *), double *ms)
{
    const double start = stopwatch_ms();
    const bool done = phase(work);

    *ms += stopwatch_ms() - start;
    return done;
}

/* From here on the request has the memory that its plan says. */
static bool keep_plan(struct work *work)
{
    arena_limit(work->call->arena, (size_t)work->peak_bytes);
    return true;
}

static bool read_and_plan(struct work *work)
{
    struct call *call = work->call;

    return work_read(work, PART_IMAGE | PART_CONFIG | PART_WEIGHTS, NULL) &&
           reply_negotiate(work_options(work), call->request->accept, &work->format,
                           &call->err) &&
           work_probe_input(work, false) && work_select_stages(work) &&
           work_plan(work) && keep_plan(work);
}

static bool extract(struct work *work)
{
    struct api_times *ms = &work->call->reply->ms;

    return timed(work, read_and_plan, &ms->plan) &&
           timed(work, work_bind_weights, &ms->weights) &&
           timed(work, work_decode, &ms->decode) &&
           timed(work, work_run, &ms->compute) &&
           timed(work, make_stages, &ms->encode) &&
           timed(work, reply_stages, &ms->encode);
}

bool extract_call(struct call *call)
{
    struct work work = {.call = call};

    return work_finish(&work, extract(&work));
}

/* ---- kernels ---- */

/* Of the input only the shape counts: an image's, the option's or the declared one. */
static bool find_shape(struct work *work)
{
    const struct options *options = work_options(work);
    const struct shape *declared = &work->config.input;
    const bool image = work->request.image.data || options->generator != GENERATOR_NONE;

    if (image)
        return work_probe_input(work, true);
    if (OPTION_GIVEN(options, INPUT_SHAPE))
        return work_assume_input(work, &options->input_shape);
    if (declared->rank == 3 && declared->dim[0] && declared->dim[1] && declared->dim[2])
        return work_assume_input(work, declared);
    return error_option(&work->call->err, ERROR_PART_MISSING, "input_shape",
                        "the shapes of kernels follow from the input's: send "
                        "input_shape=h,w,c or an image");
}

static bool plan_kernels(struct work *work)
{
    struct call *call = work->call;
    struct options *options = work_options(work);

    if (!work_read(work, PART_IMAGE | PART_CONFIG | PART_WEIGHTS, NULL))
        return false;
    if (!OPTION_GIVEN(options, COLORMAP))
        options->colormap = colormap_find("Blues_r"); /* show_kernel's */
    return reply_negotiate(options, call->request->accept, &work->format, &call->err) &&
           find_shape(work) && work_select_none(work) && work_plan_network(work) &&
           work_select_kernels(work) && work_check(work) && keep_plan(work);
}

static bool extract_kernels(struct work *work)
{
    struct api_times *ms = &work->call->reply->ms;

    return timed(work, plan_kernels, &ms->plan) &&
           timed(work, work_bind_weights, &ms->weights) &&
           timed(work, make_stages, &ms->encode) &&
           timed(work, reply_stages, &ms->encode);
}

bool layer_kernels_call(struct call *call)
{
    struct work work = {.call = call};

    return work_finish(&work, extract_kernels(&work));
}
