/*
 * huffman.h - prefix codes as deflate (RFC 1951) has them.
 */
#ifndef API_HUFFMAN_H
#define API_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

enum { HUFFMAN_SYMBOLS = 288 }; /* of a code, at most */

/* The lengths in bits, none over limit, that make a text with so many of each of n
 * symbols shortest, or nearly so where the limit counts; 0 for a symbol that does not
 * occur. Two of them must occur at least. */
void huffman_lengths(const uint32_t *counts, size_t n, unsigned limit,
                     uint8_t *lengths);

/* The canonical code of these lengths, first bit lowest, as deflate packs it. */
void huffman_codes(const uint8_t *lengths, size_t n, uint16_t *codes);

#endif
