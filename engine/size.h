/*
 * size.h - sums of sizes that every layer does.
 */
#ifndef ENGINE_SIZE_H
#define ENGINE_SIZE_H

#include <stddef.h>

static inline size_t size_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many parts of `part` hold n. */
static inline size_t size_parts(size_t n, size_t part)
{
    return (n + part - 1) / part;
}

/* n up to the next multiple of `part`. */
static inline size_t size_whole(size_t n, size_t part)
{
    return size_parts(n, part) * part;
}

#endif
