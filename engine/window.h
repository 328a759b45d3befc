/*
 * window.h - the sliding window: output size and padding along one axis, as Keras and
 * TensorFlow compute them.
 *
 * 'valid': out = (in - extent) / stride + 1, where extent = (size - 1) * dilation + 1
 * must not exceed in. 'same': out = ceil(in / stride), and the padding that this needs
 * is split with the odd cell after the input. It depends on the input's size.
 */
#ifndef ENGINE_WINDOW_H
#define ENGINE_WINDOW_H

#include "engine/layer.h"

struct window {
    size_t in, size, stride, dilation;
    size_t extent; /* cells from the first to the last that it touches */
    size_t out;
    size_t before, after; /* padding */
};

/* False if a 'valid' window does not fit. All numbers are at least 1. */
bool window_slide(struct window *w, size_t in, size_t size, size_t stride,
                  size_t dilation, enum padding padding) MUST_CHECK;

/* False, with the fault recorded, unless the layer's input is a map (rank 3). */
bool window_needs_map(const struct layer *layer, const struct layer_plan *plan,
                      struct error *err) MUST_CHECK;

/* False, with the fault recorded, if a convolution has strides and a dilation rate that
 * are both more than 1: Keras refuses that. */
bool window_one_of_two(const struct layer *layer, struct error *err) MUST_CHECK;

/* Slide a layer's window over its input, which must be a map (rank 3): fills both axes,
 * and in the plan the pads, window and step. size_name is the parameter that a fault
 * names. */
bool window_infer(const struct layer *layer, const int size[2], const int stride[2],
                  const int dilation[2], const char *size_name, struct layer_plan *plan,
                  struct window axes[2], struct error *err) MUST_CHECK;

#endif
