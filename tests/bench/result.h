/*
 * result.h - what was measured, and how it is printed.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tests/bench/account.h"

enum { RESULT_MAX_TIMINGS = 24, RESULT_MAX = 512, RESULT_TEXT = 64 };

struct timing {
    const char *peer, *variant; /* variant NULL: the peer has one way */
    double ms;                  /* the fastest round */
    struct account account;
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

/* Append the sum of each group of rows, at each number of threads. A peer that lacks
 * one of the rows is not in it. */
void results_add_sums(struct results *results);

void result_print_heading(FILE *out);
void result_print(const struct result *result, FILE *out);
/* Where the time of requests goes: a table; nothing if there was none. */
void results_print_phases(const struct results *results, FILE *out);
void results_print_markdown(const struct results *results, FILE *out);
void results_print_json(const struct results *results, FILE *out);

#endif
