/*
 * conv_transpose.h - the transpose of a convolution: each input cell adds its window to
 * the output. The plan's pads are those of the equivalent convolution over the input
 * spread out by the stride.
 */
#ifndef ENGINE_CONV_TRANSPOSE_H
#define ENGINE_CONV_TRANSPOSE_H

#include "engine/layer.h"

bool conv2d_transpose_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);
void conv2d_transpose_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed);
void conv2d_transpose_run(const struct layer_task *task);

#endif
