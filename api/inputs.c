/* inputs.c - GET /v1/inputs/...: the generated inputs as files of their own. */
#include "api/call.h"
#include "api/generated.h"
#include "api/option_use.h"
#include "api/reply.h"

static bool check_size(const struct options *options, const struct limits *limits,
                       struct error *err)
{
    const double h = options->size[0], w = options->size[1];

    return (limit_check(LIMIT(limits, max_dimension), h > w ? h : w,
                        ERROR_OPTION_INVALID, err, "size %gx%g", h, w) &&
            limit_check(LIMIT(limits, max_pixels), h * w, ERROR_OPTION_INVALID, err,
                        "size %gx%g", h, w)) ||
           error_blame(err, NULL, "size");
}

#define GENERATED                                                                      \
    OPTION_SIZE, OPTION_VAL, OPTION_R_SHRINK, OPTION_SEED, OPTION_DOT_X, OPTION_DOT_Y

static const enum option_id array_options[] = {GENERATED, OPTION_TOTAL};
static const enum option_id picture_options[] = {
    GENERATED,         OPTION_COLORMAP, OPTION_NORMALIZE, OPTION_RANGE,
    OPTION_SCALE,      OPTION_COLOR,    OPTION_RESIZE,    OPTION_RESIZE_METHOD,
    OPTION_RESCALE,    OPTION_MEAN,     OPTION_STD,       OPTION_CHANNEL_ORDER,
    OPTION_PREPROCESS, OPTION_TOTAL,
};

static bool read_query(struct call *call, int generator, const enum option_id *accepted,
                       struct options *options)
{
    options_init(options);
    options->accepted = accepted;
    if (!options_set_query(options, call->request->query, call->arena, &call->err))
        return false;
    options->generator = generator;
    if (generator == GENERATOR_TWO_DOTS && OPTION_GIVEN(options, SEED))
        error_option(&call->err, ERROR_OPTION_INVALID, "seed",
                     "seed is for input=circle");
    else if (option_use_check(options, INPUT_FROM_PATTERN, &call->err) &&
             check_size(options, &call->settings->limits, &call->err))
        return true;
    options_show_values(options, &call->err);
    return false;
}

static bool check_file(const struct call *call, const struct options *options,
                       struct error *err)
{
    const double bytes = options->size[0] * options->size[1] * sizeof(double);

    return limit_check(LIMIT(&call->settings->limits, max_response_bytes), bytes,
                       ERROR_PLAN_TOO_LARGE, err, "the array has %.0f bytes", bytes);
}

static bool make_array(struct call *call, const struct options *options,
                       struct buffer *file)
{
    const bool made =
        generated_file(options, call->parallel, call->arena, file, &call->err);

    options_show_values(options, &call->err);
    return made;
}

static bool npy_call(struct call *call, int generator)
{
    struct options options;
    struct buffer file;

    return read_query(call, generator, array_options, &options) &&
           check_file(call, &options, &call->err) &&
           make_array(call, &options, &file) &&
           reply_body(call->reply, "application/x-npy", &file, &call->err);
}

/* The picture is the Input stage of an extraction, which knows how to paint. */
static bool png_call(struct call *call, int generator)
{
    struct api_request request = *call->request;
    const char *name = generator == GENERATOR_CIRCLE ? "circle" : "two_dots";
    struct options options;

    if (!read_query(call, generator, picture_options, &options))
        return false;
    request.query =
        arena_print(call->arena, "input=%s&format=png&stage=Input%s%s", name,
                    *call->request->query ? "&" : "", call->request->query);
    if (!request.query)
        return error_set(&call->err, ERROR_PLAN_TOO_LARGE, "no memory for the query");
    const struct api_request *kept = call->request;
    call->request = &request;
    const bool done = extract_call(call);
    call->request = kept;
    return done;
}

bool circle_npy_call(struct call *call)
{
    return npy_call(call, GENERATOR_CIRCLE);
}

bool circle_png_call(struct call *call)
{
    return png_call(call, GENERATOR_CIRCLE);
}

bool two_dots_npy_call(struct call *call)
{
    return npy_call(call, GENERATOR_TWO_DOTS);
}

bool two_dots_png_call(struct call *call)
{
    return png_call(call, GENERATOR_TWO_DOTS);
}
