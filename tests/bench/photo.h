/*
 * photo.h - a picture that compresses as a photograph does.
 */
#ifndef BENCH_PHOTO_H
#define BENCH_PHOTO_H

#include <stddef.h>
#include <stdint.h>

/* size x size pixels, red, green, blue; the same whenever it is drawn. */
void photo_draw(uint8_t *rgb, size_t size);

#endif
