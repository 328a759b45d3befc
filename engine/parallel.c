/* parallel.c - the parallel-for of one thread. */
#include "engine/parallel.h"

static void run(void *self, size_t n, parallel_body *body, void *context)
{
    (void)self;
    for (size_t i = 0; i < n; i++)
        body(context, i, 0);
}

static bool never(void *self)
{
    (void)self;
    return false;
}

bool parallel_cancelled(const struct parallel *parallel)
{
    return parallel->cancelled(parallel->self);
}

const struct parallel parallel_serial = {run, never, NULL, 1};
