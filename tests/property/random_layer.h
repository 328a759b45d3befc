/*
 * random_layer.h - one random layer: its parameters, and the same as JSON.
 *
 * The workings of random_network.c; nobody else needs them.
 */
#ifndef TESTS_PROPERTY_RANDOM_LAYER_H
#define TESTS_PROPERTY_RANDOM_LAYER_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "engine/layer.h"

/* A layer being drawn, for an input of this shape. */
struct draft {
    uint64_t *seed;
    const struct shape *in;
    bool winograd; /* 3x3 convolutions with many channels */
    struct layer *layer;
    cJSON *params;
};

/* Draw the kind, in layer->kind, and every parameter; layer->keras is set. */
void random_layer(struct draft *draft);
/* Free what the layer holds of its own. */
void random_layer_release(struct layer *layer);

/* The i-th kind that can be drawn, and how often; NULL past the end. */
const char *random_layer_kind(size_t i, int *weight);

/* Put a value into one parameter that no layer can have; its name, or NULL if the kind
 * has no parameter that can be wrong. */
const char *random_layer_spoil(struct draft *draft);

/* low <= result <= high */
int random_between(uint64_t *seed, int low, int high);
/* True in this share of the calls. */
bool random_chance(uint64_t *seed, double share);

/* A number of channels or filters. */
int random_channels(uint64_t *seed, int most);

#endif
