/*
 * animation_layer.h - the options of an animation become a layer; the workings of
 * animation_call.c.
 */
#ifndef API_ANIMATION_LAYER_H
#define API_ANIMATION_LAYER_H

#include "api/work.h"

/* False, with a fault for each, if there are options of a layer beside layers, or those
 * of a convolution beside a pool. */
bool animation_layer_check(struct work *work, bool layers) MUST_CHECK;

/* The request's config becomes one layer. */
bool animation_layer_make(struct work *work) MUST_CHECK;

/* False if a pool with dilation reaches beyond the input, which is known now. */
bool animation_layer_fits(struct work *work) MUST_CHECK;

/* A fault of the layer that nobody wrote is told of the option that it came from;
 * false. */
bool animation_layer_tell(struct error *err);

/* No layer of Keras pools with dilation, but the options may. The layer is then one
 * whose window is as large as theirs reaches; it has the same shapes and padding, and
 * animation_pool the values. */
bool animation_layer_dilates_pool(const struct options *options);

/* Height and width of the options' pool. */
const int *animation_layer_pool(const struct options *options);

#endif
