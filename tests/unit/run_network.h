/*
 * run_network.h - layers for a test, and their way through plan, weights and run.
 */
#ifndef TESTS_RUN_NETWORK_H
#define TESTS_RUN_NETWORK_H

#include "tests/unit/check.h"

#include "engine/network.h"
#include "engine/weights.h"

static const size_t inputs[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                  13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25};

static inline struct layer new_layer(const char *kind, const char *name, size_t index)
{
    struct layer layer = {.kind = layer_kind_find(kind, false),
                          .name = name,
                          .label = name,
                          .pointer = "",
                          .keras = KERAS_3,
                          .inputs = &inputs[index],
                          .n_inputs = 1};

    cr_assert_not_null(layer.kind, "%s", kind);
    layer_defaults(&layer);
    return layer;
}

/* Plans and runs; the output of every wanted layer is in the plan. */
static inline bool run(struct network *network, const struct shape *shape,
                       const float *input, const struct stage_request *wanted,
                       const struct kernels *kernels, const struct parallel *parallel,
                       struct arena *arena, struct plan *plan, struct error *err)
{
    error_init(err);
    if (!network_plan(network, shape, wanted, parallel->width, &limits_default, arena,
                      plan, err))
        return false;
    if (!weights_bind(network, plan, NULL, NULL, &parallel_serial, arena, err))
        return false;
    const size_t before = arena->used;
    const bool done =
        network_run(network, plan, wanted, input, kernels, parallel, arena, err);
    cr_assert_leq((double)(arena->used - before), plan->bytes,
                  "memory beyond the plan");
    return done;
}

#endif
