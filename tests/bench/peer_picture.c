/*
 * peer_picture.c - our own way from a tensor to its picture, before it is compressed.
 */
#include <stdlib.h>
#include <string.h>

#include "api/picture.h"
#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    const struct kernels *kernels;
    const struct parallel *parallel;
    struct tensor tensor;
    struct render render;
    struct arena arena;
    struct statistics statistics;
    struct picture_set pictures;
};

static void *prepare(const struct problem *problem, const char *isa,
                     const struct parallel *parallel)
{
    struct options options;

    if (problem->task != TASK_STATISTICS && problem->task != TASK_PAINT)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !arena_init(&s->arena, (size_t)1 << 30))
        abort();
    s->problem = problem;
    s->kernels = kernels_find(isa);
    s->parallel = parallel;
    s->tensor = (struct tensor){problem->plan.input, problem->input};
    options_init(&options);
    render_from_options(&s->render, &options);
    return s;
}

static void run(void *self)
{
    struct state *s = self;
    struct error err;

    if (s->problem->task == TASK_STATISTICS) {
        s->statistics = statistics_of(s->kernels, s->tensor.values,
                                      shape_elements(&s->tensor.shape), 1);
        return;
    }
    arena_rewind(&s->arena, 0);
    error_init(&err);
    const struct picture_context context = {&s->render, s->kernels, s->parallel,
                                            &s->arena};
    const bool input = s->tensor.shape.dim[2] == 3;
    if (!picture_paint(&s->tensor, input, &context, &s->pictures, &err))
        abort();
}

static void release(void *self)
{
    struct state *s = self;

    arena_release(&s->arena);
    free(s);
}

const struct peer peer_picture = {
    .name = "engine",
    .variant = peer_isa,
    .prepare = prepare,
    .run = run,
    .release = release,
};
