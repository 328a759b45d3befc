/*
 * pool.h - pooling layers: how the table of layers infers and runs them.
 *
 * Padding cells never win a maximum and are not counted in an average. Both are taken
 * down the columns of a window first, then along its row: a > b ? a : b for the
 * maximum, a sum divided by the number of real cells for the average.
 */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include "engine/layer.h"

bool pool2d_infer(const struct layer *layer, struct layer_plan *plan,
                  struct error *err);
void max_pool2d_run(const struct layer_task *task);
void average_pool2d_run(const struct layer_task *task);

/* One number a channel: [C], or 1 x 1 x C with keepdims. Blocks of 128 cells are folded
 * to cells, as kernels.h says, and these again, until one is left. */
bool global_pool2d_infer(const struct layer *layer, struct layer_plan *plan,
                         struct error *err);
void global_max_pool2d_prepare(const struct layer_task *task, size_t pass, size_t part);
void global_max_pool2d_run(const struct layer_task *task);
void global_average_pool2d_prepare(const struct layer_task *task, size_t pass,
                                   size_t part);
void global_average_pool2d_run(const struct layer_task *task);

#endif
