/*
 * gif.h - frames become an animated GIF, of which each holds only what changed.
 *
 *     struct gif *gif = gif_new(&spec, arena, &out, err);
 *     gif_frame(gif, indices, 0.5);
 *     ...
 *     if (!gif_finish(gif)) ...
 *
 * The animation repeats for ever. The only file that knows giflib is gif.c.
 */
#ifndef API_GIF_H
#define API_GIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/buffer.h"
#include "engine/arena.h"
#include "engine/error.h"

enum { GIF_MAX_COLORS = 255 }; /* one more is for what did not change */

struct gif_spec {
    size_t width, height;    /* at most 65535 */
    size_t n_colors;         /* of the one palette that all frames share */
    const uint32_t *palette; /* 0xRRGGBB */
};

struct gif;

/* Of the giflib that this was built with: "5.2.1". */
const char *gif_version(void);

/* NULL, with the error recorded, if there is no memory. */
struct gif *gif_new(const struct gif_spec *spec, struct arena *arena,
                    struct buffer *out, struct error *err) MUST_CHECK;

/* The next picture, height rows of width palette positions, shown for so many seconds.
 */
void gif_frame(struct gif *gif, const uint8_t *indices, double seconds);

/* Close the file, on failure too; the error is recorded where gif_new was told to.
 * out's own failure is not one. */
bool gif_finish(struct gif *gif) MUST_CHECK;

/* Bytes of memory that so large an animation takes, the file not included. */
double gif_bytes(size_t width, size_t height);

#endif
