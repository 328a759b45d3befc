/*
 * work.h - one request for stages or a plan, step by step.
 *
 * The order is the rule of the house: read the config, read the image's header, plan,
 * and check every limit, that of memory too (work_bytes.c); only then are pixels
 * decoded and the network run (work_run.c) or the plan printed (plan.c). Each step
 * needs the ones before it and records what failed in call->err.
 */
#ifndef API_WORK_H
#define API_WORK_H

#include "api/call.h"
#include "api/config.h"
#include "api/image.h"
#include "api/option_use.h"
#include "api/picture.h"
#include "api/reply.h"
#include "api/request.h"
#include "engine/network.h"

/* A stage of the network: 0 is Input, i + 1 is layer i; or what its activation reads;
 * or one of its weights. */
struct selected {
    size_t index;
    bool pre;
    size_t weight; /* w + 1; 0: none */
};

struct work {
    struct call *call;
    struct request request;
    struct config config;
    enum reply_format format;

    struct image_info image;
    enum input_source source;
    struct shape input;

    struct plan plan;
    double peak_bytes; /* of the whole request, known when it has been checked */
    struct stage_request *wanted; /* one per layer */
    size_t n_stages;
    struct selected *stages; /* in the order of the reply */

    struct tensor pixels;
    struct extraction result;
};

/* Read the request and its config; parts and accepted (see options.h) are those that
 * the route takes. On failure too, call work_finish at the end. */
bool work_read(struct work *work, unsigned parts,
               const enum option_id *accepted) MUST_CHECK;

/* Find out the input's shape from the image's header, the generator or, where
 * shape_serves, the option input_shape. */
bool work_probe_input(struct work *work, bool shape_serves) MUST_CHECK;

/* In place of an image: an input of this shape, whose values the caller makes. */
bool work_assume_input(struct work *work, const struct shape *shape) MUST_CHECK;

/* The stages of the reply, and what the network must keep for them. */
bool work_select_stages(struct work *work) MUST_CHECK;

/* In place of the stages, where only weights are wanted: none, so far. */
bool work_select_none(struct work *work) MUST_CHECK;

/* Plan the network; and check every limit of the request. work_plan does both. */
bool work_plan_network(struct work *work) MUST_CHECK;
bool work_check(struct work *work) MUST_CHECK;
bool work_plan(struct work *work) MUST_CHECK;

/* Of a planned network: as stages the weights that are kernels, those of more than one
 * axis; the stages that were asked for name their layers, or them as layer/kernel. */
bool work_select_kernels(struct work *work) MUST_CHECK;

/* Every weight gets its values: from the upload, the config, or its initializer. */
bool work_bind_weights(struct work *work) MUST_CHECK;

/* A fault of the image that has no other place is one of its part. Returns false. */
bool work_blame_image(struct work *work);

/* Decode the image, or generate it, into work->pixels. */
bool work_decode(struct work *work) MUST_CHECK;

/* Run the network on work->pixels; what was asked for is left in the plan. */
bool work_run(struct work *work) MUST_CHECK;

/* Peak memory of the request, the worst reply included; and its number of pictures. */
double work_peak_bytes(struct work *work, double *pictures);

struct options *work_options(struct work *work);

/* The layer of a stage; NULL for Input. */
const struct layer *work_layer(const struct work *work, const struct selected *stage);

/* "Input", "conv2d", "conv2d/pre", "conv2d/kernel"; NULL if there is no memory. */
const char *work_stage_name(const struct work *work, const struct selected *stage);

/* Of a planned network. */
const struct shape *work_stage_shape(const struct work *work,
                                     const struct selected *stage);

/* How a stage is painted. */
struct render work_render(struct work *work, const struct selected *stage);

/* Record that the arena is spent. Returns false. */
bool work_no_memory(struct work *work);

/* What the client should know though the request is answered, of the image and of
 * options that do nothing; *n of them, in the arena. NULL if there is no memory. */
const char **work_warnings(struct work *work, size_t *n);

/* The end of a request: let go of the weights that are shared with other requests, and
 * of what the readers allocated for themselves; after a failure tell the values of the
 * options at fault. Returns done. */
bool work_finish(struct work *work, bool done);

/* Refuse the option: its name, and what is wrong with it. False. */
bool work_invalid(struct work *work, enum option_id id, const char *what);

#endif
