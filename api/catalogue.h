/*
 * catalogue.h - facts of the layer table as the catalogue prints them.
 */
#ifndef API_CATALOGUE_H
#define API_CATALOGUE_H

#include "api/buffer.h"
#include "engine/layer.h"

/* Write the default of a parameter as JSON; null where it has none of its own. */
void catalogue_default(struct buffer *out, const struct layer_param *param);

/* The largest number that a parameter may be, its limit included. */
double catalogue_highest(const struct layer_param *param, const struct limits *limits);

#endif
