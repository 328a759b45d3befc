/*
 * request.h - a random network as a request over the api.
 */
#ifndef TESTS_PROPERTY_REQUEST_H
#define TESTS_PROPERTY_REQUEST_H

#include <stdbool.h>

#include "tests/property/random_network.h"

enum { REQUEST_EVERY = 8 /* networks */, REQUEST_CHANNELS = 64, REQUEST_FAULT = 256 };

/* Ask for the plan of the network on its input, then for its stages: the bytes that the
 * plan says, and the most that the request's arena held. False, with the reason in
 * fault, if either was refused. The input has at most REQUEST_CHANNELS channels. */
bool request_measure(const struct random_network *network, double *planned,
                     double *taken, char *fault);

#endif
