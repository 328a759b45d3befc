/* peer_libwebp.c - libwebp's simple interface. */
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

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
    if (problem->task != TASK_DECODE || memcmp(file->bytes, "RIFF", 4) != 0)
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

    if (!WebPDecodeRGBInto(subject->file.bytes, subject->file.size, s->samples,
                           problem_output_count(s->problem, 0),
                           (int)(subject->width * subject->channels)))
        abort();
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

const struct peer peer_libwebp = {
    .name = "libwebp",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
};
