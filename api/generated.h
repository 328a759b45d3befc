/*
 * generated.h - the lesson's generated inputs, as files like those that are uploaded.
 */
#ifndef API_GENERATED_H
#define API_GENERATED_H

#include "api/buffer.h"
#include "api/options.h"
#include "engine/arena.h"
#include "engine/tensor.h"

/* The shape (h, w, 1) of the generator that the options name. */
struct shape generated_shape(const struct options *options);

/* Bytes of arena that generating takes, at most. */
double generated_bytes(const struct options *options);

/* The generated map as an .npy file of float64, (h, w), into a buffer that the caller
 * releases where this succeeds. ERROR_CLIENT_CLOSED once the parallel-for is
 * cancelled; nothing runs on it. */
bool generated_file(const struct options *options, const struct parallel *parallel,
                    struct arena *arena, struct buffer *file,
                    struct error *err) MUST_CHECK;

#endif
