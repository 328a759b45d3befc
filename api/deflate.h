/*
 * deflate.h - zlib streams (RFC 1950) made of parts that know nothing of each other, so
 * that many can be made at once:
 *
 *     header, part, part, ..., last part, Adler-32 of all bytes
 */
#ifndef API_DEFLATE_H
#define API_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEFLATE_HEADER = 2, DEFLATE_TRAILER = 4 }; /* bytes */
extern const uint8_t deflate_header[DEFLATE_HEADER];

/* Bytes that n of them may become, and bytes of memory that it takes meanwhile. */
size_t deflate_bound(size_t n);
size_t deflate_work_bytes(int level);

/* So many bytes behind those to be written or summed must be readable: ISA-L's code for
 * ARM reads them, whatever they are. */
#ifdef __aarch64__
enum { DEFLATE_BEYOND = 32 };
#else
enum { DEFLATE_BEYOND = 0 };
#endif

/* Write n bytes (1 to 2^30) to out as a part; returns its size. level 0 stores them; 1
 * to 3 are Huffman codes and runs (runs.h), 4 to 6 and 7 to 9 two levels of ISA-L. work
 * is aligned to ARENA_ALIGN; what it holds does not matter. */
size_t deflate_part(int level, const uint8_t *bytes, size_t n, bool last, void *work,
                    uint8_t *out);

/* The checksum of n bytes; and of bytes a followed by n bytes b. */
uint32_t deflate_adler(const uint8_t *bytes, size_t n);
uint32_t deflate_adler_join(uint32_t a, uint32_t b, size_t n);

#endif
