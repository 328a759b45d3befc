/*
 * deflate.h - a zlib stream (RFC 1950) made piece by piece, as ISA-L makes it.
 */
#ifndef API_DEFLATE_H
#define API_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"

/* Receives finished pieces of the stream, in order. */
typedef void deflate_sink(void *context, const uint8_t *bytes, size_t n);

struct deflate;

/* A stream in the arena; NULL if that is spent. level 0 stores, 1 to 9 compress; ISA-L
 * has three levels of effort, so 1 to 3, 4 to 6 and 7 to 9 are alike. */
struct deflate *deflate_new(struct arena *arena, int level, deflate_sink *sink,
                            void *context) MUST_CHECK;

/* Bytes of arena that deflate_new takes, at most. */
size_t deflate_bytes(void);

/* Add n bytes, at most DEFLATE_MAX_PIECE; last ends the stream. */
enum { DEFLATE_MAX_PIECE = 1 << 30 };
void deflate_add(struct deflate *deflate, const uint8_t *bytes, size_t n, bool last);

#endif
