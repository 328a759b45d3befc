/*
 * normalization.h - LayerNormalization and Normalization: over any choice of axes.
 *
 * Axes count the batch as 0, as Keras does; the batch itself is none.
 */
#ifndef ENGINE_NORMALIZATION_H
#define ENGINE_NORMALIZATION_H

#include "engine/layer.h"

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta with the mean and the population
 * variance over the axes. gamma and beta have the lengths of the axes, in the order in
 * which `axis` lists them; as in Keras their numbers belong to the cells in row-major
 * order of the map, whatever that order is. With rms_scaling, as in Keras 3,
 * x / sqrt(variance + epsilon) * gamma: the variance is still about the mean. */
bool layer_normalization_infer(const struct layer *layer, struct layer_plan *plan,
                               struct error *err);
void layer_normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                              float *packed);
void layer_normalization_run(const struct layer_task *task);

/* (x - mean) / max(sqrt(variance), 1e-7), or with invert mean + x * max(...), where
 * every position along the axes has a mean and a variance of its own (no axes: one for
 * all). They stand in the document or, where it has none, are weights. Those of the
 * document must broadcast to the input with the other axes of length 1 (Keras 3), or to
 * the axes alone (Keras 2). */
bool normalization_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err);
void normalization_pack(const struct layer *layer, const struct layer_plan *plan,
                        float *packed);
void normalization_run(const struct layer_task *task);

#endif
