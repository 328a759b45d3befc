/*
 * peer_libjpeg.c - libjpeg-turbo, called as its manual does: what our own decoder adds
 * to it is what guards against foreign bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    uint8_t *samples;
};

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const struct buffer *file = &problem->subject.file;

    (void)variant, (void)parallel;
    if (problem->task != TASK_DECODE || file->bytes[0] != 0xff)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !(s->samples = malloc(problem_output_count(problem, 0))))
        abort();
    s->problem = problem;
    return s;
}

static void run(void *self)
{
    const struct state *s = self;
    const struct subject *subject = &s->problem->subject;
    const size_t row = subject->width * subject->channels;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors; /* ends the program, with a message */

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, subject->file.bytes, subject->file.size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height)
        jpeg_read_scanlines(&jpeg, &(JSAMPROW){s->samples + jpeg.output_scanline * row},
                            1);
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

static void output(void *self, size_t i, float *values)
{
    const struct state *s = self;

    subject_widen(s->samples, problem_output_count(s->problem, i), values);
}

static void release(void *self)
{
    struct state *s = self;

    free(s->samples);
    free(s);
}

const struct peer peer_libjpeg = {
    .name = "libjpeg",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
};
