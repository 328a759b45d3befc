/*
 * painting.h - rows of samples become a tensor, as prepare.h and resize.h say.
 */
#ifndef API_PAINTING_H
#define API_PAINTING_H

#include "api/codec.h"
#include "api/prepare.h"
#include "api/resize.h"
#include "engine/tensor.h"

struct painting {
    struct preparation prepare;
    const struct image_info *info;
    struct resize *resize; /* NULL: the size stays */
    size_t columns;        /* of a row of the file */
    size_t channels;       /* of a flattened pixel */
    bool multiply;         /* colours by alpha while they are resized */
    float *row;            /* one of the file's as floats; room for four channels */
    float *turned;         /* one of the tensor's, if the file is not upright */
    struct tensor *out;
    const struct parallel *parallel;
};

/* The size stays as it is. */
bool painting_keeps_size(const struct image_info *info, const struct options *options);

/* Bytes of arena that painting_init takes, at most; without the tensor. */
double painting_bytes(const struct image_info *info, const struct options *options,
                      size_t channels);

/* Ready to paint the image onto `out`, whose shape and memory are given; full is as for
 * prepare_init. A resize is over once the parallel-for is cancelled. */
bool painting_init(struct painting *p, const struct image_info *info,
                   const struct options *options, const struct kernels *kernels,
                   float full, const struct parallel *parallel, struct tensor *out,
                   struct arena *arena, struct error *err) MUST_CHECK;

/* The next row, from the top; context is the painting: a pixel_row_reader. */
void painting_row(void *context, const struct pixel_row *row);

/* The same of floats, which are worked on in place. They may lie where they belong in
 * the tensor, if the number of channels and the size stay. */
void painting_floats(const struct painting *p, size_t y, float *row, size_t channels);

#endif
