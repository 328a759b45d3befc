/*
 * odd_parallel.h - a parallel-for that calls last to first and changes slots, so that
 * what depends on the order or on a slot shows.
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

#endif
