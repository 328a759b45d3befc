/*
 * walk.h - the cells of a tensor in another order: some of its axes as nested loops.
 */
#ifndef ENGINE_WALK_H
#define ENGINE_WALK_H

#include "engine/tensor.h"

/* Loops over axes of a tensor, the last one innermost. */
struct walk {
    size_t rank;
    size_t dim[SHAPE_MAX_RANK], step[SHAPE_MAX_RANK]; /* steps in floats */
};

/* Add an axis of the shape as the innermost loop. */
void walk_add(struct walk *walk, const struct shape *shape, size_t axis);

/* How many cells it visits. */
size_t walk_count(const struct walk *walk);

/* Where the i-th cell lies. */
size_t walk_at(const struct walk *walk, size_t i);

/* out[i] = in[where the cell first + i lies], for i < n */
void walk_gather(const struct walk *walk, float *out, const float *in, size_t first,
                 size_t n);
/* The way back: out[where the cell i lies] = in[i], for all cells. */
void walk_scatter(const struct walk *walk, float *out, const float *in);

#endif
