/*
 * network.h - layers, their plan, and the run.
 *
 * Plan, then run. The plan knows every shape, the multiply-adds and the bytes
 * before a pixel is decoded or memory taken; every limit is enforced on it. The run
 * then cannot fail but for being cancelled or for an arena smaller than planned.
 */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "engine/arena.h"
#include "engine/kernels.h"
#include "engine/layer.h"
#include "engine/parallel.h"

struct network {
    size_t n_layers;
    struct layer *layers;
};

/* Which outputs the caller wants to keep, one per layer. Memory of the others is
 * reused while the network runs. */
struct stage_request {
    bool output; /* the layer's output */
    bool pre;    /* the same before the layer's activation */
};

/* Layers that run together, part by part: while the rows that the first one has made
 * are still in the cache, the others follow. */
struct group {
    size_t first, last; /* both included */
};

/* Where a layer's output goes: into the block, or, where only the next layer of the
 * group reads it, into a band of rows in the slot's scratch memory. */
struct place {
    bool band;
    size_t offset;
};

struct plan {
    struct shape input;
    size_t n_layers;
    struct layer_plan *layers;
    double params, macs; /* totals */
    double bytes;        /* that network_run takes from the arena, at most */

    struct group *groups; /* the layers, in runs of neighbours */
    size_t n_groups;

    /* How network_run lays out its memory, in floats. */
    struct place *places;   /* of each layer's output */
    size_t *pre_offsets;    /* of each layer's pre-activation in the block, if wanted */
    size_t *shared_offsets; /* of the shared working memory of a group's first layer */
    size_t block;           /* floats in all, for outputs */
    size_t packed;          /* floats, for packed weights */
    size_t scratch;         /* floats per slot */
};

/* Infer every layer from the input's shape, lay out the memory, check the limits
 * max_layers, max_dimension, max_macs and max_request_memory. wanted has n_layers
 * entries. width is the number of slots of the parallel-for that will run it. A layer's
 * shape depends on the one before, so the first layer that does not fit ends it. */
bool network_plan(const struct network *network, const struct shape *input,
                  const struct stage_request *wanted, size_t width,
                  const struct limits *limits, struct arena *arena, struct plan *plan,
                  struct error *err) MUST_CHECK;

/* Run the layers on the input, of plan->input's shape, as far as stages are wanted. All
 * weights are bound (weights.h). Leaves the tensors asked for, and the durations, in
 * the plan; they live in the arena. Fails with ERROR_CLIENT_CLOSED if the parallel-for
 * says that the run was cancelled: the caller knows why. */
bool network_run(const struct network *network, struct plan *plan,
                 const struct stage_request *wanted, const float *input,
                 const struct kernels *kernels, const struct parallel *parallel,
                 struct arena *arena, struct error *err) MUST_CHECK;

#endif
