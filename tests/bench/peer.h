/*
 * peer.h - one way to compute a problem: the engine with one table of kernels, or
 * another library.
 *
 * A peer is one file; the Makefile builds those whose library is installed, and
 * peers.c lists them. What is timed is run alone: weights are rearranged, memory is
 * taken and layouts are chosen in prepare; source and result may lie in the layout
 * that the library likes best.
 *
 * Also read by C++.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "tests/bench/account.h"
#include "tests/bench/problem.h"

struct peer {
    const char *name; /* "onednn" */
    /* Ways of its own: the first is what it is judged by if it is the engine. NULL past
     * the end; variant NULL: there is one way, which has no name. */
    const char *(*variant)(size_t i);

    /* State for this problem, or NULL if the library has no such layer. parallel has
     * as many slots as threads may work; a library that starts its own uses as many.
     * Everything happens on the thread that calls prepare. */
    void *(*prepare)(const struct problem *problem, const char *variant,
                     const struct parallel *parallel);
    void (*run)(void *state);
    /* Copies the wanted output of a layer, as of the last run, height by width by
     * channels. */
    void (*output)(void *state, size_t layer, float *values);
    void (*release)(void *state);
    /* Of the last run; NULL if there is nothing to tell. */
    void (*account)(void *state, struct account *account);
};

#ifdef __cplusplus
extern "C" {
#endif

/* The engine's tables of kernels, fastest first; NULL past the end. */
const char *peer_isa(size_t i);

/* The engine first; NULL past the end. */
const struct peer *peer_nth(size_t i);

#ifdef __cplusplus
}
#endif

#endif
