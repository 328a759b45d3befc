/* tensor.c - shapes, and float32 tensors in row-major order. */
#include "engine/tensor.h"

#include <assert.h>
#include <stdio.h>

bool shape_count(const struct shape *shape, size_t *count)
{
    *count = 1;
    for (size_t i = 0; i < shape->rank; i++)
        if (__builtin_mul_overflow(*count, shape->dim[i], count))
            return false;
    return true;
}

size_t shape_elements(const struct shape *shape)
{
    size_t count;
    const bool fits = shape_count(shape, &count);

    assert(fits);
    (void)fits;
    return count;
}

struct extent shape_extent(const struct shape *shape)
{
    struct extent extent = {1, 1, 1};

    if (shape->rank > 0)
        extent.channels = shape->dim[shape->rank - 1];
    if (shape->rank > 1)
        extent.width = shape->dim[shape->rank - 2];
    for (size_t i = 0; i + 2 < shape->rank; i++)
        extent.height *= shape->dim[i];
    return extent;
}

size_t shape_row(const struct shape *shape)
{
    const struct extent extent = shape_extent(shape);

    return extent.width * extent.channels;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (size_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool shape_broadcasts(const struct shape *small, const struct shape *large)
{
    const size_t skipped = large->rank - small->rank;

    if (small->rank > large->rank)
        return false;
    for (size_t i = 0; i < small->rank; i++)
        if (small->dim[i] != 1 && small->dim[i] != large->dim[skipped + i])
            return false;
    return true;
}

size_t shape_broadcast(const struct shape *small, const struct shape *large, size_t i)
{
    const size_t skipped = large->rank - small->rank;
    size_t at = 0, step = 1;

    for (size_t axis = small->rank; axis-- > 0;) {
        const size_t length = large->dim[skipped + axis];
        at += small->dim[axis] > 1 ? i % length * step : 0;
        step *= small->dim[axis];
        i /= length;
    }
    return at;
}

const char *shape_print(const struct shape *shape, char *text)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < shape->rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT_SIZE - used, "%s%zu",
                                 i ? "x" : "", shape->dim[i]);
    return text;
}
