/*
 * problem.h - what is measured: a chain of layers on one input, planned and with its
 * weights, for the engine and for the peers alike.
 *
 * Also read by C++.
 */
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H

#include "engine/network.h"
#include "tests/bench/subject.h"

struct problem {
    enum task task;
    struct network network; /* of tasks with layers; weights bound, biases not 0 */
    struct stage_request *wanted; /* the outputs to be left in memory */
    struct plan plan;
    float *input;
    struct subject subject; /* of the tasks with files */
    double macs; /* multiply-adds that are needed, by the definition of the layers */
    double bytes_read, bytes_written; /* input and weights; wanted outputs: once each */
    struct arena arena;
};

/* The limits that the bench plans with: none that matter. */
extern const struct limits problem_limits;

/* Ends the program with a message if the row is wrong: rows are part of the program. */
void problem_init(struct problem *problem, const struct row *row);
void problem_release(struct problem *problem);

/* How many outputs there are, by which peers are compared with the engine: those of
 * the layers; or what is in a picture's file. */
size_t problem_outputs(const struct problem *problem);
bool problem_wants(const struct problem *problem, size_t output);
/* How many values an output has. */
size_t problem_output_count(const struct problem *problem, size_t output);

/* The cells that a transposed convolution cuts off its output, as other libraries
 * count its padding; the plan has the zeros around its spread input. */
struct pads problem_transpose_pads(const struct layer *layer,
                                   const struct layer_plan *plan);

#endif
