/*
 * safetensors.h - weights by name in the .safetensors format: eight bytes of header
 * length, a JSON header, the tensors' bytes.
 */
#ifndef API_SAFETENSORS_H
#define API_SAFETENSORS_H

#include "api/buffer.h"
#include "api/bytes.h"
#include "engine/weights.h"

/* True if the bytes look like it: a plausible length, then "{". */
bool safetensors_probe(const struct bytes *file);

/* Read every tensor (F32, F16, BF16, F64) into the arena. Offsets must lie inside
 * the file, in order and without overlap or gap, as the format demands. */
bool safetensors_read(const struct bytes *file, struct arena *arena,
                      struct weights_upload *weights, struct error *err) MUST_CHECK;

/* Append a file of n float32 tensors, in this order. */
void safetensors_write(struct buffer *out, const struct named_tensor *tensors,
                       size_t n);

#endif
