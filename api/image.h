/*
 * image.h - uploaded bytes become a tensor, behind one function.
 *
 * image_probe reads the header only, so that the plan and every limit come before
 * pixels are decoded. image_decode does the rest; it is the one door behind which
 * every decoder of foreign bytes stands.
 */
#ifndef API_IMAGE_H
#define API_IMAGE_H

#include "api/codec.h"
#include "api/options.h"
#include "engine/kernels.h"
#include "engine/limits.h"
#include "engine/tensor.h"

enum { IMAGE_MAX_CHANNELS = 64 }; /* of an array */

/* Recognise the format by its magic bytes and read its header. The limits
 * max_pixels and max_dimension are enforced here (ERROR_IMAGE_TOO_MANY_PIXELS). Empty
 * or unknown bytes are ERROR_IMAGE_FORMAT_UNSUPPORTED, a broken header is
 * ERROR_IMAGE_UNDECODABLE.
 *
 * An array is HWC, HW or 1HWC; its values are used as they are, not finite ones too. */
bool image_probe(const struct bytes *file, const struct limits *limits,
                 struct image_info *info, struct error *err) MUST_CHECK;

/* Channels of the tensor that image_decode will make: wanted is the number that the
 * network declares, 0 if it declares none; gray: auto means gray. False if the two
 * do not go together. An array keeps its channels, unless color names others: then one
 * of 1 or 3 channels is converted. */
bool image_channels(const struct image_info *info, const struct options *options,
                    size_t wanted, bool gray, size_t *channels,
                    struct error *err) MUST_CHECK;

/* The height and width that resize asks for, or the image's own: the size of the tensor
 * that image_decode will make. The limits hold for it too. */
bool image_size(const struct image_info *info, const struct options *options,
                const struct limits *limits, size_t size[2],
                struct error *err) MUST_CHECK;

/* Bytes that image_decode takes at most, the tensor included: from the arena, or from
 * the heap where a library has no other way. */
double image_bytes(const struct image_info *info, const struct options *options,
                   size_t channels);

/* Decode, then prepare as prepare.h says: height x width x channels. May set
 * info->warning. Fails with ERROR_CLIENT_CLOSED once the parallel-for is cancelled;
 * nothing runs on it. */
bool image_decode(const struct bytes *file, struct image_info *info,
                  const struct options *options, size_t channels,
                  const struct kernels *kernels, const struct parallel *parallel,
                  struct arena *arena, struct tensor *out,
                  struct error *err) MUST_CHECK;

#endif
