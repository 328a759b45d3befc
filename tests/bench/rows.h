/*
 * rows.h - the rows of the benchmark.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stddef.h>

enum stages { LAST_STAGE, ALL_STAGES };

/* What is timed, and what the row's subject is then. */
enum task {
    TASK_LAYERS,     /* a network, by its layers */
    TASK_NETWORK,    /* the same, planned and bound to weights on the shelf each time */
    TASK_STATISTICS, /* of a stage's tensor, */
    TASK_PAINT,      /* which becomes a picture */
    TASK_ENCODE,     /* a picture becomes a PNG file: a stage of the lesson; "photo" */
    TASK_DECODE,     /* a file becomes samples: a kind of photo_file.h */
    TASK_REQUEST,    /* a photo is sent: the query */
    TASK_PREPARE,    /* 8-bit samples become a network's input, as the query says */
};

struct row {
    const char *name;
    size_t height, width, channels; /* of the input; height 0: a vector */
    const char *layers; /* "Kind key=value ... | Kind ...", Keras' names and values */
    enum task task;
    const char *subject;
    enum stages stages; /* the outputs that are wanted */
    const char *group;  /* name of a sum that this row is part of; NULL: none */
    size_t count;       /* how often it counts there */
};

/* NULL past the end. */
const struct row *row_nth(size_t i);

#endif
