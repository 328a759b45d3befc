/*
 * kernel_mosaic.h - how the kernels of a layer look, where the request does not say it.
 *
 * Kernels are a few cells each, and there are many: of height x width x channels x
 * filters one for each channel and filter. Filters stand under each other from channel
 * to channel, in a mosaic that is nearly a square; cells are enlarged until it can be
 * seen; and the gap between kernels, each of which has the darkest colour and the
 * palest somewhere, is of another colour. Kernels of one cell have no gap and one range
 * of colours: a matrix of channels and filters, where that is nearly a square.
 */
#ifndef API_KERNEL_MOSAIC_H
#define API_KERNEL_MOSAIC_H

#include "api/picture.h"

/* Fill in what the options leave open. */
void kernel_mosaic_look(struct render *render, const struct shape *shape,
                        const struct options *options);

#endif
