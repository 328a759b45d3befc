/* deflate.c - a zlib stream made piece by piece, as ISA-L makes it. */
#include "api/deflate.h"

#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <string.h>

#include "api/isal.h"

enum {
    OUTPUT_SIZE = 64 << 10,
    STORED_MAX = 65535, /* bytes of a stored block */
    /* The token buffers make the blocks; a block of some 64 k symbols pays best. */
    WORK_SIZE = ISAL_DEF_LVL3_DEFAULT > ISAL_DEF_LVL1_DEFAULT ? ISAL_DEF_LVL3_DEFAULT
                                                              : ISAL_DEF_LVL1_DEFAULT,
};

struct deflate {
    deflate_sink *sink;
    void *context;
    bool stored, begun;
    uint32_t adler; /* of what was stored */
    struct isal_zstream stream;
    uint8_t output[OUTPUT_SIZE];
    uint8_t work[WORK_SIZE];
};

size_t deflate_bytes(void)
{
    return sizeof(struct deflate) + 2 * ARENA_ALIGN;
}

static uint32_t isal_level(int level)
{
    return level <= 3 ? 1 : level <= 6 ? 2 : 3;
}

struct deflate *deflate_new(struct arena *arena, int level, deflate_sink *sink,
                            void *context)
{
    struct deflate *deflate = arena_take(arena, 1, sizeof *deflate);

    if (!deflate)
        return NULL;
    deflate->sink = sink;
    deflate->context = context;
    deflate->stored = level == 0;
    deflate->begun = false;
    deflate->adler = 1;
    if (deflate->stored)
        return deflate;

    /* Its init leaves parts of the state as they were, and what is made depends on
     * them: the bytes must not depend on the request before. */
    memset(&deflate->stream, 0, sizeof deflate->stream);
    isal_deflate_init(&deflate->stream);
    deflate->stream.level = isal_level(level);
    deflate->stream.level_buf = deflate->work;
    deflate->stream.level_buf_size = WORK_SIZE;
    deflate->stream.gzip_flag = IGZIP_ZLIB;
    return deflate;
}

static void compress(struct deflate *deflate, const uint8_t *bytes, size_t n, bool last)
{
    struct isal_zstream *stream = &deflate->stream;

    stream->next_in = (uint8_t *)(uintptr_t)bytes; /* read only, though not const */
    stream->avail_in = (uint32_t)n;
    stream->end_of_stream = last;
    do {
        stream->next_out = deflate->output;
        stream->avail_out = OUTPUT_SIZE;
        const int status = isal_deflate(stream);
        isal_done();
        assert(status == COMP_OK);
        (void)status;
        const size_t made = OUTPUT_SIZE - stream->avail_out;
        if (made)
            deflate->sink(deflate->context, deflate->output, made);
    } while (stream->avail_out == 0);
}

static void store_block(struct deflate *deflate, const uint8_t *bytes, size_t n,
                        bool last)
{
    const uint8_t head[5] = {last, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n,
                             (uint8_t)(~n >> 8)};

    deflate->sink(deflate->context, head, sizeof head);
    deflate->sink(deflate->context, bytes, n);
}

static void store(struct deflate *deflate, const uint8_t *bytes, size_t n, bool last)
{
    static const uint8_t zlib_header[2] = {0x78, 0x01};

    if (!deflate->begun)
        deflate->sink(deflate->context, zlib_header, sizeof zlib_header);
    deflate->begun = true;
    deflate->adler = isal_adler32(deflate->adler, bytes, n);
    isal_done();
    for (; n > STORED_MAX; n -= STORED_MAX, bytes += STORED_MAX)
        store_block(deflate, bytes, STORED_MAX, false);
    store_block(deflate, bytes, n, last);
    if (last) {
        const uint32_t a = deflate->adler;
        const uint8_t tail[4] = {(uint8_t)(a >> 24), (uint8_t)(a >> 16),
                                 (uint8_t)(a >> 8), (uint8_t)a};
        deflate->sink(deflate->context, tail, sizeof tail);
    }
}

void deflate_add(struct deflate *deflate, const uint8_t *bytes, size_t n, bool last)
{
    assert(n <= DEFLATE_MAX_PIECE);
    (deflate->stored ? store : compress)(deflate, bytes, n, last);
}
