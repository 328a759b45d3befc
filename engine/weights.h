/*
 * weights.h - named weights: uploaded, given in the document, or initialised.
 *
 * A weight is called layer/weight, as in "conv2d_1/kernel". Shapes are Keras': a
 * Conv2D kernel is height x width x input channels per group x filters.
 */
#ifndef ENGINE_WEIGHTS_H
#define ENGINE_WEIGHTS_H

#include "engine/arena.h"
#include "engine/network.h"
#include "engine/shelf.h"

struct named_tensor {
    const char *name; /* "conv2d_1/kernel" */
    struct tensor tensor;
};

struct weights_upload {
    size_t n;
    const struct named_tensor *tensors;
};

/* Give every weight of the planned network its values. With an upload, all of them
 * come from it ("layer/weight", also with ":0", or by Keras 3's name for the weight),
 * and it must be complete, finite, of the right shapes and without surplus: else
 * ERROR_WEIGHTS_INVALID with every name. Without one (NULL), from the layer's bank and
 * bias, else from its initializer.
 *
 * With a shelf (NULL: none) what is drawn and packed of large layers is taken from
 * there, or made there: as long as it is in use, weights_release must come at the end,
 * after a failure too, and the plan serves no other binding.
 *
 * Fails with ERROR_CLIENT_CLOSED if the parallel-for says that the result is no longer
 * wanted; nothing runs on it. */
bool weights_bind(struct network *network, struct plan *plan,
                  const struct weights_upload *upload, struct shelf *shelf,
                  const struct parallel *parallel, struct arena *arena,
                  struct error *err) MUST_CHECK;

/* Let go of what weights_bind took from the shelf. The weights are not bound any more.
 * A plan that nothing was bound for is fine. */
void weights_release(struct plan *plan, struct shelf *shelf);

/* False, with the faults recorded, if a weight that the document gives has another
 * shape than the plan's, or one that nothing is given for cannot begin as its
 * initializer would have it. */
bool weights_check(const struct network *network, const struct plan *plan,
                   struct error *err) MUST_CHECK;

/* What initializers cost beyond drawing, in multiply-adds of layers. */
double weights_cost(const struct network *network, const struct plan *plan);

/* Bytes that weights_bind takes from the arena, at most. */
double weights_bytes(const struct network *network, const struct plan *plan);

#endif
