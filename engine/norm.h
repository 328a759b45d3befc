/*
 * norm.h - layers that keep the shape: activations with parameters, and normalisation.
 */
#ifndef ENGINE_NORM_H
#define ENGINE_NORM_H

#include "engine/layer.h"

/* The output is the input, and then the layer's activation. */
bool activation_infer(const struct layer *layer, struct layer_plan *plan,
                      struct error *err);

/* Softmax over the axis of the layer, which counts the batch: 1 is rows, -1 the last.
 */
bool softmax_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err);
void softmax_run(const struct layer_task *task);

/* alpha has the input's shape, but 1 along shared_axes (which count the batch). */
bool prelu_infer(const struct layer *layer, struct layer_plan *plan, struct error *err);
void prelu_pack(const struct layer *layer, const struct layer_plan *plan,
                float *packed);
void prelu_run(const struct layer_task *task);

/* gamma * (x - mean) / sqrt(variance + epsilon) + beta, along one axis; computed as one
 * fused multiply-add x * factor + shift. */
bool batch_normalization_infer(const struct layer *layer, struct layer_plan *plan,
                               struct error *err);
void batch_normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                              float *packed);
void batch_normalization_run(const struct layer_task *task);

/* x * scale + offset, fused */
bool rescaling_infer(const struct layer *layer, struct layer_plan *plan,
                     struct error *err);
void rescaling_pack(const struct layer *layer, const struct layer_plan *plan,
                    float *packed);
void rescaling_run(const struct layer_task *task);

#endif
