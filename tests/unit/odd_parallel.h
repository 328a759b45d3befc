/*
 * odd_parallel.h - a parallel-for that calls last to first and changes slots, so that
 * what depends on the order or on a slot shows; and one that is cancelled on its way.
 */
#ifndef TESTS_ODD_PARALLEL_H
#define TESTS_ODD_PARALLEL_H

#include "engine/parallel.h"

static inline void odd_run(void *self, size_t n, parallel_body *body, void *context)
{
    (void)self;
    for (size_t i = n; i-- > 0;)
        body(context, i, i % 3);
}

static inline bool odd_cancelled(void *self)
{
    (void)self;
    return false;
}

static const struct parallel odd_parallel = {odd_run, odd_cancelled, NULL, 3};

static inline void cut_run(void *self, size_t n, parallel_body *body, void *context)
{
    size_t *const left = self;

    for (size_t i = 0; i < n && left[0] > 0; i++, left[0]--)
        body(context, i, 0);
}

static inline bool cut_cancelled(void *self)
{
    return *(const size_t *)self == 0;
}

/* Cancelled after *left parts, which it counts down. */
static inline struct parallel cut_parallel(size_t *left)
{
    return (struct parallel){cut_run, cut_cancelled, left, 1};
}

#endif
