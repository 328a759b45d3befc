/*
 * parallel.h - the parallel-for that the engine is given.
 *
 * The engine starts no threads. Whoever calls it passes a struct parallel down:
 * the server's workers implement it, tests use parallel_serial.
 */
#ifndef ENGINE_PARALLEL_H
#define ENGINE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* The work on item i. slot is below width and belongs to no other call that runs
 * at the same time: it selects scratch memory. */
typedef void parallel_body(void *context, size_t i, size_t slot);

struct parallel {
    /* Calls body once for each i below n, in any order and on any number of
     * threads, and returns when all calls have returned. Once cancelled() says so,
     * the calls that have not begun are left out. */
    void (*run)(void *self, size_t n, parallel_body *body, void *context);
    /* True when the result is no longer wanted: the deadline passed or the client
     * is gone. Cheap: it is asked between tiles. */
    bool (*cancelled)(void *self);
    void *self;
    size_t width; /* slots, at least 1 */
};

/* Whether the result is no longer wanted. A long loop on one thread asks every few
 * milliseconds. */
bool parallel_cancelled(const struct parallel *parallel);

/* One thread, never cancelled. */
extern const struct parallel parallel_serial;

#endif
