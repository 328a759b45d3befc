/*
 * result.h - what was measured, and how it is printed.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { RESULT_MAX_TIMINGS = 24, RESULT_MAX = 512, RESULT_TEXT = 64 };

struct timing {
    const char *peer, *variant; /* variant NULL: the peer has one way */
    double ms;                  /* the fastest round */
    double layers_ms;           /* within layers, 0: cannot tell */
};

/* A row at a number of threads, or a sum of rows. The first timing is the engine with
 * its fastest kernels. */
struct result {
    const char *name, *group;
    size_t count, threads;
    size_t n_timings;
    struct timing timings[RESULT_MAX_TIMINGS];
    double limit_ms; /* what the machine needs at least: see bench.c */
};

struct results {
    size_t n;
    struct result all[RESULT_MAX];
};

/* The fastest timing that is not the engine's; NULL if there is none. */
const struct timing *result_best_peer(const struct result *result);

/* "onednn-winograd", into text, of RESULT_TEXT bytes; returns text. */
const char *result_timing_name(const struct timing *timing, char *text);

/* Add the result of a row to the sum of its group, which comes into being with it.
 * A peer that lacks one of the rows is not in the sum. */
void results_add_to_group(struct results *sums, const struct result *result);

void result_print_heading(FILE *out);
void result_print(const struct result *result, FILE *out);
void results_print_markdown(const struct results *results, FILE *out);
void results_print_json(const struct results *results, FILE *out);

#endif
