/*
 * onnx.h - an ONNX model (onnx.proto3, operators of version 20), written piece by piece
 * as the protobuf message that it is.
 *
 * Pieces may come in any order but that of the nodes, which run in theirs.
 */
#ifndef BENCH_ONNX_H
#define BENCH_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "api/buffer.h"

enum { ONNX_MAX_RANK = 4 };

struct onnx_dims {
    size_t rank;
    int64_t dim[ONNX_MAX_RANK];
};

struct onnx_attribute {
    const char *name; /* NULL ends a list */
    enum { ONNX_INT, ONNX_INTS, ONNX_FLOAT, ONNX_TEXT } type;
    struct onnx_dims ints; /* ONNX_INT: the first of them */
    float number;
    const char *text;
};

void onnx_begin(struct buffer *model);

/* A tensor of floats that is handed in, or out. */
void onnx_input(struct buffer *model, const char *name, const struct onnx_dims *dims);
void onnx_output(struct buffer *model, const char *name, const struct onnx_dims *dims);

/* A tensor of the model itself. */
void onnx_constant(struct buffer *model, const char *name, const struct onnx_dims *dims,
                   const float *values);

/* inputs is ended by NULL; an input that is left out is "". */
void onnx_node(struct buffer *model, const char *op, const char *const *inputs,
               const char *output, const struct onnx_attribute *attributes);

#endif
