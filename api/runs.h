/*
 * runs.h - bytes become one block of deflate (RFC 1951): Huffman codes and runs of one
 * byte, and nothing else.
 *
 * Looking for longer repetitions, as deflate could, buys nothing on feature maps and
 * filtered photographs and takes most of the time. Of these a block is a third to a
 * tenth smaller than ISA-L's fast level makes it, in half of the time.
 */
#ifndef API_RUNS_H
#define API_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes more than n that may be written for n: an empty stored block, and eight that
 * are written at once. */
enum { RUNS_SLACK = 13 };

/* Write a block of n bytes (at least 1, below 2^31) to out, from a byte on to a byte
 * on: the last one ends the stream, any other is followed by an empty stored block.
 * Returns the size; 0 if stored bytes would be as small. */
size_t runs_block(const uint8_t *bytes, size_t n, bool last, uint8_t *out);

#endif
