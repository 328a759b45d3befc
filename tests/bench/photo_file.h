/*
 * photo_file.h - the photo as the files that people send.
 */
#ifndef BENCH_PHOTO_FILE_H
#define BENCH_PHOTO_FILE_H

#include <stdbool.h>

#include "api/buffer.h"

/* Append a file of size x size pixels: of kind "png rgb", "png gray", "png palette",
 * "jpeg rgb", "jpeg gray" or "webp rgb", each as its library writes it by default.
 * *channels is what its samples have: a palette's are RGB. False if there is no such
 * kind or no memory. */
bool photo_file(struct buffer *out, const char *kind, size_t size, size_t *channels);

#endif
