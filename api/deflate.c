/* deflate.c - zlib streams made of parts that know nothing of each other. */
#include "api/deflate.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

#include "api/isal.h"
#include "api/runs.h"

enum {
    STORED_MAX = 65535, /* bytes of a stored block, */
    STORED_HEAD = 5,    /* and before them */
    RUNS_LEVELS = 3,    /* 1 to 3 */
    ADLER_BASE = 65521,
};

const uint8_t deflate_header[DEFLATE_HEADER] = {0x78, 0x01};

struct work {
    struct isal_zstream stream;
    uint8_t tokens[ISAL_DEF_LVL3_DEFAULT];
};

size_t deflate_bound(size_t n)
{
    return n + STORED_HEAD * (n / STORED_MAX + 1) + RUNS_SLACK;
}

size_t deflate_work_bytes(int level)
{
    return level <= RUNS_LEVELS ? 0 : sizeof(struct work);
}

static size_t store(const uint8_t *bytes, size_t n, bool last, uint8_t *out)
{
    const uint8_t *start = out;

    for (size_t size; n > 0; n -= size, bytes += size, out += size) {
        size = n < STORED_MAX ? n : STORED_MAX;
        const uint8_t head[STORED_HEAD] = {last && size == n, (uint8_t)size,
                                           (uint8_t)(size >> 8), (uint8_t)~size,
                                           (uint8_t)(~size >> 8)};
        memcpy(out, head, sizeof head);
        out += sizeof head;
        memcpy(out, bytes, size);
    }
    return (size_t)(out - start);
}

/* 0 if it comes out larger than stored. */
static size_t compress(int level, const uint8_t *bytes, size_t n, bool last,
                       struct work *work, uint8_t *out)
{
    struct isal_zstream *stream = &work->stream;

    /* Its init leaves parts of the state as they were, and what is made depends on
     * them: the bytes must not depend on the request before. */
    memset(stream, 0, sizeof *stream);
    isal_deflate_init(stream);
    stream->level = level <= 6 ? 2 : 3;
    stream->level_buf = work->tokens;
    stream->level_buf_size = sizeof work->tokens;
    stream->flush = last ? NO_FLUSH : FULL_FLUSH;
    stream->end_of_stream = last;
    stream->next_in = (uint8_t *)(uintptr_t)bytes; /* read only, though not const */
    stream->avail_in = (uint32_t)n;
    stream->next_out = out;
    stream->avail_out = (uint32_t)deflate_bound(n);
    const int status = isal_deflate(stream);
    isal_done();
    return status == COMP_OK && stream->avail_out > 0 ? (size_t)(stream->next_out - out)
                                                      : 0;
}

size_t deflate_part(int level, const uint8_t *bytes, size_t n, bool last, void *work,
                    uint8_t *out)
{
    size_t size = 0;

    if (level > RUNS_LEVELS)
        size = compress(level, bytes, n, last, work, out);
    else if (level > 0)
        size = runs_block(bytes, n, last, out);
    return size ? size : store(bytes, n, last, out);
}

uint32_t deflate_adler(const uint8_t *bytes, size_t n)
{
    const uint32_t adler = isal_adler32(1, bytes, n);

    isal_done();
    return adler;
}

/* The low half is one more than the sum of the bytes, the high half the sum of all the
 * low halves. */
uint32_t deflate_adler_join(uint32_t a, uint32_t b, size_t n)
{
    const uint64_t low = (a & 0xffff) + (b & 0xffff) + ADLER_BASE - 1;
    const uint64_t carried = (a & 0xffff) + ADLER_BASE - 1; /* into each of n */
    const uint64_t high = (a >> 16) + (b >> 16) + n % ADLER_BASE * carried;

    return (uint32_t)(high % ADLER_BASE << 16 | low % ADLER_BASE);
}
