/*
 * generated.h - the lesson's generated inputs as tensors.
 */
#ifndef API_GENERATED_H
#define API_GENERATED_H

#include "api/options.h"
#include "engine/arena.h"
#include "engine/tensor.h"

/* The shape (h, w, 1) of the generator that the options name. */
struct shape generated_shape(const struct options *options);

/* Bytes of arena that generating takes, at most. */
double generated_bytes(const struct options *options);

/* The generated map in double precision, h x w; NULL with the fault recorded. */
const double *generated_values(const struct options *options, struct arena *arena,
                               struct error *err) MUST_CHECK;

/* The same as the input of a network. */
bool generated_tensor(const struct options *options, struct arena *arena,
                      struct tensor *out, struct error *err) MUST_CHECK;

#endif
