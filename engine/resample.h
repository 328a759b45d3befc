/*
 * resample.h - ZeroPadding2D, Cropping2D and UpSampling2D.
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

#endif
