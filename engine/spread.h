/*
 * spread.h - numbers broadcast over a map, as the kernels want them: periodically.
 *
 * A layer whose output is a function of each value and of two numbers that NumPy would
 * broadcast to the input (factor and shift, mean and deviation) says in `kept` which
 * axes the numbers differ along: its rank is the input's, its lengths the input's or 1.
 */
#ifndef ENGINE_SPREAD_H
#define ENGINE_SPREAD_H

#include "engine/kernels.h"
#include "engine/layer.h"

typedef void spread_kernel(float *out, const float *in, const float *first,
                           const float *second, size_t period, size_t n, bool around);

/* Set plan->packed, in two halves of the same length, and plan->scratch. */
void spread_plan(struct layer_plan *plan, const struct shape *kept);

/* Each half of packed begins with its numbers: repeat them. */
void spread_pack(const struct layer_plan *plan, const struct shape *kept,
                 float *packed);

/* Run the kernel over the box of the task. */
void spread_run(const struct layer_task *task, const struct shape *kept,
                spread_kernel *kernel);

#endif
