/*
 * conv.h - convolution layers: how the table of layers infers, packs and runs them.
 *
 * Keras' convolution is cross-correlation: out[y][x][f] = bias[f] + sum over ky, kx, c
 * of in[y * sy + ky * dy - top][x * sx + kx * dx - left][c] * kernel[ky][kx][c][f],
 * zeros outside the input. The sum is taken in that order, each step fused.
 */
#ifndef ENGINE_CONV_H
#define ENGINE_CONV_H

#include "engine/layer.h"

bool conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                  struct error *err);
void conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                 float *packed);
void conv2d_run(const struct layer_task *task, size_t first, size_t last);

/* The transpose of a convolution: each input cell adds its window to the output. The
 * plan's pads are those of the equivalent convolution over the spread-out input. */
bool conv2d_transpose_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);

/* Each channel by itself, depth_multiplier filters for it: output channel c *
 * multiplier
 * + m. Packed and run as a convolution with a group for every channel. */
bool depthwise_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);

/* The depthwise convolution without bias, then a 1x1 convolution with it. */
bool separable_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);
void separable_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed);
void separable_conv2d_run(const struct layer_task *task, size_t first, size_t last);

#endif
