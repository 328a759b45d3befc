/*
 * clock.h - the clock that deadlines and durations are measured with.
 *
 * It never jumps when the wall clock is set.
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { NS_PER_MS = 1000000 };

/* Nanoseconds since some moment in the past. */
static inline int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

static inline int64_t clock_from_seconds(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

/* Milliseconds from one moment to a later one; 0 if either was never reached. */
static inline double clock_ms(int64_t from, int64_t to)
{
    return from && to > from ? (double)(to - from) / NS_PER_MS : 0;
}

#endif
