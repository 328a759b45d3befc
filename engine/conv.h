/*
 * conv.h - convolution layers: how the table of layers infers, packs and runs them.
 *
 * Keras' convolution is cross-correlation: out[y][x][f] = bias[f] + sum over ky, kx, c
 * of in[y * sy + ky * dy - top][x * sx + kx * dx - left][c] * kernel[ky][kx][c][f],
 * zeros outside the input. conv_method.h has the ways to compute it.
 */
#ifndef ENGINE_CONV_H
#define ENGINE_CONV_H

#include "engine/layer.h"

bool conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                  struct error *err);
void conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                 float *packed);
void conv2d_pack_part(const struct layer *layer, const struct layer_plan *plan,
                      size_t part, float *packed);
void conv2d_prepare(const struct layer_task *task, size_t pass, size_t part);
void conv2d_run(const struct layer_task *task);

/* Each channel by itself, depth_multiplier filters for it: output channel c *
 * multiplier + m. */
bool depthwise_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);
void depthwise_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed);
void depthwise_conv2d_run(const struct layer_task *task);

/* The depthwise convolution without bias, then a 1x1 convolution with it. */
bool separable_conv2d_infer(const struct layer *layer, struct layer_plan *plan,
                            struct error *err);
void separable_conv2d_pack(const struct layer *layer, const struct layer_plan *plan,
                           float *packed);
void separable_conv2d_run(const struct layer_task *task);

#endif
