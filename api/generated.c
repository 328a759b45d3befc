/* generated.c - the lesson's generated inputs: as tensors, and as files of their own.
 */
#include "api/generated.h"

#include "api/call.h"
#include "api/npy.h"
#include "api/picture.h"
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

const double *generated_values(const struct options *options, struct arena *arena,
                               struct error *err)
{
    const struct shape shape = generated_shape(options);
    double *out = arena_take(arena, shape_elements(&shape), sizeof *out);
    const double *values = NULL;

    if (out && options->generator == GENERATOR_CIRCLE) {
        values = circle(options, out, arena);
    } else if (out) {
        if (!check_two_dots(options, err))
            return NULL;
        generate_two_dots(out, (size_t)options->size[0], (size_t)options->x,
                          (size_t)options->y);
        values = out;
    }
    if (!values)
        error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the generated input");
    return values;
}

bool generated_tensor(const struct options *options, struct arena *arena,
                      struct tensor *out, struct error *err)
{
    const struct shape shape = generated_shape(options);
    const size_t n = shape_elements(&shape);
    float *values = arena_take(arena, n, sizeof *values);
    const double *from = generated_values(options, arena, err);

    if (!from)
        return false;
    if (!values)
        return error_set(err, ERROR_PLAN_TOO_LARGE,
                         "no memory for the generated input");
    for (size_t i = 0; i < n; i++)
        values[i] = (float)from[i];
    *out = (struct tensor){shape, values};
    return true;
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
    struct buffer body;

    if (!read_query(call, generator, &options))
        return false;
    const double *values = generated_values(&options, call->arena, &call->err);
    if (!values)
        return false;
    const struct shape shape = SHAPE((size_t)options.size[0], (size_t)options.size[1]);
    buffer_init(&body, (size_t)call->settings->limits.max_response_bytes);
    npy_write_f64(&body, &shape, values);
    return reply_body(call->reply, "application/x-npy", &body, &call->err);
}

static bool png_call(struct call *call, int generator)
{
    struct picture_set set;
    struct options options;
    struct render render;
    struct tensor map;
    struct buffer body;

    if (!read_query(call, generator, &options) ||
        !generated_tensor(&options, call->arena, &map, &call->err))
        return false;
    render_from_options(&render, &options);
    if (!picture_paint(&map, true, &render, call->settings->kernels, call->parallel,
                       call->arena, &set, &call->err))
        return false;
    buffer_init(&body, (size_t)call->settings->limits.max_response_bytes);
    if (!picture_png(&body, &set.pictures[0], call->settings->png_level, call->arena,
                     &call->err)) {
        buffer_release(&body);
        return false;
    }
    return reply_body(call->reply, "image/png", &body, &call->err);
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
