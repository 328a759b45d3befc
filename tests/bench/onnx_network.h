/*
 * onnx_network.h - a problem's network as an ONNX model.
 *
 * Maps are channels, height, width, as ONNX has them; where the one layer works cell by
 * cell the cells are a batch, so that channels stay innermost.
 */
#ifndef BENCH_ONNX_NETWORK_H
#define BENCH_ONNX_NETWORK_H

#include "tests/bench/onnx.h"
#include "tests/bench/problem.h"

#define ONNX_INPUT_NAME "x"
enum { ONNX_NAME = 24 };

/* False if ONNX has no such layer. The buffer need not be initialised; release it. */
bool onnx_network_write(struct buffer *model, const struct problem *problem);

/* What the output of a layer is called in the model; returns name. */
const char *onnx_network_name(size_t layer, char name[ONNX_NAME]);

/* Its tensors. */
struct onnx_dims onnx_network_input(const struct problem *problem);
struct onnx_dims onnx_network_output(const struct problem *problem, size_t layer);

/* Copy values from our order to the model's, or back. */
void onnx_network_turn(float *to, const float *from, const struct problem *problem,
                       const struct shape *shape, bool to_ours);

#endif
