/* extract.c - POST and GET /v1/extract: from a planned request to its stages. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/generated.h"
#include "api/archive.h"
#include "api/safetensors.h"
#include "api/work.h"
#include "engine/stopwatch.h"
#include "engine/weights.h"

/* ---- weights, pixels, run ---- */

static bool read_weights(struct work *work, struct weights_upload *upload)
{
    const struct bytes *file = &work->request.weights_file;
    struct call *call = work->call;

    if (!file->data) {
        *upload = work->request.weights;
        return true;
    }
    if (file->size > 4 && memcmp(file->data, "PK\3\4", 4) == 0)
        return npz_read(file, call->arena, upload, &call->err);
    if (safetensors_probe(file))
        return safetensors_read(file, call->arena, upload, &call->err);
    return error_option(&call->err, ERROR_WEIGHTS_INVALID, "weights",
                        "the upload is neither a .safetensors nor an .npz file");
}

/* An upload would spare what the initializers cost. */
static bool can_afford_weights(struct work *work)
{
    const struct limits *limits = &work->call->settings->limits;
    const double cost = weights_cost(&work->config.network, &work->plan);

    return limit_check(LIMIT(limits, max_macs), work->plan.macs + cost,
                       ERROR_PLAN_TOO_LARGE, &work->call->err,
                       "the orthogonal initializers take as long as %.15g "
                       "multiply-adds; upload the weights, or choose another",
                       cost);
}

static bool bind_weights(struct work *work)
{
    struct call *call = work->call;
    struct weights_upload upload = {0};

    if (work->request.has_weights && !read_weights(work, &upload))
        return false;
    if (!work->request.has_weights && !can_afford_weights(work))
        return false;
    return weights_bind(&work->config.network, &work->plan,
                        work->request.has_weights ? &upload : NULL,
                        call->session->shelf, call->arena, &call->err);
}

static bool decode(struct work *work)
{
    struct call *call = work->call;
    struct buffer made = {0};
    struct bytes file = work->request.image;

    call->reply->pixels = (double)work->image.width * (double)work->image.height;
    if (!file.data) {
        if (!generated_file(work_options(work), call->arena, &made, &call->err))
            return false;
        file = (struct bytes){made.bytes, made.size};
    }
    const bool done =
        image_decode(&file, &work->image, work_options(work), work->input.dim[2],
                     call->arena, &work->pixels, &call->err);
    buffer_release(&made);
    return done;
}

/* The times that layers took, for metrics; without memory there are none. */
static void report_layers(const struct work *work)
{
    const struct network *network = &work->config.network;
    struct api_reply *reply = work->call->reply;

    reply->layers = calloc(network->n_layers, sizeof *reply->layers);
    for (size_t i = 0; reply->layers && i < network->n_layers; i++) {
        const double ms = work->plan.layers[i].duration_ms;
        if (!isnan(ms)) /* else it is counted where the step ends that it is part of */
            reply->layers[reply->n_layers++] =
                (struct api_layer_time){network->layers[i].kind->class_name, ms};
    }
}

static bool run(struct work *work)
{
    struct call *call = work->call;

    if (!network_run(&work->config.network, &work->plan, work->wanted,
                     work->pixels.values, call->settings->kernels, call->parallel,
                     call->arena, &call->err))
        return false;
    report_layers(work);
    return true;
}

/* ---- the reply ---- */

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
    const struct layer_plan *plan = &work->plan.layers[selected->index - 1];
    stage.tensor = selected->pre ? plan->pre : plan->output;
    stage.pad = plan->pad;
    memcpy(stage.receptive_field, plan->receptive_field, sizeof stage.receptive_field);
    if (!selected->pre) { /* counted once, where the layer is done */
        stage.params = plan->params;
        stage.macs = plan->macs;
        stage.duration_ms = plan->duration_ms;
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

static bool encode_pictures(struct work *work, struct stage *stage)
{
    struct call *call = work->call;
    const struct limits *limits = &call->settings->limits;

    if (!picture_paint(&stage->tensor, stage->index == 0, &stage->render,
                       call->settings->kernels, call->parallel, call->arena,
                       &stage->pictures, &call->err))
        return false;
    stage->pngs = arena_alloc(call->arena, stage->pictures.n, sizeof *stage->pngs);
    if (!stage->pngs)
        return work_no_memory(work);
    for (size_t i = 0; i < stage->pictures.n; i++)
        buffer_init(&stage->pngs[i], (size_t)limits->max_response_bytes);
    for (size_t i = 0; i < stage->pictures.n; i++)
        if (cancelled(work) ||
            !picture_png(&stage->pngs[i], &stage->pictures.pictures[i],
                         call->settings->png_level, call->arena, &call->err))
            return false;
    return true;
}

static bool make_stages(struct work *work)
{
    struct call *call = work->call;
    struct extraction *result = &work->result;
    const bool pictures = reply_has_pictures(work->format, work_options(work));

    result->stages = arena_alloc(call->arena, work->n_stages, sizeof *result->stages);
    if (!result->stages)
        return work_no_memory(work);
    for (size_t i = 0; i < work->n_stages; i++) {
        struct stage *stage = &result->stages[result->n_stages++];
        *stage = describe_stage(work, &work->stages[i]);
        if (!stage->name)
            return work_no_memory(work);
        stage->stats = statistics_of(call->settings->kernels, stage->tensor.values,
                                     shape_elements(&stage->tensor.shape), 1);
        if (pictures && !encode_pictures(work, stage))
            return false;
        if (cancelled(work))
            return false;
    }
    return true;
}

static void release_pictures(struct extraction *result)
{
    for (size_t i = 0; i < result->n_stages; i++)
        for (size_t k = 0; result->stages[i].pngs && k < result->stages[i].pictures.n;
             k++)
            buffer_release(&result->stages[i].pngs[k]);
}

static bool reply_stages(struct work *work)
{
    struct call *call = work->call;

    work->result.id = call->request->id;
    work->result.warnings = &work->image.warning;
    work->result.n_warnings = work->image.warning != NULL;
    work->result.image = work->image;
    work->result.input = work->input;
    work->result.limits = &call->settings->limits;
    work->result.parallel = call->parallel;
    call->unique = work->format == FORMAT_JSON || work->format == FORMAT_MULTIPART;
    work->result.queue_ms = call->request->queue_ms;
    work->result.decode_ms = call->reply->decode_ms;
    work->result.compute_ms = call->reply->compute_ms;
    work->result.encode_ms = call->reply->encode_ms;
    const bool done = reply_extraction(call->reply, work->format, &work->result,
                                       work_options(work), call->arena, &call->err);
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

static bool extract(struct work *work)
{
    struct call *call = work->call;
    struct api_reply *reply = call->reply;

    return work_read(work, PART_IMAGE | PART_CONFIG | PART_WEIGHTS) &&
           reply_negotiate(work_options(work), call->request->accept, &work->format,
                           &call->err) &&
           work_probe_input(work, false) && work_select_stages(work) &&
           work_plan(work) && timed(work, bind_weights, &reply->compute_ms) &&
           timed(work, decode, &reply->decode_ms) &&
           timed(work, run, &reply->compute_ms) &&
           timed(work, make_stages, &reply->encode_ms) &&
           timed(work, reply_stages, &reply->encode_ms);
}

bool extract_call(struct call *call)
{
    struct work work = {.call = call};
    const bool done = extract(&work);

    weights_release(&work.plan, call->session->shelf);
    release_pictures(&work.result);
    request_release(&work.request);
    return done;
}
