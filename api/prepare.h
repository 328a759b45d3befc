/*
 * prepare.h - from decoded samples to the numbers that the network sees.
 *
 * In this order: composite alpha over the background, resize (resize.h), convert the
 * colours, scale, order the channels, subtract the mean and divide by std. All of it is
 * plain float32 arithmetic in the order written here, without fused steps, so the bits
 * are the same on every CPU:
 *
 *     composite   b + (c - b) * (a * (1 / full))
 *     resize      where alpha stays: of the colours multiplied by it
 *     gray        r * 0.2989 + g * 0.587 + b * 0.114, left to right
 *     scale       x * (1 / full), or x * rescale; a preprocess has its own steps
 *     normalise   (x - mean) / std
 */
#ifndef API_PREPARE_H
#define API_PREPARE_H

#include "api/options.h"
#include "engine/error.h"
#include "engine/kernels.h"

enum { PREPARE_MAX_CHANNELS = OPTION_MAX_LIST, PREPARE_PERIOD = 256 };

struct preparation {
    size_t channels;     /* that come out */
    float full;          /* sample value of white; 1 for an array's */
    float background[3]; /* in the same unit */
    float gray;          /* the background, for images without colour */
    bool reverse;        /* the first three channels change places: BGR */
    bool plain;          /* scaling by factor is all that is left to do */
    float factor, divisor;
    size_t period; /* of mean and std: as many channels as fit, again and again */
    float mean[PREPARE_PERIOD], std[PREPARE_PERIOD];
    const struct kernels *kernels;
};

/* Settle what the options ask for, with these kernels. full is 255, 65535, or 1 for an
 * array, whose values are used as they are. False if the options do not suit so many
 * channels. */
bool prepare_init(struct preparation *prepare, const struct options *options,
                  const struct kernels *kernels, float full, size_t channels,
                  struct error *err) MUST_CHECK;

/* The first half, in place: n pixels of `from` channels become such of the number that
 * is returned, without alpha where it is not asked for. 2 and 4 mean alpha, but for
 * arrays: their channels stay as they are. There must be room for four channels. */
size_t prepare_flatten(const struct preparation *prepare, float *pixels, size_t from,
                       size_t n);

/* The second half, after what may come between: flattened pixels to numbers. out may be
 * pixels where the numbers of channels agree. */
void prepare_finish(const struct preparation *prepare, float *out, const float *pixels,
                    size_t from, size_t n);

/* Both halves of n pixels of 8-bit samples, which are as they would be flattened: 1 or
 * 3 colours, prepare_flat_channels of them, and no alpha. around: where that pays, out
 * is stored around the caches, which could not keep it until it is read. */
void prepare_samples(const struct preparation *prepare, float *out,
                     const uint8_t *samples, size_t from, size_t n, bool around);

/* What prepare_flatten will return for an image whose pixels have 1 or 3 colours, or
 * for an array of so many channels. */
size_t prepare_flat_channels(const struct preparation *prepare, size_t colors);

/* Around a resize: transparent colours must not bleed, nor may an overshoot leave the
 * samples' range. Arrays are left alone. */
void prepare_multiply_alpha(const struct preparation *prepare, float *pixels,
                            size_t channels, size_t n);
void prepare_divide_alpha(const struct preparation *prepare, float *pixels,
                          size_t channels, size_t n);

#endif
