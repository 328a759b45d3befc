/*
 * dense.h - Dense, and the layers that only change the shape.
 *
 * Dense acts on the last axis, as in Keras: out[..., u] = bias[u] + sum over k of
 * in[..., k] * kernel[k][u], in the order of k, fused.
 */
#ifndef ENGINE_DENSE_H
#define ENGINE_DENSE_H

#include "engine/layer.h"

bool dense_infer(const struct layer *layer, struct layer_plan *plan, struct error *err);
void dense_pack(const struct layer *layer, const struct layer_plan *plan,
                float *packed);
void dense_pack_part(const struct layer *layer, const struct layer_plan *plan,
                     size_t part, float *packed);
void dense_run(const struct layer_task *task);

bool flatten_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err);
bool reshape_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err);

#endif
