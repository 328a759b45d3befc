/*
 * problem.h - what is measured: a chain of layers on one input, planned and with its
 * weights, for the engine and for the peers alike.
 *
 * Also read by C++.
 */
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H

#include "engine/network.h"

struct row; /* rows.h */

struct problem {
    struct network network;       /* weights bound, biases not zero */
    struct stage_request *wanted; /* the outputs to be left in memory */
    struct plan plan;
    float *input;
    double bytes_read, bytes_written; /* input and weights; wanted outputs: once each */
    struct arena arena;
};

/* The limits that the bench plans with: none that matter. */
extern const struct limits problem_limits;

/* Ends the program with a message if the row is wrong: rows are part of the program. */
void problem_init(struct problem *problem, const struct row *row);
void problem_release(struct problem *problem);

/* The values of an output, and how many. */
size_t problem_output_count(const struct problem *problem, size_t layer);

#endif
