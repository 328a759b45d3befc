/* walk.c - the cells of a tensor in another order. */
#include "engine/walk.h"

void walk_add(struct walk *walk, const struct shape *shape, size_t axis)
{
    size_t step = 1;

    for (size_t i = axis + 1; i < shape->rank; i++)
        step *= shape->dim[i];
    walk->dim[walk->rank] = shape->dim[axis];
    walk->step[walk->rank++] = step;
}

size_t walk_count(const struct walk *walk)
{
    size_t count = 1;

    for (size_t i = 0; i < walk->rank; i++)
        count *= walk->dim[i];
    return count;
}

size_t walk_at(const struct walk *walk, size_t i)
{
    size_t at = 0;

    for (size_t axis = walk->rank; axis-- > 0;) {
        at += i % walk->dim[axis] * walk->step[axis];
        i /= walk->dim[axis];
    }
    return at;
}

/* The cells from the i-th on that lie one inner step apart, at most n. */
static size_t straight(const struct walk *walk, size_t i, size_t n)
{
    const size_t inner = walk->dim[walk->rank - 1], left = inner - i % inner;

    return left < n ? left : n;
}

void walk_gather(const struct walk *walk, float *out, const float *in, size_t first,
                 size_t n)
{
    const size_t step = walk->step[walk->rank - 1];

    for (size_t i = 0, part; i < n; i += part) {
        const float *from = in + walk_at(walk, first + i);
        part = straight(walk, first + i, n - i);
        for (size_t k = 0; k < part; k++)
            out[i + k] = from[k * step];
    }
}

void walk_scatter(const struct walk *walk, float *out, const float *in)
{
    const size_t n = walk_count(walk), step = walk->step[walk->rank - 1];

    for (size_t i = 0, part; i < n; i += part) {
        float *to = out + walk_at(walk, i);
        part = straight(walk, i, n - i);
        for (size_t k = 0; k < part; k++)
            to[k * step] = in[i + k];
    }
}
