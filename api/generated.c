/* generated.c - the lesson's generated inputs, as files like those that are uploaded.
 */
#include "api/generated.h"

#include "api/npy.h"
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
                            const struct parallel *parallel, struct arena *arena)
{
    const size_t h = (size_t)options->size[0], w = (size_t)options->size[1];
    const size_t before = arena->used;
    double *scratch = arena_take(arena, generate_circle_scratch(h, w), sizeof *scratch);

    if (!scratch)
        return NULL;
    const bool drawn = generate_circle(
        out, scratch, h, w, OPTION_GIVEN(options, VAL) ? &options->val : NULL,
        options->r_shrink, (uint64_t)options->seed, parallel);
    arena_rewind(arena, before);
    return drawn ? out : NULL;
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

static const double *generate(const struct options *options,
                              const struct parallel *parallel, struct arena *arena,
                              struct error *err)
{
    const struct shape shape = generated_shape(options);
    double *out = arena_take(arena, shape_elements(&shape), sizeof *out);

    if (out && options->generator == GENERATOR_CIRCLE)
        out = circle(options, out, parallel, arena) ? out : NULL;
    else if (!check_two_dots(options, err))
        return NULL;
    else if (out)
        generate_two_dots(out, (size_t)options->size[0], (size_t)options->x,
                          (size_t)options->y);
    if (!out && parallel_cancelled(parallel))
        error_set(err, ERROR_CLIENT_CLOSED, "cancelled while drawing the input");
    else if (!out)
        error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the generated input");
    return out;
}

bool generated_file(const struct options *options, const struct parallel *parallel,
                    struct arena *arena, struct buffer *file, struct error *err)
{
    const struct shape shape =
        SHAPE((size_t)options->size[0], (size_t)options->size[1]);
    const size_t before = arena->used;
    const double *values = generate(options, parallel, arena, err);

    if (!values)
        return false;
    buffer_init(file, SIZE_MAX); /* the caller has bounded it */
    buffer_watch(file, parallel);
    npy_write_f64(file, &shape, values);
    arena_rewind(arena, before);
    if (!file->failed)
        return true;
    buffer_release(file);
    return error_set(err, ERROR_MEMORY_PRESSURE, "no memory for the generated input");
}
