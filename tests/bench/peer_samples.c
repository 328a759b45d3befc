/*
 * peer_samples.c - our own way from decoded samples to a network's input.
 */
#include <stdlib.h>

#include "api/painting.h"
#include "tests/bench/peer.h"

struct state {
    const struct subject *subject;
    const struct kernels *kernels;
    struct arena arena;
    struct tensor out;
    size_t mark; /* the output's memory */
};

static void *prepare(const struct problem *problem, const char *isa,
                     const struct parallel *parallel)
{
    (void)parallel; /* rows come one by one, from the decoder */
    if (problem->task != TASK_PREPARE)
        return NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s || !arena_init(&s->arena, (size_t)1 << 30))
        abort();
    s->subject = &problem->subject;
    s->kernels = kernels_find(isa);
    s->out.shape = SHAPE(s->subject->height, s->subject->width, s->subject->channels);
    s->out.values =
        arena_take(&s->arena, shape_elements(&s->out.shape), sizeof *s->out.values);
    s->mark = s->arena.used;
    return s;
}

static void run(void *self)
{
    struct state *s = self;
    const struct image_info *info = &s->subject->info;
    const uint8_t *samples = s->subject->picture.samples;
    struct painting painting;
    struct error err;

    error_init(&err);
    arena_rewind(&s->arena, s->mark);
    if (!painting_init(&painting, info, &s->subject->options, s->kernels, 255,
                       &parallel_serial, &s->out, &s->arena, &err))
        abort();
    for (size_t y = 0; y < info->height; y++)
        painting_row(&painting, &(struct pixel_row){
                                    .y = y,
                                    .channels = info->channels,
                                    .u8 = samples + y * info->width * info->channels});
}

static void release(void *self)
{
    struct state *s = self;

    arena_release(&s->arena);
    free(s);
}

const struct peer peer_samples = {
    .name = "engine",
    .variant = peer_isa,
    .prepare = prepare,
    .run = run,
    .release = release,
};
