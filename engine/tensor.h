/*
 * tensor.h - shapes, and float32 tensors in row-major order.
 *
 * A picture or feature map is height x width x channels, channels innermost, as
 * Keras' channels_last without the batch axis. A vector has rank 1. Elements lie
 * without gaps, so an array file is a copy of values.
 */
#ifndef ENGINE_TENSOR_H
#define ENGINE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/attributes.h"

enum { SHAPE_MAX_RANK = 4 };

struct shape {
    size_t rank; /* 0: not known */
    size_t dim[SHAPE_MAX_RANK];
};

struct tensor {
    struct shape shape;
    float *values;
};

/* Any shape seen as a map: a vector is 1 x 1 x n, leading axes join the height. */
struct extent {
    size_t height, width, channels;
};

#define SHAPE(...)                                                                     \
    ((struct shape){sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), {__VA_ARGS__}})

/* Number of elements; false if it does not fit a size_t. */
bool shape_count(const struct shape *shape, size_t *count) MUST_CHECK;

/* Number of elements of a shape that is known to fit. */
size_t shape_elements(const struct shape *shape);

struct extent shape_extent(const struct shape *shape);

/* Elements of a row: its width and channels. */
size_t shape_row(const struct shape *shape);
bool shape_equal(const struct shape *a, const struct shape *b);

/* True if NumPy broadcasts the small shape to the large one: aligned at the last axis,
 * each axis has the same length or 1. */
bool shape_broadcasts(const struct shape *small, const struct shape *large);
/* Which element of the small one stands at element i of the large one then. */
size_t shape_broadcast(const struct shape *small, const struct shape *large, size_t i);

enum { SHAPE_TEXT_SIZE = 96 };
/* "62x62x1" into text, of SHAPE_TEXT_SIZE bytes; returns text. */
const char *shape_print(const struct shape *shape, char *text);

#endif
