/*
 * image.h - uploaded bytes become a tensor, behind one function.
 *
 * image_probe reads the header only, so that the plan and every limit come before
 * pixels are decoded. image_decode does the rest; it is the one door behind which
 * every decoder of foreign bytes stands.
 */
#ifndef API_IMAGE_H
#define API_IMAGE_H

#include "api/bytes.h"
#include "api/options.h"
#include "engine/arena.h"
#include "engine/limits.h"
#include "engine/tensor.h"

enum image_format { IMAGE_PNG, IMAGE_NPY };

struct image_info {
    enum image_format format;
    const char *format_name; /* "png", "npy", "generated" */
    size_t width, height;
    size_t channels; /* as stored, without alpha: 1 or 3; of an array: its own */
    bool alpha;      /* transparency of any kind */
    int bit_depth;   /* of a sample: 1..16; of an array 8, 16, 32, 64 */
    bool interlaced;
};

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

/* Bytes that image_decode takes from the arena, the tensor included, at most. */
double image_bytes(const struct image_info *info, size_t channels);

/* Decode, then prepare as prepare.h says: height x width x channels. */
bool image_decode(const struct bytes *file, const struct image_info *info,
                  const struct options *options, size_t channels, struct arena *arena,
                  struct tensor *out, struct error *err) MUST_CHECK;

#endif
