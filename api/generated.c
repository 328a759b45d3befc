/* generated.c - the lesson's generated inputs: as tensors, and as files of their own.
 */
#include "api/generated.h"

#include "api/call.h"
#include "api/npy.h"
#include "api/reply.h"
#include "engine/generate.h"

struct shape generated_shape(const struct options *options)
{
    return SHAPE((size_t)options->size[0], (size_t)options->size[1], 1);
}

double generated_bytes(const struct options *options)
{
    const double h = options->size[0], w = options->size[1];

    return (4 * (h + 2) * (w + 2)) * sizeof(double) + 8 * ARENA_ALIGN;
}

static const double *circle(const struct options *options, double *out,
                            struct arena *arena)
{
    const size_t h = (size_t)options->size[0], w = (size_t)options->size[1];
    const size_t before = arena->used;
    double *scratch = arena_take(arena, generate_circle_scratch(h, w), sizeof *scratch);

    if (!scratch)
        return NULL;
    generate_circle(out, scratch, h, w,
                    OPTION_GIVEN(options, VAL) ? &options->val : NULL,
                    options->r_shrink, (uint64_t)options->seed);
    arena_rewind(arena, before);
    return out;
}

static bool check_two_dots(const struct options *options, struct error *err)
{
    const int size = options->size[0];

    if (options->size[1] != size)
        return error_option(err, ERROR_OPTION_INVALID, "size",
                            "two_dots is square, size %d,%d is not", size,
                            options->size[1]);
    if (options->x >= size || options->y >= size)
        return error_option(err, ERROR_OPTION_INVALID, options->x >= size ? "x" : "y",
                            "x %d and y %d must be below the size %d", options->x,
                            options->y, size);
    return true;
}

static const double *generate(const struct options *options, struct arena *arena,
                              struct error *err)
{
    const struct shape shape = generated_shape(options);
    double *out = arena_take(arena, shape_elements(&shape), sizeof *out);

    if (out && options->generator == GENERATOR_CIRCLE)
        out = circle(options, out, arena) ? out : NULL;
    else if (!check_two_dots(options, err))
        return NULL;
    else if (out)
        generate_two_dots(out, (size_t)options->size[0], (size_t)options->x,
                          (size_t)options->y);
    if (!out)
        error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the generated input");
    return out;
}

bool generated_file(const struct options *options, struct arena *arena,
                    struct buffer *file, struct error *err)
{
    const struct shape shape =
        SHAPE((size_t)options->size[0], (size_t)options->size[1]);
    const size_t before = arena->used;
    const double *values = generate(options, arena, err);

    if (!values)
        return false;
    buffer_init(file, SIZE_MAX); /* the plan has bounded it */
    npy_write_f64(file, &shape, values);
    arena_rewind(arena, before);
    if (!file->failed)
        return true;
    buffer_release(file);
    return error_set(err, ERROR_INTERNAL, "no memory for the generated input");
}

/* ---- GET /v1/inputs/... ---- */

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
