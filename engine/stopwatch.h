/*
 * stopwatch.h - the monotonic clock in milliseconds, to take differences of.
 */
#ifndef ENGINE_STOPWATCH_H
#define ENGINE_STOPWATCH_H

#include <time.h>

static inline double stopwatch_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

#endif
