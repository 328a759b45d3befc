/* inputs.c - GET /v1/inputs/...: the generated inputs as files of their own. */
#include "api/call.h"
#include "api/generated.h"
#include "api/reply.h"

static bool check_size(const struct options *options, const struct limits *limits,
                       struct error *err)
{
    const double h = options->size[0], w = options->size[1];

    return limit_check(LIMIT(limits, max_dimension), h > w ? h : w,
                       ERROR_OPTION_INVALID, err, "size %gx%g", h, w) &&
           limit_check(LIMIT(limits, max_pixels), h * w, ERROR_OPTION_INVALID, err,
                       "size %gx%g", h, w);
}

static bool read_query(struct call *call, int generator, struct options *options)
{
    options_init(options);
    if (!options_set_query(options, call->request->query, call->arena, &call->err) ||
        !check_size(options, &call->settings->limits, &call->err))
        return false;
    options->generator = generator;
    return true;
}

static bool npy_call(struct call *call, int generator)
{
    struct options options;
    struct buffer file;

    return read_query(call, generator, &options) &&
           generated_file(&options, call->arena, &file, &call->err) &&
           reply_body(call->reply, "application/x-npy", &file, &call->err);
}

/* The picture is the Input stage of an extraction, which knows how to paint. */
static bool png_call(struct call *call, int generator)
{
    struct api_request request = *call->request;
    const char *name = generator == GENERATOR_CIRCLE ? "circle" : "two_dots";

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
