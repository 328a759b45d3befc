/*
 * resample.h - ZeroPadding2D, Cropping2D, UpSampling2D and Permute: layers that move
 * values.
 *
 * Bilinear up-sampling has half-pixel centres and clamps at the edges, as
 * tf.image.resize does.
 */
#ifndef ENGINE_RESAMPLE_H
#define ENGINE_RESAMPLE_H

#include "engine/layer.h"

bool zero_padding2d_infer(const struct layer *layer, struct layer_plan *plan,
                          struct error *err);
void zero_padding2d_run(const struct layer_task *task);

bool cropping2d_infer(const struct layer *layer, struct layer_plan *plan,
                      struct error *err);
void cropping2d_run(const struct layer_task *task);

bool up_sampling2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err);
void up_sampling2d_run(const struct layer_task *task);

/* The axes in another order: axis i of the output is axis dims[i] of the input, the
 * first after the batch being 1. */
bool permute_infer(const struct layer *layer, struct layer_plan *plan,
                   struct error *err);
void permute_run(const struct layer_task *task);

#endif
