/*
 * random_network.h - random networks as JSON documents, and what they mean.
 *
 * A seed gives the same network on every machine. The parameters are chosen first and
 * written as a document next, in any of the forms that a client may use (flat, or
 * Keras' of either generation; a pair as one number; defaults left out), so that what
 * the reader makes of it can be judged against what was meant. Sizes lie around the
 * widths of vectors and tiles: 1, multiples of 16 and their neighbours, up to 70
 * channels.
 */
#ifndef TESTS_PROPERTY_RANDOM_NETWORK_H
#define TESTS_PROPERTY_RANDOM_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/layer.h"

enum { RANDOM_LAYERS = 6, RANDOM_POINTER = 128 };

struct random_network {
    uint64_t seed;
    char *json; /* the document */
    struct shape input;
    float *values; /* of the input */
    bool hostile;  /* some values are huge, tiny, infinite or no numbers */
    size_t n_layers;
    struct layer layers[RANDOM_LAYERS]; /* kind and parameters, as meant */
    struct shape shapes[RANDOM_LAYERS]; /* of their outputs, by the reference */

    /* Of a document that must be refused: how the pointer of a fault begins. */
    bool invalid;
    char pointer[RANDOM_POINTER];
};

void random_network_init(struct random_network *network, uint64_t seed);
void random_network_release(struct random_network *network);

/* The kinds that it can draw; NULL past the end. */
const char *random_network_kind(size_t i);

#endif
