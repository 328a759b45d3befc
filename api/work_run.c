/* work_run.c - a planned request gets its weights and its pixels, and runs. */
#include "api/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/archive.h"
#include "api/generated.h"
#include "api/safetensors.h"
#include "engine/weights.h"

static bool read_weights(struct work *work, struct weights_upload *upload)
{
    const struct bytes *file = &work->request.weights_file;
    struct call *call = work->call;

    if (!file->data) {
        *upload = work->request.weights;
        return true;
    }
    if (file->size > 4 && memcmp(file->data, "PK\3\4", 4) == 0)
        return npz_read(file, call->parallel, call->arena, upload, &call->err);
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

bool work_bind_weights(struct work *work)
{
    struct call *call = work->call;
    struct weights_upload upload = {0};

    if (work->request.has_weights && !read_weights(work, &upload))
        return false;
    if (!work->request.has_weights && !can_afford_weights(work))
        return false;
    return weights_bind(&work->config.network, &work->plan,
                        work->request.has_weights ? &upload : NULL,
                        call->session->shelf, call->parallel, call->arena, &call->err);
}

bool work_blame_image(struct work *work)
{
    struct error *err = &work->call->err;
    const bool image = err->code == ERROR_IMAGE_UNDECODABLE ||
                       err->code == ERROR_IMAGE_FORMAT_UNSUPPORTED ||
                       err->code == ERROR_IMAGE_TOO_MANY_PIXELS;

    return image && err->n_items == 0 && error_blame(err, NULL, "image");
}

bool work_decode(struct work *work)
{
    struct call *call = work->call;
    struct buffer made = {0};
    struct bytes file = work->request.image;

    call->reply->pixels = (double)work->image.width * (double)work->image.height;
    if (!file.data) {
        if (!generated_file(work_options(work), call->parallel, call->arena, &made,
                            &call->err))
            return false;
        file = (struct bytes){made.bytes, made.size};
    }
    const bool done =
        image_decode(&file, &work->image, work_options(work), work->input.dim[2],
                     call->settings->kernels, call->parallel, call->arena,
                     &work->pixels, &call->err);
    buffer_release(&made);
    return done || (work->request.image.data && work_blame_image(work));
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

bool work_run(struct work *work)
{
    struct call *call = work->call;

    if (!network_run(&work->config.network, &work->plan, work->wanted,
                     work->pixels.values, call->settings->kernels, call->parallel,
                     call->arena, &call->err))
        return false;
    report_layers(work);
    return true;
}

/* True if the picture is an Input of three channels, in its own colours. */
static bool is_colored(const struct work *work, const struct selected *stage)
{
    return stage->index == 0 && work->input.rank == 3 && work->input.dim[2] == 3 &&
           !OPTION_GIVEN(&work->request.options, CHANNEL);
}

/* An Input in its own colours is shown from 0 to 1, or half a step of 8 bits more. */
static bool is_clipped(const struct work *work)
{
    const double step = 0.5 / 255;
    const struct options *options = &work->request.options;
    const bool shown =
        reply_has_pictures(work->format, options) || reply_is_figure(work->format);

    for (size_t i = 0; i < work->result.n_stages; i++) {
        const struct statistics *s = &work->result.stages[i].stats;
        if (is_colored(work, &work->stages[i]) && (s->min < -step || s->max > 1 + step))
            return shown && !OPTION_GIVEN(options, RANGE);
    }
    return false;
}

const char **work_warnings(struct work *work, size_t *n)
{
    const char **warnings =
        arena_take(work->call->arena, OPTION_COUNT + 2, sizeof *warnings);

    const struct option_reply reply = {
        .source = work->source,
        .format = work->format,
        .own_colors = work->n_stages == 1 && is_colored(work, &work->stages[0]),
    };

    *n = 0;
    if (!warnings)
        return NULL;
    if (work->image.warning)
        warnings[(*n)++] = work->image.warning;
    if (is_clipped(work))
        warnings[(*n)++] = "Input has values beyond 0..1, which are clipped in its "
                           "picture; range=low,high shows them";
    *n += option_use_warn(work_options(work), &reply, work->call->arena, warnings + *n);
    return warnings;
}

bool work_finish(struct work *work, bool done)
{
    weights_release(&work->plan, work->call->session->shelf);
    request_show_values(&work->request, &work->call->err);
    request_release(&work->request);
    return done;
}
