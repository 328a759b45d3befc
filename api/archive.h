/*
 * archive.h - zip archives, and the .npz of NumPy; libzip stays behind this header.
 */
#ifndef API_ARCHIVE_H
#define API_ARCHIVE_H

#include "api/buffer.h"
#include "api/bytes.h"
#include "engine/weights.h"

/* Of the libzip that runs: "1.7.3". */
const char *archive_version(void);

/* Read every array of an .npz (stored or deflated; float16, 32 or 64) into the arena.
 * Failures are ERROR_WEIGHTS_INVALID; ERROR_CLIENT_CLOSED once the parallel-for is
 * cancelled, on which nothing runs. What is inflated is bounded by the arena. */
bool npz_read(const struct bytes *file, const struct parallel *parallel,
              struct arena *arena, struct weights_upload *weights,
              struct error *err) MUST_CHECK;

/* A file of an archive to be written: its bytes are head, then body. */
struct archive_entry {
    const char *name; /* UTF-8; unique in the archive */
    struct bytes head, body;
};

/* Append an archive of these files in this order, stored and without times, so that
 * equal files make equal bytes. False only if memory is wanting, or once the
 * parallel-for that the buffer watches is cancelled; the buffer's failure is not an
 * error here. */
bool archive_write(struct buffer *out, const struct archive_entry *entries, size_t n,
                   struct error *err) MUST_CHECK;

#endif
