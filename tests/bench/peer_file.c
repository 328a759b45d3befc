/*
 * peer_file.c - our own way from a picture to its PNG file, and from files to samples.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/jpeg.h"
#include "api/png.h"
#include "api/webp.h"
#include "tests/bench/peer.h"

struct state {
    const struct problem *problem;
    const struct codec *codec; /* NULL: to be encoded */
    int level;
    struct arena arena;
    struct buffer out;
    uint8_t *samples;
};

static const struct codec *codec_of(const struct bytes *file)
{
    static const struct codec *const all[] = {&png_codec, &jpeg_codec, &webp_codec};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->recognise(file))
            return all[i];
    abort();
}

static void *prepare(const struct problem *problem, const char *variant,
                     const struct parallel *parallel)
{
    const struct buffer *file = &problem->subject.file;
    struct api_settings settings;

    (void)variant, (void)parallel;
    if (problem->task != TASK_ENCODE && problem->task != TASK_DECODE)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !arena_init(&s->arena, (size_t)1 << 30) ||
        !api_settings_init(&settings, NULL) ||
        !(s->samples = malloc(problem_output_count(problem, 0))))
        abort();
    s->problem = problem;
    s->level = settings.png_level;
    buffer_init(&s->out, SIZE_MAX);
    if (problem->task == TASK_DECODE)
        s->codec = codec_of(&(struct bytes){file->bytes, file->size});
    return s;
}

static void read_row(void *context, const struct pixel_row *row)
{
    struct state *s = context;
    const size_t n = s->problem->subject.width * row->channels;

    memcpy(s->samples + row->y * n, row->u8, n);
}

static void decode(struct state *s)
{
    const struct buffer *from = &s->problem->subject.file;
    const struct bytes file = {from->bytes, from->size};
    const struct pixel_sink sink = {read_row, s, &parallel_serial};
    struct image_info info;
    struct error err;

    error_init(&err);
    if (!s->codec->probe(&file, &info, &err) ||
        !s->codec->decode(&file, &info, &sink, &s->arena, &err))
        abort();
}

static void encode(struct state *s)
{
    struct error err;

    error_init(&err);
    s->out.size = 0; /* its memory stays, as the allocator would see to */
    if (!picture_png(&s->out, &s->problem->subject.picture, s->level, &s->arena,
                     &err) ||
        s->out.failed)
        abort();
}

static void run(void *self)
{
    struct state *s = self;

    arena_rewind(&s->arena, 0);
    if (s->codec)
        decode(s);
    else
        encode(s);
}

static void output(void *self, size_t i, float *values)
{
    const struct state *s = self;

    if (s->codec)
        subject_widen(s->samples, problem_output_count(s->problem, i), values);
    else
        subject_read_png(&s->problem->subject, s->out.bytes, s->out.size, values);
}

static void account(void *self, struct account *account)
{
    const struct state *s = self;

    account->bytes = (double)s->out.size;
}

static void release(void *self)
{
    struct state *s = self;

    buffer_release(&s->out);
    free(s->samples);
    arena_release(&s->arena);
    free(s);
}

const struct peer peer_file = {
    .name = "engine",
    .prepare = prepare,
    .run = run,
    .output = output,
    .release = release,
    .account = account,
};
