/*
 * rows.h - the rows of the benchmark.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stddef.h>

enum stages { LAST_STAGE, ALL_STAGES };

/* What is done to a stage's tensor on the way to its picture. */
enum picture_step { PICTURE_NONE, PICTURE_STATISTICS, PICTURE_PAINT };

struct row {
    const char *name;
    size_t height, width, channels; /* of the input; height 0: a vector */
    const char *layers; /* "Kind key=value ... | Kind ...", Keras' names and values */
    enum picture_step picture; /* in place of layers */
    enum stages stages;        /* the outputs that are wanted */
    const char *group;         /* name of a sum that this row is part of; NULL: none */
    size_t count;              /* how often it counts there */
};

/* NULL past the end. */
const struct row *row_nth(size_t i);

#endif
