/*
 * weights_key.h - what a layer's weights, drawn and packed, follow from, as bytes.
 */
#ifndef ENGINE_WEIGHTS_KEY_H
#define ENGINE_WEIGHTS_KEY_H

#include <stdbool.h>

#include "engine/layer.h"
#include "engine/shelf.h"

enum { WEIGHTS_KEY_SIZE = 1024, WEIGHTS_NAME_SIZE = 192 };

/* Points into itself, to the layer's weights and to its parameters. */
struct weights_key {
    struct shelf_key parts;
    char text[WEIGHTS_KEY_SIZE];
};

/* Everything that the layer's kind->pack can depend on: its parameters, the plan's
 * shapes (only the channels, where plan->packing says so) and its weights. Of a weight
 * that is drawn (bit w) what it is drawn from, of the others the values, which are
 * bound. False if that does not fit into a key. */
bool weights_key_init(struct weights_key *key, const struct layer *layer,
                      const struct layer_plan *plan, unsigned drawn) MUST_CHECK;

/* "conv2d_1/kernel" into text, of WEIGHTS_NAME_SIZE bytes; returns text. */
const char *weights_name(char *text, const struct layer *layer,
                         const struct weight *weight);

#endif
